//! The guest's stdin, stdout, stderr and directories; its stdout is the host's stderr.
//!
//! A guest's libc asks for these once and keeps the handles for good, while a host that reuses an instance
//! gives it a new, empty table of resources for each request. So the first handles ever taken are the guest's,
//! and each request takes the same ones again, in the same order and before any others: they get the same
//! places in the new table, and the guest's old handles name the new streams.

use std::cell::RefCell;

use crate::Adapter;
use crate::bindings::exports::wasi::{cli, filesystem};
use crate::bindings::wasi::filesystem::types::Descriptor;
use crate::native::{self, InputStream, OutputStream};

type Directories = Vec<(Descriptor, String)>;

struct Places {
    stdin: Option<InputStream>,
    stdout: Option<OutputStream>,
    stderr: Option<OutputStream>,
    directories: Option<Directories>,
}

thread_local! {
    static PLACES: RefCell<Option<Places>> = const { RefCell::new(None) };
}

impl Places {
    fn take() -> Self {
        Places {
            stdin: Some(native::stdin::get_stdin()),
            stdout: Some(native::stderr::get_stderr()),
            stderr: Some(native::stderr::get_stderr()),
            directories: Some(native::preopens::get_directories()),
        }
    }
}

/// Takes the guest's places in the table of a new request.
pub fn settle() {
    PLACES.with_borrow_mut(|places| match places {
        None => *places = Some(Places::take()),
        Some(_) => std::mem::forget(Places::take()),
    });
}

/// Hands out a place, once; whoever asks again has dropped or kept it, and gets a handle of its own.
fn hand_out<T>(choose: impl FnOnce(&mut Places) -> &mut Option<T>, otherwise: impl FnOnce() -> T) -> T {
    let first = PLACES.with_borrow_mut(|places| choose(places.get_or_insert_with(Places::take)).take());
    first.unwrap_or_else(otherwise)
}

impl cli::stdin::Guest for Adapter {
    fn get_stdin() -> InputStream {
        hand_out(|places| &mut places.stdin, native::stdin::get_stdin)
    }
}

impl cli::stdout::Guest for Adapter {
    fn get_stdout() -> OutputStream {
        hand_out(|places| &mut places.stdout, native::stderr::get_stderr)
    }
}

impl cli::stderr::Guest for Adapter {
    fn get_stderr() -> OutputStream {
        hand_out(|places| &mut places.stderr, native::stderr::get_stderr)
    }
}

impl filesystem::preopens::Guest for Adapter {
    fn get_directories() -> Directories {
        hand_out(|places| &mut places.directories, native::preopens::get_directories)
    }
}
