"""The manifest: `wasmdeploy.toml` or `spin.toml` in, a checked `App` out."""

from wasmdeploy_cli.manifest.app import App, Variable, service_name
from wasmdeploy_cli.manifest.built import digests, require_built
from wasmdeploy_cli.manifest.component import Build, Component, HttpTrigger
from wasmdeploy_cli.manifest.deploy import Deploy
from wasmdeploy_cli.manifest.load import load
from wasmdeploy_cli.manifest.values import pairs, read_values

__all__ = [
    "App",
    "Build",
    "Component",
    "Deploy",
    "HttpTrigger",
    "Variable",
    "digests",
    "load",
    "pairs",
    "read_values",
    "require_built",
    "service_name",
]
