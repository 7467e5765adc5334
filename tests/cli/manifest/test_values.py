import pytest

from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.manifest import pairs, read_values


def test_values(tmp_path):
    """A value stands after the first equals sign or in a file."""
    (tmp_path / "file").write_bytes("é=\n\n".encode())
    options = ["a=", "b=x=y", f"c=@{tmp_path}/file"]
    assert read_values(options) == {"a": "", "b": "x=y", "c": "é=\n"}


@pytest.mark.parametrize("option", ["a", "=b", ""])
def test_malformed(option):
    """An option without name or equals sign is refused."""
    with pytest.raises(ConfigError) as caught:
        read_values([option])
    assert caught.value.message == f"--variable {option}: expected NAME=VALUE or NAME=@FILE"


def test_a_name_that_comes_twice():
    """Nobody could know which one holds; the values, which may be secrets, are not repeated."""
    with pytest.raises(ConfigError, match=r"^--variable a is given twice$"):
        read_values(["a=1", "b=2", "a=1"])


@pytest.mark.parametrize("item", ["", "a", "=1"])
def test_no_pairs(item):
    """What is no NAME=VALUE is refused by the option's name."""
    with pytest.raises(ConfigError, match=f"^--env {item}: expected NAME=VALUE$"):
        pairs([item], "--env")


def test_file_that_cannot_be_read(tmp_path):
    """A file that is not there, or is no text, is named."""
    with pytest.raises(ConfigError, match=r"--variable a=@.*/none: No such file"):
        read_values([f"a=@{tmp_path}/none"])
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        read_values([f"a=@{tmp_path}/binary"])
