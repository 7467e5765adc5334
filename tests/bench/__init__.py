"""The benchmark: `python -m tests.bench` measures wasmdeploy beside the `wasmtime serve` command line."""
