import pytest

from tests.cli.manifest.sample import SMALL, app
from tests.cli.manifest.test_load import refusal

COMMAND = """\
[application]
name = "report"

[[trigger.command]]
component = "report"
args = ["--all"]

[component.report]
source = "report.wasm"
"""


def test_a_command(tmp_path):
    """An app with a command is a batch job; `sysbatch` has to be asked for."""
    found = app(tmp_path, COMMAND)
    assert (found.type, found.command.component, found.command.args) == ("batch", "report", ("--all",))
    assert not found.in_consul
    assert app(tmp_path, COMMAND + '[deploy]\ntype = "sysbatch"\n').type == "sysbatch"
    assert (app(tmp_path).type, app(tmp_path).command) == ("service", None)


def test_launching(tmp_path):
    """One cron expression needs no list; without a word, a dispatch may bring a payload."""
    assert app(tmp_path, COMMAND + '[deploy.periodic]\ncron = "@daily"\n').deploy.periodic.cron == ("@daily",)
    assert app(tmp_path, COMMAND + "[deploy.parameterized]\n").takes_payload
    assert not app(tmp_path, COMMAND + '[deploy.parameterized]\npayload = "forbidden"\n').takes_payload


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            COMMAND + '[[trigger.http]]\nroute = "/"\ncomponent = "report"\n',
            "4: trigger.command: an app that answers HTTP runs no command",
            "make it an app of its own",
        ),
        (
            COMMAND.replace('component = "report"', 'component = "repport"'),
            "5: trigger.command.component: no component 'repport'",
            "did you mean 'report'?",
        ),
        (
            COMMAND.replace("--all", "{{ which }}"),
            "6: trigger.command.args: no variable 'which'",
            "there are no variables",
        ),
        (
            COMMAND + 'isolation = "instance"\n',
            "10: component.report.isolation: only components that answer HTTP have this",
            "remove it",
        ),
        (
            COMMAND + 'allowed_outbound_hosts = ["tcp://a:1", "https://a"]\n',
            "10: component.report.allowed_outbound_hosts: 'https://a': a command has sockets only, and sends no "
            "requests by wasi:http",
            "allow tcp://HOST:PORT",
        ),
        (
            COMMAND + '[component.other]\nsource = "b.wasm"\n',
            "10: component.other: the command is another component",
            "make it an app of its own",
        ),
        (COMMAND + '[deploy]\nhost = "a.b"\n', "11: deploy.host: a command has no route", "remove it"),
        (
            COMMAND + '[deploy]\ntype = "service"\n',
            "11: deploy.type: a command is no service: it ends",
            'leave it out, or say "batch"',
        ),
        (
            COMMAND + '[deploy]\ntype = "batsch"\n',
            '11: deploy.type: must be "service", "batch" or "sysbatch", is \'batsch\'',
            "",
        ),
        (
            COMMAND + '[deploy]\ntype = "sysbatch"\ncount = 2\n',
            "12: deploy.count: a sysbatch job runs once on every node",
            "remove it",
        ),
        (
            COMMAND + '[deploy.periodic]\ncron = "@daily"\n[deploy.parameterized]\n',
            "10: deploy.periodic: a command that is dispatched does not run by itself",
            "keep one of the two",
        ),
        (
            SMALL + '[deploy]\ntype = "batch"\n',
            "11: deploy.type: an app that answers HTTP is a service",
            "make it a [[trigger.command]]",
        ),
        (
            SMALL + '[deploy.periodic]\ncron = "@daily"\n',
            "10: deploy.periodic: an app that answers HTTP always runs",
            "make it a [[trigger.command]]",
        ),
    ],
)
def test_disagreement(tmp_path, text, message, hint):
    """What does not go with a command, or only with one, is one error at its line."""
    assert refusal(tmp_path, text) == (f"wasmdeploy.toml:{message}", hint)
