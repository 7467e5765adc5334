from pathlib import Path

import pytest

from tests.cli.jobspec import nomad

pytestmark = pytest.mark.stack

JOB = Path(__file__).parents[3] / "jobspecs" / "traefik.nomad.hcl"
ARGS = [
    "--entrypoints.web.address=:80",
    "--entrypoints.traefik.address=:${NOMAD_PORT_admin}",
    "--ping=true",
    "--api=false",
    "--api.dashboard=false",
    "--api.insecure=false",
    "--providers.consulcatalog.endpoint.address=127.0.0.1:8500",
    "--providers.consulcatalog.exposedbydefault=false",
    "--providers.consulcatalog.refreshinterval=1s",
    "--global.checknewversion=false",
    "--global.sendanonymoususage=false",
]


def test_formatted():
    """`nomad fmt` has nothing to change about it."""
    nomad.run("fmt", "-check", str(JOB))


def test_container():
    """By default it is a container on the node's network, without dashboard, exposing nothing by itself."""
    (task,) = nomad.parsed(JOB)["TaskGroups"][0]["Tasks"]
    assert (task["Name"], task["Driver"]) == ("traefik", "docker")
    assert task["Config"] == {"image": "docker.io/library/traefik:v3.6", "network_mode": "host", "args": ARGS}


def test_program():
    """With another driver it is the node's own program; variables reach its options."""
    options = [
        "driver=exec",
        "http_port=8000",
        "dashboard=true",
        "consul_address=c:1",
        'args=["--log.level=INFO"]',
    ]
    group = nomad.parsed(JOB, *(part for option in options for part in ("-var", option)))["TaskGroups"][0]
    (task,) = group["Tasks"]
    assert task["Driver"] == "exec"
    assert task["Config"]["command"] == "traefik"
    assert set(task["Config"]["args"]) - set(ARGS) == {
        "--entrypoints.web.address=:8000",
        "--api=true",
        "--api.dashboard=true",
        "--api.insecure=true",
        "--providers.consulcatalog.endpoint.address=c:1",
        "--log.level=INFO",
    }
    assert group["Networks"][0]["ReservedPorts"][0]["Value"] == 8000
