"""Every error that wasmdeploy raises on purpose.

    WasmdeployError             one line for the user: what failed, where; `hint` says what to do next
    ├── ConfigError             a manifest, a task config or an option is wrong
    ├── GuestError              the WebAssembly file cannot be used (broken, unsupported, wrong exports)
    │   └── GuestMissing        … because it is not there; it may still come
    ├── GuestTrap               the guest trapped, ran out of a limit or answered nonsense
    │   └── GuestTimeout        the guest ran past its time limit
    ├── SecretError             a secret cannot be had
    │   └── SecretUnavailable   … now: Vault is away or sealed; trying again may help
    ├── ListenError             the address cannot be bound
    ├── ExecutorError           the executor process failed or does not answer
    ├── ClusterError            Nomad, Consul or Vault refuses or cannot be reached
    │   └── DeployError         the cluster took the job, but the new version did not come up
    └── StackError              the local HashiStack cannot be started or stopped

Foreign exceptions are translated where they enter, with `from`. Only `main` turns one into an exit code.
"""

from __future__ import annotations


class WasmdeployError(Exception):
    """Base of all; `message` is one line, `hint` the next step (may be empty)."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def kind(self) -> str:
        """The class name, as it travels over the control socket."""
        return type(self).__name__


class ConfigError(WasmdeployError):
    """A manifest, a task config or an option is wrong."""

    exit_code = 2


class GuestError(WasmdeployError):
    """The WebAssembly file cannot be used."""


class GuestMissing(GuestError):
    """The WebAssembly file is not there; it may still come."""


class GuestTrap(WasmdeployError):
    """The guest trapped, ran out of a limit or answered nonsense."""

    exit_code = 134


class GuestTimeout(GuestTrap):
    """The guest ran past its time limit."""


class SecretError(WasmdeployError):
    """A secret cannot be had."""


class SecretUnavailable(SecretError):
    """A secret cannot be had now; trying again may help."""


class ListenError(WasmdeployError):
    """The address cannot be bound."""


class ExecutorError(WasmdeployError):
    """The executor process failed or does not answer."""


class ClusterError(WasmdeployError):
    """Nomad, Consul or Vault refuses or cannot be reached."""


class DeployError(ClusterError):
    """The cluster took the job, but the new version did not come up."""


class StackError(WasmdeployError):
    """The local HashiStack cannot be started or stopped."""


_KINDS = {
    cls.__name__: cls
    for cls in (
        ConfigError, GuestError, GuestMissing, GuestTrap, GuestTimeout, SecretError, SecretUnavailable,
        ListenError, ExecutorError, ClusterError, DeployError, StackError,
    )
}  # fmt: skip


def from_kind(kind: str, message: str, hint: str = "") -> WasmdeployError:
    """Rebuild the error that crossed a process boundary as `kind`; an unknown kind becomes the base class."""
    return _KINDS.get(kind, WasmdeployError)(message, hint)
