"""What `wasmdeploy exec` asks Nomad for, and what it makes of a refusal; the rest is tests/e2e/test_exec.py."""

from __future__ import annotations

import pytest

from tests.cli.server import serving
from wasmdeploy_cli.deployment.exec import command_of
from wasmdeploy_cli.errors import ClusterError, DeployError
from wasmdeploy_cli.nomad import Settings
from wasmdeploy_cli.nomad.exec import running
from wasmdeploy_driver.secrets import Secret


def test_a_line_is_one_word_or_several() -> None:
    """One word goes to the console's shell, so that `;` works; several are a command as they are."""
    assert command_of(()) == ["/bin/sh"]
    assert command_of(["routes; stats"]) == ["/bin/sh", "-c", "routes; stats"]
    assert command_of(["echo", "a;b"]) == ["echo", "a;b"]


@pytest.mark.parametrize(
    ("status", "error", "hint"),
    [(403, ClusterError, "alloc-exec"), (404, DeployError, "wasmdeploy status")],
)
def test_a_refusal(status: int, error: type[Exception], hint: str) -> None:
    """Nomad's own words are told, and what to do; the token goes along."""
    with serving() as server:
        server.status, server.chunks = status, [b"no such thing\n"]
        settings = Settings(server.url, nomad_token=Secret("n-token"))
        with (
            pytest.raises(error, match="no such thing") as caught,
            running(settings, "team", "an/id", "web", ["routes"], tty=False),
        ):
            pass
    assert hint in caught.value.hint
    ((method, target, headers, _),) = server.asked
    assert (method, headers["X-Nomad-Token"]) == ("GET", "n-token")
    assert target.startswith(
        "/v1/client/allocation/an%2Fid/exec?task=web&command=%5B%22routes%22%5D&tty=false"
    )
    assert "namespace=team" in target


def test_no_nomad() -> None:
    """A closed port is one line."""
    with (
        pytest.raises(ClusterError, match="cannot be reached"),
        running(Settings("http://127.0.0.1:1"), "default", "a", "web", ["x"], tty=False),
    ):
        pass
