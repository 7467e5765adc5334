"""The secrets of a task from its start to its end: read, renewed, read again, revoked.

    start ──▶ read ──▶ a lease is two thirds through ──▶ renewed; near its longest life: new credentials
                  ├──▶ `refresh` is over ─────────────▶ KV read again, leases looked up
                  ├──▶ Nomad has a new token ─────────▶ new credentials: the old ones end with the old token
                  └──▶ the end ───────────────────────▶ leases revoked

What goes wrong meanwhile costs nothing but freshness: the last values stay, it is told once, and tried again.
Credentials that were replaced are not revoked before the end: guests that still run have them.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from wasmdeploy_driver.duration import seconds
from wasmdeploy_driver.errors import SecretError, SecretUnavailable, WasmdeployError
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.executor.source import kv_mount, vault_secrets, vault_session
from wasmdeploy_driver.secrets import GivenSecrets, Lease, Reading, Secret, VaultSecrets, is_dynamic
from wasmdeploy_driver.variables import Values, resolve, vault_location

T = TypeVar("T")
Tell = Callable[[str, str], None]
_RETRY_SECONDS = (1.0, 30.0)
_REVOKE_SECONDS = 5.0


class Keeper:
    """Keeps one task's secrets; `tell` hears what happens to them. The token is the task's own. Raises ConfigError."""

    def __init__(self, launch: Launch, token: Secret, tell: Tell) -> None:
        self._launch = launch
        self._token = token
        self._tell = tell
        places = (vault_location(launch.task, each, kv_mount(launch)) for each in launch.task.secrets)
        self._leased = any(is_dynamic(path) for path, _ in places)
        self._refresh = seconds(launch.task.refresh, "refresh") or math.inf
        self._refresh_at = math.inf
        self._readings: dict[str, Reading] = {}
        self._leases: dict[str, Lease] = {}  # as they were given
        self._due: dict[str, float] = {}  # when each is to be renewed
        self._replaced: list[tuple[Lease, float]] = []  # and when they end by themselves
        self._values = Values({})
        self._well_at = time.monotonic()
        self._trouble = ""
        self._retry = _RETRY_SECONDS[0]
        self._changes = self._failures = 0
        self._used = token  # the one that the leases belong to
        self._woken = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._session = vault_session(launch)  # now: later its files may be out of reach

    def read(self) -> Values:
        """The task's variables, at its start; blocks. Raises SecretError, ConfigError."""
        if not self._launch.task.secrets:
            return resolve(self._launch.task, GivenSecrets({}), kv_mount(self._launch))
        vault = self._vault(self._token)
        self._values = self._resolve(vault)
        self._refresh_at = time.monotonic() + self._refresh
        return self._values

    def resume(self, values: Values) -> None:
        """Go on with the variables of a task that was parked; what is to be refreshed is read again soon."""
        self._values = values
        if self._refresh < math.inf:
            self._refresh_at = time.monotonic()

    @property
    def token(self) -> Secret:
        """The task's token as Nomad gave it last."""
        return self._token

    @property
    def has_leases(self) -> bool:
        """Whether any lease is to be renewed, or revoked in the end."""
        return bool(self._leases or self._replaced)

    def keep(self, renew: Callable[[Values], None] | None) -> None:
        """Go on from now on; `renew` gets new values, and raises ConfigError; None where nothing can take them."""
        if self._launch.task.secrets:
            self._keeping = asyncio.ensure_future(self._keep(renew))

    def take_token(self, token: Secret) -> None:
        """Nomad has another token for the task."""
        if token.reveal() and token != self._token:
            self._token = token
            self._woken.set()

    def facts(self) -> dict[str, Any]:
        """How it stands, in numbers; stale are secrets that Vault should have been asked for, and could not."""
        if not self._launch.task.secrets:
            return {}
        return {
            "secrets_changes": self._changes,
            "secrets_failures": self._failures,
            "secrets_leases": len(self._leases),
            "secrets_stale_seconds": round(time.monotonic() - self._well_at, 1) if self._trouble else 0.0,
        }

    async def close(self) -> None:
        """The task has ended: revoke its leases."""
        if self._keeping is not None:
            self._keeping.cancel()
        if self._leases or self._replaced:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(_apart(self._revoke), _REVOKE_SECONDS)

    async def _keep(self, renew: Callable[[Values], None] | None) -> None:
        while True:
            if not self._trouble:
                await self._sleep(min((self._refresh_at, *self._due.values())) - time.monotonic())
            try:
                # Leases first: a stored secret that cannot be read must not keep credentials from being renewed.
                if self._leased:
                    self._hand_over(await _apart(partial(self._look, refresh=False)), renew)
                if time.monotonic() >= self._refresh_at:
                    self._hand_over(await _apart(partial(self._look, refresh=True)), renew)
            except Exception as error:  # noqa: BLE001  # whatever it is must be told and tried again, or leases would end
                self._failed(error.message if isinstance(error, WasmdeployError) else type(error).__name__)
                await self._sleep(self._retry * random.uniform(0.8, 1.2))  # noqa: S311  # spread, not secrecy
                self._retry = min(2 * self._retry, _RETRY_SECONDS[1])
            else:
                self._well()

    async def _sleep(self, duration: float) -> None:
        """Wait so long, or for a new token."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), None if duration == math.inf else max(0.0, duration))
        self._woken.clear()

    def _failed(self, why: str) -> None:
        self._failures += 1
        if why != self._trouble:
            self._trouble = why
            self._tell("secrets", f"{why}; the app goes on with the values it has")

    def _well(self) -> None:
        self._well_at = time.monotonic()
        self._retry = _RETRY_SECONDS[0]
        if self._trouble:
            self._trouble = ""
            self._tell("secrets", "Vault's secrets are up to date again")

    def _hand_over(self, values: Values, renew: Callable[[Values], None] | None) -> None:
        changed = [name for name, value in values.by_name.items() if value != self._values.by_name.get(name)]
        if not changed:
            return
        names = ", ".join(changed)
        if renew is None:
            self._tell("secrets", f"{names}: new in Vault; the task gets it when it is started again")
        else:
            renew(values)
            self._tell("secrets", f"{names}: new in Vault; requests from now on get it")
        self._values = values
        self._changes += 1

    # in a thread

    def _look(self, *, refresh: bool) -> Values:
        """See to the leases, with `refresh` read again what is stored too; the values then. Raises SecretError."""
        token = self._token
        vault = self._vault(token)
        for path in list(self._due):
            if token != self._used or not self._is_kept(vault, path, look_up=refresh):
                self._replace(path)
        vault.readings |= {
            path: reading for path, reading in self._readings.items() if path in self._due or not refresh
        }
        values = self._resolve(vault)
        self._used = token
        if refresh:
            self._refresh_at = time.monotonic() + self._refresh
        return values

    def _is_kept(self, vault: VaultSecrets, path: str, *, look_up: bool) -> bool:
        """Renew the lease of a path where that is due; whether its credentials go on. Raises SecretError."""
        lease, due = self._leases[path], time.monotonic() >= self._due[path]
        if not due and not look_up:
            return True
        if due and not lease.renewable:
            return False
        try:
            left = vault.renew(lease) if due else vault.look_up(lease)
        except SecretUnavailable:
            raise
        except SecretError as error:
            if not due:
                raise
            self._tell("secrets", f"{path}: {error.message}; new credentials are read")
            return False
        if left is None:
            self._tell("secrets", f"{path}: its lease was revoked or is over; new credentials are read")
            return False
        if due:
            self._due[path] = _renewal(left)
        # Near its longest life a lease is renewed for less: that is the time to change credentials.
        return not due or left.seconds >= lease.seconds / 2

    def _replace(self, path: str) -> None:
        lease = self._leases.pop(path)
        del self._readings[path], self._due[path]
        now = time.monotonic()
        self._replaced = [each for each in self._replaced if each[1] > now] + [(lease, now + lease.seconds)]

    def _vault(self, token: Secret) -> VaultSecrets:
        return vault_secrets(self._launch, self._session, token, {})

    def _resolve(self, vault: VaultSecrets) -> Values:
        try:
            values = resolve(self._launch.task, vault, kv_mount(self._launch))
            self._readings = vault.readings
        finally:
            # Also where another path cannot be read: a lease is there to be kept.
            for path, reading in vault.readings.items():
                if reading.lease is not None and path not in self._due:
                    self._readings[path] = reading
                    self._leases[path] = reading.lease
                    self._due[path] = _renewal(reading.lease)
        return values

    def _revoke(self) -> None:
        """Revoke every lease; one that cannot be revoked ends by itself."""
        vault = self._vault(self._token)
        held = [*self._leases.values(), *(lease for lease, _ in self._replaced)]
        self._leases, self._replaced = {}, []
        for lease in held:
            path = lease.id.rpartition("/")[0]
            try:
                vault.revoke(lease)
                self._tell("secrets", f"{path}: its lease is revoked")
            except SecretError as error:
                self._tell("secrets", f"{path}: its lease ends by itself: {error.message}")


def _renewal(lease: Lease) -> float:
    """When to renew: two thirds through, a little earlier or later so that not all tasks come at once."""
    return time.monotonic() + lease.seconds * random.uniform(0.6, 0.7) if lease.seconds else math.inf  # noqa: S311


async def _apart(work: Callable[[], T]) -> T:
    """Do it in a thread of its own: none idles in between."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="secrets")
    try:
        return await asyncio.get_running_loop().run_in_executor(thread, work)
    finally:
        thread.shutdown(wait=False)
