"""The Driver service: Nomad's calls for tasks, each handed to the runner."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc  # noqa: TID251  # at home here

from wasmdeploy_driver.duration import seconds
from wasmdeploy_driver.errors import WasmdeployError
from wasmdeploy_driver.plugin import answers, exec, log
from wasmdeploy_driver.plugin.config import PluginConfig
from wasmdeploy_driver.plugin.events import Events
from wasmdeploy_driver.plugin.fingerprint import engine_problem, fingerprint
from wasmdeploy_driver.plugin.launch import launch_of, vault_token
from wasmdeploy_driver.plugin.proto import driver_pb2, driver_pb2_grpc
from wasmdeploy_driver.plugin.spec import spec_of
from wasmdeploy_driver.plugin.status import translated
from wasmdeploy_driver.plugin.tokens import follow_token, reads_vault
from wasmdeploy_driver.runner import Handle, Runner
from wasmdeploy_driver.runner.executors import EXECUTOR
from wasmdeploy_driver.runner.state import VERSION, State
from wasmdeploy_driver.secrets import Secret
from wasmdeploy_driver.task import Task

_FINGERPRINT_EVERY = 30.0
_NOT_FOUND = "task not found for given id"  # Nomad's own words for it
_LOG = logging.getLogger(__name__)


class Driver(driver_pb2_grpc.DriverServicer):  # type: ignore[misc]  # generated, untyped
    """The calls in proto order; `environment` is the agent's, `command` starts an executor."""

    def __init__(self, environment: Mapping[str, str], command: Sequence[str] = EXECUTOR) -> None:
        self._environment = environment
        self._config = PluginConfig()
        self._runner = Runner(Path(self._config.data_dir), command)
        self._events = Events()
        self._names: dict[str, str] = {}
        self._following: set[asyncio.Task[None]] = set()
        self._mhz = 0.0

    def configure(self, config: PluginConfig, nomad: Any) -> None:
        """Take the operator's configuration; tasks that run stay as they are."""
        self._config = config
        self._mhz = _core_mhz(nomad.Topology)
        if fingerprint(config).health == driver_pb2.FingerprintResponse.HEALTHY:
            log.to_file(config.own_log)
        self._runner.configure(Path(config.data_dir), config.way)
        self._runner.sweep()

    async def TaskConfigSchema(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Say what a task's `config` block may hold."""
        return driver_pb2.TaskConfigSchemaResponse(spec=spec_of(Task))

    async def Capabilities(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Say what the driver can do."""
        return answers.capabilities(collects_logs=self._config.log_collection == "driver")

    async def Fingerprint(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Tell the node's health, at once and again and again; what takes longer to find out comes with the second."""
        yield fingerprint(self._config)
        if problem := await engine_problem():
            _LOG.error("%s", problem)
            yield fingerprint(self._config, problem)
        while True:
            await asyncio.sleep(_FINGERPRINT_EVERY)
            if problem:
                problem = await engine_problem()
            await asyncio.to_thread(self._runner.sweep)  # it waits for what it ends
            yield fingerprint(self._config, problem)

    @translated
    async def RecoverTask(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Take up a task that an earlier plugin process started."""
        config = request.handle.config
        if self._runner.find(config.id) is None:
            state = State.from_bytes(request.handle.driver_state)
            handle = self._runner.recover(config.id, state, self._listener(config))
            self._names[config.id] = config.name
            if reads_vault(state.directory):
                # It may have changed while there was no plugin.
                self._follow_token(handle, Path(config.alloc_dir) / config.name, None)
            _LOG.info("recovered task %s, executor %d", config.id, state.pid)
        return driver_pb2.RecoverTaskResponse()

    @translated
    async def StartTask(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Start a task; the answer comes when its guests are compiled and its socket listens."""
        config = request.task
        vault = self._config.vault_server(self._environment)
        launch = launch_of(config, self._config, vault)
        if launch.cgroup is None:
            self._publish(config, "cgroup", "Nomad made no cgroup: cpu and memory are not limited")
        if launch.holder is None and seconds(launch.task.idle_timeout, "idle_timeout"):
            self._publish(config, "parking", "the app will stay awake: tasks with a `user` are not parked")
        token = vault_token(config, launch)
        handle = await self._runner.start(launch, token, self._listener(config))
        self._names[config.id] = config.name
        if token is not None:
            self._follow_token(handle, launch.root, token)
        _LOG.info("started task %s, executor %d", config.id, handle.state.pid)
        return driver_pb2.StartTaskResponse(
            result=driver_pb2.StartTaskResponse.SUCCESS, handle=answers.task_handle(handle, config, VERSION)
        )

    async def WaitTask(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Wait for a task's end."""
        handle = await self._handle(request.task_id, context)
        return answers.waited(await handle.wait())

    async def StopTask(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Stop a task; a guest has no signals, so any but SIGKILL means: finish the open requests."""
        if (handle := self._runner.find(request.task_id)) is not None:
            timeout = 0.0 if request.signal == "SIGKILL" else request.timeout.ToNanoseconds() / 1e9
            await handle.stop(timeout)
        return driver_pb2.StopTaskResponse()

    @translated
    async def DestroyTask(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Forget a task and clear up after it, also after one that this process never knew."""
        await self._runner.destroy(request.task_id, request.force)
        self._names.pop(request.task_id, None)
        return driver_pb2.DestroyTaskResponse()

    async def InspectTask(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Tell a task's state."""
        handle = await self._handle(request.task_id, context)
        facts: dict[str, Any] = {} if handle.is_parked else {"pid": handle.process.pid}
        with contextlib.suppress(WasmdeployError):
            facts |= await handle.inspect()
        attributes = {name: str(fact) for name, fact in facts.items()}
        return answers.inspected(handle, self._names.get(handle.id, ""), attributes)

    async def TaskStats(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Tell a task's use of CPU and memory, at once and then at each interval until it ends."""
        handle = await self._handle(request.task_id, context)
        least = seconds(self._config.stats_interval or "100ms", "stats_interval")
        interval = max(least, 0.1, request.collection_interval.ToNanoseconds() / 1e9)
        sampler = handle.sampler()
        while handle.exit is None:
            yield answers.stats(handle.id, sampler.read(), self._mhz)
            await asyncio.sleep(interval)

    async def TaskEvents(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Tell what happens to all tasks."""
        async for event in self._events.stream():
            yield event

    async def SignalTask(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Hand a signal on; failure is only logged, since Nomad kills a task for an error here."""
        handle = await self._handle(request.task_id, context)
        try:
            await handle.signal(request.signal)
        except WasmdeployError as error:
            _LOG.warning("task %s: signal %s not delivered: %s", handle.id, request.signal, error.message)
        return driver_pb2.SignalTaskResponse()

    @translated
    async def ExecTask(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Run a command in the app's console, as script checks do."""
        handle = await self._handle(request.task_id, context)
        return await exec.collected(handle, request.command, request.timeout.ToNanoseconds() / 1e9)

    @translated
    async def ExecTaskStreaming(self, requests: Any, context: Any) -> None:  # noqa: N802
        """Open the app's console."""
        setup = await exec.setup_of(requests)
        handle = await self._handle(setup.task_id, context)
        await exec.streamed(handle, setup, requests, context)

    async def CreateNetwork(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Refuse: Nomad makes the networks."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Nomad creates the networks of wasm tasks")

    async def DestroyNetwork(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Refuse: Nomad made it."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Nomad destroys the networks of wasm tasks")

    def _follow_token(self, handle: Handle, root: Path, passed: Secret | None) -> None:
        following = asyncio.ensure_future(follow_token(handle, root, passed))
        self._following.add(following)
        following.add_done_callback(self._following.discard)

    async def _handle(self, task_id: str, context: Any) -> Handle:
        handle = self._runner.find(task_id)
        if handle is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, _NOT_FOUND)
            raise AssertionError("abort raises")
        return handle

    def _listener(self, config: Any) -> Any:
        origin = driver_pb2.TaskConfig(id=config.id, alloc_id=config.alloc_id, name=config.name)
        return functools.partial(self._publish, origin)

    def _publish(self, config: Any, name: str, detail: str) -> None:
        self._events.publish(answers.event(config, name, detail))


def _core_mhz(topology: Any) -> float:
    """One core's speed as Nomad reckons it, 0 where it told none."""
    speeds = [core.base_speed or core.guess_speed or core.max_speed for core in topology.cores]
    if not speeds:
        return 0.0
    total: int = topology.override_total_compute or sum(speeds)
    return total / len(speeds)
