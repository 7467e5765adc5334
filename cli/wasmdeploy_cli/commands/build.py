"""`wasmdeploy build`: make the components."""

from __future__ import annotations

from wasmdeploy_cli.commands.options import HERE, Json, ManifestPath
from wasmdeploy_cli.console import Output


def command(path: ManifestPath = HERE, as_json: Json = False) -> None:
    """Build the app's components, and check them.

    Example: wasmdeploy build
    """
    from wasmdeploy_cli.builder import build
    from wasmdeploy_cli.manifest import load

    out = Output(as_json)
    built = build(load(path), out)
    if as_json:
        out.data([{"component": each.name, "source": str(each.source), "bytes": each.size, "seconds": each.seconds}
                  for each in built])  # fmt: skip
