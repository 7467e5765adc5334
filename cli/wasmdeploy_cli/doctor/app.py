"""The app as it lies here: its components' files."""

from __future__ import annotations

import re
from pathlib import Path

from wasmdeploy_cli.deployment.checks import check_guest
from wasmdeploy_cli.deployment.publish import require_directory, require_way
from wasmdeploy_cli.doctor.finding import Finding, failed
from wasmdeploy_cli.errors import ConfigError, GuestError
from wasmdeploy_cli.manifest import App
from wasmdeploy_driver.executor.check import Checked, debug_sections, unoffered
from wasmdeploy_driver.variables import TEMPLATE

_LARGE = 64 << 20  # bytes; Python's components are about 20 MB
_LEVEL = re.compile(r"wasi:[a-z-]+/[a-z-]+@(\d+\.\d+)")


def app_findings(app: App) -> list[Finding]:
    """What is to be said about each component."""
    found = [
        Finding("app", "manifest", "ok", f"{app.name}: {len(app.component)} component(s)", str(app.path))
    ]
    if names := unread(app):
        found.append(
            Finding(
                "app",
                "variables",
                "warning",
                "are read by no component",
                ", ".join(names),
                f'name them there: [component.NAME] variables = {{ {names[0]} = "{{{{ {names[0]} }}}}" }}',
            )
        )
    for name in app.component:
        try:
            checked = check_guest(app, name)
            debug = debug_sections(app.source(name))
        except GuestError as error:
            found.append(failed("app", f"component {name}", error))
        else:
            found += component_findings(name, checked, debug)
    return found


def way_findings(app: App, components: Path | None) -> list[Finding]:
    """What keeps components from the nodes; `components` is WASMDEPLOY_COMPONENT_DIR, or the stack's."""
    try:
        require_directory(None, components)
        require_way(app, components)
    except ConfigError as error:
        return [failed("cluster", "components", error)]
    return []


def unread(app: App) -> list[str]:
    """The variables that stand in no component's environment, variables or allowed hosts: no guest gets them."""
    texts = [
        text
        for each in app.component.values()
        for text in (*each.environment.values(), *each.variables.values(), *each.allowed_outbound_hosts)
    ]
    read = {name for text in texts for name in TEMPLATE.findall(text)}
    return [name for name in app.variables if name not in read]


def component_findings(name: str, checked: Checked, debug: tuple[str, ...]) -> list[Finding]:
    """One usable component: what it is, and what of it may surprise."""
    check, found = f"component {name}", []
    if missing := unoffered(checked.binary):
        found.append(
            Finding(
                "app",
                check,
                "warning",
                "imports what no host offers: a call of it ends the request",
                ", ".join(missing),
                "build it without these imports, or make sure that they are never called",
            )
        )
    if checked.size > _LARGE:
        found.append(
            Finding(
                "app",
                check,
                "warning",
                f"is large: {_size(checked.size)}",
                "nodes download and compile it before it serves",
                "build it for release; strip it: wasm-tools strip -a",
            )
        )
    if debug:
        found.append(
            Finding(
                "app",
                check,
                "note",
                "carries debug information",
                ", ".join(debug),
                "wasm-tools strip FILE -o FILE, where nobody reads its backtraces",
            )
        )
    if all(each.severity == "note" for each in found):
        found.insert(
            0, Finding("app", check, "ok", f"{level(checked)}, {_size(checked.size)}", checked.digest)
        )
    return found


def level(checked: Checked) -> str:
    """Which WASI it was built for."""
    names = (*checked.binary.imports, *checked.binary.exports)
    levels = sorted({match[1] for name in names if (match := _LEVEL.match(name))})
    if not checked.binary.component:
        return "WASI preview 1 module"
    return f"WASI {' and '.join(levels)} component" if levels else "component"


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
