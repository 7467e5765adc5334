"""Running guests on this machine: the same executor as on a node, inside this process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.errors import ConfigError, GuestError, GuestTrap, SecretError
from wasmdeploy_cli.job import make_task
from wasmdeploy_cli.manifest import App, require_built
from wasmdeploy_cli.manifest.place import nearest
from wasmdeploy_cli.nomad.settings import vault_settings
from wasmdeploy_driver.egress.rules import parse_rule
from wasmdeploy_driver.executor.launch import Launch, Volume
from wasmdeploy_driver.secrets import GivenSecrets
from wasmdeploy_driver.task import Dir, Limits, Task
from wasmdeploy_driver.variables import Values, resolve

if TYPE_CHECKING:
    from wasmdeploy_driver.executor.external.serving import ExternalServing
    from wasmdeploy_driver.executor.serve import Serving

# A running guest gets this long to finish its requests after Ctrl-C; a second Ctrl-C ends at once.
_DRAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line adds to the manifest."""

    host: str
    port: int
    env: Mapping[str, str]
    values: Mapping[str, str]
    volumes: Mapping[str, str]


def address(text: str) -> tuple[str, int]:
    """HOST:PORT apart; raises ConfigError."""
    host, colon, port = text.rpartition(":")
    if (
        not colon
        or not host
        or not port.isascii()
        or not port.isdigit()
        or len(port) > 5
        or int(port) > 65535
    ):
        raise ConfigError(f"--listen {text}: expected HOST:PORT", "like --listen 127.0.0.1:3000")
    return host.removeprefix("[").removesuffix("]"), int(port)


def bound(host: str, port: int) -> socket.socket:
    """A listening socket; raises ListenError."""
    from wasmdeploy_driver.executor import serve as serving

    return serving.listen(host, port)


def volumes_here(app: App, given: Mapping[str, str]) -> tuple[Volume, ...]:
    """The app's volumes with the directories that are given for them; raises ConfigError for one too few or many."""
    for name in given:
        if name not in app.deploy.volumes:
            raise ConfigError(
                f"{app.path} has no volume {name!r}", nearest(name, list(app.deploy.volumes), "volumes")
            )
    found = []
    for name, volume in app.deploy.volumes.items():
        if name not in given:
            raise ConfigError(f"volume {name!r} has no directory here", f"give it with --volume {name}=DIR")
        found.append(Volume(_directory(given[name], f"--volume {name}"), volume.path, volume.read_only))
    return tuple(found)


def _directory(given: str, option: str) -> Path:
    if not given:
        raise ConfigError(f"{option}: it names no directory", "write it as NAME=DIR")
    directory = Path(given).resolve()
    try:
        os.listdir(directory)  # noqa: PTH208  # the error is all that is wanted
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"{option}={given[:200]}: {reason}", "make it, or name one that you may read"
        ) from error
    return directory


def compile_ahead(app: App, out: Output) -> None:
    """Compose and compile the app's built components now, so that its first start finds them in the cache."""
    from wasmdeploy_driver.executor.prepare import compile_all

    sources = {name: str(source.resolve()) for name, source in require_built(app).items()}
    plain = {
        name: "" for name, variable in app.variables.items() if not variable.secret
    }  # no guest sees them
    launch = _launch("build", make_task(app, sources, values=plain), app.directory.resolve(), "", 0)

    def notify(name: str, text: str) -> None:
        if name != "cached":
            out.event(name, text)

    with out.waiting("Compiling the components"):
        for compiled in compile_all(launch, notify).values():
            os.close(compiled.descriptor)


def serve(app: App, options: Options, out: Output, listener: socket.socket) -> None:
    """Serve the app on `listener` until SIGINT or SIGTERM; raises what keeps it from serving."""
    from wasmdeploy_driver.executor.engines import fork_stem
    from wasmdeploy_driver.executor.external import compile as compiling
    from wasmdeploy_driver.executor.external import serving as external_serving
    from wasmdeploy_driver.executor.image import Image
    from wasmdeploy_driver.executor.prepare import compile_all, load_guests
    from wasmdeploy_driver.executor.serve import Serving

    stem = fork_stem()  # before anything starts a thread
    sources = {name: str(source.resolve()) for name, source in require_built(app).items()}
    secret_names = set(app.secrets)
    given = {name: value for name, value in options.values.items() if name in secret_names}
    plain = {name: value for name, value in options.values.items() if name not in secret_names}
    task = make_task(app, sources, values=plain)
    task = replace(
        task,
        component=tuple(
            replace(each, environment={**each.environment, **options.env}) for each in task.component
        ),
    )
    launch = _launch("up", task, app.directory.resolve(), options.host, options.port)
    launch = replace(launch, volumes=volumes_here(app, options.volumes))
    values = _values(task, given)

    # Not in the event loop, which would hold back Ctrl-C until the compile is over.
    def notify(name: str, text: str) -> None:
        if name != "cached":
            out.event(name, text)

    with out.waiting("Preparing the app"):
        compiled = compile_all(launch, notify)
        external = compiling.compile_external(launch, notify)
        image = Image.opened(launch, compiled, values)
        if external is not None:
            command = external_serving.external_command(launch, external, values, image.preopens)
        else:
            guests = load_guests(image)

    def make() -> Serving | ExternalServing:
        if external is not None:
            return external_serving.ExternalServing(command, listener)
        return Serving(image, guests, stem, listener, out.event)

    asyncio.run(_serve(make, out))


