import dataclasses

import pytest

from tests.cli.manifest.sample import app
from wasmdeploy_cli.job import Artifacts, Canaries, build_job
from wasmdeploy_cli.job.changes import Change, changes, digests, facts
from wasmdeploy_cli.manifest.deploy import Volume

DIGEST = "sha256:" + "1" * 64


@pytest.fixture
def hello(tmp_path):
    return app(tmp_path)


def job(hello, digest=DIGEST, **more):
    return build_job(hello, Artifacts(dict.fromkeys(hello.component, digest), "/srv"), **more)


def component(hello, **settings):
    changed = {name: dataclasses.replace(each, **settings) for name, each in hello.component.items()}
    return dataclasses.replace(hello, component=changed)


def deployed(hello, **settings):
    return dataclasses.replace(hello, deploy=dataclasses.replace(hello.deploy, **settings))


def test_a_job_does_not_differ_from_itself(hello):
    """The same app, made twice, has no changes."""
    assert changes(job(hello), job(hello)) == []


def test_a_link_that_nomad_tells_of(hello):
    """The server writes a link's address with another key than it is sent with."""
    linked = deployed(hello, links={"Docs": "https://docs.example/"})
    told = job(linked)
    told["UI"]["Links"] = [{"Label": each["Label"], "Url": each["URL"]} for each in told["UI"]["Links"]]
    assert changes(told, job(linked)) == []
    assert [(each.name, each.old) for each in changes(told, job(hello))] == [
        ("links.Docs", "https://docs.example/")
    ]


def test_volumes(hello):
    """A volume is told with what components may do; one that is new, or can be written now, widens that."""
    shown = deployed(hello, volumes={"data": Volume("/data", "notes", read_only=True)})
    written = deployed(hello, volumes={"data": Volume("/data", "notes")})
    name = "all components open volume notes as /data"
    for old, new, expected in (
        (hello, shown, (Change("capability", name, None, "read"), True)),
        (shown, written, (Change("capability", name, "read", "read and write"), True)),
        (written, shown, (Change("capability", name, "read and write", "read"), False)),
        (written, hello, (Change("capability", name, "read and write", None), False)),
    ):
        found = [each for each in changes(job(old), job(new)) if each.kind == "capability"]
        assert [(each, each.widened) for each in found] == [expected]


def test_a_command(tmp_path):
    """A command's arguments, its launching and what it may open are told, and nothing of routes."""
    text = """[application]
name = "report"
[[trigger.command]]
component = "report"
args = ["%s"]
[component.report]
source = "report.wasm"
allowed_outbound_hosts = ["%s"]
[deploy.%s]
%s
"""
    old = job(app(tmp_path, text % ("a", "tcp://a:1", "periodic", 'cron = "@daily"')))
    new = job(app(tmp_path, text % ("b", "redis://a", "parameterized", 'payload = "required"')))
    assert digests(new) == {"report": DIGEST}
    assert [(each.kind, each.name, each.old, each.new) for each in changes(old, new)] == [
        ("capability", "the command calls redis://a", None, "allowed"),
        ("capability", "the command calls tcp://a:1", "allowed", None),
        ("capability", "the command opens local as /local", None, "read"),
        ("setting", "command.args", "a", "b"),
        ("setting", "command.stdin", None, "local/payload"),
        ("setting", "parameterized.payload", None, "required"),
        ("setting", "periodic.cron", "@daily", None),
        ("setting", "periodic.time_zone", "UTC", None),
    ]


def test_a_first_version_is_all_new(hello):
    """Without a job before it, or with a stopped one, everything is new."""
    new = job(hello)
    first = changes(None, new)
    assert {change.old for change in first} == {None}
    assert changes({**new, "Stop": True}, new) == first
    assert first[0] == Change("job", hello.name, None, "default")


def test_a_component_is_told_by_its_digest(hello):
    """Another file is one change: the component."""
    other = "sha256:" + "2" * 64
    (change,) = changes(job(hello), job(hello, other))
    assert (change.kind, change.old, change.new) == ("component", DIGEST, other)
    assert digests(job(hello)) == dict.fromkeys(hello.component, DIGEST)


@pytest.mark.parametrize("host", ["https://a.example", "tcp://a.example:5432", "redis://a.example"])
def test_what_a_guest_may_do_more_is_widened(hello, host):
    """A host that is added widens, one that goes does not; those of sockets count, too."""
    less, more = (component(hello, allowed_outbound_hosts=hosts) for hosts in ((), (host,)))
    (change,) = changes(job(less), job(more))
    assert (change.kind, change.name, change.widened) == ("capability", f"web calls {host}", True)
    (change,) = changes(job(more), job(less))
    assert (change.kind, change.widened) == ("capability", False)


@pytest.mark.parametrize(
    ("old", "new", "widened"),
    [
        (None, "read", True),
        ("read", "read and write", True),
        ("read and write", "read", False),
        ("read", None, False),
    ],
)
def test_a_directory_is_a_capability(old, new, widened):
    """Writing is more than reading, and reading more than nothing."""
    assert Change("capability", "web opens data as /data", old, new).widened == widened


@pytest.mark.parametrize(
    ("settings", "kind", "name", "old", "new"),
    [
        ({"host": "h.example"}, "route", "traefik rule", None, "Host(`h.example`)"),
        ({"count": 3}, "setting", "count", "1", "3"),
        ({"memory": 300}, "setting", "memory", "256", "300"),
        ({"health_path": "/up"}, "setting", "health_path", "/.well-known/wasmdeploy/health", "/up"),
        ({"healthy_within": "20s"}, "setting", "healthy_within", "3m", "20s"),
        ({"healthy_within": "1h90s250ms"}, "setting", "healthy_within", "3m", "1h1m30s250ms"),
        ({"idle_timeout": "15m"}, "setting", "idle_timeout", None, "15m"),
        ({"catalog": "nomad"}, "setting", "catalog", "consul", "nomad"),
        ({"datacenters": ("a", "b")}, "setting", "datacenters", "*", "a, b"),
    ],
)  # fmt: skip
def test_a_setting(hello, settings, kind, name, old, new):
    """A setting of [deploy] is told by its name."""
    assert Change(kind, name, old, new) in changes(job(hello), job(deployed(hello, **settings)))


def test_canaries_are_a_setting(hello):
    """How many canaries wait for a person is told; none is the rule."""
    (change,) = changes(job(hello), job(hello, canaries=Canaries(1, auto_promote=False)))
    assert change == Change("setting", "canaries", None, "1")


def test_templates_are_read_back(hello):
    """A value is shown as it is in the manifest, not as Nomad's template for it."""
    changed = component(hello, environment={"A": "${b} %{c}"})
    name = next(iter(hello.component))
    assert facts(job(changed))["setting", f"component.{name}.environment.A"] == "${b} %{c}"
