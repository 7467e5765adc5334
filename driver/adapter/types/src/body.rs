//! Bodies and their trailers; the streams handed out are native ones.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use crate::exchange;
use crate::fields::{Entries, Fields};
use crate::guest::{self, ErrorCode};
use crate::held::{self, Held};
use crate::native::{self, InputStream, OutputStream, Pollable, StreamError};
use crate::response::{Phase, Response};

/// What is said of a handle that outlived its request.
pub fn stale() -> ErrorCode {
    ErrorCode::InternalError(Some("left over from an earlier request".to_owned()))
}

/// The rest of stdin, or the body of a response from elsewhere.
pub enum IncomingBody {
    Stdin { stream: Cell<Option<Held<InputStream>>>, request: u32 },
    Native(Held<native::IncomingBody>),
}

impl IncomingBody {
    pub fn from_stdin(stream: Held<InputStream>) -> guest::IncomingBody {
        let request = held::request();
        guest::IncomingBody::new(IncomingBody::Stdin { stream: Cell::new(Some(stream)), request })
    }
}

impl guest::GuestIncomingBody for IncomingBody {
    fn stream(&self) -> Result<InputStream, ()> {
        match self {
            IncomingBody::Stdin { stream, .. } => stream.take().and_then(Held::take).ok_or(()),
            IncomingBody::Native(body) => body.get().ok_or(())?.stream(),
        }
    }

    fn finish(this: guest::IncomingBody) -> guest::FutureTrailers {
        guest::FutureTrailers::new(match this.into_inner::<IncomingBody>() {
            IncomingBody::Stdin { request, .. } => FutureTrailers::Stdin(StdinTrailers {
                request,
                stdin: OnceCell::new(),
                taken: Cell::new(false),
            }),
            IncomingBody::Native(body) => match body.take() {
                Some(body) => FutureTrailers::Native(Held::new(native::IncomingBody::finish(body))),
                None => FutureTrailers::Stale,
            },
        })
    }
}

/// Trailers that are to come.
pub enum FutureTrailers {
    Stdin(StdinTrailers),
    Native(Held<native::FutureTrailers>),
    Stale,
}

/// Those of the request, which the host knows once the body has ended: what the guest left of it is skipped.
pub struct StdinTrailers {
    request: u32,
    /// The same stream as the body's, taken only when somebody waits.
    stdin: OnceCell<Held<InputStream>>,
    taken: Cell<bool>,
}

impl StdinTrailers {
    fn stdin(&self) -> Option<&InputStream> {
        if self.request != held::request() {
            return None;
        }
        self.stdin.get_or_init(|| Held::new(native::stdin::get_stdin())).get()
    }

    fn get(&self) -> Option<Result<Result<Option<guest::Trailers>, ErrorCode>, ()>> {
        if self.taken.get() {
            return Some(Err(()));
        }
        let result = match self.stdin().map(skip) {
            Some(Ok(false)) => return None,
            Some(Ok(true)) => Ok(request_trailers()),
            Some(Err(code)) => Err(code),
            None => Err(stale()),
        };
        self.taken.set(true);
        Some(Ok(result))
    }
}

/// Skips what is there of a stream; tells whether it has ended.
fn skip(stream: &InputStream) -> Result<bool, ErrorCode> {
    loop {
        match stream.skip(1 << 16) {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            Err(StreamError::Closed) => return Ok(true),
            Err(StreamError::LastOperationFailed(_)) => return Err(ErrorCode::ConnectionTerminated),
        }
    }
}

fn request_trailers() -> Option<guest::Trailers> {
    let entries: Entries = native::events::request_trailers()
        .into_iter()
        .map(|(name, value)| (name, value.chars().map(|byte| byte as u8).collect()))
        .collect();
    (!entries.is_empty()).then(|| Fields::immutable(received(entries)))
}

impl guest::GuestFutureTrailers for FutureTrailers {
    fn subscribe(&self) -> Pollable {
        match self {
            FutureTrailers::Native(future) => {
                future.get().map_or_else(native::ready, |future| future.subscribe())
            }
            FutureTrailers::Stdin(trailers) => {
                trailers.stdin().map_or_else(native::ready, |stdin| stdin.subscribe())
            }
            FutureTrailers::Stale => native::ready(),
        }
    }

    fn get(&self) -> Option<Result<Result<Option<guest::Trailers>, ErrorCode>, ()>> {
        match self {
            FutureTrailers::Stdin(trailers) => trailers.get(),
            FutureTrailers::Stale => Some(Ok(Err(stale()))),
            FutureTrailers::Native(future) => match future.get() {
                Some(future) => Some(future.get()?.map(|result| {
                    result.map(|trailers| {
                        trailers.map(|trailers| Fields::immutable(received(trailers.entries())))
                    })
                })),
                None => Some(Ok(Err(stale()))),
            },
        }
    }
}

/// Makes fields of what came from elsewhere.
pub fn received(entries: Entries) -> Rc<RefCell<Entries>> {
    Rc::new(RefCell::new(entries))
}

/// The body of the response on stdout, or of a request to elsewhere.
pub enum OutgoingBody {
    Response { response: Rc<Response>, written: Cell<bool> },
    Request(Held<native::OutgoingBody>),
}

impl guest::GuestOutgoingBody for OutgoingBody {
    fn write(&self) -> Result<OutputStream, ()> {
        match self {
            OutgoingBody::Response { written, .. } if written.replace(true) => Err(()),
            OutgoingBody::Response { response, .. } => exchange::stream(response),
            OutgoingBody::Request(body) => body.get().ok_or(())?.write(),
        }
    }

    fn finish(this: guest::OutgoingBody, trailers: Option<guest::Trailers>) -> Result<(), ErrorCode> {
        let trailers = trailers.map(|trailers| Fields::to_send(trailers).take()).unwrap_or_default();
        match this.into_inner::<OutgoingBody>() {
            OutgoingBody::Response { response, .. } => {
                response.trailers.replace(trailers);
                response.body.set(Phase::Finished);
                Ok(())
            }
            OutgoingBody::Request(body) => {
                let body = body.take().ok_or_else(stale)?;
                let trailers = match trailers.as_slice() {
                    [] => None,
                    trailers => {
                        Some(native::Fields::from_list(trailers).map_err(|_| ErrorCode::HttpProtocolError)?)
                    }
                };
                native::OutgoingBody::finish(body, trailers)
            }
        }
    }
}
