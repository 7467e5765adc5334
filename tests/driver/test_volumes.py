"""Volumes: directories of the node that all guests of a task see, read-only where the job says so."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.driver.executor_process import Executor, app, until
from tests.driver.go_guests import go_guest
from tests.driver.plugin_process import task_config
from tests.driver.test_console import run
from tests.driver.test_parking import Holder, parked
from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.executor.launch import Volume
from wasmdeploy_driver.plugin.config import Cache, PluginConfig, Volumes
from wasmdeploy_driver.plugin.launch import launch_of
from wasmdeploy_driver.plugin.proto import driver_pb2
from wasmdeploy_driver.task import Limits, Task


@pytest.fixture
def volume(tmp_path) -> Path:
    """A directory of the node with a file, beside a secret one."""
    made = tmp_path / "node" / "volume"
    made.mkdir(parents=True)
    (made / "file").write_text("kept")
    (made.parent / "secret").write_text("of the node")
    return made


def tool(tmp_path, volume, *arguments, readonly=False):
    """A command with the volume at /data."""
    task = Task("job", module=go_guest("go-tool").name, args=arguments, limits=Limits(memory_mb=128))
    return Executor(tmp_path, task, go_guest("go-tool"), volumes=(Volume(volume, "/data", readonly),))


def code(executor) -> int:
    with executor:
        executor.start()
        return executor.exit()["exit_code"]


def files(*names: str) -> Task:
    """An app whose components have no directories of their own; /NAME/file of each copies /data/file."""
    plain = app(go_guest())
    components = (replace(plain.component[0], name=name, dir=(), route=(f"/{name}/...",)) for name in names)
    return replace(plain, component=tuple(components))


@pytest.mark.guests
def test_a_command_writes(tmp_path, volume):
    """What a command writes is in the volume when it has ended."""
    assert code(tool(tmp_path, volume, "write", "/data/made")) == 0
    assert (volume / "made").read_text() == "written"


@pytest.mark.guests
def test_readonly(tmp_path, volume):
    """A volume that is read-only is read, and stays as it is."""
    reader = tool(tmp_path, volume, "read", "/data/file", readonly=True)
    assert code(reader) == 0
    assert reader.stdout.read_text() == "kept"
    (tmp_path / "second").mkdir()
    assert code(tool(tmp_path / "second", volume, "write", "/data/file", readonly=True)) == 1
    assert (volume / "file").read_text() == "kept"
    assert [each.name for each in volume.iterdir()] == ["file"]


@pytest.mark.guests
def test_no_way_leads_out(tmp_path, volume):
    """Neither `..` nor a link in the volume leads a guest to what lies beside it."""
    for name, target in (("link", "../secret"), ("linked", ".."), ("rootlink", "/"), ("proclink", "/proc"),
                         ("chain", "link")):  # fmt: skip
        (volume / name).symlink_to(target)
    (volume / "sub").mkdir()
    os.mknod(volume / "socket", stat.S_IFSOCK | 0o600)
    assert code(attacker := tool(tmp_path, volume, "attack", "/data")) == 0, attacker.stderr.read_text()
    assert attacker.stdout.read_text() == "done\n"
    assert (volume.parent / "secret").read_text() == "of the node"


@pytest.mark.guests
@pytest.mark.parametrize("hole", ["volume", "node"])
def test_a_path_through_a_link(tmp_path, volume, hole):
    """A symbolic link in a volume's path, which a guest of a volume around it may have put there, is not followed."""
    replaced = volume if hole == "volume" else volume.parent
    replaced.rename(tmp_path / "away")
    replaced.symlink_to(tmp_path / "away")
    with tool(tmp_path, volume, "read", "/data/file") as executor:
        with pytest.raises(ConfigError, match=r"volume /data: \S+volume: .*(symbolic link|Not a directory)"):
            executor.start()
        assert executor.exit()["exit_code"] == 1


@pytest.mark.guests
def test_a_volume_that_is_gone(tmp_path, volume):
    """A directory that is not there is an error that names it."""
    with (
        tool(tmp_path, volume / "nowhere", "read", "/data/file") as executor,
        pytest.raises(ConfigError, match=r"volume /data: \S+nowhere: No such file"),
    ):
        executor.start()


