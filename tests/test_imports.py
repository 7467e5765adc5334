"""The import rules of CONTRIBUTING.md, read from the syntax tree of every module."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the top down; a module may import what is below its own line, and its own package.
CLI_LAYERS = (
    ("main", "__main__"),
    ("commands",),
    ("doctor",),
    ("deployment", "secrets", "builder", "componentize", "jobspec", "local", "templates"),
    ("web", "vault"),
    ("nomad",),
    ("stack",),
    ("job", "console", "driver_install", "handler"),
    ("manifest",),
    ("errors",),
)
DRIVER_LAYERS = (
    ("plugin",),
    ("runner",),
    ("holder",),
    ("forkserver", "console"),
    ("executor",),
    ("app",),
    ("guest",),
    ("http", "variables", "egress"),
    ("secrets", "isolation"),
    ("task", "schema", "duration", "timer", "forked"),
    ("errors",),
)
HTTP_LAYERS = (
    ("serve",),
    ("outbound",),
    ("body", "variables"),
    ("messages",),
    ("content", "headers", "component"),
)
LAYERS = {"wasmdeploy_cli": CLI_LAYERS, "wasmdeploy_driver": DRIVER_LAYERS, "wasmdeploy_http": HTTP_LAYERS}
ROOTS = {"wasmdeploy_cli": "cli", "wasmdeploy_driver": "driver", "wasmdeploy_http": "cli"}
DRIVER_FOR_CLI = {"task", "schema", "errors", "secrets", "variables", "duration", "executor", "egress.rules"}
# Generated for a component; outside one, `Request` and `Response` do without it.
GENERATED = tuple(f"wasmdeploy_http.{name}" for name in ("body", "outbound", "serve", "variables"))
# Each outside library, and the modules (with all that is below them) that may import it.
HOMES = {
    "certifi": ("wasmdeploy_driver.egress.tls",),
    "componentize_py_types": GENERATED,
    "google": ("wasmdeploy_driver.plugin",),
    "grpc": ("wasmdeploy_driver.plugin",),
    "h2": ("wasmdeploy_driver.http.http2",),
    "hyperframe": ("wasmdeploy_driver.http.http2",),
    "httptools": ("wasmdeploy_driver.http.reader",),
    "httpx": (
        "wasmdeploy_cli.nomad.events",
        "wasmdeploy_cli.nomad.logs",
        "wasmdeploy_cli.stack.health",
        "wasmdeploy_cli.stack.vault",
        "wasmdeploy_cli.web",
    ),
    "hvac": ("wasmdeploy_cli.vault.client", "wasmdeploy_driver.secrets"),
    "jinja2": ("wasmdeploy_cli.jobspec.render",),
    "msgpack": ("wasmdeploy_driver.plugin",),
    "nomad": ("wasmdeploy_cli.nomad.client",),
    "psutil": ("wasmdeploy_driver.runner.stats",),
    "requests": (
        "wasmdeploy_cli.nomad.client",
        "wasmdeploy_cli.nomad.tls",
        "wasmdeploy_cli.vault.client",
        "wasmdeploy_driver.secrets",
    ),
    "rich": ("wasmdeploy_cli.console",),
    "typer": ("wasmdeploy_cli.main", "wasmdeploy_cli.commands"),
    "wasmtime": ("wasmdeploy_driver.guest",),
    "websockets": ("wasmdeploy_cli.nomad.exec",),
    "wit_world": GENERATED,
}
# Sources of apps, which are never imported here; generated code.
NOT_OURS = (
    "cli/wasmdeploy_cli/templates/http-",
    "driver/wasmdeploy_driver/plugin/proto",
)

Import = tuple[str, str, str]  # place (file:line), importing module, imported name


@cache
def imports() -> tuple[Import, ...]:
    """Every import in both packages, the late ones in functions included."""
    return tuple(
        found for root in ("cli", "driver") for path in _sources(ROOT / root) for found in _of(path, root)
    )


def _sources(root: Path) -> list[Path]:
    files = sorted(root.glob("wasmdeploy_*/**/*.py"))
    return [file for file in files if not str(file.relative_to(ROOT)).startswith(NOT_OURS)]


def _of(path: Path, root: str) -> Iterator[Import]:
    module = ".".join(path.relative_to(ROOT / root).with_suffix("").parts).removesuffix(".__init__")
    for node in ast.walk(ast.parse(path.read_text())):
        place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            yield from ((place, module, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = f"{'.' * node.level}{node.module or ''}"
            yield from ((place, module, f"{source}.{alias.name}") for alias in node.names)


def layer(package: str, module: str) -> int:
    """The line of a module's first name below its package, from the top; the package is below all."""
    part = module.split(".")[1] if "." in module else ""
    layers = LAYERS[package]
    return next((at for at, names in enumerate(layers) if part in names), len(layers) if not part else -1)


