"""Which processes belong to a stack."""

from pathlib import Path

import pytest

from wasmdeploy_cli.stack.directory import Directory
from wasmdeploy_cli.stack.sweep import Traces, is_ours

DIRECTORY = Directory(Path("/srv/stack"), "0123")
ALLOCATIONS = frozenset({"259ee644-9abd-3511-c95e-88a98b45f3d8"})
EXECUTOR = ("/usr/bin/python3", "-I", "-m", "wasmdeploy_driver.executor")


@pytest.mark.parametrize(
    "traces",
    [
        Traces(("HOME=/", "WASMDEPLOY_STACK_ID=0123"), ("nomad", "logmon"), ""),
        Traces((), ("sleep", "1"), "4:memory:/nomad/259ee644-9abd-3511-c95e-88a98b45f3d8.task\n"),
        Traces((), ("x",), "0::/nomad.slice/share.slice/259ee644-9abd-3511-c95e-88a98b45f3d8.task.scope\n"),
        Traces((), (*EXECUTOR, "/srv/stack/client-1-wasm/tasks/1"), ""),
        Traces((), (*EXECUTOR[:-1], "wasmdeploy_driver.holder", "/srv/stack/client-1-wasm"), ""),
    ],
    ids=["environment", "cgroup v1", "cgroup v2", "executor", "holder"],
)
def test_ours(traces: Traces) -> None:
    """A member's descendant, an allocation's process and a task's executor are the stack's."""
    assert is_ours(traces, DIRECTORY, ALLOCATIONS)


@pytest.mark.parametrize(
    "traces",
    [
        Traces(("WASMDEPLOY_STACK_ID=4567",), ("nomad", "logmon"), ""),
        Traces((), ("tail", "-f", "/srv/stack/logs/nomad.log"), ""),
        Traces((), ("x",), "4:memory:/nomad/11111111-9abd-3511-c95e-88a98b45f3d8.task\n"),
        Traces((), (*EXECUTOR, "/srv/stack-2/client-1-wasm/tasks/1"), ""),
        Traces((), ("",), ""),
    ],
    ids=["other stack", "user's program", "other allocation", "other executor", "gone"],
)
def test_not_ours(traces: Traces) -> None:
    """What someone else started stays untouched, even when it looks at our files."""
    assert not is_ours(traces, DIRECTORY, ALLOCATIONS)
