"""Every case, with a guest in each language: in both isolation modes, and against the reference."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.cases import CASES, Case, Difference, NotAsked
from tests.conformance.servers import KINDS, LANGUAGES, PEER, Server, has_peer, serving
from tests.conformance.upstream import Upstream, upstream

pytestmark = [pytest.mark.guests, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def outside() -> Iterator[Upstream]:
    """The server that the guests call."""
    with upstream() as server:
        yield server


@pytest.fixture(scope="module", params=[f"{kind}-{language}" for kind in KINDS for language in LANGUAGES])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, outside: Upstream
) -> Iterator[Server]:
    """A guest behind one of the servers."""
    kind, _, language = request.param.partition("-")
    if kind == PEER and not has_peer():
        pytest.skip("the wasmtime command line is not built: `make bench` builds it")
    with serving(kind, language, tmp_path_factory.mktemp("served"), outside) as server:
        yield server


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(request: pytest.FixtureRequest, served: Server, case: Case) -> None:
    """The outcome is the one that the case expects, or for the reference the one whose difference is explained."""
    wanted = case.wanted(served.kind)
    if served.kind == PEER:
        if isinstance(case.peer, NotAsked):
            pytest.skip(case.peer.reason)
        if isinstance(case.peer, Difference):
            assert case.peer.outcome != wanted, "this is no difference"
            wanted = case.peer.outcome
    elif case.coming:
        request.applymarker(
            pytest.mark.xfail(strict=True, raises=(AssertionError, TimeoutError), reason=case.coming)
        )
    assert case.act(served) == wanted
