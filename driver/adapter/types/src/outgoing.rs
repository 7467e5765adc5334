//! Requests to elsewhere, by way of the host's egress connector.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::bindings::exports::wasi::http::outgoing_handler;
use crate::body::{IncomingBody, OutgoingBody, received, stale};
use crate::egress::Timeouts;
use crate::fields::{Entries, Fields};
use crate::frame::Egress;
use crate::guest::{self, ErrorCode, Method, Scheme};
use crate::held::Held;
use crate::native::{self, Pollable};
use crate::{Adapter, exchange};

/// A native request under construction, which checks the syntax of what is set.
pub struct OutgoingRequest {
    request: Held<native::OutgoingRequest>,
    headers: Rc<RefCell<Entries>>,
}

impl OutgoingRequest {
    fn get<T>(&self, read: impl FnOnce(&native::OutgoingRequest) -> Option<T>) -> Option<T> {
        self.request.get().and_then(read)
    }

    fn set(&self, write: impl FnOnce(&native::OutgoingRequest) -> Result<(), ()>) -> Result<(), ()> {
        self.request.get().ok_or(()).and_then(write)
    }
}

impl guest::GuestOutgoingRequest for OutgoingRequest {
    fn new(headers: guest::Headers) -> Self {
        let headers = Fields::to_send(headers);
        let fields = native_fields(&headers.borrow());
        OutgoingRequest { request: Held::new(native::OutgoingRequest::new(fields)), headers }
    }

    fn body(&self) -> Result<guest::OutgoingBody, ()> {
        let body = self.request.get().ok_or(())?.body()?;
        Ok(guest::OutgoingBody::new(OutgoingBody::Request(Held::new(body))))
    }

    fn method(&self) -> Method {
        self.get(|request| Some(request.method())).unwrap_or(Method::Get)
    }

    fn set_method(&self, method: Method) -> Result<(), ()> {
        self.set(|request| request.set_method(&method))
    }

    fn path_with_query(&self) -> Option<String> {
        self.get(|request| request.path_with_query())
    }

    fn set_path_with_query(&self, path: Option<String>) -> Result<(), ()> {
        self.set(|request| request.set_path_with_query(path.as_deref()))
    }

    fn scheme(&self) -> Option<Scheme> {
        self.get(|request| request.scheme())
    }

    fn set_scheme(&self, scheme: Option<Scheme>) -> Result<(), ()> {
        self.set(|request| request.set_scheme(scheme.as_ref()))
    }

    fn authority(&self) -> Option<String> {
        self.get(|request| request.authority())
    }

    fn set_authority(&self, authority: Option<String>) -> Result<(), ()> {
        self.set(|request| request.set_authority(authority.as_deref()))
    }

    fn headers(&self) -> guest::Headers {
        Fields::immutable(self.headers.clone())
    }
}

/// Copies fields to the host, leaving out one by one what it refuses.
fn native_fields(entries: &Entries) -> native::Fields {
    native::Fields::from_list(entries).unwrap_or_else(|_| {
        let fields = native::Fields::new();
        for (name, value) in entries {
            let _ = fields.append(name, value);
        }
        fields
    })
}

#[derive(Default)]
pub struct RequestOptions(Cell<Timeouts>);

impl RequestOptions {
    fn change(&self, change: impl FnOnce(&mut Timeouts)) -> Result<(), ()> {
        let mut timeouts = self.0.get();
        change(&mut timeouts);
        self.0.set(timeouts);
        Ok(())
    }
}

impl guest::GuestRequestOptions for RequestOptions {
    fn new() -> Self {
        RequestOptions::default()
    }

    fn connect_timeout(&self) -> Option<u64> {
        self.0.get().connect
    }

    fn set_connect_timeout(&self, duration: Option<u64>) -> Result<(), ()> {
        self.change(|timeouts| timeouts.connect = duration)
    }

    fn first_byte_timeout(&self) -> Option<u64> {
        self.0.get().first_byte
    }

    fn set_first_byte_timeout(&self, duration: Option<u64>) -> Result<(), ()> {
        self.change(|timeouts| timeouts.first_byte = duration)
    }

    fn between_bytes_timeout(&self) -> Option<u64> {
        self.0.get().between_bytes
    }

    fn set_between_bytes_timeout(&self, duration: Option<u64>) -> Result<(), ()> {
        self.change(|timeouts| timeouts.between_bytes = duration)
    }
}

impl outgoing_handler::Guest for Adapter {
    fn handle(
        request: guest::OutgoingRequest,
        options: Option<guest::RequestOptions>,
    ) -> Result<guest::FutureIncomingResponse, ErrorCode> {
        let request = request.into_inner::<OutgoingRequest>().request.take().ok_or_else(stale)?;
        let timeouts = options.map(|options| options.get::<RequestOptions>().0.get()).unwrap_or_default();
        Ok(guest::FutureIncomingResponse::new(match send(request, timeouts) {
            Ok(future) => future,
            Err(code) => FutureIncomingResponse::Failed(Cell::new(Some(code))),
        }))
    }
}

fn send(request: native::OutgoingRequest, timeouts: Timeouts) -> Result<FutureIncomingResponse, ErrorCode> {
    let egress = exchange::egress().ok_or(ErrorCode::HttpRequestDenied)?;
    egress.direct(&request, timeouts)?;
    let future = native::outgoing_handler::handle(request, Some(timeouts.to_native()))?;
    Ok(FutureIncomingResponse::Native(Held::new(future), egress))
}

pub enum FutureIncomingResponse {
    /// An error, until it is taken.
    Failed(Cell<Option<ErrorCode>>),
    Native(Held<native::FutureIncomingResponse>, Rc<Egress>),
}

impl guest::GuestFutureIncomingResponse for FutureIncomingResponse {
    fn subscribe(&self) -> Pollable {
        match self {
            FutureIncomingResponse::Native(future, _) => {
                future.get().map_or_else(native::ready, |future| future.subscribe())
            }
            FutureIncomingResponse::Failed(_) => native::ready(),
        }
    }

    fn get(&self) -> Option<Result<Result<guest::IncomingResponse, ErrorCode>, ()>> {
        match self {
            FutureIncomingResponse::Failed(code) => Some(code.take().map(Err).ok_or(())),
            FutureIncomingResponse::Native(future, egress) => match future.get() {
                Some(future) => Some(
                    future
                        .get()?
                        .map(|result| result.and_then(|response| IncomingResponse::wrap(response, egress))),
                ),
                None => Some(Ok(Err(stale()))),
            },
        }
    }
}

pub struct IncomingResponse {
    status: u16,
    headers: Rc<RefCell<Entries>>,
    response: Held<native::IncomingResponse>,
}

impl IncomingResponse {
    /// The response of another server, or the error that the connector had instead.
    fn wrap(
        response: native::IncomingResponse,
        egress: &Egress,
    ) -> Result<guest::IncomingResponse, ErrorCode> {
        let headers = response.headers().entries();
        match egress.error(&headers) {
            Some(code) => Err(code),
            None => Ok(guest::IncomingResponse::new(IncomingResponse {
                status: response.status(),
                headers: received(headers),
                response: Held::new(response),
            })),
        }
    }
}

impl guest::GuestIncomingResponse for IncomingResponse {
    fn status(&self) -> u16 {
        self.status
    }

    fn headers(&self) -> guest::Headers {
        Fields::immutable(self.headers.clone())
    }

    fn consume(&self) -> Result<guest::IncomingBody, ()> {
        let body = self.response.get().ok_or(())?.consume()?;
        Ok(guest::IncomingBody::new(IncomingBody::Native(Held::new(body))))
    }
}
