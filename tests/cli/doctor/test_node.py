"""What nodes tell of themselves, as Nomad passes it on."""

from __future__ import annotations

from typing import Any

import pytest

from wasmdeploy_cli.doctor.finding import Finding, worst
from wasmdeploy_cli.doctor.node import (
    agents_findings,
    clock_finding,
    disk_finding,
    node_findings,
    nodes_findings,
)

GOOD = {
    "driver.wasm.version": "0.1.0", "driver.wasm.wasmtime": "50.0.1", "kernel.version": "6.1.0-13-amd64",
    "os.cgroups.version": "2",
}  # fmt: skip


def node(name: str = "n1", driver: dict[str, Any] | None = None, **attributes: str) -> dict[str, Any]:
    """A node as Nomad's API has it."""
    wasm = {"Detected": True, "Healthy": True} if driver is None else driver
    given = {key.replace("__", "."): value for key, value in attributes.items()}
    return {"Name": name, "Drivers": {"wasm": wasm}, "Attributes": {**GOOD, **given}}


def told(*nodes: dict[str, Any]) -> list[tuple[str, str]]:
    """Severity and message of each finding."""
    return [(each.severity, each.message) for each in nodes_findings(list(nodes), "0.1.0")]


def test_a_good_node() -> None:
    """A node with our driver, a new kernel and cgroups can run the app."""
    (finding,) = nodes_findings([node()], "0.1.0")
    assert finding.severity == "ok"
    assert finding.evidence == "driver 0.1.0, wasmtime 50.0.1, kernel 6.1.0-13-amd64, cgroup v2"


@pytest.mark.parametrize(
    ("attributes", "severity", "words"),
    [
        ({"driver__wasm__version": "0.0.9"}, "warning", "its driver is 0.0.9, this wasmdeploy is 0.1.0"),
        ({"kernel__version": "5.4.0-1"}, "error", "older than 5.6"),
        ({"os__cgroups__version": ""}, "warning", "no cgroups"),
    ],
)
def test_what_is_wrong_with_a_node(attributes: dict[str, str], severity: str, words: str) -> None:
    """Each is one finding."""
    ((said, message),) = told(node(**attributes))
    assert said == severity
    assert words in message


def test_nodes_without_the_driver() -> None:
    """No node at all, none with the driver, one that is unhealthy, and one beside a good one are told apart."""
    assert told() == [("error", "Nomad has no node that is ready and eligible")]
    assert told(node(driver={})) == [("error", "no Nomad node has the driver 'wasm'")]
    assert told(node(driver={"Detected": True})) == [
        ("error", "the driver 'wasm' is unhealthy on every node")
    ]
    assert [severity for severity, _ in told(node(), node("n2", {}))] == ["ok", "note"]


@pytest.mark.parametrize(
    ("skew", "severity"), [(0.0, None), (-1.9, None), (3.0, "warning"), (-29.0, "warning"), (31.0, "error")]
)
def test_clocks(skew: float, severity: str | None) -> None:
    """A clock that is seconds off is a warning; one that makes tokens invalid is an error."""
    finding = clock_finding("n1", skew)
    assert (finding.severity if finding else None) == severity
    assert finding is None or ("ahead of" in finding.message) == (skew > 0)


def test_kernels_that_keep_less_apart() -> None:
    """A node without Landlock or seccomp is noted; one that does not tell is not."""
    known = {"driver.wasm.version": "1", "os.cgroups.version": "2", "kernel.version": "6.1"}
    node = {"Name": "n1", "Attributes": known}
    assert [each.severity for each in node_findings(node, "1")] == ["ok"]
    known |= {"driver.wasm.landlock": "7", "driver.wasm.seccomp": "true"}
    assert [each.severity for each in node_findings(node, "1")] == ["ok"]
    known |= {"driver.wasm.landlock": "0", "driver.wasm.seccomp": "false"}
    found = node_findings(node, "1")
    assert [each.severity for each in found] == ["note", "note"]
    assert [each.evidence for each in found] == ["driver.wasm.landlock=0", "driver.wasm.seccomp=false"]


def test_disks() -> None:
    """A disk that is nearly full is a warning; one that is not told about is none."""
    assert disk_finding("n1", {"AllocDirStats": {"Available": 10 << 30}}) is None
    assert disk_finding("n1", {}) is None
    finding = disk_finding("n1", {"AllocDirStats": {"Available": 1_500_000_000}})
    assert finding is not None
    assert finding.message == "only 1.5 GB of disk are free"


def test_the_worst() -> None:
    """The worst severity decides, and nothing at all is well."""
    ok, error = Finding("app", "x", "ok", ""), Finding("app", "x", "error", "")
    assert [worst(each) for each in ([], [ok], [ok, error, ok])] == ["ok", "ok", "error"]


def test_a_shared_consul_agent() -> None:
    """Two nodes with one agent are an error; nodes with their own, or without Consul, are not."""
    own = [node("n1", unique__consul__name="a"), node("n2", unique__consul__name="b"), node("n3"), node("n4")]
    assert agents_findings(own) == []
    (finding,) = agents_findings([*own, node("n5", unique__consul__name="a")])
    assert (finding.severity, finding.evidence) == ("error", "n1, n5 use the agent a")
