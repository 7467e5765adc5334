"""Secrets of a running task, with a real executor and a real Vault."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.driver.executor_process import Executor, app, until
from tests.driver.go_guests import go_guest
from tests.driver.test_secrets import fake_vault
from tests.stack.vault import VaultServer, running_vault
from wasmdeploy_driver.errors import SecretError, WasmdeployError
from wasmdeploy_driver.executor import launch
from wasmdeploy_driver.executor.keeper import Keeper
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.secrets import Secret
from wasmdeploy_driver.task import Task as Described
from wasmdeploy_driver.task import Variable
from wasmdeploy_driver.variables import Values

pytestmark = [pytest.mark.stack, pytest.mark.guests]

RULES = (("kept/data/*", '"read"'), ("database/creds/*", '"read"'), ("sys/leases/revoke", '"update"'))
STORED = {"first": Variable("first", secret=True, vault="kept/app#first"),
          "second": Variable("second", secret=True, vault="kept/app#second")}  # fmt: skip
MADE = {"user": Variable("user", secret=True, vault="database/creds/app#username"),
        "password": Variable("password", secret=True, vault="database/creds/app#password")}  # fmt: skip


@pytest.fixture(scope="module")
def mounted(vault: VaultServer) -> Iterator[VaultServer]:
    """A Vault with a KV engine of version 2, and one that gives real leases of what it is told to give.

    KV's first version, mounted with `leased_passthrough`, leases every reading: Vault's own expiration manager
    renews and ends them, as it does those of a database.
    """
    vault.api("POST", "sys/mounts/kept", {"type": "kv", "options": {"version": "2"}})
    options = {"version": "1", "leased_passthrough": "true"}
    config = {"default_lease_ttl": "1h", "max_lease_ttl": "2h"}
    vault.api("POST", "sys/mounts/database", {"type": "kv", "options": options, "config": config})
    yield vault
    for mount in ("kept", "database"):
        vault.api("DELETE", f"sys/mounts/{mount}")


@pytest.fixture
def engines(mounted: VaultServer) -> Iterator[VaultServer]:
    """The same, without leases of tasks that were killed."""
    yield mounted
    mounted.api("PUT", "sys/leases/revoke-prefix/database")
    until(lambda: not leases(mounted))


def store(vault: VaultServer, **fields: str) -> None:
    """Write the app's path."""
    until(lambda: written(lambda: vault.api("POST", "kept/data/app", {"data": fields})))


def written(write: Callable[[], object]) -> bool:
    """Whether Vault took it: a mount of KV version 2 refuses for a moment after it was made."""
    try:
        write()
    except httpx.HTTPStatusError as error:
        if error.response.status_code != 400:
            raise
        return False
    return True


def make(vault: VaultServer, name: str, lease: str = "1h") -> None:
    """Let the engine give these credentials from now on."""
    vault.api("PUT", "database/creds/app", {"username": name, "password": f"of {name}", "ttl": lease})


def leases(vault: VaultServer) -> list[str]:
    """The names of the leases that Vault has for the app's credentials."""
    try:
        found = vault.api("LIST", "sys/leases/lookup/database/creds/app")["data"]["keys"]
    except httpx.HTTPStatusError as error:
        if error.response.status_code != 404:
            raise
        return []
    return [f"database/creds/app/{each}" for each in found]


