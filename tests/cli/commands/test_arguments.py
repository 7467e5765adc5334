"""Arguments that nothing could be done with: told by their name, before anybody is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.server import serving

MANIFEST = """
[application]
name = "shop"
[variables]
size = { required = true }
token = { secret = true }
[[trigger.http]]
route = "/..."
component = "front"
[component.front]
source = "front.wasm"
"""
COMMAND = """
[application]
name = "nightly"
[[trigger.command]]
component = "tool"
[component.tool]
source = "tool.wasm"
"""
Run = Callable[..., tuple[int, str, str]]
GIVEN = ("--variable", "size=L", "--component-dir", ".")


@pytest.mark.parametrize("command", ["plan", "deploy"])
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ((), "variable 'size' is required and has no value"),
        ((*GIVEN, "--variable", "nosuch=1"), "wasmdeploy.toml has no variable 'nosuch'"),
        ((*GIVEN, "--variable", "token=1"), "variable 'token' is a secret, whose value comes from Vault"),
        ((*GIVEN, "--variable", "size=S"), "--variable size is given twice"),
        ((*GIVEN, "--component-dir", "nowhere"), "--component-dir: there is no directory nowhere"),
        ((*GIVEN, "--auto-promote"), "--auto-promote is for canaries"),
        ((*GIVEN, "--canary", "1", "nightly"), "nightly is a command, which has no canaries"),
        (("--env", ""), "--env is empty"),
    ],
)
def test_of_a_deploy(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str, options: tuple[str, ...], error: str
) -> None:
    """What does not fit the app is told, though it is not built and no component of it is there."""
    if "nightly" in options:
        options = ("--canary", "1", "--component-dir", ".", "nightly")
        Path("nightly").mkdir()
        Path("nightly/wasmdeploy.toml").write_text(COMMAND)
    Path("wasmdeploy.toml").write_text(MANIFEST)
    # What `plan` finds out by itself is an error of its own kind, as it is Nomad's.
    code = 255 if command == "plan" and options != ("--env", "") else 2
    _refused(run, monkeypatch, (command, *options), error, code)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("logs", "--app", "shop", "--since", "x"), "--since: 'x' is no duration"),
        (("logs", "--app", "shop", "--since", ""), "--since: '' is no duration"),
        (("status", "--app", "a b"), "--app 'a b': no app has such a name"),
        (("destroy", "--app", ""), "--app is empty"),
        (("destroy", "--app", "shop", "--namespace", ""), "--namespace is empty"),
        (("list", "--namespace", "a/b"), "--namespace: 'a/b' is no Nomad namespace"),
        (("status", "app", "--app", "shop"), "--app shop and the manifest at app both name an app"),
        (("logs", "--app", "shop", "."), "--app shop and the manifest at . both name an app"),
        (("scale", "3", "--app", "shop", "--manifest", "."), "--app shop and the manifest at . both name an"),
        (("stop", "--app", "shop", "--env", "dev"), "--env dev is of a manifest, and --app shop reads none"),
        (("rollback", "--app", "shop", "--", "-1"), "invalid value for 'VERSION': it should be greater"),
        (("rollback", "--app", "shop", "x"), "invalid value for 'VERSION': it is no whole number"),
        (("stack", "up", "--ports", "foo"), "invalid value for '--ports': 'foo' is not one of"),
        (("deploy", "--build", "--no-build"), "--build and --no-build contradict each other"),
        (("invoke", "orders", "--app", "shop"), "'orders' is no path"),
        (("invoke", "//host/", "--app", "shop"), "'//host/' is no path"),
        (("invoke", "-X", "G ET", "--app", "shop"), "--method 'G ET' is no HTTP method"),
        (("invoke", "-H", "no header", "--app", "shop"), "--header 'no header': expected 'NAME: VALUE'"),
        (("invoke", "-H", "X: \u00e9", "--app", "shop"), "--header 'X: \u00e9': expected 'NAME: VALUE'"),
        (("dispatch", "--meta", "a=1", "-m", "a=1", "--app", "x"), "--meta a is given twice"),
        (("plan", "--out", "plan"), "--out plan: the name of a plan ends with .json"),
        (("plan", "--out", "nowhere/plan.json"), "--out nowhere/plan.json: there is no such place"),
        (("run", "--dir", ".::/", "--dir", "/::/", "/dev/null"), "--dir /::/: / is given twice"),
        (("run", "--allow", "nonsense", "/dev/null"), "--allow 'nonsense' is not scheme://host:port"),
        (("driver", "config", "--vault-addr", "vault"), "--vault-addr vault: no http:// or https:// address"),
        (("stack", "up", "--bin-dir", "nowhere"), "invalid value for '--bin-dir'"),
        (("deploy", "--timeout", "99999999h"), "--timeout: '99999999h' is too long"),
    ],
    ids=" ".join,
)
def test_of_the_others(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], error: str
) -> None:
    """What names no app, no time and no request is told."""
    _refused(run, monkeypatch, arguments, error)


@pytest.mark.parametrize("count", ["0", "-1", "x", "web=", "=3", "web=0", "3=web", "\u0663"])
def test_no_number_of_instances(run: Run, monkeypatch: pytest.MonkeyPatch, count: str) -> None:
    """None at all is `stop`, and digits are 0 to 9."""
    _refused(run, monkeypatch, ("scale", "--", count), f"{count!r} is no number of instances")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--volume", "a=A", "--volume", "a=B"), "--volume a is given twice"),
        (("-e", "A=1", "--guest-env", "A=2"), "--guest-env A is given twice"),
        (
            ("--build", "--variable", "size=L", "--variable", "nosuch=1"),
            "wasmdeploy.toml has no variable 'nosuch'",
        ),
        (("--variable", "token=x"), "variable 'size' is required and has no value"),
    ],
)
def test_of_up(run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], error: str) -> None:
    """What `up` cannot serve with is told before a build."""
    Path("wasmdeploy.toml").write_text(MANIFEST)
    _refused(run, monkeypatch, ("up", *arguments), error)


@pytest.mark.parametrize("command", ["deploy", "rollback", "scale", "restart", "promote", "stop", "destroy"])
def test_of_whatever_waits(run: Run, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """What is no duration ends the command before it asks the cluster, let alone changes it."""
    arguments = (command, "2") if command == "scale" else (command,)
    _refused(run, monkeypatch, (*arguments, "--timeout", "soon"), "--timeout: 'soon' is no duration")


def _refused(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], error: str, code: int = 2
) -> None:
    """One error, a hint, the exit code of a wrong command line or this one, and no request."""
    with serving() as server:
        monkeypatch.setenv("NOMAD_ADDR", server.url)
        status, out, err = run(*arguments)
    first, second = err.splitlines()
    assert (status, out) == (code, "")
    assert first.startswith(f"error: {error}")
    assert second.startswith("hint: ")
    assert server.asked == []
