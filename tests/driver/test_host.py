"""Host functions beside WASI: variables as a component sees them, and what is not offered."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.driver.executor_process import Executor, app
from tests.driver.guests import GUESTS, ROOT
from wasmdeploy_driver.task import Variable

pytestmark = pytest.mark.guests


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    """The Python guest with Spin's imports, served with two variables."""
    directory = tmp_path_factory.mktemp("spin")
    source = directory / "spin.wasm"
    sources = GUESTS / "python-spin"
    # The shipped world with Spin's imports added to it: componentize-py cannot join two worlds that share packages.
    shipped = (ROOT / "cli" / "wasmdeploy_cli" / "wit" / "wasmdeploy.wit").read_text()
    imports = "import fermyon:spin/variables@2.0.0; import fermyon:spin/unserved@2.0.0;"
    world = directory / "spin.wit"
    world.write_text(
        shipped.replace("world http-py {", f"world http-py {{ {imports}") + (sources / "spin.wit").read_text()
    )
    command = [
        Path(sys.executable).with_name("componentize-py"),
        "-q",
        "-d",
        world,
        "-w",
        "http-py",
        "componentize",
        "app",
    ]
    subprocess.run([*command, "-p", sources, "-o", source], check=True, stdout=subprocess.DEVNULL)
    task = app(
        source,
        variables={"greeting": "{{ word }}, world", "plain": "ünïcödé"},
        environment={"SHOWN": "<{{ word }}>"},
    )
    with Executor(directory, replace(task, variable=(Variable("word", "Hello"),)), source) as executor:
        yield executor.start()


def test_variables_through_wasi_config(guest: Executor) -> None:
    """wasi:config/store gives a variable, nothing for a name that is none, and all of them."""
    assert guest.request("/store?greeting")[2].decode() == "'Hello, world'"
    assert guest.request("/store?word")[2].decode() == "None"
    assert guest.request("/all")[2].decode() == "[('greeting', 'Hello, world'), ('plain', 'ünïcödé')]"


def test_variables_through_spin(guest: Executor) -> None:
    """fermyon:spin/variables gives the same, and Spin's error for a name that is none."""
    assert guest.request("/spin?plain")[2].decode() == "ünïcödé"
    assert guest.request("/spin?word")[2].decode() == "Error_Undefined word"


def test_variables_in_the_environment(guest: Executor) -> None:
    """A template in the manifest's environment is filled in."""
    assert guest.request("/env")[2].decode() == "[('SHOWN', '<Hello>')]"


def test_an_import_that_is_not_offered_does_no_harm_until_it_is_called(guest: Executor) -> None:
    """A component that imports more than there is runs; calling it fails the request and names the function."""
    assert guest.failure("/unserved") == 500
    assert "fermyon:spin/unserved@2.0.0#ask is not offered by this host" in guest.stderr.read_text()
    assert guest.request("/store?plain")[0] == 200
