import hashlib
import json

import pytest

from tests.cli.manifest.sample import SMALL, app
from wasmdeploy_cli.commands import render
from wasmdeploy_cli.errors import ConfigError, GuestError
from wasmdeploy_cli.job import Artifacts, build_job
from wasmdeploy_cli.job.tool import installed_version
from wasmdeploy_cli.jobspec import render_hcl

SIZED = SMALL + "[variables]\nsize = { required = true }\n"


@pytest.fixture
def built(tmp_path):
    """A built app and the job that deploying it would send."""
    sized = app(tmp_path, SIZED)
    (tmp_path / "web.wasm").write_bytes(b"\0asm")
    digest = "sha256:" + hashlib.sha256(b"\0asm").hexdigest()
    job = build_job(
        sized, Artifacts({"web": digest}, "/srv"), values={"size": "9"}, tool_version=installed_version()
    )
    return tmp_path, job


def test_json(built, capsys):
    """JSON is the API's `{"Job": …}` with sorted keys."""
    directory, job = built
    render.command(directory, form="json", component_dir="/srv", variable=["size=9"])
    assert capsys.readouterr().out == json.dumps({"Job": job}, indent=2, sort_keys=True) + "\n"


def test_hcl(built, capsys):
    """HCL is the rendered template, with nothing around it."""
    directory, job = built
    render.command(directory, form="hcl", component_dir="/srv", variable=["size=9"])
    assert capsys.readouterr().out == render_hcl(job)


def test_not_built(tmp_path):
    """An app that is not built has no digest, hence no job."""
    app(tmp_path)
    with pytest.raises(GuestError, match="component 'web' is not built"):
        render.command(tmp_path, form="hcl", component_dir="/srv", variable=None)


def test_without_value(built):
    """A required variable needs a value."""
    with pytest.raises(ConfigError, match="variable 'size' is required and has no value"):
        render.command(built[0], form="hcl", component_dir="/srv", variable=None)
