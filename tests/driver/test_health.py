"""What wakes a parked app, and what does not."""

import fcntl
import os

import pytest

from wasmdeploy_driver.app.app import HEALTH
from wasmdeploy_driver.app.memfile import memory_file, whole
from wasmdeploy_driver.executor.parking import Shelved, pack, unpack
from wasmdeploy_driver.holder.health import MOST_HEAD, answer, judge
from wasmdeploy_driver.secrets import Secret

CHECK = f"GET {HEALTH} HTTP/1.1\r\nHost: a\r\nUser-Agent: Consul Health Check\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("start", "verdict"),
    [
        (CHECK, "health"),
        (CHECK.replace(b"GET", b"HEAD"), "health"),
        (CHECK[:3], "more"),
        (CHECK[:-1], "more"),
        (b"", "more"),
        (b"GET /up?a=1 HTTP/1.1\r\nHost: a\r\n\r\n", "health"),
        (b"GET /up?a=1&b HTTP/1.1\r\nHost: a\r\n\r\n", "other"),
        (b"GET /up HTTP/1.1\r\nHost: a\r\n\r\n", "other"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "other"),
        (b"POST", "other"),
        (CHECK.replace(b"1.1", b"1.0"), "other"),
        (CHECK + b"GET / HTTP/1.1\r\n", "other"),
        (CHECK.replace(b"Host: a", b"Host: a\r\nContent-Length: 1"), "other"),
        (CHECK.replace(b"Host: a", b"Host: a\r\nTransfer-Encoding : chunked"), "other"),
        (CHECK.replace(b"Host: a", b"Host: a\r\nUpgrade: h2c"), "other"),
        (CHECK[:-2] + b"x: " + b"y" * MOST_HEAD, "other"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "other"),
    ],
    ids=lambda value: value[:24].decode() if isinstance(value, bytes) else value,
)
def test_verdicts(start, verdict):
    """Only a whole and plain health check is one; what may become one is waited for; all else is the app's."""
    assert judge(start, "/up?a=1") == (verdict, len(start) if verdict == "health" else 0)


def test_answers():
    """The driver's own check is well; the job's own has the status that the app gave it last; HEAD has no body."""
    assert answer(CHECK, 204).startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer(CHECK, 204).endswith(b"\r\n\r\nok\n")
    assert answer(CHECK.replace(b"GET", b"HEAD"), 204).endswith(b"connection: close\r\n\r\n")
    assert answer(b"GET /up HTTP/1.1\r\n\r\n", 302).startswith(b"HTTP/1.1 302 Found\r\n")


def test_what_waits_is_sealed():
    """What the next executor begins with comes back whole, and nobody can change it, whoever opens it anew."""
    file = memory_file(pack(b'{"image": 1}', Secret("token")), sealed=True)
    image, token = unpack(whole(file))
    assert (image, token) == (b'{"image": 1}', Secret("token"))
    assert fcntl.fcntl(file, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE
    again = os.open(f"/proc/self/fd/{file}", os.O_RDWR)
    with pytest.raises(PermissionError):
        os.write(again, b"x")
    with pytest.raises(PermissionError):
        os.ftruncate(file, 0)
    for each in (file, again):
        os.close(each)


def test_a_parked_task_has_all_its_descriptors():
    """They come back in their order; too few are no parked task."""
    shelved = Shelved(3, 4, 5, 6, 7, (8, 9))
    assert Shelved.of(shelved.descriptors) == shelved
    with pytest.raises(ValueError, match="more descriptors"):
        Shelved.of((1, 2, 3, 4, 5))
