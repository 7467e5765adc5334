import pytest

from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.job.config import escape, nomad_config, unescape
from wasmdeploy_driver.task import Component, Dir, Http, Task, Variable


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("plain $ % { } $x {{ name }}", "plain $ % { } $x {{ name }}"),
        ("a${b}", "a$${b}"),
        ("${NOMAD_TASK_NAME}", "$${NOMAD_TASK_NAME}"),
        ("%{if x}", "%%{if x}"),
        ("$${x} %%{y}", "$$${x} %%%{y}"),
        ("$%{ %${", "$%%{ %$${"),
        ('"\n\t\\', '"\n\t\\'),
        ("a\r\nb", "a\r\nb"),
        ("\r${", '${"\\r"}$${'),
        ("$\r\n%{", '${"$\\r"}\n%%{'),
        ("\ufeffa\ufeff", '${"\\ufeff"}a\ufeff'),
        ("\ufeff\r%{", '${"\\ufeff"}${"\\r"}%%{'),
    ],
)
def test_escape(text, template):
    """A text travels as the template that Nomad's parser evaluates to it."""
    assert escape(text) == template
    assert unescape(template) == text


def test_shape():
    """Blocks are lists, labelled ones of one label each, maps are lists of one map; keys are escaped too."""
    task = Task(
        app="a",
        http=Http("web"),
        component=(
            Component(
                "one", "one.wasm", route=("/", "/${"), environment={"${A}": "%{"}, dir=(Dir("h", "g", True),)
            ),
            Component("two", "two.wasm"),
        ),
        variable=(Variable("v", value=""), Variable("s", secret=True)),
    )
    assert nomad_config(task) == {
        "app": "a",
        "http": [{"port": "web"}],
        "component": [
            {
                "one": [
                    {
                        "source": "one.wasm",
                        "route": ["/", "/$${"],
                        "environment": [{"$${A}": "%%{"}],
                        "dir": [{"host": "h", "guest": "g", "readonly": True}],
                    }
                ]
            },
            {"two": [{"source": "two.wasm"}]},
        ],
        "variable": [{"v": [{"value": ""}]}, {"s": [{"secret": True}]}],
    }


def test_text_that_nomad_would_change():
    """Nomad composes Unicode; a text that is not composed is refused where it stands."""
    task = Task(variable=(Variable("v", value="e\u0301"),))
    with pytest.raises(ConfigError) as caught:
        nomad_config(task)
    assert caught.value.message == "variable.v.value: Nomad would change this text to composed Unicode"
