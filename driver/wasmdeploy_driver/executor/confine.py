"""What an executor gives up, step by step, so that what a guest could make of it reaches little.

`apart`, before it has a stem: it signals nobody but its own. `begin`, before there are threads: the filter of system
calls, and no file but those of the node's Python, of this task and of the compile cache. `as_stem` and `Settled`,
before a guest is loaded: root's rights and the cache; what is open by then stays. `as_engine`: only what its guests may
open. All of it is inherited.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import wasmdeploy_driver
from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor import cgroup, control
from wasmdeploy_driver.executor.launch import Cgroup, Isolation, Launch
from wasmdeploy_driver.guest.preopen import Preopen
from wasmdeploy_driver.isolation import landlock, privileges, seccomp
from wasmdeploy_driver.isolation.landlock import CHANGES, READ, RUN, UPDATE, WRITE, Rule, Ruleset

_PACKAGE = Path(wasmdeploy_driver.__file__).parent
# What shows whether a user can read Python and the driver.
_NEEDED = (sys.executable, os.__file__, str(_PACKAGE / "errors.py"))
_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin")
# Names and certificates: such files are replaced, not changed, so it is their directories that are named.
_LOOKED_UP = ("/etc", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager", "/run/nscd")
_OF_THE_KERNEL = (
    "/proc",
    "/sys/devices/system/cpu",
    "/sys/kernel/mm",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
)
_VAULTS_FILES = ("ca_cert", "client_cert", "client_key")
_TERMINALS = ("/dev/tty", "/dev/ptmx", "/dev/pts")


def warm() -> None:
    """Find out once what every executor would, for those that are forked off this process; nothing is given up."""
    privileges.capable()
    seccomp.available()
    tempfile.gettempdir()
    Ruleset((*_of_python(RUN), *_of_the_node())).close()


def apart() -> None:
    """The step before the first, of an executor that has no stem yet and may not know its task."""
    with _told("the executor cannot be confined"):
        privileges.renounce()
        landlock.scope()  # with its stem, whose processes it must be able to end


def begin(described: Mapping[str, Any], state: Path) -> None:
    """The first step, from a launch that is still JSON: its memory is not to be this process's yet."""
    with _told("the executor cannot be confined"):
        privileges.hide()
        privileges.keep_capabilities(privileges.STARTING)
        seccomp.install()
        Path(described["cache"]).mkdir(
            mode=0o700, parents=True, exist_ok=True
        )  # or there would be no rule for it
        rules = [*_of_python(RUN), *_of_the_node(), (state, WRITE), (tempfile.gettempdir(), WRITE)]
        rules += [(described[name], WRITE) for name in ("root", "cache", "shared") if described.get(name)]
        rules += [(path, READ) for path in described.get("allow_paths") or ()]
        rules += [(each["source"], READ if each.get("readonly") else WRITE) for each in _volumes(described)]
        for name in ("stdout", "stderr"):
            path = Path(described[name])
            rules.append((path, UPDATE) if path == Path(os.devnull) else (path.parent, WRITE))
        vault = described.get("vault") or {}
        rules += [(vault[name], READ) for name in _VAULTS_FILES if vault.get(name)]
        if (own := Cgroup.of(described)) is not None:
            rules += [(group, UPDATE) for group in cgroup.groups(own, described["id"])]
        _enforce(Ruleset(rules))


def as_stem(described: Mapping[str, Any]) -> None:
    """What the stem is from its first moment: in the task's cgroup, without rights, starting no programs, and writing
    nowhere but in the task's own directories and volumes.
    """
    if (group := Cgroup.of(described)) is not None:
        cgroup.join(group, described["id"])
    with _told("the stem cannot be confined"):
        isolation = Isolation(**described["isolation"])
        _enforce(Ruleset([(os.devnull, CHANGES), *_writable(described)], CHANGES))
        _become(isolation)


