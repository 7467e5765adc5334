//! Native handles that outlive no request.
//!
//! The host may replace its whole table of resources between two requests. A handle from before then names
//! nothing, or something else: it must neither be used nor dropped.

use std::cell::Cell;
use std::mem::ManuallyDrop;

thread_local! {
    static REQUEST: Cell<u32> = const { Cell::new(0) };
}

/// Makes every handle held until now stale.
pub fn next_request() {
    REQUEST.set(request().wrapping_add(1));
}

/// Returns the number of the current request.
pub fn request() -> u32 {
    REQUEST.get()
}

/// A native handle that can be reached only in the request that made it.
pub struct Held<T> {
    handle: ManuallyDrop<T>,
    request: u32,
}

impl<T> Held<T> {
    pub fn new(handle: T) -> Self {
        Held { handle: ManuallyDrop::new(handle), request: request() }
    }

    pub fn get(&self) -> Option<&T> {
        (self.request == request()).then_some(&*self.handle)
    }

    pub fn take(mut self) -> Option<T> {
        let current = self.request == request();
        // SAFETY: `self` is forgotten, so that the handle is taken out only once.
        let handle = unsafe { ManuallyDrop::take(&mut self.handle) };
        std::mem::forget(self);
        if current {
            return Some(handle);
        }
        std::mem::forget(handle);
        None
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        if self.request == request() {
            // SAFETY: nothing uses the handle after the drop of its holder.
            unsafe { ManuallyDrop::drop(&mut self.handle) }
        }
    }
}
