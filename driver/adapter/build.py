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
COMPOSER = Path("driver/wasmdeploy_driver/adapter/compose.wasm")
WIT = Path("cli/wasmdeploy_cli/wit/wasmdeploy.wit")


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
    for artifact in (COMPOSER, WIT):
        (out / artifact).parent.mkdir(parents=True, exist_ok=True)
    cargo(target, "wasmdeploy-builder")
    cargo(target, "wasmdeploy-types", "wasm32-unknown-unknown")
    types, run = target / "types.wasm", target / "run.wasm"
    builder = target / "debug" / "wasmdeploy-builder"
    core = target / "wasm32-unknown-unknown" / "release" / "wasmdeploy_types.wasm"
    execute([builder, "types", types, core])
    execute([builder, "run", run])
    execute([builder, "wit", out / WIT])
    parts = {"WASMDEPLOY_TYPES": str(types), "WASMDEPLOY_RUN": str(run)}
    cargo(target, "wasmdeploy-composer", "wasm32-wasip1", parts)
    composer = (target / "wasm32-wasip1" / "release" / "compose.wasm").read_bytes()
    (out / COMPOSER).write_bytes(composer)


def compare(out: Path) -> int:
    """Names the committed artifacts that differ from those below `out`; returns how many."""
    differing = [artifact for artifact in (COMPOSER, WIT) if not same(out / artifact, ROOT / artifact)]
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
