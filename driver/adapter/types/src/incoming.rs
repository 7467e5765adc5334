//! The request from stdin: `wasi:http/types.incoming-request`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::body::IncomingBody;
use crate::fields::{Entries, Fields};
use crate::guest::{self, Method, Scheme};
use crate::held::Held;
use crate::native::InputStream;

pub struct IncomingRequest {
    pub method: String,
    pub scheme: String,
    pub authority: String,
    pub path_with_query: String,
    pub headers: Rc<RefCell<Entries>>,
    pub body: Cell<Option<Held<InputStream>>>,
}

impl guest::GuestIncomingRequest for IncomingRequest {
    fn method(&self) -> Method {
        match self.method.as_str() {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "CONNECT" => Method::Connect,
            "OPTIONS" => Method::Options,
            "TRACE" => Method::Trace,
            "PATCH" => Method::Patch,
            other => Method::Other(other.to_owned()),
        }
    }

    fn path_with_query(&self) -> Option<String> {
        some(&self.path_with_query)
    }

    fn scheme(&self) -> Option<Scheme> {
        match self.scheme.as_str() {
            "" => None,
            "http" => Some(Scheme::Http),
            "https" => Some(Scheme::Https),
            other => Some(Scheme::Other(other.to_owned())),
        }
    }

    fn authority(&self) -> Option<String> {
        some(&self.authority)
    }

    fn headers(&self) -> guest::Headers {
        Fields::immutable(self.headers.clone())
    }

    fn consume(&self) -> Result<guest::IncomingBody, ()> {
        self.body.take().map(IncomingBody::from_stdin).ok_or(())
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
