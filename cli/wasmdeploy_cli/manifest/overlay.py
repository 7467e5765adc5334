"""`[env.NAME]`: what differs in one environment, laid over the rest of the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.manifest.place import Place, Source, nearest
from wasmdeploy_cli.manifest.reader import noun

KEY = "env"
_TABLES = ("application", "variables", "component", "deploy")


def overlaid(source: Source, name: str) -> Source:
    """The manifest with the tables of environment `name` over its own; without a name, as it is.

    Tables are merged key by key, anything else is replaced. A key keeps the line it comes from. Raises ConfigError.
    """
    environments = _environments(source)
    data = {key: value for key, value in source.data.items() if key != KEY}
    if not name:
        return Source(source.path, data, source.lines)
    if name not in environments:
        hint = f"add one: [env.{name}.deploy], and below it what differs, like count = 2"
        if environments:
            hint = nearest(name, list(environments), "environments")
        if "=" in name:
            hint = "--env names an environment of the manifest; `wasmdeploy up` gives guests theirs with --guest-env"
        raise ConfigError(f"{source.path} has no environment {name!r} ([env.{name}])", hint)
    lines = dict(source.lines)
    for path, line in source.lines.items():
        if path[:2] == (KEY, name) and len(path) > 2:
            lines[path[2:]] = line
    return Source(source.path, _merged(data, environments[name]), lines)


def _environments(source: Source) -> Mapping[str, Mapping[str, Any]]:
    found = source.data.get(KEY, {})
    place = Place(source, (KEY,))
    if not isinstance(found, dict):
        raise place.error(f"expected a table, got {noun(found)}")
    for name, tables in found.items():
        if not isinstance(tables, dict):
            raise place.key(name).error(f"expected a table, got {noun(tables)}")
        for key in tables:
            if key not in _TABLES:
                raise place.key(name, key).error("cannot differ", f"these can: {', '.join(_TABLES)}")
    return found


def _merged(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {**below, **{key: _merged(below.get(key), value) for key, value in above.items()}}
