"""Builds the adapter's WebAssembly and the WIT of Python guests; `--check` compares them with the committed.

The same sources give the same bytes wherever they are built: the toolchain is pinned in rust-toolchain.toml,
the crates in Cargo.lock, and paths of the machine are replaced before they reach a file.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILT = Path("driver/wasmdeploy_driver/adapter")
COMPOSER, COMPONENTIZER = BUILT / "compose.wasm", BUILT / "componentize.wasm"
TEXTS = ("run", "clocks")  # the components inside the composer that are written as text
PARTS = ("types", "inbound", "outbound", "sockets")  # those that are written in Rust
WIT = Path("cli/wasmdeploy_cli/wit/wasmdeploy.wit")
ARTIFACTS = (COMPOSER, COMPONENTIZER, WIT)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="build elsewhere and compare, changing nothing")
    if not parser.parse_args().check:
        build(HERE / "target", ROOT)
        return 0
    with tempfile.TemporaryDirectory() as directory:
        build(Path(directory) / "target", Path(directory) / "out")
        return compare(Path(directory) / "out")


def build(target: Path, out: Path) -> None:
    """Builds everything in `target` and puts the artifacts where they belong below `out`."""
    for artifact in ARTIFACTS:
        (out / artifact).parent.mkdir(parents=True, exist_ok=True)
    cargo(target, "wasmdeploy-builder")
    builder = target / "debug" / "wasmdeploy-builder"
    parts = {f"WASMDEPLOY_{part.upper()}": str(target / f"{part}.wasm") for part in (*TEXTS, *PARTS)}
    for part in TEXTS:
        execute([builder, "text", target / f"{part}.wasm", HERE / part / f"{part}.wat"])
    for part in PARTS:
        cargo(target, f"wasmdeploy-{part}", "wasm32-unknown-unknown")
        core = target / "wasm32-unknown-unknown" / "release" / f"wasmdeploy_{part}.wasm"
        execute([builder, "component", target / f"{part}.wasm", core])
    execute([builder, "wit", out / WIT])
    cargo(target, "wasmdeploy-composer", "wasm32-wasip1", parts)
    cargo(target, "wasmdeploy-componentizer", "wasm32-wasip1")
    for program in (COMPOSER, COMPONENTIZER):
        (out / program).write_bytes((target / "wasm32-wasip1" / "release" / program.name).read_bytes())


def compare(out: Path) -> int:
    """Names the committed artifacts that differ from those below `out`; returns how many."""
    differing = [artifact for artifact in ARTIFACTS if not same(out / artifact, ROOT / artifact)]
    for artifact in differing:
        sys.stderr.write(f"{artifact}: differs from its sources; run python driver/adapter/build.py\n")
    return len(differing)


def same(one: Path, other: Path) -> bool:
    return other.exists() and one.read_bytes() == other.read_bytes()


def cargo(target: Path, package: str, triple: str = "", environment: Mapping[str, str] | None = None) -> None:
    """Builds one package, for this machine in the cheap profile or for WebAssembly in the small one."""
    arguments: list[str | Path] = ["cargo", "build", "--locked", "--package", package]
    variables = dict(environment or {}, CARGO_TARGET_DIR=str(target))
    if triple:
        arguments += ["--release", "--target", triple]
        variables["CARGO_ENCODED_RUSTFLAGS"] = "\x1f".join(remapped(target))
    execute(arguments, variables)


def remapped(target: Path) -> list[str]:
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    registry = sorted((home / "registry" / "src").glob("*"))
    sysroot = subprocess.run(
        ["rustc", "--print=sysroot"], cwd=HERE, check=True, capture_output=True, text=True
    )
    paths = {HERE: "adapter", target: "target", Path(sysroot.stdout.strip()): "rust"}
    paths.update(dict.fromkeys(registry, "crates"))
    return [f"--remap-path-prefix={path}=/{name}" for path, name in paths.items()]


def execute(arguments: list[str | Path], environment: Mapping[str, str] | None = None) -> None:
    subprocess.run(arguments, cwd=HERE, check=True, env=dict(os.environ, **(environment or {})))


if __name__ == "__main__":
    sys.exit(main())
