import pytest

from tests.bench import programs
from tests.bench.cases import CASES, selected
from tests.bench.errors import BenchError
from tests.bench.servers import address, commands, guest_file


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("wasmtime 50.0.1\n", "50.0.1"),
        ("wasmtime 50.0.1 (4a1b2c 2026-11-05)", "50.0.1"),
        ("", ""),
        ("other 1", ""),
    ],
)
def test_the_version_is_read(said, version):
    """With or without the commit behind it; what is no wasmtime has none."""
    assert programs.version(said) == version


def fake_wasmtime(directory, version):
    directory.mkdir(parents=True)
    program = directory / "wasmtime"
    program.write_text(f"#!/bin/sh\necho wasmtime {version}\n")
    program.chmod(0o755)
    return program


def test_the_peer_on_path_comes_first(tmp_path, monkeypatch):
    """An installed wasmtime is used before the one that the benchmark built."""
    on_path = fake_wasmtime(tmp_path / "bin", programs.WASMTIME)
    fake_wasmtime(tmp_path / "cache" / "wasmdeploy" / "wasmtime" / "bin", programs.WASMTIME)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert programs.peer() == on_path


def test_another_version_is_no_peer(tmp_path, monkeypatch):
    """Results beside another version could not be compared."""
    fake_wasmtime(tmp_path / "bin", "49.0.0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    with pytest.raises(BenchError, match=r"is version 49\.0\.0, the benchmark compares with 50"):
        programs.peer()


def test_a_missing_program_is_one_line(monkeypatch):
    """It names the package to install."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BenchError, match=r"^not installed: wrk: the package wrk .*; go: Go 1.25 or newer$"):
        programs.require("wrk", "go")


def test_cases_are_chosen_by_name():
    """All without a name; a wrong one is told what there is."""
    known = [case.name for case in CASES]
    assert selected([], known) == tuple(known)
    assert selected(["python-hello-fresh"], known) == ("python-hello-fresh",)
    with pytest.raises(BenchError, match="no case nonsense: there are rust-hello-fresh, "):
        selected(["nonsense"], known)


@pytest.mark.parametrize("mode", ["fresh", "reused", "engine"])
def test_each_peer_serves_the_same_file(tmp_path, mode):
    """The peers differ in their threads only, and use instances again exactly where ours does."""
    wasm = tmp_path / "guest.wasm"
    ours, *peers = commands(wasm, tmp_path / "wasmtime", mode)
    assert (ours.peer_name, len(peers)) == ("", 1 if mode == "engine" else 2)
    assert {peer.arguments[-1] for peer in peers} == {str(wasm)}
    assert len({peer.peer_name for peer in peers}) == len(peers)
    assert all(("--max-instance-reuse-count" in peer.arguments) == (mode == "reused") for peer in peers)
    place = guest_file("case", mode, tmp_path)
    assert ('isolation = "instance"' in place.with_name("wasmdeploy.toml").read_text()) == (mode == "reused")


def test_what_no_peer_runs_is_ours_alone(tmp_path):
    """Without a peer there is one server."""
    assert len(commands(tmp_path / "guest.wasm", None)) == 1


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ("Preparing the app …\nServing http://127.0.0.1:4711\n", "http://127.0.0.1:4711"),
        ("Serving HTTP on http://127.0.0.1:4711/\n", "http://127.0.0.1:4711"),
        ("Serving HTTP on http://127.0.0.1:", None),
    ],
)
def test_the_address_is_found(said, url):
    """In what both kinds of server say once they listen."""
    assert address(said) == url
