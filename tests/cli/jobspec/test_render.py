import dataclasses
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.jobspec import nomad
from tests.cli.manifest.sample import SMALL, app
from wasmdeploy_cli.job import Artifacts, build_job
from wasmdeploy_cli.jobspec import render_hcl

pytestmark = pytest.mark.stack

PIECES = [
    *'$%{}~"\\\n\r\taé😀#\x01\x7f\u2028\u202e\ufeff',
    "${",
    "%{",
    "$${",
    "${NOMAD_TASK_NAME}",
    "%{if x}",
]
PIECES += ["{{ a }}", "\\u0041", "<<EOT", "//", "/*", "\r\n"]
HOSTILE = (
    st.lists(
        st.sampled_from(PIECES) | st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
        max_size=8,
    )
    .map("".join)
    .filter(lambda text: unicodedata.is_normalized("NFC", text))
)
ARTIFACTS = Artifacts({"web": "sha256:" + "a1" * 32}, "/srv/wasm")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(HOSTILE, min_size=4, max_size=4),
    maps=st.dictionaries(HOSTILE.filter(bool), HOSTILE, max_size=4),
)
def test_hcl_is_the_job(tmp_path, texts, maps):
    """For any text in any place, Nomad reads from the HCL the job that deploying would send."""
    hello = app(tmp_path)
    component = dataclasses.replace(hello.component["web"], environment=maps, variables=maps)
    hello = dataclasses.replace(
        hello,
        application=dataclasses.replace(hello.application, description=texts[0]),
        component={"web": component},
        deploy=dataclasses.replace(hello.deploy, region=texts[1] or "r", datacenters=(texts[2],)),
    )
    job = build_job(hello, Artifacts(ARTIFACTS.digests, "/" + texts[3]), revision="1")
    assert nomad.differences(job, nomad.parsed(render_hcl(job))) == []


def test_hcl_is_formatted(tmp_path):
    """`nomad fmt` has nothing to change about a job with everything in it, long lists included."""
    hello = app(tmp_path)
    component = dataclasses.replace(
        hello.component["web"],
        environment={"A": "1", "LONGER_NAME": "2"},
        variables={"a": "x"},
        allowed_outbound_hosts=tuple(f"https://host-{number}.example.com" for number in range(9)),
    )
    deploy = dataclasses.replace(hello.deploy, host="h", artifacts="https://a.example", entrypoints=("web",))
    job = build_job(
        dataclasses.replace(hello, component={"web": component}, deploy=deploy),
        dataclasses.replace(ARTIFACTS, component_dir=""),
    )
    path = tmp_path / "job.nomad.hcl"
    path.write_text(render_hcl(job), encoding="utf-8")
    nomad.run("fmt", "-check", str(path))
    assert nomad.differences(job, nomad.parsed(path)) == []


def test_hcl_of_another_engine(tmp_path):
    """A check of the port alone is rendered, too."""
    job = build_job(app(tmp_path, SMALL + 'engine = "wasmtime"\n'), ARTIFACTS)
    assert nomad.differences(job, nomad.parsed(render_hcl(job))) == []
