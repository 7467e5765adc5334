"""Find a manifest, read it, check what its parts say about each other."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.manifest.app import App
from wasmdeploy_cli.manifest.consistency import check
from wasmdeploy_cli.manifest.deploy import Deploy
from wasmdeploy_cli.manifest.overlay import overlaid
from wasmdeploy_cli.manifest.place import Place, Source, read_source
from wasmdeploy_cli.manifest.reader import noun, read

OWN = "wasmdeploy.toml"
SPIN = "spin.toml"


def load(path: Path, environment: str = "") -> App:
    """Read the manifest at `path`, a file or its directory, for one of its environments.

    Raises ConfigError for anything wrong.
    """
    source, deploy = _sources(path, environment)
    data = dict(source.data)
    data.pop("deploy", None)
    if source.path.name == SPIN and "spin_manifest_version" not in data:
        raise Place(source, ("spin_manifest_version",)).error("missing")
    app = read(App, data, Place(source))
    if deploy.path:
        table = _at(deploy)
        app = dataclasses.replace(app, deploy=read(Deploy, table, deploy))
    app = dataclasses.replace(app, path=source.path)
    check(app, Place(source), deploy)
    return app


def _sources(path: Path, environment: str) -> tuple[Source, Place]:
    """The file that describes the app, and the place of its deploy settings (no path: there are none)."""
    if path.is_dir():
        found = next((path / name for name in (OWN, SPIN) if (path / name).is_file()), None)
        if found is None:
            raise ConfigError(
                f"{path}: neither {OWN} nor {SPIN} is here", "make an app with `wasmdeploy new NAME`"
            )
        path = found
    source = read_source(path)
    if path.name != SPIN:
        source = overlaid(source, environment)
    elif environment:
        raise ConfigError(f"{path} has no environments", f"write the app as a {OWN}: [env.{environment}]")
    if path.name == OWN and set(source.data) == {"deploy"} and (spin := path.with_name(SPIN)).is_file():
        return _spin(read_source(spin), source)
    if path.name == SPIN:
        beside = path.with_name(OWN)
        settings = read_source(beside) if beside.is_file() else None
        return _spin(source, settings if settings and set(settings.data) == {"deploy"} else None)
    if tool := _tool(source):
        raise tool.error("misplaced", f"write the settings of a {path.name} under [deploy]")
    return source, Place(source, ("deploy",) if "deploy" in source.data else ())


def _spin(source: Source, settings: Source | None) -> tuple[Source, Place]:
    if "deploy" in source.data:
        raise Place(source, ("deploy",)).error("unknown key", "a spin.toml has [application.tool.wasmdeploy]")
    tool = _tool(source)
    if tool and settings:
        raise tool.error(f"deploy settings also stand in {settings.path}", "keep one of the two")
    if settings:
        return source, Place(settings, ("deploy",))
    return source, tool or Place(source)


def _tool(source: Source) -> Place | None:
    place = Place(source, ("application", "tool", "wasmdeploy"))
    return place if _at(place) is not None else None


def _at(place: Place) -> object:
    value: object = place.source.data
    for depth, key in enumerate(place.path):
        if not isinstance(value, dict):
            raise Place(place.source, place.path[:depth]).error(f"expected a table, got {noun(value)}")
        if key not in value:
            return None
        value = value[key]
    return value
