//! `compose http|http+sockets|command+sockets`: reads a guest from stdin, writes it composed with the adapter to stdout.
//!
//! Errors are one line on stderr, exit status 1: words for whoever built the guest.

mod compose;
mod inspect;

use std::io::{Read, Write};
use std::process::ExitCode;

use anyhow::bail;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let form = std::env::args().nth(1).unwrap_or_default();
    let (command, sockets) = match form.as_str() {
        "http" => (false, false),
        "http+sockets" => (false, true),
        "command+sockets" => (true, true),
        _ => bail!("nothing can be composed as {form:?}"),
    };
    let mut guest = Vec::new();
    std::io::stdin().read_to_end(&mut guest)?;
    inspect::check(&guest, command)?;
    let composed = if command { compose::compose_command(guest) } else { compose::compose(guest, sockets) }?;
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&composed)?;
    Ok(stdout.flush()?)
}
