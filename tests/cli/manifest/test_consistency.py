import pytest

from tests.cli.manifest.sample import SMALL, app
from tests.cli.manifest.test_load import refusal
from wasmdeploy_driver.http.router import Route, Router

OTHER = '[[trigger.http]]\nroute = "{route}"\ncomponent = "{component}"\n'


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            SMALL + "[variables]\na = { secret = true, default = 'x' }\n",
            "11: variables.a.default: a secret has no default",
            "its value comes from Vault",
        ),
        (
            SMALL + "[variables]\na = { default = 'x', vault = 'kv/a#b' }\n",
            "11: variables.a.vault: only a secret comes from Vault",
            "add `secret = true`",
        ),
        (
            SMALL + "[variables]\na = { default = 'x', required = true }\n",
            "11: variables.a.required: a required variable has no default",
            "keep one of the two",
        ),
        (
            SMALL + "[variables.a]\n",
            "10: variables.a: needs a default",
            "or say `required = true`, or `secret = true`",
        ),
        (
            SMALL + "[variables]\nA = { default = '' }\n",
            "11: variables.A: no variable name: lowercase letters, digits and underscores, a letter first",
            "",
        ),
        (
            SMALL + "[deploy.volumes]\na = { path = '/data' }\nb = { path = '/data' }\n",
            "12: deploy.volumes.b.path: /data is the place of volume 'a'",
            "choose another",
        ),
        (
            SMALL + "engine = 'wasmtime'\n[deploy.volumes]\na = { path = '/data', read_only = true }\n",
            '12: deploy.volumes.a.read_only: with engine = "wasmtime" nothing refuses writes',
            "remove one of the two",
        ),
        (
            SMALL + "[deploy.volumes]\n'a b' = { path = '/data' }\n",
            '11: deploy.volumes."a b": no volume name: letters, digits, `_` and `-`',
            "",
        ),
        (
            SMALL + "[deploy.volumes]\na = { path = 'data' }\n",
            "11: deploy.volumes.a.path: 'data' is no path like /data",
            "",
        ),
        (
            SMALL.replace('component = "web"', 'component = "wep"'),
            "6: trigger.http.component: no component 'wep'",
            "did you mean 'web'?",
        ),
        (
            SMALL + OTHER.format(route="/.../", component="web"),
            "11: trigger.http.route: '/.../': /... can only stand at the end",
            "",
        ),
        (
            SMALL + OTHER.format(route="/...", component="web"),
            "11: trigger.http.route: '/...' is already a route of 'web'",
            "change one of the two",
        ),
        (
            SMALL + OTHER.format(route="/a", component="web") + OTHER.format(route="/a/", component="web"),
            "14: trigger.http.route: '/a/' is already a route of 'web'",
            "change one of the two",
        ),
        (
            SMALL + OTHER.format(route="/a", component="web") + "executor = { type = 'wagi' }\n",
            "10: trigger.http: another trigger of 'web' has another executor",
            "give all the same",
        ),
        (
            SMALL.replace('"/..."', '"/a"') + "engine = 'wasmtime'\n",
            "10: component.web.engine: needs an app of this component alone, with the route /...",
            "make it an app of its own",
        ),
        (
            SMALL.replace('component = "web"\n', "component = 'web'\nexecutor = { type = 'wagi' }\n")
            + "engine = 'wasmtime'\n",
            "11: component.web.engine: runs no WAGI programs",
            "leave one of them out",
        ),
        (
            SMALL + "engine = 'wasmtime'\n[deploy]\nidle_timeout = '5m'\n",
            "12: deploy.idle_timeout: component 'web' has engine = \"wasmtime\", whose process stays",
            "remove one of the two",
        ),
        (
            SMALL + "engine = 'v8'\n",
            "10: component.web.engine: must be \"wasmtime\" or left out, is 'v8'",
            "",
        ),
        (
            SMALL + "[component.spare]\nsource = 'x'\n",
            "10: component.spare: no route leads to it",
            'add [[trigger.http]] with component = "spare"',
        ),
        (
            SMALL.replace('[[trigger.http]]\nroute = "/..."\ncomponent = "web"', "[trigger]\nhttp = []"),
            "5: trigger.http: no route",
            "add [[trigger.http]] with a route and a component",
        ),
        (
            SMALL + "environment = { A = '{{ nmae }}' }\n[variables]\nname = { default = '' }\n",
            "10: component.web.environment.A: no variable 'nmae'",
            "did you mean 'name'?",
        ),
        (
            SMALL + "[component.web.variables]\na = '{{ b }}'\n",
            "11: component.web.variables.a: no variable 'b'",
            "there are no variables",
        ),
        (
            SMALL + "allowed_outbound_hosts = [\n'https://a',\n'https://a:0']\n",
            "12: component.web.allowed_outbound_hosts: 'https://a:0': '0' is no port, range a..b or *",
            "",
        ),
        (
            SMALL + "allowed_outbound_hosts = ['https://{{ b }}']\n",
            "10: component.web.allowed_outbound_hosts: no variable 'b'",
            "there are no variables",
        ),
        (
            SMALL + "allowed_outbound_hosts = ['https://{{ b }}']\n[variables]\nb = { default = 'a/b' }\n",
            "10: component.web.allowed_outbound_hosts: 'https://a/b': 'a/b' is no network such as 10.0.0.0/8, "
            "and a rule has no path",
            "",
        ),
        (
            SMALL + "allowed_outbound_hosts = ['http://wep.spin.internal']\n",
            "10: component.web.allowed_outbound_hosts: 'http://wep.spin.internal': no component 'wep'",
            "did you mean 'web'?",
        ),
        (
            SMALL + f"[deploy]\nnamespace = '{'n' * 58}'\n",
            f"2: application.name: with namespace '{'n' * 58}' the service "
            "name has 64 characters, at most 63",
            "shorten it",
        ),
        (
            SMALL.replace("/...", "/a/...")
            + OTHER.format(route="/b", component="web")
            + "[deploy]\nhealth_path = '/'\n",
            "14: deploy.health_path: no route leads to /",
            "name a path below one of the routes: /a/..., /b",
        ),
        (
            SMALL + "[deploy]\nmemory = 128\n[deploy.limits]\nmemory_mb = 65\n",
            "13: deploy.limits.memory_mb: 65 and 64 for the executor are more than deploy.memory (128)",
            "set deploy.memory to 129",
        ),
    ],
)
def test_disagreement(tmp_path, text, message, hint):
    """Parts that do not fit together are one error at the part that is wrong."""
    assert refusal(tmp_path, text) == (f"wasmdeploy.toml:{message}", hint)


