"""Answers that always hold every message Nomad looks into: one that lacks, and the agent itself panics."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from wasmdeploy_driver.plugin.proto import driver_pb2
from wasmdeploy_driver.runner.exit import ExitStatus
from wasmdeploy_driver.runner.handle import Handle
from wasmdeploy_driver.runner.stats import Sample, Usage

_NETWORK = driver_pb2.NetworkIsolationSpec
_CPU, _MEMORY = driver_pb2.CPUUsage, driver_pb2.MemoryUsage


def capabilities(*, collects_logs: bool) -> Any:
    """What the driver can do."""
    abilities = driver_pb2.DriverCapabilities
    return driver_pb2.CapabilitiesResponse(
        capabilities=abilities(
            send_signals=True,
            exec=True,
            # As of an image: Nomad then gives tasks a clean environment and /alloc, /local, /secrets.
            fs_isolation=abilities.IMAGE,
            # GROUP is every mode with a namespace that Nomad makes: bridge, none and cni/…
            network_isolation_modes=[_NETWORK.HOST, _NETWORK.GROUP, _NETWORK.NONE],
            must_create_network=False,
            # Where the operator turned volumes off, launch says so; Nomad would only say that there are none.
            mount_configs=abilities.ANY_MOUNTS,
            disable_log_collection=collects_logs,
        )
    )


def task_handle(handle: Handle, config: Any, version: int) -> Any:
    """A started task as Nomad stores it."""
    return driver_pb2.TaskHandle(
        version=version, config=config, state=driver_pb2.RUNNING, driver_state=handle.state.to_bytes()
    )


def waited(status: ExitStatus) -> Any:
    """How a task ended."""
    return driver_pb2.WaitTaskResponse(result=exit_result(status), err=status.error)


def exit_result(status: ExitStatus | None) -> Any:
    """An end, or none yet."""
    if status is None:
        return driver_pb2.ExitResult()
    return driver_pb2.ExitResult(
        exit_code=status.exit_code, signal=status.signal, oom_killed=status.oom_killed
    )


def inspected(handle: Handle, name: str, attributes: Mapping[str, str]) -> Any:
    """A task's state; a time that has not come is 1970."""
    status = driver_pb2.TaskStatus(
        id=handle.id,
        name=name,
        state=driver_pb2.RUNNING if handle.exit is None else driver_pb2.EXITED,
        started_at=timestamp(handle.state.started_at),
        completed_at=timestamp(handle.completed_at or 0.0),
        result=exit_result(handle.exit),
    )
    return driver_pb2.InspectTaskResponse(
        task=status, driver=driver_pb2.TaskDriverStatus(attributes=attributes)
    )


def stats(task_id: str, sample: Sample, mhz: float) -> Any:
    """A task's use of the machine; `mhz` is one core's speed, in which Nomad counts CPU."""
    return driver_pb2.TaskStatsResponse(
        stats=driver_pb2.TaskStats(
            id=task_id,
            timestamp=timestamp(sample.at),
            agg_resource_usage=_of_task(sample, mhz),
            resource_usage_by_pid={str(pid): _usage(usage, mhz) for pid, usage in sample.by_pid.items()},
        )
    )


def event(config: Any, name: str, detail: str) -> Any:
    """Something that happened to a task; Nomad shows it only with allocation and task name."""
    return driver_pb2.DriverTaskEvent(
        task_id=config.id,
        alloc_id=config.alloc_id,
        task_name=config.name,
        timestamp=timestamp(time.time()),
        message=detail or name,
        annotations={"event": name},
    )


def timestamp(seconds: float) -> Timestamp:
    """Seconds since 1970."""
    moment = Timestamp()
    moment.FromNanoseconds(int(seconds * 1e9))
    return moment


def _of_task(sample: Sample, mhz: float) -> Any:
    whole = _usage(sample.total, mhz)
    whole.cpu.throttled_periods = sample.throttled_periods
    whole.cpu.throttled_time = sample.throttled_ns
    whole.cpu.measured_fields.extend((_CPU.THROTTLED_PERIODS, _CPU.THROTTLED_TIME))
    return whole


def _usage(usage: Usage, mhz: float) -> Any:
    cpu = _CPU(
        user_mode=usage.user,
        system_mode=usage.system,
        percent=usage.percent,
        total_ticks=usage.percent / 100 * mhz,
        measured_fields=[_CPU.USER_MODE, _CPU.SYSTEM_MODE, _CPU.PERCENT, _CPU.TOTAL_TICKS],
    )
    # Nomad has no field for the proportional size, which is what a task's use of memory comes to.
    memory = _MEMORY(rss=usage.rss, usage=usage.pss, measured_fields=[_MEMORY.RSS, _MEMORY.USAGE])
    return driver_pb2.TaskResourceUsage(cpu=cpu, memory=memory)
