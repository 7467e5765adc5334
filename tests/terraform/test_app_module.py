import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.manifest.sample import SMALL, app
from wasmdeploy_cli.job import Artifacts, build_job

ROOT = Path(__file__).parents[2] / "terraform"

pytestmark = pytest.mark.skipif(not shutil.which("terraform"), reason="no terraform on PATH")

SECRETS = """
[variables]
key = { secret = true }
other = { secret = true, vault = "kv/x/y#z" }
plain = { default = "${p} %{q}" }
"""
ARTIFACTS = Artifacts({"web": "sha256:" + "a1" * 32}, "/srv/wasm")


def terraform(directory: Path, *arguments: str, **variables: str) -> str:
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("TF_")},
        "TF_CLI_CONFIG_FILE": os.devnull,
        "CHECKPOINT_DISABLE": "1",
        **{f"TF_VAR_{name}": value for name, value in variables.items()},
    }
    done = subprocess.run(
        ["terraform", f"-chdir={directory}", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def module(tmp_path) -> Path:
    """A copy of the module's part that needs no provider, initialized."""
    directory = tmp_path / "job"
    shutil.copytree(ROOT / "modules" / "app" / "job", directory, ignore=shutil.ignore_patterns(".terraform*"))
    terraform(directory, "init", "-no-color")
    return directory


def changed(module: Path, job: dict, **variables: str) -> tuple[dict, str | None]:
    """The job and the URL that the module makes of a rendered job."""
    terraform(module, "apply", "-auto-approve", "-no-color", jobspec=json.dumps({"Job": job}), **variables)
    outputs = json.loads(terraform(module, "output", "-json"))
    url = outputs["url"]["value"] if "url" in outputs else None
    return json.loads(outputs["jobspec"]["value"])["Job"], url


def without_digest(job: dict) -> dict:
    """The job without the digest over it, which the module cannot make anew."""
    return {**job, "Meta": {key: value for key, value in job["Meta"].items() if key != "digest"}}


def test_formatted():
    """`terraform fmt` has nothing to change."""
    terraform(ROOT, "fmt", "-check", "-recursive", "-diff")


def test_valid(module):
    """The part without a provider is valid."""
    terraform(module, "validate", "-no-color")


def test_nothing_set_changes_nothing(module, tmp_path):
    """Without variables the job is the rendered one."""
    job = build_job(
        app(tmp_path, SMALL + SECRETS + '[deploy]\nhost = "a.example"\nentrypoints = ["web"]\n'), ARTIFACTS
    )
    assert changed(module, job) == (job, "http://a.example/")


def test_no_route(module, tmp_path):
    """An app without a route has none afterwards, and no URL."""
    job = build_job(app(tmp_path), ARTIFACTS)
    assert changed(module, job) == (job, None)


@pytest.mark.parametrize(
    ("settings", "route"),
    [
        ("", "/..."),
        ('entrypoints = ["web", "websecure"]\n', "/..."),
        ('middlewares = ["auth@file"]\nlinks = { Docs = "https://docs.example" }\n', "/shop/..."),
    ],
)
def test_variables_are_as_the_manifest(module, tmp_path, settings, route):
    """Host name, instances and Vault path give the job that a manifest with them would have given."""
    small = SMALL.replace('"/..."', f'"{route}"')
    deploy = f"[deploy]\n{settings}"
    before = build_job(app(tmp_path, small + SECRETS + deploy + 'host = "a.example"\n'), ARTIFACTS)
    wanted = deploy + 'host = "b.example"\ncount = 3\nvault = { path = "kv/team" }\n'
    after = build_job(app(tmp_path, small + SECRETS + wanted), ARTIFACTS)
    job, url = changed(module, before, hostname="b.example", instances="3", vault_path="kv/team")
    assert without_digest(job) == without_digest(after)
    assert url == after["UI"]["Links"][0]["URL"]
