from pathlib import Path

import pytest

from tests.bench.errors import BenchError
from tests.bench.readme import BEGIN, END, replaced, table
from tests.bench.report import rows

PEERS = ("wasmtime serve 50", "wasmtime serve 50, 1 thread")


def sample(cpu):
    return {"rps": 1, "cpu_ms": cpu, "p50_ms": 1, "p99_ms": 1, "pss_mb": 1}


def found(case, *cpu):
    """The rows of a case with 16 connections as bench.json has them."""
    names = ("", *PEERS)[: len(cpu)]
    samples = {(16, name): [sample(value)] for name, value in zip(names, cpu, strict=True)}
    return [{name: getattr(row, name) for name in row.__slots__} for row in rows(case, samples)]


def test_the_table_has_a_line_for_each_case():
    """Ours, each peer with its ratio, and what the goals say; without a peer, a word."""
    measured = found("rust-hello-fresh", 0.4, 0.2, 0.1) + found("go-cgi-hello-fresh", 2.0)
    measured += found("rust-hello-engine", 0.2, 0.2)
    assert table(measured).splitlines()[2:] == [
        "| rust-hello-fresh | 0.4 ms | 0.2 ms | 2.00 | 0.1 ms | 4.00 | ≤ 2.00 met, ≤ 2.00 missed |",
        "| go-cgi-hello-fresh | 2 ms | it runs no CGI |  |  |  |  |",
        "| rust-hello-engine | 0.2 ms | 0.2 ms | 1.00 |  |  | ≤ 1.03 met |",
    ]


def test_only_the_table_is_replaced():
    """What stands around it stays; without its place, or without figures, there is an error."""
    measured = found("rust-hello-fresh", 0.4, 0.2, 0.1)
    assert replaced(f"a\n{BEGIN}old\n{END}b\n", measured) == f"a\n{BEGIN}\n{table(measured)}\n{END}b\n"
    with pytest.raises(BenchError, match="has no <!--"):
        replaced("a\n", measured)
    with pytest.raises(BenchError, match="make bench"):
        replaced(f"{BEGIN}{END}", [])


def test_readme_has_a_place_for_the_table():
    """Once, so that the figures there can only be those of a run."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert readme.count(BEGIN) == readme.count(END) == 1
