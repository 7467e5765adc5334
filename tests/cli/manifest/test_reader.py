import pytest

from tests.cli.manifest.sample import SMALL
from tests.cli.manifest.test_load import refusal


def added(line: str, before: str = "") -> str:
    """The small manifest with a line before the one that starts with `before`, or at its end."""
    return SMALL.replace(before, f"{line}\n{before}", 1) if before else SMALL + line + "\n"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "1: application: missing", ""),
        (added("[deploy]\nhosst = 'x'"), "11: deploy.hosst: unknown key", "did you mean 'host'?"),
        (added('nmae = "x"', "name"), "2: application.nmae: unknown key", "did you mean 'name'?"),
        (
            added("xyz = 1"),
            "10: component.web.xyz: unknown key",
            "valid keys: source, description, environment, variables, allowed_outbound_hosts, engine, "
            "build, limits, isolation, max_requests, max_idle",
        ),
        (added("[triggers]"), "10: triggers: unknown key", "did you mean 'trigger'?"),
        (added("[trigger.htpp]"), "10: trigger.htpp: unknown key", "did you mean 'http'?"),
        (SMALL.replace('source = "web.wasm"', ""), "8: component.web.source: missing", ""),
        (SMALL.replace('component = "web"', ""), "4: trigger.http.component: missing", ""),
        ('[application]\nname = "a"\n[component]\n', "1: trigger: missing", ""),
        (SMALL.replace('"hello"', "3"), "2: application.name: expected a string, got a whole number", ""),
        (
            SMALL.replace("[application]", "[[application]]"),
            "1: application: expected a table, got a list",
            "",
        ),
        (
            SMALL.replace("[[trigger.http]]", "[trigger.http]"),
            "4: trigger.http: expected a list, got a table",
            "",
        ),
        (
            added("environment = { A = 1 }"),
            "10: component.web.environment.A: expected a string, got a whole number",
            "",
        ),
        (
            added('environment = { "a b" = true }'),
            '10: component.web.environment."a b": expected a string, got true or false',
            "",
        ),
        (added("environment = 1"), "10: component.web.environment: expected a table, got a whole number", ""),
        (
            added('allowed_outbound_hosts = [\n"https://a",\n2]'),
            "12: component.web.allowed_outbound_hosts: expected a string, got a whole number",
            "",
        ),
        (added("[deploy]\ncount = true"), "11: deploy.count: expected a whole number, got true or false", ""),
        (added("[deploy]\ncount = 1.5"), "11: deploy.count: expected a whole number, got a number", ""),
        (added("[deploy]\ncount = 2020-01-01"), "11: deploy.count: expected a whole number, got a date", ""),
        (
            added("environment = { A = 'x', B = \"\\u0000\" }"),
            "10: component.web.environment.B: a NUL character, which no environment or path can hold",
            "",
        ),
        (
            added('environment = { A = "e\\u0301" }'),
            "10: component.web.environment.A: not in Unicode's composed form (NFC)",
            "Nomad would change the text",
        ),
    ],
)
def test_one_error(tmp_path, text, message, hint):
    """A key that is unknown, missing or of a wrong type is one error with its line and the nearest key."""
    assert refusal(tmp_path, text) == (f"wasmdeploy.toml:{message}", hint)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            added("key_value_stores = ['default']"),
            "10: component.web.key_value_stores: unsupported: key_value_stores",
            "reach a store over HTTP, with allowed_outbound_hosts",
        ),
        (
            added("files = []"),
            "10: component.web.files: unsupported: files",
            "build the files into the component, or serve them elsewhere",
        ),
        (
            added("[[trigger.redis]]\nchannel = 'x'"),
            "10: trigger.redis: unsupported: trigger.redis",
            "HTTP and commands are the only triggers so far",
        ),
        (
            added("[application.trigger.redis]\naddress = 'x'"),
            "10: application.trigger: unsupported: trigger",
            "write the setting into each [[trigger.http]]",
        ),
        (
            SMALL.replace('"/..."', "{ private = true }"),
            "5: trigger.http.route: unsupported: { private = true }",
            "",
        ),
        (
            SMALL.replace('component = "web"', "component = { source = 'x' }"),
            "6: trigger.http.component: unsupported: "
            "a component inside its trigger (write it as [component.NAME])",
            "",
        ),
        (
            SMALL.replace('"web.wasm"', "{ url = 'https://x', digest = 'sha256:1' }"),
            "9: component.web.source: "
            "unsupported: a source that is downloaded (download it and name the file)",
            "",
        ),
        (
            added("executor = { type = 'slight' }", 'component = "web"'),
            "6: trigger.http.executor.type: unsupported: executor 'slight'",
            "",
        ),
    ],
)
def test_not_served_yet(tmp_path, text, message, hint):
    """What Spin serves and we do not is refused by name, with its line."""
    assert refusal(tmp_path, text) == (f"wasmdeploy.toml:{message}", hint)
