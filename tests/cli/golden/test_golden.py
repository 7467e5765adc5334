"""The jobs of six apps, byte for byte; `UPDATE_GOLDEN=1 pytest tests/cli/golden` writes them anew."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from tests.cli.jobspec import nomad
from wasmdeploy_cli.job import Artifacts, Canaries, build_job
from wasmdeploy_cli.jobspec import render_hcl
from wasmdeploy_cli.manifest import App, load

HERE = Path(__file__).parent
VALUES = {
    "hello": {},
    "shop": {"shop_name": "The Shop"},
    "hostile": {},
    "native": {},
    "report": {},
    "nightly": {},
}
CANARIES = {"native": Canaries(1, auto_promote=False)}


def job_of(app: App) -> dict:
    """The job with made-up digests: a golden file does not follow a compiler."""
    digests = {name: "sha256:" + hashlib.sha256(name.encode()).hexdigest() for name in app.component}
    directory = "" if app.deploy.artifacts else "/srv/wasm"
    return build_job(
        app, Artifacts(digests, directory), values=VALUES[app.name], revision="1", tool_version="0.1.0",
        canaries=CANARIES.get(app.name, Canaries()),
    )  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_rendered_job(name):
    """The HCL of the app is the committed one."""
    golden = HERE / name / f"{name}.nomad.hcl"
    rendered = render_hcl(job_of(load(HERE / name)))
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_bytes(rendered.encode())
    assert rendered.encode() == golden.read_bytes()


@pytest.mark.stack
@pytest.mark.parametrize("name", VALUES)
def test_nomad_reads_the_same_job(name):
    """Nomad reads from the committed HCL the job that deploying sends, and would not format it anew."""
    golden = HERE / name / f"{name}.nomad.hcl"
    assert nomad.differences(job_of(load(HERE / name)), nomad.parsed(golden)) == []
    nomad.run("fmt", "-check", str(golden))


@pytest.mark.stack
@pytest.mark.parametrize("name", VALUES)
def test_nomad_reads_the_json(name, tmp_path):
    """Nomad reads the same job from what `render --format json` prints."""
    path = tmp_path / "job.json"
    job = job_of(load(HERE / name))
    path.write_text(json.dumps({"Job": job}), encoding="utf-8")
    assert nomad.differences(job, nomad.parsed(path, "-json")) == []
