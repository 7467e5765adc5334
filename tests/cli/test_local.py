import json

import pytest

from tests.cli.manifest.sample import SMALL, app
from tests.cli.server import serving
from wasmdeploy_cli.errors import ConfigError, GuestError, SecretError
from wasmdeploy_cli.local import _values, address, run_once, volumes_here
from wasmdeploy_driver.executor.launch import Volume
from wasmdeploy_driver.task import Task, Variable


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


def test_some_secrets_are_given(monkeypatch):
    """Those that the options give come from there, under whatever path and field, and only the rest from Vault."""
    task = Task(
        app="shop",
        variable=(
            Variable("greeting", value="Hello"),
            Variable("token", secret=True, vault="secret/elsewhere#pin"),
            Variable("other", secret=True),
        ),
    )
    with serving() as server:
        answer = {"data": {"data": {"other": "stored"}, "metadata": {"version": 1}}}
        server.bodies["/v1/secret/data/default/shop"] = json.dumps(answer).encode()
        monkeypatch.setenv("VAULT_ADDR", server.url)
        values = _values(task, {"token": "given"}).by_name
        assert [target for _, target, _, _ in server.asked] == ["/v1/secret/data/default/shop"]
        all_given = _values(task, {"token": "given", "other": "too"}).by_name
        assert len(server.asked) == 1
    assert {name: value.reveal() for name, value in values.items()} == {
        "greeting": "Hello", "token": "given", "other": "stored",
    }  # fmt: skip
    assert all_given["other"].reveal() == "too"


def test_no_vault_for_the_rest(monkeypatch, tmp_path):
    """Without a Vault it is told which of them are not given."""
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    monkeypatch.delenv("NOMAD_ADDR", raising=False)
    monkeypatch.setenv("WASMDEPLOY_STACK_DIR", str(tmp_path))
    task = Task(app="shop", variable=(Variable("a", secret=True), Variable("b", secret=True)))
    with pytest.raises(SecretError, match=r"^no value for the secret b$"):
        _values(task, {"a": "given"})
