//! One request and its response: what went out so far, and whether it is whole.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::body::received;
use crate::codes;
use crate::fields::Entries;
use crate::frame::{self, Egress, RequestHead};
use crate::guest::ErrorCode;
use crate::held::{self, Held};
use crate::incoming::IncomingRequest;
use crate::native::{self, InputStream, OutputStream};
use crate::response::{Phase, Response};
use crate::stdio;

/// More than any server takes in headers: a longer head is not a head.
const MAX_HEAD: usize = 16 << 20;

#[derive(Default)]
struct Exchange {
    head: Head,
    /// Response-outparam.set was called.
    answered: bool,
    /// What is on stdout is not what the guest answered in the end.
    broken: bool,
    /// stdout after the head, until the guest asks for it.
    stdout: Option<Held<OutputStream>>,
    egress: Option<Rc<Egress>>,
}

/// What went out first.
#[derive(Default)]
enum Head {
    #[default]
    None,
    Response(Rc<Response>),
    Error,
}

thread_local! {
    static EXCHANGE: RefCell<Exchange> = RefCell::default();
}

/// Forgets the request before and reads the next one's head, leaving the rest of stdin to its body.
pub fn begin() -> IncomingRequest {
    held::next_request();
    EXCHANGE.take();
    stdio::settle();
    let stdin = native::stdin::get_stdin();
    let len = read(&stdin, 4);
    let len = u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize;
    if len > MAX_HEAD {
        trap("the request head is too long");
    }
    let Some(head) = RequestHead::parse(&read(&stdin, len)) else {
        trap("the request head is malformed");
    };
    EXCHANGE.with_borrow_mut(|exchange| exchange.egress = head.egress.map(Rc::new));
    IncomingRequest {
        method: head.method,
        scheme: head.scheme,
        authority: head.authority,
        path_with_query: head.path_with_query,
        headers: received(head.headers),
        body: Cell::new(Some(Held::new(stdin))),
    }
}

/// The way out for the requests that this one makes; `None` when it may make none.
pub fn egress() -> Option<Rc<Egress>> {
    EXCHANGE.with_borrow(|exchange| exchange.egress.clone())
}

/// Takes the guest's answer: response-outparam.set.
pub fn answer(response: Result<Rc<Response>, ErrorCode>) {
    EXCHANGE.with_borrow_mut(|exchange| {
        exchange.answered = true;
        match (response, &exchange.head) {
            (Ok(response), _) => exchange.broken |= exchange.send(&response).is_err(),
            (Err(code), Head::None) => exchange.send_error(&codes::describe(&code)),
            (Err(_), _) => exchange.broken = true,
        }
    });
}

/// Gives the stream for the body of a response, whose head goes out first.
pub fn stream(response: &Rc<Response>) -> Result<OutputStream, ()> {
    EXCHANGE.with_borrow_mut(|exchange| {
        exchange.send(response)?;
        exchange.stdout.take().and_then(Held::take).ok_or(())
    })
}

/// Ends the request; an error when what is on stdout is not a whole response.
pub fn finish() -> Result<(), ()> {
    let mut exchange = EXCHANGE.take();
    match &exchange.head {
        Head::None => exchange.send_error("internal-error: guest set no response"),
        Head::Error => {}
        Head::Response(response) => {
            if !exchange.answered || response.body.get() == Phase::Open {
                return Err(());
            }
            let trailers = response.trailers.borrow();
            if !trailers.is_empty() {
                native::events::trailers(&text(&trailers));
            }
        }
    }
    if exchange.broken { Err(()) } else { Ok(()) }
}

impl Exchange {
    /// Sends a response's head unless it is out already; an error when that of another is.
    fn send(&mut self, response: &Rc<Response>) -> Result<(), ()> {
        match &self.head {
            Head::Response(sent) if Rc::ptr_eq(sent, response) => Ok(()),
            Head::None if response.request == held::request() => {
                self.write(&frame::response_head(response.status.get(), &response.headers.borrow()));
                self.head = Head::Response(response.clone());
                Ok(())
            }
            _ => Err(()),
        }
    }

    fn send_error(&mut self, text: &str) {
        self.write(&frame::error_head(text));
        self.head = Head::Error;
    }

    fn write(&mut self, bytes: &[u8]) {
        let stdout = native::stdout::get_stdout();
        self.broken |= write(&stdout, bytes).is_err();
        self.stdout = Some(Held::new(stdout));
    }
}

/// One character for each byte of a value: the host's functions take no lists of bytes.
fn text(fields: &Entries) -> Vec<(String, String)> {
    fields
        .iter()
        .map(|(name, value)| (name.clone(), value.iter().map(|&byte| char::from(byte)).collect()))
        .collect()
}

/// Reads exactly `len` bytes: what follows them is not ours.
fn read(stdin: &InputStream, len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < len {
        match stdin.read((len - bytes.len()) as u64) {
            Ok(some) if some.is_empty() => stdin.subscribe().block(),
            Ok(some) if bytes.is_empty() => bytes = some,
            Ok(some) => bytes.extend_from_slice(&some),
            Err(_) => trap("stdin ended within the request head"),
        }
    }
    bytes
}

fn write(stdout: &OutputStream, mut bytes: &[u8]) -> Result<(), native::StreamError> {
    while !bytes.is_empty() {
        let room = stdout.check_write()? as usize;
        if room == 0 {
            stdout.subscribe().block();
            continue;
        }
        let (now, later) = bytes.split_at(bytes.len().min(room));
        stdout.write(now)?;
        bytes = later;
    }
    stdout.flush()
}

/// Says why on stderr, then ends the instance.
pub fn trap(reason: &str) -> ! {
    let line = format!("wasmdeploy adapter: {reason}\n");
    let _ = write(&native::stderr::get_stderr(), line.as_bytes());
    std::process::abort()
}
