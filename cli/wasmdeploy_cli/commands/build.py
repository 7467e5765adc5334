"""`wasmdeploy build`: make the components."""

from __future__ import annotations

from wasmdeploy_cli.commands.options import HERE, Json, ManifestPath
from wasmdeploy_cli.console import Output


def command(path: ManifestPath = HERE, as_json: Json = False) -> None:
    """Build the app's components, check them, and compile them ahead for this machine.

    Example: wasmdeploy build
    """
    from wasmdeploy_cli.builder import build
    from wasmdeploy_cli.local import compile_ahead
    from wasmdeploy_cli.manifest import load

    out = Output(as_json)
    app = load(path)
    built = build(app, out)
    compile_ahead(app, out)
    if as_json:
        out.data([{"component": each.name, "source": str(each.source), "bytes": each.size, "seconds": each.seconds}
                  for each in built])  # fmt: skip
