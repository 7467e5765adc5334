"""Executor processes: starting, watching, stopping and finding them again; knows nothing of gRPC."""

from wasmdeploy_driver.runner.exit import ExitStatus
from wasmdeploy_driver.runner.handle import Handle
from wasmdeploy_driver.runner.runner import Runner

__all__ = ["ExitStatus", "Handle", "Runner"]
