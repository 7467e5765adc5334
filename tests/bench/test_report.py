import json

from tests.bench.report import METRICS, Row, as_json, rows, table

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
    }  # fmt: skip


def test_the_table_is_aligned():
    """Numbers to the right with three digits, dashes for what there is not."""
    found = [
        Row("hello", "rps", "1/s", 12345.6, 987.6, PEER, 12.5, "higher"),
        Row("cgi-c16", "cpu_ms", "ms/request", 0.12345, None, None, None, "lower"),
    ]
    assert table(found) == (
        "case     metric  unit         ours  peer  ratio  peer name\n"
        "hello    rps     1/s         12346   988  12.50  wasmtime serve\n"
        "cgi-c16  cpu_ms  ms/request  0.123     -      -  -\n"
    )
