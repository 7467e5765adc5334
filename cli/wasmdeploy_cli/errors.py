"""The error tree, shared with the driver: the CLI raises nothing of its own."""

from wasmdeploy_driver.errors import (
    ClusterError,
    ConfigError,
    DeployError,
    GuestError,
    GuestTrap,
    ListenError,
    SecretError,
    SecretUnavailable,
    StackError,
    WasmdeployError,
)

__all__ = [
    "ClusterError",
    "ConfigError",
    "DeployError",
    "GuestError",
    "GuestTrap",
    "ListenError",
    "SecretError",
    "SecretUnavailable",
    "StackError",
    "WasmdeployError",
]
