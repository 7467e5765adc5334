"""What one request leaves behind, and what the next one finds of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.servers import LANGUAGES, Server, serving
from tests.conformance.upstream import upstream
from tests.conformance.wire import ask, request

pytestmark = [pytest.mark.guests, pytest.mark.timeout(300)]

WORD = "wonderful-word-that-nobody-else-has"
# As the guest is given it: to look for the word itself, it would have to have it.
TURNED = "".join(chr(ord(letter) ^ 1) for letter in WORD)
TIMES = 24


@pytest.fixture(
    scope="module", params=[f"{kind}-{each}" for kind in ("request", "instance") for each in LANGUAGES]
)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A guest of each language in each isolation mode."""
    kind, _, language = request.param.partition("-")
    with upstream() as outside, serving(kind, language, tmp_path_factory.mktemp("served"), outside) as server:
        yield server


def body(server: Server, target: str) -> str:
    """The answer to GET."""
    answer = ask(server.address, request(target))
    assert answer.status == 200
    return answer.body.decode()


def test_nothing_of_a_request_is_left_for_the_next(served: Server) -> None:
    """A word left in memory, in /tmp and in the environment is nowhere to be found, however often the memory is used
    again; an instance that stays does find it, so the search is one.
    """
    with ThreadPoolExecutor(4) as clients:
        left = set(clients.map(lambda _: body(served, f"/leave?{WORD}"), range(TIMES)))
        found = list(clients.map(lambda _: body(served, f"/find?{TURNED}"), range(TIMES)))
    assert not any(each.endswith("/tmp: file") for each in left)
    assert not any("file" in each.split() for each in found)
    if served.kind == "request":
        assert set(found) == {"nothing"}
    else:
        assert {"environment", "memory", "calls"} <= {word for each in found for word in each.split()}


def test_clocks_and_random_numbers_are_those_of_the_request(served: Server) -> None:
    """The time is now in every request, not when an instance was made, and no two requests draw the same number."""
    drawn = set()
    for _ in range(TIMES):
        before = time.time()
        said, number = body(served, "/now").split()
        assert before - 0.001 <= float(said) <= time.time() + 0.001
        drawn.add(number)
    assert len(drawn) == TIMES
