import dataclasses

import pytest

from tests.cli.manifest.sample import app
from wasmdeploy_cli.job.route import traefik_tags, url


@pytest.fixture
def hello(tmp_path):
    return app(tmp_path)


def deployed(app, **settings):
    return dataclasses.replace(app, deploy=dataclasses.replace(app.deploy, **settings))


def test_no_host(hello):
    """Without a host name there is neither tag nor URL."""
    assert traefik_tags(hello) == ()
    assert url(hello) == ""


def test_tags(hello):
    """Router and load balancer carry namespace, app and a hash of the route's settings."""
    routed = deployed(hello, host="h.example.com", entrypoints=("web", "websecure"), namespace="team")
    assert traefik_tags(routed) == (
        "traefik.enable=true",
        "traefik.http.routers.team-hello-fad36af9.rule=Host(`h.example.com`)",
        "traefik.http.routers.team-hello-fad36af9.entrypoints=web,websecure",
        "traefik.http.routers.team-hello-fad36af9.service=team-hello-fad36af9",
        "traefik.http.services.team-hello-fad36af9.loadbalancer.passhostheader=true",
    )


def test_versions_share_a_name_only_with_the_same_content(hello):
    """What changes the route changes the names; what does not, does not."""
    first = deployed(hello, host="a.example.com")
    assert traefik_tags(deployed(first, count=3, memory=512)) == traefik_tags(first)
    for change in ({"host": "b.example.com"}, {"entrypoints": ("web",)}):
        assert not set(traefik_tags(first)[1:]) & set(traefik_tags(deployed(first, **change))[1:])


@pytest.mark.parametrize(
    ("entrypoints", "expected"),
    [
        ((), "http://h/"),
        (("web",), "http://h/"),
        (("websecure",), "https://h/"),
        (("web", "HTTPS"), "https://h/"),
    ],
)
def test_url(hello, entrypoints, expected):
    """The scheme follows the names of the entry points."""
    assert url(deployed(hello, host="h", entrypoints=entrypoints)) == expected
