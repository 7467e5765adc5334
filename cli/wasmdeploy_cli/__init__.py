"""The `wasmdeploy` command: write, run and deploy WebAssembly apps."""
