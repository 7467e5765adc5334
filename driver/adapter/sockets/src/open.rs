//! How many sockets and look-ups a guest has open: they take descriptors and threads of the process that it runs in.

use std::cell::Cell;

use crate::native::ErrorCode;

const MOST: u32 = 64;

thread_local! {
    static OPEN: Cell<u32> = const { Cell::new(0) };
}

/// One of so many.
pub struct Open;

impl Open {
    /// One more, unless there are too many.
    pub fn new() -> Result<Self, ErrorCode> {
        if OPEN.get() >= MOST {
            return Err(ErrorCode::NewSocketLimit);
        }
        OPEN.set(OPEN.get() + 1);
        Ok(Open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        OPEN.set(OPEN.get() - 1);
    }
}
