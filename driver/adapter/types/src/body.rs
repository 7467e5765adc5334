//! Bodies and their trailers; the streams handed out are native ones.

use std::cell::Cell;
use std::rc::Rc;

use crate::exchange;
use crate::fields::Fields;
use crate::guest::{self, ErrorCode};
use crate::held::Held;
use crate::native::{self, InputStream, OutputStream, Pollable};
use crate::response::{Phase, Response};

/// What is said of a handle that outlived its request.
pub fn stale() -> ErrorCode {
    ErrorCode::InternalError(Some("left over from an earlier request".to_owned()))
}

/// The rest of stdin, or the body of a response from elsewhere.
pub enum IncomingBody {
    Stdin(Cell<Option<Held<InputStream>>>),
    Native(Held<native::IncomingBody>),
}

impl IncomingBody {
    pub fn from_stdin(stream: Held<InputStream>) -> guest::IncomingBody {
        guest::IncomingBody::new(IncomingBody::Stdin(Cell::new(Some(stream))))
    }
}

impl guest::GuestIncomingBody for IncomingBody {
    fn stream(&self) -> Result<InputStream, ()> {
        match self {
            IncomingBody::Stdin(stream) => stream.take().and_then(Held::take).ok_or(()),
            IncomingBody::Native(body) => body.get().ok_or(())?.stream(),
        }
    }

    fn finish(this: guest::IncomingBody) -> guest::FutureTrailers {
        guest::FutureTrailers::new(match this.into_inner::<IncomingBody>() {
            IncomingBody::Stdin(_) => FutureTrailers::None { taken: Cell::new(false) },
            IncomingBody::Native(body) => match body.take() {
                Some(body) => FutureTrailers::Native(Held::new(native::IncomingBody::finish(body))),
                None => FutureTrailers::None { taken: Cell::new(false) },
            },
        })
    }
}

/// Trailers that are to come; a request on stdin has none.
pub enum FutureTrailers {
    None { taken: Cell<bool> },
    Native(Held<native::FutureTrailers>),
}

impl guest::GuestFutureTrailers for FutureTrailers {
    fn subscribe(&self) -> Pollable {
        match self {
            FutureTrailers::Native(future) => {
                future.get().map_or_else(native::ready, |future| future.subscribe())
            }
            FutureTrailers::None { .. } => native::ready(),
        }
    }

    fn get(&self) -> Option<Result<Result<Option<guest::Trailers>, ErrorCode>, ()>> {
        match self {
            FutureTrailers::None { taken } => Some(if taken.replace(true) { Err(()) } else { Ok(Ok(None)) }),
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
pub fn received(entries: crate::fields::Entries) -> Rc<std::cell::RefCell<crate::fields::Entries>> {
    Rc::new(std::cell::RefCell::new(entries))
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
