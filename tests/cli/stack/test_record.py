"""What a stack wrote down about itself."""

import stat
from pathlib import Path

import pytest

from wasmdeploy_cli.errors import StackError
from wasmdeploy_cli.stack import directory, state
from wasmdeploy_cli.stack.config import Features
from wasmdeploy_cli.stack.keys import Keys
from wasmdeploy_cli.stack.ports import wanted
from wasmdeploy_cli.stack.processes import Process, spawned
from wasmdeploy_cli.stack.record import Record
from wasmdeploy_driver.secrets import Secret

RECORD = Record(
    Features(clients=2, raw_exec=True), {"nomad.http": 4646}, {"nomad": Process(7, 8, "boot")}, "/opt/bin"
)


def test_round_trip(tmp_path: Path) -> None:
    """A record is read back as it was, and nobody else reads it."""
    RECORD.save(tmp_path / "state.json")
    assert Record.load(tmp_path / "state.json") == RECORD
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"features": {"wings": 2}, "ports": {}, "members": {}}'])
def test_broken_record(tmp_path: Path, text: str) -> None:
    """A record that cannot be read is an error with its path, not an empty stack."""
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(StackError, match=r"state\.json: cannot be read"):
        Record.load(tmp_path / "state.json")


def test_keys(tmp_path: Path) -> None:
    """Vault's keys are read back, never overwritten, never shown, and nobody else reads them."""
    keys, path = Keys(Secret("unseal"), Secret("root")), tmp_path / "keys.json"
    assert Keys.load(path) is None
    keys.save(path)
    assert Keys.load(path) == keys
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "root" not in repr(keys).replace("root_token", "")
    with pytest.raises(FileExistsError):
        keys.save(path)


def test_current(tmp_path: Path) -> None:
    """The current stack is the one whose Nomad runs; its token does not show."""
    assert state.current(tmp_path) is None
    owned = directory.claimed(tmp_path / "stack")
    assert state.current(owned.path) is None
    process = spawned(["/bin/sleep", "100"], tmp_path / "log", {})
    Record(Features(), wanted(1), {"nomad": process}).save(owned.state)
    Keys(Secret("unseal-key"), Secret("hvs.root")).save(owned.vault_keys)
    try:
        current = state.current(owned.path)
        assert current is not None
        assert current.nomad_addr == "http://127.0.0.1:4646"
        assert current.traefik_addr == "http://127.0.0.1:8088"
        assert current.components_dir == owned.components
        assert current.vault_token.reveal() == "hvs.root"
        assert "hvs.root" not in repr(current)
    finally:
        from wasmdeploy_cli.stack.processes import stopped

        stopped([process], 5)
    assert state.current(owned.path) is None
