"""What a real Nomad makes of a jobspec, without an agent."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from wasmdeploy_cli.stack import programs


def run(*arguments: str, text: str = "") -> str:
    """Run `nomad` and return what it prints; `text` is its input."""
    nomad = programs.found(programs=["nomad"])["nomad"]
    done = subprocess.run([nomad, *arguments], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


def parsed(hcl: str | Path, *options: str) -> dict[str, Any]:
    """The job that Nomad's parser reads, as the API takes it."""
    if isinstance(hcl, Path):
        return json.loads(run("job", "run", "-output", *options, str(hcl)))["Job"]
    return json.loads(run("job", "run", "-output", *options, "-", text=hcl))["Job"]


def differences(ours: Any, theirs: Any, where: str = "") -> list[str]:
    """Where two jobs differ; what ours leaves out must be empty in theirs, which spells out everything."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        extra = [f"{where}.{key} = {item!r}" for key, item in theirs.items() if key not in ours and item]
        return extra + [
            line for key in ours for line in differences(ours[key], theirs.get(key), f"{where}.{key}")
        ]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return [line for i, (one, other) in pairs for line in differences(one, other, f"{where}[{i}]")]
    return [] if ours == theirs else [f"{where}: {ours!r} != {theirs!r}"]
