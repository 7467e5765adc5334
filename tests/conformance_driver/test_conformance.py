"""Nomad's own harness for task drivers against the installed plugin: each of the Go program's tests is a case here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance_driver import program

pytestmark = [pytest.mark.guests, pytest.mark.stack]


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return program.guests(tmp_path_factory.mktemp("guests"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("data")
    directory.chmod(0o700)
    return directory


@pytest.mark.parametrize("name", program.names())
def test_nomads_harness(name: str, guests: Path, data: Path) -> None:
    """The plugin passes the test."""
    ended = program.run(name, guests, data)
    if not ended.passed:
        pytest.fail(f"{name}\n{ended.output[-20000:]}", pytrace=False)


def test_the_program_has_its_tests() -> None:
    """None of what Nomad's drivers are tested with is missing."""
    wanted = {
        "TestFingerprint", "TestConfigSchema", "TestStartWait", "TestStartWaitStop", "TestStartWaitRecoverWaitStop",
        "TestExitCode", "TestStats", "TestSignal", "TestExec", "TestExecStreaming", "TestAllocDir", "TestMounts",
        "TestEnv", "TestDestroyKillsAll", "TestNoOrphans", "TestNilFields",
    }  # fmt: skip
    assert wanted <= set(program.names())