class Task:
    """One that shows its variables."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.token = ""

    def shown(self) -> dict[str, str]:
        """What a request gets now."""
        lines = json.loads(self.executor.request("/json")[2])
        found = dict(line.partition("=")[::2] for line in lines)
        return {name.removeprefix("V_"): value for name, value in found.items() if name.startswith("V_")}

    def fact(self, name: str) -> float:
        """One number of `inspect`."""
        return float(str(self.executor.call("inspect")[f"secrets_{name}"]))

    def told(self, *words: str) -> bool:
        """Whether one event about the secrets has all these words."""
        lines = [line for line in self.executor.log().splitlines() if line.startswith("secrets: ")]
        return any(all(word in line for word in words) for line in lines)


def described(variables: dict[str, Variable], refresh: str = "0") -> Described:
    """A task of the Go guest with these variables in its environment."""
    environment = {f"V_{name}": f"{{{{ {name} }}}}" for name in variables}
    return replace(
        app(go_guest(), environment=environment), variable=tuple(variables.values()), refresh=refresh
    )


@contextmanager
def running(
    vault: VaultServer, directory: Path, variables: dict[str, Variable], refresh: str = "0", token: str = ""
) -> Iterator[Task]:
    """A task that runs."""
    token = token or vault.token(*RULES)
    server = launch.VaultServer(vault.address)
    with Executor(directory, described(variables, refresh), go_guest(), vault=server) as executor:
        executor.start(token)
        yield Task(executor)


def test_a_change_reaches_a_running_app(engines: VaultServer, tmp_path: Path) -> None:
    """Within `refresh`, requests get what KV has now, all variables together; one that runs keeps what it had."""
    store(engines, first="1", second="1")
    with running(engines, tmp_path, STORED, refresh="1s") as task:
        assert task.shown() == {"first": "1", "second": "1"}
        pid = task.executor.call("inspect")["pid"]
        late: list[bytes] = []
        waiting = threading.Thread(target=lambda: late.append(task.executor.request("/late")[2]))
        waiting.start()
        until((task.executor.task_dir / "data" / "waiting").exists)
        # While a guest runs in the thread others need processes, which have the values, too.
        assert task.shown() == {"first": "1", "second": "1"}
        for number in ("2", "3"):
            store(engines, first=number, second=number)
            seen = []
            until(lambda: seen.append(task.shown()) or seen[-1]["first"] == number)
            assert all(each["first"] == each["second"] for each in seen)
        (task.executor.task_dir / "data" / "go").touch()
        waiting.join()
        assert b"V_first=1\n" in late[0]
        until(lambda: task.shown() == {"first": "3", "second": "3"})
        assert task.fact("changes") == 2
        assert task.told("first, second: new in Vault")
        assert task.executor.call("inspect")["pid"] == pid
        assert task.executor.call("inspect")["failures"] == 0


def test_without_refresh_nothing_changes(engines: VaultServer, tmp_path: Path) -> None:
    """Stored secrets stay as the start read them, also while leases are renewed and replaced beside them."""
    store(engines, first="1", second="1")
    make(engines, "anna", "3s")
    with running(engines, tmp_path, {**STORED, **MADE}) as task:
        store(engines, first="2", second="2")
        make(engines, "berta", "1h")
        engines.api("PUT", "sys/leases/revoke", {"lease_id": leases(engines)[0], "sync": True})
        until(lambda: task.shown()["user"] == "berta")
        assert task.shown() == {"first": "1", "second": "1", "user": "berta", "password": "of berta"}


def test_a_lease_from_start_to_end(engines: VaultServer, tmp_path: Path) -> None:
    """All fields of a path are of one lease, which is renewed while the task runs, and revoked when it stops."""
    make(engines, "anna", "3s")
    with running(engines, tmp_path, MADE) as task:
        assert task.shown() == {"user": "anna", "password": "of anna"}
        (lease,) = leases(engines)
        assert task.fact("leases") == 1
        until(lambda: engines.api("PUT", "sys/leases/lookup", {"lease_id": lease})["data"]["last_renewal"])
        first = engines.api("PUT", "sys/leases/lookup", {"lease_id": lease})["data"]["expire_time"]
        until(
            lambda: (
                engines.api("PUT", "sys/leases/lookup", {"lease_id": lease})["data"]["expire_time"] > first
            )
        )
        assert leases(engines) == [lease]
        task.executor.call("stop", timeout=30.0)
        assert task.executor.exit()["exit_code"] == 0
        assert leases(engines) == []
        assert task.told("database/creds/app: its lease is revoked")


def test_past_the_longest_life_there_are_new_credentials(engines: VaultServer, tmp_path: Path) -> None:
    """Before Vault's longest life of a lease is over, running guests have other credentials."""
    engines.api("POST", "sys/mounts/database/tune", {"max_lease_ttl": "6s", "default_lease_ttl": "4s"})
    try:
        make(engines, "anna", "4s")
        with running(engines, tmp_path, MADE) as task:
            (lease,) = leases(engines)
            make(engines, "berta", "4s")
            until(lambda: task.shown() == {"user": "berta", "password": "of berta"})
            assert set(leases(engines)) != {lease}
            until(lambda: lease not in leases(engines))  # it ends by itself: guests may still have used it
            assert task.fact("changes") == 1
            task.executor.call("stop", timeout=30.0)
            task.executor.exit()
            assert leases(engines) == []
    finally:
        engines.api("POST", "sys/mounts/database/tune", {"max_lease_ttl": "2h", "default_lease_ttl": "1h"})