def within(module: str, homes: tuple[str, ...]) -> bool:
    """Whether the module is one of `homes`, or below one."""
    return any(module == home or module.startswith(f"{home}.") for home in homes)


def refuse(wrong: list[str], rule: str) -> None:
    """Fail with one line for each import that breaks the rule."""
    if wrong:
        pytest.fail(f"{rule} (CONTRIBUTING.md, imports):\n  " + "\n  ".join(wrong), pytrace=False)


@pytest.mark.parametrize("package", LAYERS)
def test_every_module_has_a_layer(package: str) -> None:
    """A new top-level module is given its place in the layers."""
    top = {entry.stem for entry in (ROOT / ROOTS[package] / package).iterdir() if _is_module(entry)}
    known = {name for names in LAYERS[package] for name in names}
    refuse(sorted(f"{package}.{name}" for name in top - known), "these modules have no layer")


def _is_module(entry: Path) -> bool:
    return (entry.suffix == ".py" and entry.stem != "__init__") or (entry / "__init__.py").is_file()


@pytest.mark.parametrize("package", LAYERS)
def test_imports_go_downwards(package: str) -> None:
    """A module imports only from layers below its own, or from its own package."""
    wrong = []
    for place, module, name in imports():
        if not (within(module, (package,)) and name.startswith(f"{package}.")):
            continue
        same = module.split(".")[1:2] == name.split(".")[1:2]
        private = name.split(".")[1].startswith("__")  # `__version__` of the package
        door = module == package  # its `__init__` hands on what is below
        if not same and not private and not door and layer(package, module) >= layer(package, name):
            wrong.append(f"{place}: {module} imports {name}")
    refuse(wrong, "imports go downwards only")


def test_the_cli_enters_the_driver_by_its_doors() -> None:
    """The CLI imports only those modules of the driver that are meant for it."""
    wrong = [
        f"{place}: {module} imports {name}"
        for place, module, name in imports()
        if module.startswith("wasmdeploy_cli")
        and name.startswith("wasmdeploy_driver")
        and not within(name, tuple(f"wasmdeploy_driver.{door}" for door in DRIVER_FOR_CLI))
    ]
    refuse(wrong, f"the CLI may import of the driver only {', '.join(sorted(DRIVER_FOR_CLI))}")


def test_the_driver_knows_no_cli() -> None:
    """The driver never imports the CLI, for it is installed where there is none."""
    wrong = [
        f"{place}: {module} imports {name}"
        for place, module, name in imports()
        if module.startswith("wasmdeploy_driver") and name.startswith("wasmdeploy_cli")
    ]
    refuse(wrong, "the driver never imports the CLI")


def test_the_guests_library_stands_alone() -> None:
    """What is built into an app imports nothing of the tool or the driver, and they nothing of it."""
    wrong = [
        f"{place}: {module} imports {name}"
        for place, module, name in imports()
        if within(name, tuple(LAYERS))
        and within(module, ("wasmdeploy_http",)) != within(name, ("wasmdeploy_http",))
    ]
    refuse(wrong, "wasmdeploy_http stands alone")


def test_libraries_stay_at_home() -> None:
    """An outside library is imported in its home only, and each has one."""
    ours = {*LAYERS, *sys.stdlib_module_names}
    wrong = []
    for place, module, name in imports():
        library = name.split(".")[0]
        if library and library not in ours and not within(module, HOMES.get(library, ())):
            homes = ", ".join(HOMES[library]) if library in HOMES else "given no home yet"
            wrong.append(f"{place}: {module} imports {name}; {library} is {homes}")
    refuse(wrong, "an outside library has one home")


def test_imports_are_absolute() -> None:
    """Every import says from which package it is."""
    wrong = [f"{place}: {module} imports {name}" for place, module, name in imports() if name.startswith(".")]
    refuse(wrong, "imports are absolute")
