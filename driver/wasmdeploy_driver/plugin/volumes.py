"""The mounts of Nomad's TaskConfig, which a job's `volume_mount` and the node's host or CSI volume make, as Volumes."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.executor.launch import Volume
from wasmdeploy_driver.plugin.config import PluginConfig
from wasmdeploy_driver.task import Task


def volumes_of(config: Any, plugin: PluginConfig, task: Task) -> tuple[Volume, ...]:
    """The task's volumes; raises ConfigError for one that the operator does not allow, or that cannot be one."""
    if config.mounts and not plugin.volumes.enabled:
        raise ConfigError(
            "this node's driver serves no volumes (`volumes { enabled = false }` in its plugin block)",
            "remove `volume_mount` from the task, or constrain the job",
        )
    volumes = tuple(Volume(Path(each.host_path), each.task_path, each.readonly) for each in config.mounts)
    of_components = (each for component in task.component for each in component.dir)
    taken = {_normal(each.guest) for each in (*task.dir, *of_components)}
    for volume in volumes:
        _check_destination(volume.guest)
        if _normal(volume.guest) in taken:
            raise ConfigError(f"volume_mount: {volume.guest} is a directory or volume of the task already")
        taken.add(_normal(volume.guest))
        _check_source(volume, config, plugin)
    return volumes


def _check_destination(guest: str) -> None:
    if not guest.startswith("/") or ".." in PurePosixPath(guest).parts or "\0" in guest:
        raise ConfigError(f"volume_mount: destination {guest!r} is no absolute path", "write it like /data")


def _check_source(volume: Volume, config: Any, plugin: PluginConfig) -> None:
    """A volume neither holds nor lies in what is Nomad's or the driver's: tokens, compiled code, control sockets."""
    source = str(volume.source)
    if not source.startswith("/") or ".." in volume.source.parts or "\0" in source:
        raise ConfigError(f"volume_mount {volume.guest}: {source!r} is no absolute path of the node")
    for name, private in (
        ("the allocations of Nomad", Path(config.alloc_dir).parent),
        ("the driver's data_dir", Path(plugin.data_dir)),
        ("the driver's compile cache", plugin.cache_dir),
    ):
        for path in {private, private.resolve()}:
            if volume.source.is_relative_to(path) or path.is_relative_to(volume.source):
                raise ConfigError(
                    f"volume_mount {volume.guest}: {source} holds, or lies in, {name} ({path}), which no guest sees",
                    "give the volume a directory of its own",
                )


def _normal(guest: str) -> PurePosixPath:
    return PurePosixPath("/", guest)
