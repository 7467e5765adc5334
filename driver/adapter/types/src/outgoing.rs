//! Requests to elsewhere: allowed by the rules, then the host's own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::bindings::exports::wasi::http::outgoing_handler;
use crate::body::{IncomingBody, OutgoingBody, received, stale};
use crate::fields::{Entries, Fields};
use crate::guest::{self, ErrorCode, Method, Scheme};
use crate::held::Held;
use crate::native::{self, Pollable};
use crate::{Adapter, exchange, rules};

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
pub struct RequestOptions {
    connect: Cell<Option<u64>>,
    first_byte: Cell<Option<u64>>,
    between_bytes: Cell<Option<u64>>,
}

impl RequestOptions {
    fn to_native(&self) -> native::RequestOptions {
        let options = native::RequestOptions::new();
        let _ = options.set_connect_timeout(self.connect.get());
        let _ = options.set_first_byte_timeout(self.first_byte.get());
        let _ = options.set_between_bytes_timeout(self.between_bytes.get());
        options
    }
}

impl guest::GuestRequestOptions for RequestOptions {
    fn new() -> Self {
        RequestOptions::default()
    }

    fn connect_timeout(&self) -> Option<u64> {
        self.connect.get()
    }

    fn set_connect_timeout(&self, duration: Option<u64>) -> Result<(), ()> {
        self.connect.set(duration);
        Ok(())
    }

    fn first_byte_timeout(&self) -> Option<u64> {
        self.first_byte.get()
    }

    fn set_first_byte_timeout(&self, duration: Option<u64>) -> Result<(), ()> {
        self.first_byte.set(duration);
        Ok(())
    }

    fn between_bytes_timeout(&self) -> Option<u64> {
        self.between_bytes.get()
    }

    fn set_between_bytes_timeout(&self, duration: Option<u64>) -> Result<(), ()> {
        self.between_bytes.set(duration);
        Ok(())
    }
}

impl outgoing_handler::Guest for Adapter {
    fn handle(
        request: guest::OutgoingRequest,
        options: Option<guest::RequestOptions>,
    ) -> Result<guest::FutureIncomingResponse, ErrorCode> {
        let request = request.into_inner::<OutgoingRequest>().request.take().ok_or_else(stale)?;
        let future = if is_allowed(&request) {
            let options = options.map(|options| options.get::<RequestOptions>().to_native());
            FutureIncomingResponse::Native(Held::new(native::outgoing_handler::handle(request, options)?))
        } else {
            FutureIncomingResponse::Denied { taken: Cell::new(false) }
        };
        Ok(guest::FutureIncomingResponse::new(future))
    }
}

/// A request without a scheme goes out as https.
fn is_allowed(request: &native::OutgoingRequest) -> bool {
    let scheme = match request.scheme() {
        Some(Scheme::Http) => "http",
        Some(Scheme::Https) | None => "https",
        Some(Scheme::Other(_)) => return false,
    };
    let authority = request.authority().unwrap_or_default();
    rules::allow(&exchange::rules(), scheme, &authority)
}

pub enum FutureIncomingResponse {
    Denied { taken: Cell<bool> },
    Native(Held<native::FutureIncomingResponse>),
}

impl guest::GuestFutureIncomingResponse for FutureIncomingResponse {
    fn subscribe(&self) -> Pollable {
        match self {
            FutureIncomingResponse::Native(future) => {
                future.get().map_or_else(native::ready, |future| future.subscribe())
            }
            FutureIncomingResponse::Denied { .. } => native::ready(),
        }
    }

    fn get(&self) -> Option<Result<Result<guest::IncomingResponse, ErrorCode>, ()>> {
        match self {
            FutureIncomingResponse::Denied { taken } => {
                Some(if taken.replace(true) { Err(()) } else { Ok(Err(ErrorCode::HttpRequestDenied)) })
            }
            FutureIncomingResponse::Native(future) => match future.get() {
                Some(future) => Some(future.get()?.map(|result| result.map(IncomingResponse::wrap))),
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
    fn wrap(response: native::IncomingResponse) -> guest::IncomingResponse {
        guest::IncomingResponse::new(IncomingResponse {
            status: response.status(),
            headers: received(response.headers().entries()),
            response: Held::new(response),
        })
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
