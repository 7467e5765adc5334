import pytest

from tests.cli.manifest.sample import SMALL, app
from wasmdeploy_cli.errors import ConfigError, GuestError
from wasmdeploy_cli.local import address, run_once, volumes_here
from wasmdeploy_driver.executor.launch import Volume


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:3000", ("127.0.0.1", 3000)), ("localhost:0", ("localhost", 0)), ("[::1]:80", ("::1", 80)),
        ("0.0.0.0:65535", ("0.0.0.0", 65535)),
    ],
)  # fmt: skip
def test_addresses(text, expected):
    """HOST:PORT is taken apart, IPv6 in brackets too."""
    assert address(text) == expected


@pytest.mark.parametrize(
    "text", ["", "3000", ":3000", "a:", "a:b", "a:-1", "a:65536", "a:\xb2", "a:٣", "a:" + "9" * 5000, "a: 80"]
)
def test_no_addresses(text):
    """What is no HOST:PORT is refused."""
    with pytest.raises(ConfigError, match="expected HOST:PORT"):
        address(text)


@pytest.mark.parametrize(
    ("content", "words"), [(None, "No such file"), (b"#!/bin/sh\n", "not a WebAssembly file")]
)
def test_a_program_that_cannot_be_run(tmp_path, content, words):
    """A file that is missing or no WebAssembly is a GuestError."""
    module = tmp_path / "tool.wasm"
    if content is not None:
        module.write_bytes(content)
    with pytest.raises(GuestError, match=words):
        run_once(module, (), {}, ())


def test_a_directory_that_is_not_there(tmp_path):
    """--dir names a directory that exists."""
    with pytest.raises(ConfigError, match="is no directory"):
        run_once(tmp_path / "tool.wasm", (), {}, (f"{tmp_path}/none::/data",))


def test_volumes(tmp_path):
    """A volume of the manifest is the directory that is given for it; each needs one, and no other can be given."""
    described = app(tmp_path, SMALL + "[deploy.volumes]\ndata = { path = '/data', read_only = true }\n")
    (tmp_path / "here").mkdir()
    given = {"data": str(tmp_path / "here")}
    assert volumes_here(described, given) == (Volume(tmp_path / "here", "/data", readonly=True),)
    for volumes, words in (
        ({}, "volume 'data' has no directory here"),
        ({**given, "date": "x"}, "has no volume 'date'"),
        ({"data": str(tmp_path / "nowhere")}, "No such file or directory"),
        ({"data": __file__}, "Not a directory"),
        ({"data": "x" * 5000}, "File name too long"),
        ({"data": ""}, "names no directory"),
    ):
        with pytest.raises(ConfigError, match=words):
            volumes_here(described, volumes)
