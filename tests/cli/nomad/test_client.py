"""What Nomad seldom answers; the rest of its client meets the real one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.server import serving
from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.nomad import Nomad, Settings


def _evaluation(name: str, status: str, created: int, modified: int) -> dict[str, Any]:
    return {"ID": name, "JobID": "app", "Status": status, "CreateIndex": created, "ModifyIndex": modified}


def _given(others: list[dict[str, Any]]) -> str:
    canceled = _evaluation("asked", "canceled", 5, 9)
    with serving() as server:
        server.bodies["/v1/evaluation/asked"] = json.dumps(canceled).encode()
        server.bodies["/v1/job/app/evaluations"] = json.dumps([canceled, *others]).encode()
        return str(Nomad(Settings(server.url)).evaluation("asked")["ID"])


def test_an_evaluation_that_was_overtaken() -> None:
    """What decides for it is the latest of its job that Nomad did not cancel."""
    earlier, later = _evaluation("earlier", "complete", 2, 3), _evaluation("later", "complete", 7, 8)
    waiting = _evaluation("waiting", "pending", 10, 10)
    assert _given([earlier, later]) == "later"
    assert _given([later, waiting, earlier, _evaluation("too", "canceled", 11, 12)]) == "waiting"
    assert _given([earlier]) == "asked"


def test_an_allocation_that_its_node_forgot() -> None:
    """It is gone, which is all that was asked for; any other failure of the node is told."""
    with serving() as server:
        server.status = 500
        server.chunks = [b"No such allocation on client, or allocation not eligible for GC"]
        Nomad(Settings(server.url)).garbage_collect("a")
        server.chunks = [b"No path to node"]
        with pytest.raises(ClusterError, match="No path to node"):
            Nomad(Settings(server.url)).garbage_collect("a")
