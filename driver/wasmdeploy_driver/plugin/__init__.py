"""The Nomad task-driver plugin: the gRPC side, and `main`, which Nomad starts."""

from wasmdeploy_driver.plugin.serve import main

__all__ = ["main"]