@pytest.mark.guests
def test_every_component_has_it(tmp_path, volume):
    """All components of an app read and write it, in each of its processes, and the console shows it."""
    with Executor(tmp_path, files("one", "two"), go_guest(), volumes=(Volume(volume, "/data"),)) as executor:
        executor.start()
        with ThreadPoolExecutor(1) as aside:
            waiting = aside.submit(executor.request, "/one/wait")
            until((volume / "waiting").exists)
            # The executor's own thread is taken: an engine process answers.
            assert executor.request("/two/file")[2] == b"kept <nil> false\n"
            assert executor.engines()
            (volume / "go").touch()
            assert waiting.result()[2] == b"waited\n"
        (volume / "other").unlink()
        assert executor.request("/one/file")[2] == b"kept <nil> false\n"
        assert (volume / "other").read_text() == "kept"
        assert run(executor, "ls")[:2] == (0, "data/\n")
        assert run(executor, "cat", "/data/file")[:2] == (0, "kept")


@pytest.mark.guests
def test_a_parked_app_keeps_it(tmp_path, volume):
    """An app that was parked and woken has the volume again, and none that was put in its place meanwhile."""
    holder = Holder(tmp_path / "holder")
    task = replace(files("one"), idle_timeout="100ms")
    volumes = (Volume(volume, "/data", readonly=True),)
    try:
        with Executor(tmp_path, task, go_guest(), volumes=volumes, holder=holder.path) as executor:
            executor.start()
            until(lambda: parked(executor, holder))
            volume.rename(volume.parent / "moved")
            volume.symlink_to("/etc")
            assert executor.request("/one/file")[2] == b"kept <nil> true\n"
            executor.call("stop", timeout=30.0)
    finally:
        holder.end()


def mounted(tmp_path, *mounts, plugin=None, **config):
    """The volumes of the launch of a task with Nomad's mounts."""
    given = task_config(tmp_path, **config)
    for host, guest, readonly in mounts:
        given.mounts.append(driver_pb2.Mount(host_path=str(host), task_path=guest, readonly=readonly))
    plugin = plugin or PluginConfig(data_dir=str(tmp_path / "driver"))
    return launch_of(given, plugin, None).volumes


def test_nomads_mounts(tmp_path):
    """What Nomad mounts is the launch's volumes."""
    volumes = mounted(tmp_path, ("/srv/a", "/data", False), ("/srv/b", "/data/deep", True))
    assert volumes == (Volume(Path("/srv/a"), "/data"), Volume(Path("/srv/b"), "/data/deep", readonly=True))


def test_where_volumes_are_turned_off(tmp_path):
    """An operator who serves no volumes has such tasks refused, and no others."""
    off = PluginConfig(data_dir=str(tmp_path / "driver"), volumes=Volumes(enabled=False))
    assert mounted(tmp_path, plugin=off) == ()
    with pytest.raises(ConfigError, match="serves no volumes") as caught:
        mounted(tmp_path, ("/srv/a", "/data", False), plugin=off)
    assert "volume_mount" in caught.value.hint


@pytest.mark.parametrize("guest", ["data", "", "/a/../b", "/a\0"])
def test_destinations_that_are_none(tmp_path, guest):
    """A destination is an absolute path."""
    with pytest.raises(ConfigError, match="is no absolute path"):
        mounted(tmp_path, ("/srv/a", guest, False))


def test_a_place_that_is_taken(tmp_path):
    """Where the task has a directory or another volume, there is no place for one."""
    with pytest.raises(ConfigError, match=r"/data/ is a directory or volume of the task already"):
        mounted(tmp_path, ("/srv/a", "/data", False), ("/srv/b", "/data/", False))
    own = [{"host": "local", "guest": "/data", "readonly": True}]
    with pytest.raises(ConfigError, match=r"/data is a directory or volume of the task already"):
        mounted(tmp_path, ("/srv/a", "/data", False), dir=own)


@pytest.mark.parametrize("host", ["", "srv", "srv/../..", "/srv/../etc", "/srv\0"])
def test_sources_that_are_none(tmp_path, host):
    """A volume is an absolute path of the node."""
    with pytest.raises(ConfigError, match="no absolute path of the node"):
        mounted(tmp_path, (host, "/data", False))


@pytest.mark.parametrize("below", ["", "driver", "driver/tasks", "cache/x", "alloc-1/web/private", "alloc-2"])
def test_what_no_guest_may_see(tmp_path, below):
    """Nothing of Nomad's allocations or of the driver is a volume, and neither is what holds them."""
    plugin = PluginConfig(data_dir=str(tmp_path / "driver"), cache=Cache(dir=str(tmp_path / "cache")))
    for host in (tmp_path / below, Path("/")):
        with pytest.raises(ConfigError, match="which no guest sees"):
            mounted(tmp_path, (host, "/data", True), plugin=plugin)
