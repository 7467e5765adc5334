//! Reads a core module that carries its component's types, as SDKs for preview 1 leave it, from stdin, and
//! writes the component to stdout.
//!
//! What the module imports of preview 1 is made of WASI 0.2. The host validates the result. Errors are one line
//! on stderr, exit status 1: words for whoever built the guest.

use std::io::{Read, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER as COMMAND,
    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as REACTOR,
};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut module = Vec::new();
    std::io::stdin().read_to_end(&mut module)?;
    let component = componentize(&module)?;
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&component)?;
    Ok(stdout.flush()?)
}

fn componentize(module: &[u8]) -> Result<Vec<u8>> {
    let adapter = if has_start(module)? { COMMAND } else { REACTOR };
    ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.adapter(NAME, adapter))
        .and_then(|encoder| encoder.encode())
        .context("the module does not fit the types that it carries")
}

/// Tells whether a module is a program, which exports `_start`.
fn has_start(module: &[u8]) -> Result<bool> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ExportSection(section) = payload.context("damaged WebAssembly")? {
            for export in section {
                if export.context("damaged WebAssembly")?.name == "_start" {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}