@pytest.mark.parametrize("secret", ["secret = true", "required = true"])
def test_a_rule_with_a_value_that_comes_later_is_left_to_it(tmp_path, secret):
    """A rule whose variable has no value yet is checked where the app starts."""
    text = SMALL + f"allowed_outbound_hosts = ['{{{{ b }}}}']\n[variables]\nb = {{ {secret} }}\n"
    assert app(tmp_path, text).component["web"].allowed_outbound_hosts == ("{{ b }}",)


@pytest.mark.parametrize("path", ["/", "/a", "/a/", "/ab", "/a/b", "/a/b/", "/a/b/c"])
@pytest.mark.parametrize("route", ["/...", "/", "/a", "/a/", "/a/...", "/a/b/..."])
def test_the_health_path_has_a_route(tmp_path, route, path):
    """A manifest is taken where the executor's router finds the path, and refused where it does not."""
    text = SMALL.replace("/...", route) + f"[deploy]\nhealth_path = '{path}'\n"
    if Router([Route(route, "web")]).find(path.encode()):
        assert app(tmp_path, text).deploy.health_path == path
    else:
        assert f"no route leads to {path}" in refusal(tmp_path, text)[0]


def test_other_braces_are_themselves(tmp_path):
    """What is no template of a variable name stays as it is and is not checked."""
    text = SMALL + "environment = { A = '{{ Upper }} {{x-y}} {x} {{' }\n"
    assert app(tmp_path, text).component["web"].environment == {"A": "{{ Upper }} {{x-y}} {x} {{"}


def test_exact_and_wildcard_are_two_routes(tmp_path):
    """`/a` and `/a/...` do not collide."""
    text = SMALL + OTHER.format(route="/a", component="web") + OTHER.format(route="/a/...", component="web")
    assert app(tmp_path, text).routes("web") == ("/...", "/a", "/a/...")
