"""BasePlugin: what every Nomad plugin answers, from its name to its configuration."""

from __future__ import annotations

import logging
from typing import Any

import msgpack

from wasmdeploy_driver import __version__
from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.plugin.config import PluginConfig
from wasmdeploy_driver.plugin.driver import Driver
from wasmdeploy_driver.plugin.proto import base_pb2, base_pb2_grpc
from wasmdeploy_driver.plugin.spec import spec_of
from wasmdeploy_driver.plugin.status import translated
from wasmdeploy_driver.schema import decode

API_VERSION = "v0.1.0"
NAME = "wasm"
_LOG = logging.getLogger(__name__)


class Base(base_pb2_grpc.BasePluginServicer):  # type: ignore[misc]  # generated, untyped
    """The calls in proto order."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def PluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Say that this is the task driver `wasm`."""
        return base_pb2.PluginInfoResponse(
            type=base_pb2.DRIVER, plugin_api_versions=[API_VERSION], plugin_version=__version__, name=NAME
        )

    async def ConfigSchema(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Say what the agent's `plugin` block may hold."""
        return base_pb2.ConfigSchemaResponse(spec=spec_of(PluginConfig))

    @translated
    async def SetConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Check the configuration, and take it once Nomad means it for running tasks.

        Nomad launches the plugin twice before that, only to check: without `nomad_config.driver`.
        """
        try:
            data = msgpack.unpackb(request.msgpack_config) if request.msgpack_config else {}
        except ValueError as error:
            raise ConfigError("the plugin's configuration is no msgpack") from error
        config = decode(PluginConfig, data or {}, "plugin config")
        config.check()
        if request.nomad_config.HasField("driver"):
            self._driver.configure(config, request.nomad_config.driver)
        return base_pb2.SetConfigResponse()
