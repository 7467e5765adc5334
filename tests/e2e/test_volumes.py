"""Dynamic host volumes of Nomad's in tasks of the driver: what guests write outlives the allocation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.driver.go_guests import go_guest
from tests.e2e.nomad_jobs import PATIENCE, Placed, ServedApp, job_of, nomad, purge, register
from tests.e2e.owners import nothing_left
from tests.e2e.test_local import up
from tests.e2e.world import World, eventually

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(600)]

Json = dict[str, Any]
_SPEC = """\
name      = "kept"
type      = "host"
plugin_id = "mkdir"

capability {
  access_mode     = "single-node-writer"
  attachment_mode = "file-system"
}

capability {
  access_mode     = "single-node-reader-only"
  attachment_mode = "file-system"
}
"""
_MANIFEST = """\
[application]
name = "volume-notes"

[[trigger.http]]
route = "/..."
component = "web"
executor = { type = "wagi" }

[component.web]
source = "web.wasm"

[deploy]
host = "notes.test"

[deploy.volumes.data]
path = "/data"
source = "kept"
"""


@pytest.fixture(scope="module")
def volume(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of a volume that Nomad made, with a file."""
    spec = tmp_path_factory.mktemp("volume") / "volume.hcl"
    spec.write_text(_SPEC)
    nomad(world, "volume", "create", "-detach", str(spec))

    def ready() -> Json | None:
        found = [each for each in world.nomad("volumes?type=host") or [] if each["Name"] == "kept"]
        return found[0] if found and found[0]["State"] == "ready" else None

    made = eventually("the volume is ready", ready, PATIENCE)
    # The scheduler looks at what the node has told of itself, which comes later.
    node = f"node/{made['NodeID']}"
    eventually("its node has it", lambda: "kept" in (world.nomad(node)["HostVolumes"] or {}), PATIENCE)
    path = Path(world.nomad(f"volume/host/{made['ID']}")["HostPath"])
    (path / "file").write_text("kept")
    yield path
    nomad(world, "volume", "delete", "-type=host", made["ID"])


@pytest.fixture
def sources(world: World) -> Iterator[tuple[Path, Path]]:
    """An app, and a command."""
    paths = tuple(world.stack.components_dir / f"volumes-{name}.wasm" for name in ("app", "tool"))
    for path, guest in zip(paths, ("go-cgi", "go-tool"), strict=True):
        path.write_bytes(go_guest(guest).read_bytes())
    with nothing_left(world):
        yield paths[0], paths[1]
        for path in paths:
            path.unlink()


def with_volume(job: Json, *, readonly: bool = False) -> Json:
    """The job with the volume at /data."""
    group = job["TaskGroups"][0]
    group["Volumes"] = {"data": {"Name": "data", "Type": "host", "Source": "kept", "ReadOnly": readonly}}
    group["Tasks"][0]["VolumeMounts"] = [{"Volume": "data", "Destination": "/data", "ReadOnly": readonly}]
    return job


def test_what_is_written_stays(world: World, volume: Path, sources: tuple[Path, Path]) -> None:
    """An app and a command write into the volume; it is all there when they are gone, for the next ones to read."""
    app = ServedApp(world, "volume-app", sources[0])
    app.place(with_volume(app.job()))
    app.locate()
    wrote = eventually("the app answers", lambda: asked(app), PATIENCE)
    assert wrote == b"kept <nil> false\n"
    shown = nomad(world, "alloc", "exec", "-t=false", "-i=false", app.allocation, "cat", "/data/other")
    assert shown == "kept"
    purge(world, app.name)
    command(world, "volume-write", sources[1], "write", "/data/made")
    assert sorted(each.name for each in volume.iterdir()) == ["file", "made", "other"]
    assert (volume / "made").read_text() == "written"
    allocation = command(world, "volume-read", sources[1], "read", "/data/made", readonly=True)
    eventually("it is read", lambda: nomad(world, "alloc", "logs", allocation) == "written")
    command(world, "volume-spoil", sources[1], "write", "/data/file", readonly=True, state="failed")
    assert (volume / "file").read_text() == "kept"


def test_a_volume_of_the_manifest(world: World, volume: Path, tmp_path: Path) -> None:
    """An app has the volume that its manifest names; whether it may write is told before, and changes with a deploy."""
    manifest = tmp_path / "wasmdeploy.toml"
    (tmp_path / "web.wasm").write_bytes(go_guest().read_bytes())
    manifest.write_text(_MANIFEST + "read_only = true\n")
    (volume / "other").unlink(missing_ok=True)
    assert "--volume data=DIR" in world.cli("up", manifest, code=2).stderr
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "file").write_text("local")
    with up(manifest, "--volume", f"data={tmp_path / 'here'}") as (_, url):
        assert httpx.get(f"{url}/file", timeout=60).text == "local <nil> true\n"
    world.cli("deploy", manifest)
    assert world.get("notes.test", "/file").text == "kept <nil> true\n"
    manifest.write_text(_MANIFEST)
    shown = " ".join(world.cli("plan", manifest, code=1).stdout.split())
    assert "all components open volume kept as /data: read → read and write [widened]" in shown
    world.cli("deploy", manifest)
    assert world.get("notes.test", "/file").text == "kept <nil> false\n"
    world.cli("destroy", manifest)
    assert (volume / "other").read_text() == "kept"


def asked(app: ServedApp) -> bytes | None:
    """The answer of /file, once there is one."""
    try:
        return app.ask("/file")
    except OSError:
        return None


def command(
    world: World, name: str, source: Path, *words: str, readonly: bool = False, state: str = "complete"
) -> str:
    """Run a command to its end with the volume, and give its allocation."""
    placed = Placed(world, name, source)
    job = job_of(name, "batch", {"module": str(source), "args": list(words)}, 0)
    register(world, with_volume(job, readonly=readonly))
    ended = eventually(f"{name} is {state}", lambda: at(placed, state), PATIENCE, placed.stub)
    return str(ended["ID"])


def at(placed: Placed, state: str) -> Json | None:
    """The job's allocation, once it is in the state."""
    stub = placed.stub()
    return stub if stub.get("ClientStatus") == state else None