def test_a_revoked_lease(engines: VaultServer, tmp_path: Path) -> None:
    """With `refresh`, a lease that somebody revoked is noticed long before its renewal, and told."""
    make(engines, "anna")
    with running(engines, tmp_path, MADE, refresh="1s") as task:
        make(engines, "berta")
        engines.api("PUT", "sys/leases/revoke", {"lease_id": leases(engines)[0], "sync": True})
        until(lambda: task.shown() == {"user": "berta", "password": "of berta"})
        assert task.told("database/creds/app: its lease was revoked or is over")


def test_a_policy_that_hides_leases(engines: VaultServer, tmp_path: Path) -> None:
    """Without the right to look leases up, stored secrets are refreshed, and credentials stay until they are due."""
    store(engines, first="1", second="1")
    make(engines, "anna")
    token = engines.token(*RULES, no_default_policy=True)
    with running(engines, tmp_path, {**STORED, **MADE}, refresh="1s", token=token) as task:
        held = leases(engines)
        for number in ("2", "3"):
            store(engines, first=number, second=number)
            until(lambda: task.shown()["first"] == number)
        assert leases(engines) == held
        assert task.fact("failures") == 0


def test_vault_is_sealed_for_a_while(engines: VaultServer, tmp_path: Path) -> None:
    """The last values stay, one event and the numbers tell of it; afterwards all goes on by itself."""
    store(engines, first="1", second="1")
    make(engines, "anna", "3s")
    with running(engines, tmp_path, {**STORED, **MADE}, refresh="1s") as task:
        engines.api("PUT", "sys/seal")
        try:
            until(lambda: task.fact("failures") >= 2)
            assert task.shown() == {"first": "1", "second": "1", "user": "anna", "password": "of anna"}
            assert task.fact("stale_seconds") > 0
            events = [line for line in task.executor.log().splitlines() if "goes on with the values" in line]
            assert events == [
                f"secrets: Vault at {engines.address} is sealed or not ready; the app goes on with the values it has"
            ]
        finally:
            engines.unseal()
        store(engines, first="2", second="2")
        until(lambda: task.shown()["first"] == "2")
        until(lambda: task.told("up to date again"))
        assert task.fact("stale_seconds") == 0


def test_a_new_token(engines: VaultServer, tmp_path: Path) -> None:
    """A dead token is called that; with the next one there are new credentials, since the old ones died with theirs."""
    make(engines, "anna")
    token = engines.token(*RULES)
    with running(engines, tmp_path, MADE, refresh="1s", token=token) as task:
        engines.api("POST", "auth/token/revoke", {"token": token})
        until(lambda: task.told("does not know the task's token: it has expired or was revoked"))
        assert task.shown()["user"] == "anna"
        make(engines, "berta")
        task.executor.call("token", vault_token=engines.token(*RULES))
        until(lambda: task.shown() == {"user": "berta", "password": "of berta"})


def test_a_secret_that_is_deleted(engines: VaultServer, tmp_path: Path) -> None:
    """A running app keeps a secret that is no more, and an event names it."""
    store(engines, first="1", second="1")
    with running(engines, tmp_path, STORED, refresh="1s") as task:
        store(engines, first="2")
        until(lambda: task.told("no such secret: second (kept/app#second: the path has no such field)"))
        assert task.shown() == {"first": "1", "second": "1"}
        engines.api("DELETE", "kept/data/app")
        until(lambda: task.told("no such secret: first (kept/app#first), second (kept/app#second)"))


