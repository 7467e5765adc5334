"""Logs that the executor collects itself, with real guests in real executors."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.driver.executor_process import Executor, app, until
from tests.driver.go_guests import go_guest
from tests.driver.guests import wat
from tests.driver.test_executor import raw
from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.executor.launch import LogFiles
from wasmdeploy_driver.task import Limits, Task

pytestmark = pytest.mark.guests
SIZE = 64 << 10
FILES = LogFiles("web", 3, SIZE)
# Writes `count` lines of 16 bytes to stdout and one to stderr, then does `end`.
FLOOD = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\08\\00\\00\\00\\10\\00\\00\\00a line of flood\\n")
  (func (export "_start") (local $left i32)
    (local.set $left (i32.const %d))
    (loop $more
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))
      (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 100)))
    %s))"""


def flood(tmp_path, count, end="", files=FILES):
    """An executor of a command that floods its log."""
    module = tmp_path / "flood.wasm"
    module.write_bytes(wat(FLOOD % (count, end)))
    (tmp_path / "alloc" / "logs").mkdir(parents=True)
    return Executor(
        tmp_path, Task("job", module="flood.wasm", limits=Limits(timeout="0")), module,
        shared=tmp_path / "alloc", logs=files,
    )  # fmt: skip


def log(tmp_path, stream):
    """All that is in the files of a stream."""
    found = sorted(
        (tmp_path / "alloc" / "logs").glob(f"web.{stream}.*"), key=lambda each: int(each.suffix[1:])
    )
    assert sum(each.stat().st_size for each in found) <= FILES.most_files * FILES.most_bytes
    return "".join(each.read_text() for each in found)


def test_no_line_is_lost(tmp_path):
    """All that a command writes before its end is in the files; Nomad's FIFOs are left alone."""
    with flood(tmp_path, 10_000) as executor:
        executor.start()
        assert executor.exit()["exit_code"] == 0
    assert log(tmp_path, "stdout") == "a line of flood\n" * 10_000
    assert log(tmp_path, "stderr") == "a line of flood\n"
    assert not executor.stdout.exists()
    assert not executor.stderr.exists()


def test_a_guest_that_floods(tmp_path):
    """A guest that never stops writing fills its files and no more; the task is looked at and stopped in order."""
    with flood(tmp_path, 0) as executor:
        executor.start()
        newest = tmp_path / "alloc" / "logs" / "web.stdout.9"
        until(newest.exists)
        assert executor.call("inspect")["state"] == "running"
        executor.call("stop", timeout=1.0)
        assert executor.exit()["exit_code"] == 143
    assert "a line of flood\n" in log(tmp_path, "stdout")


def test_last_words(tmp_path):
    """What a guest said before it trapped is in the log, and why it did."""
    with flood(tmp_path, 1, "unreachable") as executor:
        executor.start()
        assert executor.exit()["exit_code"] == 134
    text = log(tmp_path, "stderr")
    assert text.startswith("a line of flood\n")
    assert "unreachable" in text


def test_every_process_of_an_app(tmp_path):
    """What guests say in the executor, in engine processes and what the executor tells is in one log."""
    (tmp_path / "alloc" / "logs").mkdir(parents=True)
    guest = go_guest("go-cgi")
    with Executor(tmp_path, app(guest), guest, shared=tmp_path / "alloc", logs=FILES) as executor:
        executor.start()
        with ThreadPoolExecutor(8) as threads:
            waiting = [threads.submit(executor.request, "/wait") for _ in range(4)]
            until(executor.engines)
            panics = [threads.submit(executor.failure, "/panic") for _ in range(20)]
            assert {each.result() for each in panics} == {500}
            (executor.task_dir / "data" / "go").touch()
            assert {each.result()[0] for each in waiting} == {200}
        answer = raw(executor, b'{"call":"signal","name":"SIGUSR1"}\n')
        assert json.loads(answer) == {"ok": {}}
        executor.call("stop", timeout=30.0)
        executor.exit()
    text = log(tmp_path, "stderr")
    # Guests write their lines in parts, between which those of other processes may come.
    assert text.count("as asked") >= 20, text
    assert text.count("trap: GET /panic") >= 20, text
    assert text.count("state: {") == 1, text


def test_no_directory(tmp_path):
    """A task whose log directory is missing, or a link that leads elsewhere, does not start, and says why."""
    with flood(tmp_path, 1) as executor:
        (tmp_path / "alloc" / "logs").rmdir()
        (tmp_path / "alloc" / "logs").symlink_to("/tmp")
        with pytest.raises(ConfigError, match="symbolic link"):
            executor.start()
        executor.exit()
