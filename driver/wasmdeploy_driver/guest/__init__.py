"""Guests: WebAssembly files, and how wasmtime runs them (the only home of wasmtime)."""
