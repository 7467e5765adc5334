from pathlib import Path

import pytest

from wasmdeploy_cli import componentize, handler
from wasmdeploy_cli.errors import ConfigError, GuestError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An app is built in its own directory."""
    monkeypatch.chdir(tmp_path)


def check(source):
    Path("app.py").write_text(source)
    handler.check(handler.find("app", [Path()]))


@pytest.mark.parametrize(
    "source",
    [
        "def handle(request): return b''",
        "handle = print",
        "handle: object = print",
        "from elsewhere import handle",
        "from elsewhere import answer as handle",
        "from elsewhere import *",
        "if True:\n    def handle(request): pass",
        "try:\n    from a import handle\nexcept ImportError:\n    handle = None",
        "class handle: pass",
        "a, (handle, b) = 1, (2, 3)",
        "async def handle(request): pass\nhandle = wrap(handle)",
        r"'\d'; handle = print",
    ],
)
def test_a_module_with_a_handler(source):
    """A function, an assignment or an import gives a module its handler."""
    check(source)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("print((1", r"^app.py:1: '\(' was never closed$"),
        ("def handle(request):\npass", r"^app.py:2: expected an indented block"),
        ("", r"^app.py has no function handle\(request\)$"),
        ("def Handle(request): pass", "has no function handle"),
        ("import handle.deep as h", "has no function handle"),
        ("class A:\n    def handle(self): pass", "has no function handle"),
        ("def other():\n    handle = 1", "has no function handle"),
        ("async def handle(request): pass", "^app.py:1: handle is async, which is not supported$"),
    ],
)
def test_a_module_without_one(source, words):
    """What is wrong shows before the build, with its file and line."""
    with pytest.raises(GuestError, match=words):
        check(source)


def test_newer_python_is_left_to_the_build():
    """A guest's Python may be newer than the tool's: what this one cannot read may be right."""
    check("def handle(request): return f'{request.query['a']}'")
    check("def handle[T](request: T) -> T: return request")


def test_a_package(tmp_path):
    """A module may be a package, or in one, in any of the directories."""
    for place in ("a/app/__init__.py", "b/app.py", "b/deep/app.py"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("")
    assert handler.find("app", [Path("a"), Path("b")]) == Path("a/app/__init__.py")
    assert handler.find("deep.app", [Path("a"), Path("b")]) == Path("b/deep/app.py")
    with pytest.raises(ConfigError, match="no Python module 'other' in a, b"):
        handler.find("other", [Path("a"), Path("b")])
    with pytest.raises(ConfigError, match="c is no directory"):
        handler.find("app", [Path("c")])


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("taken", "it is a directory"),
        ("file/app.wasm", "cannot create file"),
        ("file/a/app.wasm", "cannot create"),
    ],
)
def test_an_output_that_cannot_be_written(output, words):
    """It is told before the build."""
    Path("taken").mkdir()
    Path("file").write_text("")
    Path("app.py").write_text("handle = print")
    with pytest.raises(ConfigError, match=words):
        componentize.componentize("app", Path(output), [Path()])


SAID = """\
Traceback (most recent call last):
  File "/venv/bin/componentize-py", line 8, in <module>
    sys.exit(script())
AssertionError: Traceback (most recent call last):
  File "/0/wasmdeploy_entry.py", line 1, in <module>
    import app
  File "/1/app.py", line 2, in <module>
    import tiny
{rest}

Caused by:
    {error}"""


@pytest.mark.parametrize(
    ("rest", "words", "hint"),
    [
        (
            "ModuleNotFoundError: No module named 'tiny'",
            "app.py:2: ModuleNotFoundError: No module named 'tiny'",
            "pip install --target deps tiny, then wasmdeploy componentize app -p . -p deps",
        ),
        (
            '  File "/2/tiny.py", line 3, in go\n    return 1/0\n           ~^~\n'
            "ZeroDivisionError: division by zero\nnote",
            "deps/tiny.py:3: ZeroDivisionError: division by zero",
            "runs once, while the app is built",
        ),
        (
            "  File \"/2/tiny.py\", line 3\n    (1\n    ^\nSyntaxError: '(' was never closed",
            "deps/tiny.py:3: '(' was never closed",
            "",
        ),
        (
            "  File \"/python/ssl.py\", line 100\n    import _ssl\nModuleNotFoundError: No module named '_ssl'",
            "app.py:2: ModuleNotFoundError: No module named '_ssl'",
            "not there in WebAssembly",
        ),
    ],
)
def test_a_traceback_is_one_line(monkeypatch, rest, words, hint):
    """An error of the app's own import is told with the app's file and line, and what to do."""
    Path("app.py").write_text("\nimport tiny\nhandle = tiny.handle\n")
    Path("deps").mkdir()
    said = SAID.format(rest=rest, error="as above")
    monkeypatch.setattr(componentize, "_run", lambda *_: said)
    with pytest.raises(GuestError) as caught:
        componentize.componentize("app", Path("app.wasm"), [Path(), Path("deps")])
    assert caught.value.message == words
    assert hint in caught.value.hint


def test_a_call_to_the_host_while_building(monkeypatch):
    """A function of the host, called by the module, is named."""
    Path("app.py").write_text("handle = print")
    monkeypatch.setattr(
        componentize, "_run", lambda *_: "wasm\n    1: called trapping stub: wasi:a/b@0.2.0#get\n"
    )
    with pytest.raises(GuestError, match=r"app\.py: wasi:a/b@0\.2\.0#get is called while the app is built"):
        componentize.componentize("app", Path("app.wasm"), [Path()])


def test_other_failures_are_told_whole(monkeypatch):
    """Where there is no traceback, all that was said is the error."""
    Path("app.py").write_text("handle = print")
    monkeypatch.setattr(componentize, "_run", lambda *_: "Killed")
    with pytest.raises(GuestError, match="componentize-py failed:\nKilled"):
        componentize.componentize("app", Path("app.wasm"), [Path()])
