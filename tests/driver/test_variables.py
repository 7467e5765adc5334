import pytest

from wasmdeploy_driver.errors import ConfigError, SecretError, SecretUnavailable
from wasmdeploy_driver.secrets import GivenSecrets, Secret
from wasmdeploy_driver.task import Task, Variable
from wasmdeploy_driver.variables import Values, resolve, vault_location

VALUES = Values({"a": Secret("1"), "b_2": Secret("{{ a }}"), "empty": Secret("")})


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("", ""), ("plain", "plain"), ("{{ a }}", "1"), ("{{a}}-{{  a  }}", "1-1"), ("x{{ empty }}y", "xy"),
        ("{ a }", "{ a }"), ("{{ a", "{{ a"), ("{{ A }}", "{{ A }}"), ("{{{ a }}}", "{1}"),
    ],
)  # fmt: skip
def test_templates(template, filled):
    """Each `{{ name }}` is replaced by the variable's value, everything else stays."""
    assert VALUES.fill(template, "x") == filled


def test_a_value_is_no_template():
    """What a value contains is not replaced again."""
    assert VALUES.fill("{{ b_2 }}", "x") == "{{ a }}"


def test_an_unknown_variable():
    """A name that is no variable is an error that says where."""
    with pytest.raises(ConfigError, match=r"environment\.KEY: there is no variable 'none'"):
        VALUES.fill_all({"KEY": "{{ none }}"}, "environment")


def test_values_cannot_be_printed():
    """The values of all variables are wrapped."""
    assert "1" not in repr(VALUES)


@pytest.mark.parametrize(
    ("vault", "mount", "expected"),
    [
        ("", "secret", ("secret/prod/shop", "key")), ("", "kv", ("kv/prod/shop", "key")),
        ("team/x/y", "kv", ("team/x/y", "key")), ("team/x#field", "kv", ("team/x", "field")),
        ("#field", "kv", ("kv/prod/shop", "field")),
    ],
)  # fmt: skip
def test_where_a_secret_lies(vault, mount, expected):
    """A secret lies where the variable says; by default in the app's own path of the driver's mount."""
    variable = Variable("key", secret=True, vault=vault)
    assert vault_location(Task("shop", "prod", variable=(variable,)), variable, mount) == expected


def test_all_variables_are_read():
    """Plain values and secrets come together; an empty value is a value."""
    task = Task(variable=(Variable("plain", ""), Variable("key", secret=True)))
    values = resolve(task, GivenSecrets({"key": Secret("s3cret")})).by_name
    assert {name: value.reveal() for name, value in values.items()} == {"plain": "", "key": "s3cret"}


def test_missing_secrets_are_all_named():
    """One error names every secret that is missing, and where it was looked for."""
    task = Task("shop", variable=(Variable("a", secret=True), Variable("b", secret=True, vault="kv/b#f")))
    with pytest.raises(SecretError, match=r"a \(mine/default/shop#a\), b \(kv/b#f\)"):
        resolve(task, GivenSecrets({}), "mine")


def test_a_variable_without_a_value():
    """A plain variable needs a value."""
    with pytest.raises(ConfigError, match="'plain' has no value"):
        resolve(Task(variable=(Variable("plain"),)), GivenSecrets({}))


def test_vault_is_away():
    """That secrets cannot be had now is not that they are missing."""

    class Away:
        def read(self, path, field):
            raise SecretUnavailable("sealed")

    with pytest.raises(SecretUnavailable):
        resolve(Task(variable=(Variable("key", secret=True),)), Away())
