"""What a hostile guest, and a hostile task beside it, try: each attempt fails, and the task stays under control."""

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from tests.driver.executor_process import Executor, until
from tests.driver.go_guests import go_guest
from wasmdeploy_driver.executor import control
from wasmdeploy_driver.executor.launch import Isolation
from wasmdeploy_driver.task import Dir, Limits, Task

pytestmark = pytest.mark.guests
DATA = (Dir("data", "/data"),)
TOKEN = "the token of Nomad"


def tool(tmp_path, *arguments, dirs=DATA, **launch):
    """An executor of the tool guest with /data, beside which lie a token and what a sibling has planted."""
    task = Task(
        "job", module=go_guest("go-tool").name, args=arguments, dir=dirs, limits=Limits(memory_mb=128)
    )
    executor = Executor(tmp_path, task, go_guest("go-tool"), **launch)
    private, data = executor.task_dir / "private", executor.task_dir / "data"
    private.mkdir(mode=0o700)
    (private / "vault_token").write_text(TOKEN)
    (data / "sub").mkdir()
    (data / "link").symlink_to(private / "vault_token")
    (data / "linked").symlink_to("/etc")
    (data / "rootlink").symlink_to("/")
    (data / "proclink").symlink_to("/proc")
    (data / "chain").symlink_to("link")
    # Another task's control socket, as far as a hard link can bring it here.
    os.link(executor.state / control.SOCKET, data / "socket")
    return executor


def test_ways_out_of_a_directory(tmp_path):
    """No `..`, link, /proc, rename or hard link leads a guest out, and nothing outside changes."""
    passwd = Path("/etc/passwd").read_bytes()
    with tool(tmp_path, "attack", "/data") as executor:
        executor.start()
        assert executor.exit()["exit_code"] == 0, executor.stderr.read_text()
    assert executor.stdout.read_text() == "done\n"
    assert (executor.task_dir / "private" / "vault_token").read_text() == TOKEN
    assert Path("/etc/passwd").read_bytes() == passwd
    assert TOKEN not in executor.stdout.read_text()


@pytest.mark.parametrize(
    "host",
    ["..", "../..", "data/../private", "private", "private/", "./private", ".", "", "/", "/etc", "data/link",
     "data/linked", "data/rootlink/etc", "data/proclink/self", "data/socket", "data/fifo", "alloc/../x", "alloc/link"],
)  # fmt: skip
def test_directories_that_lead_out(tmp_path, host):
    """A job, or what a sibling has planted below the names it uses, gives a guest nothing outside of the task."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "link").symlink_to("/etc")
    with tool(tmp_path, "read", "/x/passwd", dirs=(Dir(host, "/x"),), shared=shared) as executor:
        os.mkfifo(executor.task_dir / "data" / "fifo")
        with pytest.raises(Exception, match=r"leads out|private|symbolic link|Not a directory|no path|is no"):
            executor.start()
        assert executor.exit()["exit_code"] == 1


def test_environment_of_the_agent(tmp_path, monkeypatch):
    """A guest sees no variable that the job has not given it."""
    monkeypatch.setenv("OF_THE_AGENT", "leaked")
    with tool(tmp_path, "environ", environment={"NOMAD_JOB_NAME": "job"}) as executor:
        executor.start()
        executor.exit()
    assert executor.stdout.read_text() == "NOMAD_JOB_NAME=job\n"


def test_a_guest_that_takes_every_descriptor(tmp_path):
    """The task is still looked at and stopped in order."""
    with tool(tmp_path, "hold", "/data/sub") as executor:
        executor.start()
        until(lambda: "held" in executor.stdout.read_text())
        assert executor.call("inspect")["state"] == "running"
        executor.call("stop", timeout=1.0)
        assert executor.exit()["exit_code"] == 143


def test_a_guest_that_writes_large_files(tmp_path):
    """Where the operator bounds files, each ends there with an error for the guest; the task goes on."""
    with tool(tmp_path, "fill", "/data/sub", isolation=Isolation(file_bytes=3 << 20)) as executor:
        executor.start()
        assert executor.exit()["exit_code"] == 0
        said = executor.stdout.read_text().splitlines()
        assert [line.partition(": ")[0] for line in said] == [
            f"stopped after {size} MiB" for size in (3, 6, 9)
        ]
        assert all("file too large" in line.lower() for line in said)
        sizes = [each.stat().st_size for each in (executor.task_dir / "data" / "sub").iterdir()]
        assert sizes == [3 << 20] * 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_guest_that_fills_the_disk(tmp_path):
    """Its writes fail; the executor answers and ends the task in order, though it has no room either."""
    with tool(tmp_path, "fill", "/data/sub") as executor, small_disk(executor.task_dir / "data" / "sub"):
        executor.start()
        assert executor.exit()["exit_code"] == 0
        said = executor.stdout.read_text().splitlines()
        assert len(said) == 3
        assert all("no space left" in line.lower() for line in said)


@contextlib.contextmanager
def small_disk(place):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def test_a_guest_that_takes_all_memory(tmp_path):
    """It ends at its limit, as a program that finds no memory; its executor tells so and is not larger for it."""
    with tool(tmp_path, "eat") as executor:
        executor.start()
        status = executor.exit()
        assert status["exit_code"] not in (0, 1)
        assert "ate 64 MiB" in executor.stdout.read_text()
        assert "ate 128 MiB" not in executor.stdout.read_text()
        assert "out of memory" in executor.stderr.read_text()
