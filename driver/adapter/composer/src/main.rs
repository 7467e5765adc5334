//! Reads a guest from stdin, writes it composed with the adapter to stdout.
//!
//! Errors are one line on stderr, exit status 1: words for whoever built the guest.

mod compose;
mod inspect;

use std::io::{Read, Write};
use std::process::ExitCode;

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
    let mut guest = Vec::new();
    std::io::stdin().read_to_end(&mut guest)?;
    inspect::check(&guest)?;
    let command = compose::compose(guest)?;
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&command)?;
    Ok(stdout.flush()?)
}
