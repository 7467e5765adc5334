import pytest

from tests.cli.manifest.sample import SMALL, app
from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.job import make_task
from wasmdeploy_driver import task

VARIABLES = """
environment = { A = "{{ size }}" }
allowed_outbound_hosts = ["https://a.example/", "http://b.example:80"]
[component.web.variables]
b = "{{ token }}"
[variables]
size = { required = true }
color = { default = "red" }
token = { secret = true }
other = { secret = true, vault = "kv/x/y#z" }
[deploy]
namespace = "team"
memory = 512
"""


def test_task(tmp_path):
    """A task has the app's names, guests, variables and limits; a secret has a place and never a value."""
    made = make_task(
        app(tmp_path, SMALL + VARIABLES), {"web": "local/web.wasm"}, {"web": "sha256:1"}, {"size": "9"}
    )
    assert made == task.Task(
        app="hello",
        namespace="team",
        http=task.Http(),
        component=(
            task.Component(
                name="web",
                source="local/web.wasm",
                digest="sha256:1",
                route=("/...",),
                environment={"A": "{{ size }}"},
                variables={"b": "{{ token }}"},
                allowed_outbound_hosts=("https://a.example/", "http://b.example:80"),
            ),
        ),
        variable=(
            task.Variable("size", value="9"),
            task.Variable("color", value="red"),
            task.Variable("token", secret=True),
            task.Variable("other", secret=True, vault="kv/x/y#z"),
        ),
        limits=task.Limits(448, "30s"),
    )


def test_executor(tmp_path):
    """A component prints its response where its trigger says so, with the arguments that stand there."""
    wagi = "executor = { type = 'wagi', argv = 'php ${SCRIPT_NAME}', entrypoint = 'go' }"
    text = SMALL.replace('component = "web"\n', f'component = "web"\n{wagi}\n')
    (component,) = make_task(app(tmp_path, text), {"web": "w"}).component
    assert (component.executor, component.argv, component.entrypoint) == ("wagi", "php ${SCRIPT_NAME}", "go")


def test_vault_path(tmp_path):
    """`deploy.vault.path` is where secrets without a place of their own lie."""
    text = SMALL + VARIABLES + 'vault = { path = "kv/team" }\n'
    made = make_task(app(tmp_path, text), {"web": "w"}, values={"size": "1"})
    assert [variable.vault for variable in made.secrets] == ["kv/team#token", "kv/x/y#z"]


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ({}, "variable 'size' is required and has no value", "give it with --variable size=VALUE"),
        (
            {"size": "1", "token": "t"},
            "variable 'token' is a secret, whose value comes from Vault",
            "store it: wasmdeploy secrets set token",
        ),
        ({"size": "1", "colour": "t"}, "wasmdeploy.toml has no variable 'colour'", "did you mean 'color'?"),
    ],
)
def test_values_that_do_not_fit(tmp_path, values, message, hint):
    """A missing value, a secret's value and a value for nothing are refused, without repeating the value."""
    with pytest.raises(ConfigError) as caught:
        make_task(app(tmp_path, SMALL + VARIABLES), {"web": "w"}, values=values)
    assert (caught.value.message.removeprefix(f"{tmp_path}/"), caught.value.hint) == (message, hint)