def test_a_parked_app_without_refresh(tmp_path: Path) -> None:
    """It goes on with the values it had: a new token is no reason to read what is stored."""

    async def scenario(vault: str) -> None:
        here = Launch(
            "id", described(STORED), tmp_path, tmp_path, tmp_path, tmp_path, vault=launch.VaultServer(vault)
        )
        keeper = Keeper(here, Secret("first"), lambda *_: None)
        keeper.resume(Values({name: Secret("1") for name in STORED}))
        handed: list[Values] = []
        keeper.keep(handed.append)
        for token in (
            "second",
            "third",
        ):  # once the next one is taken, all is done that the last one brought about
            keeper.take_token(Secret(token))
            while keeper._woken.is_set():
                await asyncio.sleep(0.001)
        assert not handed
        await keeper.close()

    with fake_vault() as vault:
        vault.holds({"first": "2", "second": "2"})
        asyncio.run(scenario(vault.url))
        assert vault.asked == []


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("database/creds/none#username", r"no such secret: v \(database/creds/none#username\)"),
        ("database/creds/app#none", r"no such secret: v \(database/creds/app#none: the path has no such field\)"),
        ("nowhere/creds/app#username", "nothing mounted for nowhere/creds/app"),
        ("other/app#x", "refuses to read other/app"),
    ],
)  # fmt: skip
def test_each_mistake_has_its_own_error(engines: VaultServer, tmp_path: Path, place: str, words: str) -> None:
    """A missing path, a missing field, a missing engine and a policy that does not allow it are told apart."""
    make(engines, "anna")
    token = engines.token(*RULES, ("nowhere/*", '"read"'))
    with (
        pytest.raises(SecretError, match=words),
        running(engines, tmp_path, {"v": Variable("v", secret=True, vault=place)}, token=token),
    ):
        pass
    assert leases(engines) == []


def test_a_policy_without_revocation(engines: VaultServer, tmp_path: Path) -> None:
    """Where the policy does not let the task revoke its lease, the log says so, and the task stops all the same."""
    make(engines, "anna", "5s")
    with running(engines, tmp_path, MADE, token=engines.token(("database/creds/*", '"read"'))) as task:
        task.executor.call("stop", timeout=30.0)
        assert task.executor.exit()["exit_code"] == 0
        assert task.told("its lease ends by itself", "sys/leases/revoke")


def test_mutual_tls(tmp_path: Path) -> None:
    """A Vault that wants certificates is served; each thing that is missing has its own error, before anything is sent.

    The files are read once: they may be gone when secrets are read again.
    """
    with running_vault(tmp_path, tls=True) as vault:
        assert isinstance(vault.tls.verify, str)
        assert vault.tls.cert is not None
        copy = tmp_path / "copied.pem"
        copy.write_bytes(Path(vault.tls.verify).read_bytes())
        whole = launch.VaultServer(vault.address, ca_cert=str(copy), client_cert=vault.tls.cert[0],
                                   client_key=vault.tls.cert[1], tls_server_name=vault.tls.server_name)  # fmt: skip
        vault.api("POST", "sys/mounts/kept", {"type": "kv", "options": {"version": "2"}})
        store(vault, first="1", second="1")
        token = vault.token(*RULES)
        for number, (server, words) in enumerate(
            (
                (replace(whole, ca_cert=""), "its certificate is not trusted"),
                (replace(whole, client_cert=""), "it wants a client certificate"),
                (replace(whole, tls_server_name=""), "its certificate is for another name"),
                (replace(whole, ca_cert="/nowhere"), "CA certificate /nowhere cannot be used: No such file"),
            )
        ):
            directory = tmp_path / str(number)
            directory.mkdir()
            with (
                Executor(directory, described(STORED), go_guest(), vault=server) as executor,
                pytest.raises(WasmdeployError, match=words),
            ):
                executor.start(token)
        (tmp_path / "well").mkdir()
        with Executor(tmp_path / "well", described(STORED, "1s"), go_guest(), vault=whole) as executor:
            task = Task(executor.start(token))
            copy.unlink()
            store(vault, first="2", second="2")
            until(lambda: task.shown() == {"first": "2", "second": "2"})
