import dataclasses

import pytest

from tests.cli.manifest.sample import app
from wasmdeploy_cli.job import Artifacts, Canaries, build_job
from wasmdeploy_cli.job.route import canary_tags, reach, routed_host, traefik_tags, url
from wasmdeploy_cli.manifest.component import HttpTrigger


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


def test_paths(hello):
    """An app that does not answer every path has its routes, and its health, in the rule; its host is still found."""
    triggers = tuple(HttpTrigger(route, "hello") for route in ("/b", "/a/...", "/"))
    some = dataclasses.replace(
        deployed(hello, host="h"), trigger=dataclasses.replace(hello.trigger, http=triggers)
    )
    rule = traefik_tags(some)[1].partition("rule=")[2]
    assert rule == (
        "Host(`h`) && (Path(`/`) || Path(`/a`) || PathPrefix(`/a/`) || Path(`/b`) || Path(`/b/`)"
        " || Path(`/.well-known/wasmdeploy/health`))"
    )
    assert routed_host(traefik_tags(some)[1])[1] == "h"
    encoded = dataclasses.replace(
        some, trigger=dataclasses.replace(hello.trigger, http=(HttpTrigger("/a%20b", "hello"),))
    )
    assert traefik_tags(encoded)[1].endswith("rule=Host(`h`)")


def test_middlewares(hello):
    """They are part of the route: another list is another router, beside the old one until that leaves."""
    plain, tagged = (
        deployed(hello, host="h", middlewares=names) for names in ((), ("auth@file", "zip@file"))
    )
    name = traefik_tags(tagged)[1].split(".")[3]
    assert f"traefik.http.routers.{name}.middlewares=auth@file,zip@file" in traefik_tags(tagged)
    assert name not in "".join(traefik_tags(plain))
    assert [tag for tag in canary_tags(tagged) if tag.endswith(".middlewares=auth@file,zip@file")]


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


def test_https(hello):
    """The route is on the secure entry point, and a router beside it redirects."""
    tags = traefik_tags(deployed(hello, host="h.example.com", tls=True, cert_resolver="le"))
    name = tags[1].split(".")[3]
    assert tags == (
        "traefik.enable=true",
        f"traefik.http.routers.{name}.rule=Host(`h.example.com`)",
        f"traefik.http.routers.{name}.entrypoints=websecure",
        f"traefik.http.routers.{name}.tls=true",
        f"traefik.http.routers.{name}.tls.certresolver=le",
        f"traefik.http.routers.{name}.service={name}",
        f"traefik.http.routers.{name}-redirect.rule=Host(`h.example.com`)",
        f"traefik.http.routers.{name}-redirect.entrypoints=web",
        f"traefik.http.routers.{name}-redirect.middlewares={name}-redirect",
        f"traefik.http.routers.{name}-redirect.service={name}",
        f"traefik.http.middlewares.{name}-redirect.redirectscheme.scheme=https",
        f"traefik.http.middlewares.{name}-redirect.redirectscheme.permanent=true",
        f"traefik.http.services.{name}.loadbalancer.passhostheader=true",
    )


def test_https_without_a_redirect(hello):
    """An empty list leaves HTTP alone; entry points of one's own are kept."""
    tags = traefik_tags(deployed(hello, host="h", tls=True, entrypoints=("edge",), redirect_entrypoints=()))
    assert not [tag for tag in tags if "redirect" in tag]
    assert any(tag.endswith(".entrypoints=edge") for tag in tags)


@pytest.mark.parametrize(("catalog", "provider"), [("consul", "consulcatalog"), ("nomad", "nomad")])
def test_canaries_have_a_router_of_their_own(hello, catalog, provider):
    """It takes their own host name, and the header at the app's; its balancer has no other instance."""
    routed = deployed(hello, host="h", catalog=catalog)
    tags = canary_tags(routed)
    assert tags[0] == f"traefik.{provider}.canary=true"
    assert tags[1].endswith(".rule=Host(`canary.h`) || (Host(`h`) && Header(`X-Canary`, `true`))")
    names = {tag.split(".")[3] for tag in tags[1:]}
    assert len(names) == 1
    assert not names & {tag.split(".")[3] for tag in traefik_tags(routed)[1:]}
    assert canary_tags(hello) == ()


@pytest.mark.parametrize(
    ("settings", "links"),
    [
        ({}, ("", "")),
        ({"host": "h"}, ("http://h/", "http://canary.h/")),
        ({"host": "h", "tls": True}, ("https://h/", "https://canary.h/")),
        ({"host": "h", "entrypoints": ("websecure",)}, ("https://h/", "https://canary.h/")),
        ({"host": "h", "catalog": "nomad"}, ("http://h/", "http://canary.h/")),
    ],
)
def test_a_job_tells_how_its_app_is_reached(hello, settings, links):
    """A rollback knows the app's job only."""
    routed = deployed(hello, health_path="/up", **settings)
    digests = dict.fromkeys(hello.component, "sha256:" + "0" * 64)
    way = reach(build_job(routed, Artifacts(digests, "/srv"), canaries=Canaries(1, auto_promote=False)))
    assert (way.url, way.canary_url) == links
    assert way.url == url(routed)
    assert (way.health_path, way.catalog) == ("/up", settings.get("catalog", "consul"))
