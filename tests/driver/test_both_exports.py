"""A component that is a command and a web app at once: the task says which of the two it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.driver.executor_process import Executor, app
from tests.driver.guests import wat
from tests.driver.test_compose import OLD
from wasmdeploy_driver.task import Task

pytestmark = pytest.mark.guests


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A guest whose handler sets no response, and whose run answers with an error."""
    file = tmp_path / "both.wasm"
    file.write_bytes(wat(OLD.format(types="0.2.0", handler="0.2.0")))
    return file


def test_an_app_calls_the_handler(tmp_path: Path, source: Path) -> None:
    """A request reaches the handler, which is told apart by its own way to fail."""
    with Executor(tmp_path, app(source), source) as executor:
        executor.start()
        assert executor.request("/")[0] == 500
        assert "guest set no response" in executor.log()


def test_a_command_calls_run(tmp_path: Path, source: Path) -> None:
    """As a command the same file runs once, and its error is the exit code."""
    with Executor(tmp_path, Task("job", module=source.name), source) as executor:
        executor.start()
        assert executor.exit()["exit_code"] == 1
        assert "guest set no response" not in executor.log()