class Settled:
    """The second step of the executor itself; it is called in every thread, for each is held for itself.

    What is given is open: the guests' code, their directories, and the directory of the task's state.
    """

    def __init__(
        self, launch: Launch, isolation: Isolation, state: int, code: Iterable[int], dirs: Iterable[Preopen]
    ) -> None:
        self._isolation = isolation
        code = tuple(code)
        with _told("the executor cannot be confined"):
            if isolation.uid and os.geteuid() != isolation.uid:
                # For the task's user, whom what is open is handed to; nobody else comes through root's directories.
                for each in code:
                    os.fchmod(each, 0o644)
                os.chmod(state, 0o711)  # noqa: S103
                os.chmod(control.LAUNCH, 0o644, dir_fd=state)
                os.chmod(control.SOCKET, 0o666, dir_fd=state)  # noqa: S103
            rules: list[Rule] = [*_of_python(RUN), *_of_the_node(), (state, READ), *_of_guests(code, dirs)]
            rules += [(path, READ) for path in _consoles_files(launch)]
            if launch.vault is not None:  # which is asked again while the app runs
                files = (getattr(launch.vault, name) for name in _VAULTS_FILES)
                rules += [(file, READ) for file in files if file]
            if launch.cgroup is not None:
                rules += [(group, READ) for group in cgroup.groups(launch.cgroup, launch.id)]
            if launch.logs is not None and launch.shared is not None:
                rules.append((launch.shared / "logs", WRITE))
            self._ruleset = Ruleset(rules)

    def __call__(self) -> None:
        """Hold this thread to it; raises ExecutorError."""
        with _told("the executor cannot be confined"):
            self._ruleset.enforce()
            _become(self._isolation)

    def close(self) -> None:
        """Every thread is held."""
        self._ruleset.close()


def as_engine(code: Iterable[int], dirs: Iterable[Preopen], *, looks_up: bool) -> None:
    """The last step, of a process that runs guests and does nothing else but look up names for them."""
    named = (*_OF_THE_KERNEL, *(_LOOKED_UP if looks_up else ()))
    with _told("an engine process cannot be confined"):
        _enforce(Ruleset([*_of_python(READ), *((path, READ) for path in named), *_of_guests(code, dirs)]))


def _become(isolation: Isolation) -> None:
    if isolation.uid:
        privileges.become(isolation.uid, isolation.gid)
    privileges.keep_capabilities(0)
    if isolation.file_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (isolation.file_bytes, isolation.file_bytes))
    closed = next((each for each in _NEEDED if not os.access(each, os.R_OK)), None)
    if closed:
        raise ExecutorError(
            f"user {isolation.uid} cannot read {closed}",
            "install the driver, and its Python, where every user can read them; or change `user`",
        )


def _enforce(ruleset: Ruleset) -> None:
    ruleset.enforce()
    ruleset.close()


def _of_python(allowed: int) -> list[Rule]:
    return [(place, allowed) for place in _python()]


@cache
def _python() -> tuple[Path, ...]:
    """Where this Python, its packages and the programs that it starts are; found out while everything can be seen."""
    places = {sys.prefix, sys.base_prefix, sys.base_exec_prefix, str(_PACKAGE), *sys.path, *_SYSTEM}
    places.add(shutil.which("wasmtime") or "")
    found = {Path(place).resolve() for place in places if place}
    return tuple(sorted(place for place in found if found.isdisjoint(place.parents)))


@cache
def _of_the_node() -> tuple[Rule, ...]:
    named = (os.environ[name] for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name))
    return (
        *((path, READ) for path in (*_LOOKED_UP, *_OF_THE_KERNEL, *named)),
        *((path, UPDATE) for path in (os.devnull, *_TERMINALS)),
    )


def _of_guests(code: Iterable[int], dirs: Iterable[Preopen]) -> list[Rule]:
    return [
        *((each, READ) for each in code),
        *((each.descriptor, READ if each.readonly else WRITE) for each in dirs),
        (os.devnull, UPDATE),
    ]


def _writable(described: Mapping[str, Any]) -> list[Rule]:
    own = [described[name] for name in ("root", "shared") if described.get(name)]
    volumes = [each["source"] for each in _volumes(described) if not each.get("readonly")]
    return [(path, CHANGES & WRITE) for path in (*own, *volumes)]


def _volumes(described: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return described.get("volumes") or []


def _consoles_files(launch: Launch) -> list[Path]:
    """The modules that a console may run: all of the task directory but what is private."""
    hidden = {*launch.private, "secrets"}
    return [each for each in launch.root.iterdir() if each.name not in hidden and not each.is_symlink()]


class _told:  # noqa: N801  # used as a function
    """Translates what the kernel refuses."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError):
            raise ExecutorError(f"{self._what}: {error.strerror}") from error
