"""The committed protocol code."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(shutil.which("go") is None, reason="the .proto files come from Go modules")
def test_committed_code_is_what_the_published_files_generate():
    """`scripts/proto.py --check` finds no difference."""
    command = [sys.executable, ROOT / "scripts/proto.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_services_keep_nomads_wire_names():
    """The move into our package left the names that go over the wire alone."""
    from wasmdeploy_driver.plugin.proto import base_pb2, driver_pb2, grpc_controller_pb2

    services = {
        name for module in (base_pb2, driver_pb2, grpc_controller_pb2)
        for name in (service.full_name for service in module.DESCRIPTOR.services_by_name.values())
    }  # fmt: skip
    assert services == {
        "hashicorp.nomad.plugins.base.proto.BasePlugin",
        "hashicorp.nomad.plugins.drivers.proto.Driver",
        "plugin.GRPCController",
    }
