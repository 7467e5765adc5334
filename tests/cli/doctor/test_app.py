"""What a component's file tells, with real components."""

from __future__ import annotations

from pathlib import Path

import wasmtime

from wasmdeploy_cli.doctor.app import app_findings, component_findings, level, way_findings
from wasmdeploy_cli.manifest import load
from wasmdeploy_driver.executor.check import Checked, debug_sections, unoffered
from wasmdeploy_driver.guest.binary import inspect

MANIFEST = """
[application]
name = "shop"
[[trigger.http]]
route = "/..."
component = "c"
[component.c]
source = "c.wasm"
"""
START = '(module (func (export "_start")))'


def checked(text: str, size: int = 1000) -> Checked:
    """A component or module of this text."""
    return Checked("sha256:x", size, inspect(bytes(wasmtime.wat2wasm(text)), "x"))


def imports(*names: str) -> Checked:
    """A component that imports these interfaces."""
    return checked("(component " + " ".join(f'(import "{name}" (instance))' for name in names) + ")")


def test_how_the_nodes_get_components(tmp_path: Path) -> None:
    """A URL or a directory that is there; the hint names all that can be set."""
    file = tmp_path / "wasmdeploy.toml"
    file.write_text(MANIFEST)
    app = load(file)
    assert way_findings(app, tmp_path) == []
    (missing,) = way_findings(app, None)
    assert (missing.severity, missing.message) == ("error", "it is not said how the nodes get the components")
    assert all(
        each in missing.fix for each in ("deploy.artifacts", "WASMDEPLOY_COMPONENT_DIR", "--component-dir")
    )
    (nowhere,) = way_findings(app, tmp_path / "nowhere")
    assert nowhere.message == f"WASMDEPLOY_COMPONENT_DIR: there is no directory {tmp_path / 'nowhere'}"
    file.write_text(f'{MANIFEST}[deploy]\nartifacts = "https://components.example/wasm"\n')
    assert way_findings(load(file), None) == []


def test_imports_that_no_host_offers() -> None:
    """WASI, the variables' interfaces and nothing else are offered; the rest is a warning with the names."""
    whole = imports("wasi:http/types@0.2.3", "wasi:config/store@0.2.0-draft", "acme:bank/money@1.0.0")
    assert unoffered(whole.binary) == ("acme:bank/money@1.0.0",)
    (finding,) = component_findings("c", whole, ())
    assert (finding.severity, finding.evidence) == ("warning", "acme:bank/money@1.0.0")
    assert unoffered(checked(START).binary) == ()


def test_a_good_component() -> None:
    """A component that is well says for which WASI it was built, and how large it is."""
    (finding,) = component_findings("c", imports("wasi:io/streams@0.2.3"), ())
    assert (finding.severity, finding.message) == ("ok", "WASI 0.2 component, 0.0 MB")
    assert level(checked(START)) == "WASI preview 1 module"


def test_a_large_one_with_debug_information() -> None:
    """Size is a warning, debug information a note, each with what makes it smaller."""
    found = component_findings("c", checked(START, 100 << 20), (".debug_info",))
    assert [(each.severity, each.message) for each in found] == [
        ("warning", "is large: 104.9 MB"),
        ("note", "carries debug information"),
    ]
    assert all("strip" in each.fix for each in found)


def test_debug_sections_at_any_depth(tmp_path: Path) -> None:
    """Debug information of a module within a component is seen."""
    inner = '(core module (@custom ".debug_info" "x") (func (export "f")))'
    (tmp_path / "c.wasm").write_bytes(wasmtime.wat2wasm(f"(component {inner})"))
    (tmp_path / "plain.wasm").write_bytes(wasmtime.wat2wasm(START))
    assert debug_sections(tmp_path / "c.wasm") == (".debug_info",)
    assert debug_sections(tmp_path / "plain.wasm") == ()


def test_files_that_no_node_runs(tmp_path: Path) -> None:
    """A file that is missing or no WebAssembly is the one error, with the command that makes it."""
    (tmp_path / "wasmdeploy.toml").write_text(MANIFEST)
    for content in (None, b"#!/bin/sh"):
        if content:
            (tmp_path / "c.wasm").write_bytes(content)
        manifest, component = app_findings(load(tmp_path))
        assert (manifest.severity, component.severity) == ("ok", "error")
        assert "wasmdeploy build" in component.fix


def test_variables_that_nobody_reads(tmp_path: Path) -> None:
    """A variable reaches no guest but those of components that name it: in variables, environment or hosts."""
    more = """
variables = { one = "{{ one }}" }
environment = { TWO = "a {{two}}" }
allowed_outbound_hosts = ["https://{{ three }}"]
[variables]
one = { default = "1" }
two = { default = "2" }
three = { default = "3.example" }
"""
    (tmp_path / "wasmdeploy.toml").write_text(MANIFEST + more)
    assert "variables" not in {each.check for each in app_findings(load(tmp_path))}
    (tmp_path / "wasmdeploy.toml").write_text(MANIFEST + more + "token = { secret = true }\n")
    (finding,) = (each for each in app_findings(load(tmp_path)) if each.check == "variables")
    assert (finding.severity, finding.evidence) == ("warning", "token")
    assert 'variables = { token = "{{ token }}" }' in finding.fix
