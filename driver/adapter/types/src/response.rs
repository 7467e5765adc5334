//! The response on stdout: `wasi:http/types.outgoing-response` and `response-outparam`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::body::OutgoingBody;
use crate::exchange;
use crate::fields::{Entries, Fields};
use crate::guest::{self, ErrorCode};
use crate::held;

/// How far the body of a response is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Untaken,
    Open,
    Finished,
}

/// What the response, its body and the exchange know in common.
pub struct Response {
    pub status: Cell<u16>,
    pub headers: Rc<RefCell<Entries>>,
    pub trailers: RefCell<Entries>,
    pub body: Cell<Phase>,
    pub request: u32,
}

pub struct OutgoingResponse(Rc<Response>);

impl guest::GuestOutgoingResponse for OutgoingResponse {
    fn new(headers: guest::Headers) -> Self {
        OutgoingResponse(Rc::new(Response {
            status: Cell::new(200),
            headers: Fields::to_send(headers),
            trailers: RefCell::default(),
            body: Cell::new(Phase::Untaken),
            request: held::request(),
        }))
    }

    fn status_code(&self) -> u16 {
        self.0.status.get()
    }

    fn set_status_code(&self, status: u16) -> Result<(), ()> {
        if !(100..=999).contains(&status) {
            return Err(());
        }
        self.0.status.set(status);
        Ok(())
    }

    fn headers(&self) -> guest::Headers {
        Fields::immutable(self.0.headers.clone())
    }

    fn body(&self) -> Result<guest::OutgoingBody, ()> {
        if self.0.body.get() != Phase::Untaken {
            return Err(());
        }
        self.0.body.set(Phase::Open);
        Ok(guest::OutgoingBody::new(OutgoingBody::Response {
            response: self.0.clone(),
            written: Cell::new(false),
        }))
    }
}

/// The right to answer the request it was made for.
pub struct ResponseOutparam {
    request: u32,
}

impl ResponseOutparam {
    pub fn new() -> Self {
        ResponseOutparam { request: held::request() }
    }
}

impl guest::GuestResponseOutparam for ResponseOutparam {
    fn send_informational(&self, status: u16, _headers: guest::Headers) -> Result<(), ErrorCode> {
        Err(match status {
            100..=199 => {
                ErrorCode::InternalError(Some("informational responses are not supported".to_owned()))
            }
            _ => ErrorCode::HttpProtocolError,
        })
    }

    fn set(param: guest::ResponseOutparam, response: Result<guest::OutgoingResponse, ErrorCode>) {
        let outparam = param.into_inner::<ResponseOutparam>();
        if outparam.request != held::request() {
            exchange::trap("a response was set for an earlier request");
        }
        exchange::answer(response.map(|response| response.into_inner::<OutgoingResponse>().0));
    }
}
