import contextlib
import copy
import json
import pickle
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from wasmdeploy_driver.errors import SecretError, SecretUnavailable
from wasmdeploy_driver.secrets import GivenSecrets, Secret, VaultSecrets, is_dynamic

SECRET = Secret("s3cret")


@pytest.mark.parametrize(
    "show", [repr, str, "{}".format, "{!r:>20}".format, lambda each: f"{each}", lambda each: str([each])]
)
def test_a_secret_cannot_be_shown(show):
    """However a secret is shown, it is [redacted]."""
    assert "[redacted]" in show(SECRET)
    assert "s3cret" not in show(SECRET)


@pytest.mark.parametrize("carry", [pickle.dumps, json.dumps, copy.deepcopy, hash, vars])
def test_a_secret_cannot_be_carried_away(carry):
    """A secret is neither pickled, encoded, copied nor hashed by accident."""
    with pytest.raises(TypeError):
        carry(SECRET)


def test_secrets_compare_by_value():
    """Two secrets are equal when their values are; a text is no secret."""
    assert Secret("s3cret") == SECRET
    assert Secret("other") != SECRET
    assert SECRET != "s3cret"
    assert SECRET.reveal() == "s3cret"


def test_given_secrets():
    """Given secrets are found by their field, whatever the path."""
    given = GivenSecrets({"key": SECRET})
    assert given.read("any/path", "key") == SECRET
    assert given.read("any/path", "other") is None


class Vault(ThreadingHTTPServer):
    """Answers like Vault's KV v2, with what the test puts in."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body, self.asked = 200, b"", []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def holds(self, data):
        self.body = json.dumps({"data": {"data": data, "metadata": {"version": 3}}}).encode()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(
            (self.path, self.headers["X-Vault-Token"], self.headers["X-Vault-Namespace"])
        )
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def fake_vault():
    """A running fake of Vault."""
    with Vault() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            yield server
        finally:
            server.shutdown()


@pytest.fixture
def vault():
    """A running fake of Vault."""
    with fake_vault() as server:
        yield server


def test_a_secret_from_vault(vault):
    """A field is read from its mount and path, with the token and namespace, once for all of its fields."""
    vault.holds({"a": "1", "b": "2"})
    secrets = VaultSecrets(vault.url, Secret("token"), namespace="team")
    assert [secrets.read("kv/shop/x", field) for field in "abc"] == [Secret("1"), Secret("2"), None]
    assert vault.asked == [("/v1/kv/data/shop/x", "token", "team")]


@pytest.mark.parametrize(("value", "text"), [(5, "5"), (1.5, "1.5"), (True, "true"), ("é", "é"), ("", "")])
def test_values_that_are_no_text(vault, value, text):
    """Numbers and truth values become the text that Vault itself shows."""
    vault.holds({"key": value})
    assert VaultSecrets(vault.url, SECRET).read("kv/x", "key") == Secret(text)


@pytest.mark.parametrize("value", [[1], {"a": "s3cret"}])
def test_values_with_structure(vault, value):
    """A list or map is no secret, and the error does not show it."""
    vault.holds({"key": value})
    with pytest.raises(SecretError, match="kv/x#key") as caught:
        VaultSecrets(vault.url, SECRET).read("kv/x", "key")
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize("data", [None, {"key": None}, {}])
def test_no_such_secret(vault, data):
    """A field that is not there is None."""
    vault.holds(data)
    assert VaultSecrets(vault.url, SECRET).read("kv/x", "key") is None


@pytest.mark.parametrize(
    "body", [b'{"errors":[]}', b'{"data":{"data":null,"metadata":{"deletion_time":"x"}}}']
)
def test_no_such_path(vault, body):
    """A path that is not there, or was deleted, is None."""
    vault.status, vault.body = 404, body
    assert VaultSecrets(vault.url, SECRET).read("kv/x", "key") is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, SecretError),
        (429, SecretUnavailable),
        (403, SecretError),
        (500, SecretUnavailable),
        (502, SecretUnavailable),
        (503, SecretUnavailable),
    ],
)
def test_vault_refuses(vault, status, kind):
    """A refusal is a SecretError; what may pass is a SecretUnavailable. Neither shows the token."""
    vault.status, vault.body = status, b'{"errors":["no"]}'
    with pytest.raises(SecretError) as caught:
        VaultSecrets(vault.url, SECRET).read("kv/x", "key")
    assert type(caught.value) is kind
    assert "s3cret" not in f"{caught.value.message} {caught.value.hint}"


def test_what_refused_is_told_apart(vault):
    """A dead token, a policy and an engine's own refusal have an error each."""
    for status, said, words in (
        (403, "permission denied", "refuses to read kv/x"),
        (403, "invalid token", "does not know the task's token: it has expired or was revoked"),
        (404, 'no handler for route "kv/data/x"', "nothing mounted for kv/data/x"),
        (400, "unknown role: app", "cannot read kv/x: unknown role: app"),
    ):
        vault.status, vault.body = status, json.dumps({"errors": [said]}).encode()
        with pytest.raises(SecretError, match=words):
            VaultSecrets(vault.url, SECRET).read("kv/x", "key")


@pytest.mark.parametrize(
    ("path", "dynamic"),
    [("database/creds/app", True), ("/aws/creds/app/", True), ("database/static-creds/app", True),
     ("secret/app", False), ("secret/app/creds", False), ("creds/app", False)],
)  # fmt: skip
def test_what_vault_makes(path, dynamic):
    """Credentials are what lies below `creds` or `static-creds` of a mount."""
    assert is_dynamic(path) is dynamic


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"data": 5}', b""])
def test_something_else_answers(vault, body):
    """An answer that is not Vault's is an error, whatever it is."""
    vault.body = body
    with pytest.raises(SecretError):
        VaultSecrets(vault.url, SECRET).read("kv/x", "key")


def test_vault_is_away():
    """A Vault that does not answer may be back later."""
    with pytest.raises(SecretUnavailable, match="cannot be reached"):
        VaultSecrets("http://127.0.0.1:1", SECRET).read("kv/x", "key")


@pytest.mark.parametrize("path", ["", "kv", "/kv/"])
def test_a_path_without_a_mount(path):
    """A path needs a mount and something below it."""
    with pytest.raises(SecretError, match="needs a mount"):
        VaultSecrets("http://127.0.0.1:1", SECRET).read(path, "key")