async def _serve(make: Callable[[], Serving | ExternalServing], out: Output) -> None:
    serving = make()
    host, port = serving.address
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    _stop_on_signals(serving, out)
    await serving.run(
        lambda: out.data({"event": "serving", "url": url} if out.json_mode else f"Serving {url}")
    )


def _stop_on_signals(serving: Serving | ExternalServing, out: Output) -> None:
    loop = asyncio.get_running_loop()
    stopping: list[asyncio.Task[None]] = []

    async def drain() -> None:
        if not await serving.stop(_DRAIN_SECONDS):
            out.note("Stopped before every request was answered")
            os._exit(0)  # the thread of a guest that does not end would hold up the exit

    def stop() -> None:
        if stopping:
            os._exit(130)
        out.note("Stopping …")
        stopping.append(loop.create_task(drain()))

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


def _values(task: Task, given: Mapping[str, str]) -> Values:
    """The values of the task's variables: of its secrets those that the options give, the rest from Vault."""
    variables = [
        replace(each, secret=False, value=given[each.name]) if each.name in given else each
        for each in task.variable
    ]
    task = replace(task, variable=tuple(variables))
    if not task.secrets:
        return resolve(task, GivenSecrets({}))
    where = vault_settings()
    if not where.vault:
        raise SecretError(
            f"no value for the secret {', '.join(sorted(each.name for each in task.secrets))}",
            "give it with --variable NAME=@FILE, or set VAULT_ADDR and VAULT_TOKEN",
        )
    from wasmdeploy_cli.vault import StoredSecrets, Vault

    return resolve(task, StoredSecrets(Vault(where)))


def run_once(
    module: Path,
    args: tuple[str, ...],
    env: Mapping[str, str],
    dirs: tuple[str, ...],
    allow: tuple[str, ...] = (),
) -> int:
    """Run a program with this process's streams and give its exit code; raises GuestError for an unusable
    file, ConfigError for a malformed rule in `allow`.
    """
    from wasmdeploy_driver.executor.files import open_dirs
    from wasmdeploy_driver.executor.prepare import compile_all, load_command

    source = module.resolve()
    task = Task(
        app=module.name,
        module=str(source),
        args=args,
        env=env,
        dir=_dirs(dirs),
        allowed_outbound_hosts=allow,
        limits=Limits(memory_mb=4096, timeout="0"),
    )
    for rule in allow:
        try:
            parse_rule(rule)
        except ConfigError as error:
            raise ConfigError(f"--allow {error.message}", "like --allow tcp://db.example.com:5432") from None
    if not source.exists():
        raise GuestError(f"{source}: No such file or directory", "name a WebAssembly file")
    launch = _launch("run", task, Path("/"), "", 0)
    compiled = compile_all(launch, lambda _name, _text: None)
    command = load_command(launch, compiled[""], resolve(task, GivenSecrets({})), open_dirs(launch, task.dir))
    sys.stdout.flush()
    # Python would see Ctrl-C only when the guest has ended.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return command.run()
    except GuestTrap as trap:
        # The trap is the program's end, not a failure of ours: its backtrace and the status of an abort.
        sys.stderr.write(f"{trap.message}\n")
        return trap.exit_code


def _dirs(options: Iterable[str]) -> tuple[Dir, ...]:
    found: dict[str, Dir] = {}
    for option in options:
        given = _dir(option)
        if given.guest in found:
            raise ConfigError(
                f"--dir {option}: {given.guest} is given twice", "give each another place, like .::/data"
            )
        found[given.guest] = given
    return tuple(found.values())


def _dir(option: str) -> Dir:
    host, colons, guest = option.partition("::")
    path = Path(host).resolve()
    if not path.is_dir():
        raise ConfigError(
            f"--dir {option}: {host} is no directory", "make it, or name one that is there, like --dir .::/"
        )
    return Dir(str(path).lstrip("/") or ".", guest if colons else host)


def _launch(identifier: str, task: Task, root: Path, host: str, port: int) -> Launch:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wasmdeploy" / "compiled"
    return Launch(
        id=identifier, task=task, root=root, cache=cache,
        stdout=Path("/dev/stdout"), stderr=Path("/dev/stderr"),
        allow_paths=("/",), private=(), host=host, port=port,
    )  # fmt: skip
