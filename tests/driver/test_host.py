"""Host functions beside WASI: variables as a component sees them, and what is not offered."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.driver.executor_process import Executor, app, until
from tests.driver.guests import GUESTS, ROOT
from tests.driver.test_secrets import fake_vault
from wasmdeploy_driver.executor.launch import VaultServer
from wasmdeploy_driver.task import Task, Variable

pytestmark = pytest.mark.guests


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python guest with Spin's imports."""
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
    return source


def shows(source: Path, word: Variable, **parts: object) -> Task:
    """An app of it with two variables."""
    task = app(
        source,
        variables={"greeting": "{{ word }}, world", "plain": "ünïcödé"},
        environment={"SHOWN": "<{{ word }}>"},
        **parts,
    )
    return replace(task, variable=(word,))


@pytest.fixture(scope="module")
def guest(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    """The guest, served."""
    with Executor(
        tmp_path_factory.mktemp("guest"), shows(source, Variable("word", "Hello")), source
    ) as executor:
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


@pytest.mark.parametrize("isolation", ["request", "instance"])
def test_variables_that_change(source: Path, tmp_path: Path, isolation: str) -> None:
    """New values of secrets are in variables and environment at once, also where an instance answers many requests."""
    word = Variable("word", secret=True, vault="kv/app#word")
    task = replace(shows(source, word, isolation=isolation), refresh="1s")
    with fake_vault() as vault:
        vault.holds({"word": "Hello"})
        with Executor(tmp_path, task, source, vault=VaultServer(vault.url)) as executor:
            executor.start("token")
            assert executor.request("/store?greeting")[2].decode() == "'Hello, world'"
            vault.holds({"word": "Bye"})
            until(lambda: executor.request("/store?greeting")[2].decode() == "'Bye, world'")
            assert executor.request("/spin?greeting")[2].decode() == "Bye, world"
            assert (
                executor.request("/all")[2].decode() == "[('greeting', 'Bye, world'), ('plain', 'ünïcödé')]"
            )
            assert executor.request("/env")[2].decode() == "[('SHOWN', '<Bye>')]"
