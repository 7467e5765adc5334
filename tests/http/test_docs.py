"""docs/python.md: its examples run, and every public name is on it."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import wasmdeploy_http
from wasmdeploy_http import Headers, Request

PAGE = (Path(__file__).parent.parent.parent / "docs" / "python.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> list[ModuleType]:
    """The page's examples as modules, by the names that they begin with."""
    modules = []
    for number, block in enumerate(BLOCKS):
        named = re.match(r"# (\w+)\.py\n", block)
        module = ModuleType(named[1] if named else f"example_{number}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(block, f"docs/python.md, {module.__name__}", "exec"), module.__dict__)
        modules.append(module)
    return modules


def test_the_examples_answer(examples: list[ModuleType]) -> None:
    """One greets, one answers while it is asked, one reads a form and a query."""
    app, progress, colors = examples[:3]
    assert app.handle(Request("GET", "/?name=you")).text == "Hello, you\n"
    assert app.handle(Request("POST", "/orders", body=b'{"item": 1}')).headers["location"] == "/orders/1"
    told = progress.handle(Request("POST", "/", body=iter([b"12", b"345"])))
    assert list(told.stream())[1:] == [b"data: 5 bytes so far\n\n", b"data: done\n\n"]
    answer = colors.handle(Request("GET", "/?color=red&color=blue"))
    assert answer.headers.get_all("set-cookie") == ["red=1", "blue=1"]
    form = Headers({"content-type": "application/x-www-form-urlencoded"})
    assert colors.handle(Request("POST", "/", form, b"color=red")).json() == {"colors": ["red"]}


def test_the_example_of_a_failed_call(
    examples: list[ModuleType], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A FetchError becomes a 502 and a line in the log."""
    weather = examples[3]

    def refused(url: str, **_: object) -> None:
        raise wasmdeploy_http.FetchError(url, "connection-refused")

    monkeypatch.setattr(weather, "variable", {}.get)
    monkeypatch.setattr(weather, "fetch", refused)
    answer = weather.handle(Request("GET", "/"))
    assert (answer.status, answer.json()) == (502, {"error": "connection-refused"})
    assert capsys.readouterr().out == "https://api.example.com/now: connection-refused\n"


def test_the_tests_on_the_page_pass(examples: list[ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example of a test is called as pytest calls it."""
    tests: list[Callable[..., None]] = [
        value for module in examples for name, value in vars(module).items() if name.startswith("test_")
    ]
    assert len(tests) == 2
    for test in tests:
        test(**({"monkeypatch": monkeypatch} if inspect.signature(test).parameters else {}))


def test_every_public_name_is_on_the_page() -> None:
    """Each name to import, and each public attribute of the classes, is told of in code."""
    code = " ".join(re.findall(r"`([^`\n]+)`", PAGE))
    words = set(re.findall(r"\w+", code))
    names = set(wasmdeploy_http.__all__)
    for each in (wasmdeploy_http.Request, wasmdeploy_http.Response, wasmdeploy_http.Headers):
        names |= {name for name in vars(each) if not name.startswith("_")}
        names |= set(getattr(each, "__dataclass_fields__", ()))
    assert not names - words
