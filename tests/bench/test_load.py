import pytest

from tests.bench.errors import BenchError
from tests.bench.load import Load, parse

REPORT = """\
Running 3s test @ http://127.0.0.1:36817/hello
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     8.50ms    4.39ms   1.20s    89.73%
    Req/Sec     4.02k   833.37     4.93k    70.00%
  Latency Distribution
     50%  {p50}
     75%    8.88ms
     90%   13.08ms
     99%  {p99}
  12034 requests in 3.01s, 1.60MB read
{broken}Requests/sec:   4000.58
Transfer/sec:    544.20KB
"""


@pytest.mark.parametrize(
    ("p50", "p99", "milliseconds"),
    [
        ("250.00us", "31.02ms", (0.25, 31.02)),
        ("6.88ms", "1.50s ", (6.88, 1500.0)),
        ("59.00s", "1.10m", (59000.0, 66000.0)),
    ],
)
def test_a_report_is_read(p50, p99, milliseconds):
    """Counts and rates are taken as they are, latencies in milliseconds whatever their unit."""
    assert parse(REPORT.format(p50=p50, p99=p99, broken="")) == Load(
        12034, 4000.58, pytest.approx(milliseconds[0]), pytest.approx(milliseconds[1])
    )


@pytest.mark.parametrize(
    "broken",
    ["Socket errors: connect 0, read 3, write 0, timeout 0", "Non-2xx or 3xx responses: 12"],
)
def test_a_failed_answer_is_no_result(broken):
    """A server that answers wrongly, or not at all, may not win for it."""
    with pytest.raises(BenchError, match=broken):
        parse(REPORT.format(p50="1.00ms", p99="2.00ms", broken=f"  {broken}\n"))


@pytest.mark.parametrize("said", ["", "unable to connect to 127.0.0.1:1 Connection refused\n"])
def test_what_is_no_report_is_refused(said):
    """Without a count there is nothing to divide by."""
    with pytest.raises(BenchError, match="counted no requests"):
        parse(said)


def test_no_request_is_no_result():
    """A server that answered nothing has no CPU time per request."""
    report = REPORT.format(p50="0.00us", p99="0.00us", broken="").replace("12034 requests", "0 requests")
    with pytest.raises(BenchError, match="counted no requests"):
        parse(report)
