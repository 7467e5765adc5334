"""The documentation says what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
COMMAND = re.compile(r"^\$ (?:\S*/)?(wasmdeploy [a-z][^#|>;&\n]*)", re.M)
TARGET = re.compile(r"`make ([a-z-]+)`|^\$ make ([a-z-]+)", re.M)


@pytest.mark.parametrize("script", ["driver_reference.py", "manifest_reference.py"])
def test_a_generated_page_is_current(script: str) -> None:
    """A reference that was not written anew after a change fails."""
    done = subprocess.run([sys.executable, ROOT / "scripts" / script, "--check"], check=False)
    assert done.returncode == 0, f"run: python scripts/{script}"


def test_every_link_leads_somewhere() -> None:
    """Links between pages name files that exist."""
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_make_target_exists() -> None:
    """A target that the pages name is one of the Makefile's."""
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for first, second in TARGET.findall(page.read_text()):
            assert re.search(rf"^{first or second}:", makefile, re.M), f"{page.name}: make {first or second}"


def test_every_option_exists() -> None:
    """The commands and options in the pages' console blocks are the tool's own."""
    shown = {line.strip() for page in PAGES for line in COMMAND.findall(page.read_text())}
    assert len(shown) >= 6
    for line in shown:
        words = line.split()[1:]
        names = [word for word in words[:2] if re.fullmatch(r"[a-z]+", word)]
        command = names if names[0] in ("stack", "driver", "secrets") else names[:1]
        done = subprocess.run(
            [Path(sys.executable).with_name("wasmdeploy"), *command, "--help"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, line
        for option in (word for word in words if word.startswith("--")):
            assert option in done.stdout, line
