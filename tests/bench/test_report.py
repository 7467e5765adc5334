import json

import pytest

from tests.bench.report import METRICS, Row, as_json, other_rows, rows, table

PEER = "wasmtime serve"


def sample(cpu, pss=50.0):
    return {"rps": 1000 / cpu, "cpu_ms": cpu, "p50_ms": cpu, "p99_ms": 3 * cpu, "pss_mb": pss}


def test_rows_are_medians_of_the_rounds():
    """One bad round changes nothing; the ratio is ours by the peer's."""
    samples = {(1, ""): [sample(2.0), sample(90.0), sample(1.0)], (1, PEER): [sample(4.0)]}
    cpu = next(row for row in rows("hello", samples) if row.metric == "cpu_ms")
    assert cpu == Row("hello", "cpu_ms", "ms/request", 2.0, 4.0, PEER, 0.5, "lower")


def test_connections_are_part_of_the_case():
    """One connection is the case itself, sixteen are -c16; each has every metric beside each peer."""
    samples = {
        (count, name): [sample(1.0)]
        for count, name in ((1, ""), (1, "a"), (1, "b"), (16, ""), (16, "a"), (16, "b"))
    }
    found = [(row.case, row.metric, row.peer_name) for row in rows("hello", samples)]
    assert found == [
        (case, metric, name) for case in ("hello", "hello-c16") for metric in METRICS for name in "ab"
    ]


def test_a_case_without_a_peer_has_no_ratio():
    """Where nothing else runs the guest, the row says so with nulls."""
    found = json.loads(as_json(rows("cgi", {(1, ""): [sample(2.0)]})))
    assert [row["metric"] for row in found] == list(METRICS)
    assert found[1] == {
        "case": "cgi", "metric": "cpu_ms", "unit": "ms/request", "ours": 2.0,
        "peer": None, "peer_name": None, "ratio": None, "better": "lower",
        "goal": None, "goal_of": None, "aim": None, "met": None, "ratio_goal": None, "ratio_met": None,
    }  # fmt: skip


def test_the_table_is_aligned():
    """Numbers to the right with three digits, dashes for what there is not."""
    found = [
        Row("hello", "rps", "1/s", 12345.6, 987.6, PEER, 12.5, "higher"),
        Row("cgi-c16", "cpu_ms", "ms/request", 0.12345, None, None, None, "lower"),
    ]
    assert table(found) == (
        "case     metric  unit         ours  peer  ratio  peer name       goal\n"
        "hello    rps     1/s         12346   988  12.50  wasmtime serve\n"
        "cgi-c16  cpu_ms  ms/request  0.123     -      -  -\n"
    )


@pytest.mark.parametrize(
    ("case", "ours", "peer_name", "said"),
    [
        ("rust-hello-fresh", 0.3, PEER, "≤ 2.00 met (aim 1.25)"),
        ("rust-hello-reused-c16", 0.5, PEER, "≤ 2.00 MISSED (aim 1.25)"),
        ("rust-echo-1m-fresh", 0.2, PEER, "≤ 1.25 met"),
        ("python-hello-fresh", 0.06, PEER, "≤ 0.33 met"),
        ("python-hello-fresh-c128", 0.1, PEER, "≤ 0.33 MISSED"),
        ("python-json-fresh", 0.2, f"{PEER}, 1 thread", "≤ 1.18 met"),
        ("python-json-reused", 0.3, PEER, "≤ 1.25 MISSED"),
    ],
)
def test_goals_are_beside_the_ratios(case, ours, peer_name, said):
    """CPU per request is held to the case's goal, against each peer; nothing else is."""
    found = rows(case, {(1, ""): [sample(ours)], (1, peer_name): [sample(0.2)]})
    assert {row.metric for row in found if row.goal is not None} == {"cpu_ms"}
    assert said in table(found)


def test_what_a_peer_has_not_is_told_alone():
    """A row for each metric of ours, whatever of it was measured with a peer, too."""
    found = other_rows("density-rust-10", {"": {"pss_mb": 13.0, "seconds": 2.0}, PEER: {"pss_mb": 26.0}})
    assert [(row.metric, row.ours, row.peer, row.ratio) for row in found] == [
        ("pss_mb", 13.0, 26.0, 0.5), ("seconds", 2.0, None, None),
    ]  # fmt: skip


def test_goals_of_slow_requests_are_our_own_values():
    """How a peer does is told, and is not the measure."""
    found = other_rows("wait-64x1s", {"": {"seconds": 2.6}, PEER: {"seconds": 1.2}})
    assert (found[0].ours, found[0].goal, found[0].met) == (2.6, 2.5, False)
    mix = {"p99_alone_ms": 2.0, "p99_mixed_ms": 8.0, "p99_growth": 4.0}
    grown = other_rows("slow-mix-waiting", {"": mix, PEER: mix})
    assert [(row.metric, row.met) for row in grown] == [
        ("p99_alone_ms", None), ("p99_mixed_ms", None), ("p99_growth", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "ours", "peer", "said"),
    [
        ("start-rust", 30.0, 12.5, "ours ≤ 15.00 MISSED, ratio ≤ 2.50 met"),
        ("wake-rust", 14.0, 5.0, "ours ≤ 15.00 met, ratio ≤ 2.50 MISSED"),
        ("wake-python", 24.0, 11.0, "ours ≤ 25.00 met, ratio ≤ 2.27 met"),
    ],
)
def test_first_answers_have_two_goals(case, ours, peer, said):
    """Milliseconds for one machine, and a ratio for all others; each is judged by itself, and p99 is not."""
    values = {"p50_ms": ours, "p99_ms": 2 * ours}
    found = other_rows(case, {"": values, PEER: {"p50_ms": peer, "p99_ms": 2 * peer}})
    assert [(row.metric, row.goal is not None, row.ratio_goal is not None) for row in found] == [
        ("p50_ms", True, True), ("p99_ms", False, False),
    ]  # fmt: skip
    assert said in table(found)
