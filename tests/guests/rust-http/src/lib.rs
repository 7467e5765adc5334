//! A wasi:http guest whose paths each show one behaviour of an app, or of a broken one.

use std::cell::Cell;
use std::io::Write;

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, HeaderError, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingRequest,
    OutgoingResponse, RequestOptions, ResponseOutparam, Scheme,
};
use wasip2::io::streams::{OutputStream, StreamError};

struct App;

wasip2::http::proxy::export!(App);

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
    static LEFT_OVER: Cell<Option<IncomingRequest>> = const { Cell::new(None) };
}

/// Prints before any request, as runtimes that initialize themselves do, and so keeps the streams.
extern "C" fn early() {
    if std::env::var_os("EARLY").is_some() {
        println!("early");
        eprintln!("early");
    }
}

#[used]
#[unsafe(link_section = ".init_array")]
static EARLY: extern "C" fn() = early;

impl Guest for App {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        CALLS.set(CALLS.get() + 1);
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/hello" => respond(out, 200, &[("content-type", "text/plain")], b"Hello from Rust\n"),
            "/calls" => respond(out, 200, &[], CALLS.get().to_string().as_bytes()),
            "/request" => respond(out, 200, &[], describe(&request).as_bytes()),
            "/headers" => {
                let entries = request.headers().entries();
                let mut body = Vec::new();
                for (name, value) in entries {
                    body.extend_from_slice(name.as_bytes());
                    body.push(b'=');
                    body.extend_from_slice(&value);
                    body.push(b'\n');
                }
                respond(out, 200, &[], &body)
            }
            "/echo" => echo(request, out),
            "/status" => respond(out, query.parse().unwrap_or(0), &[], b""),
            "/env" => {
                let variables: Vec<String> =
                    std::env::vars().map(|(name, value)| format!("{name}={value}\n")).collect();
                respond(out, 200, &[], variables.concat().as_bytes())
            }
            "/print" => {
                println!("printed {}", CALLS.get());
                std::io::stdout().flush().expect("stdout takes prints");
                eprintln!("complained {}", CALLS.get());
                respond(out, 200, &[], b"nothing of it here")
            }
            "/no-response" => {}
            "/error" => ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some(query.to_owned())))),
            "/refused" => ResponseOutparam::set(out, Err(ErrorCode::ConnectionRefused)),
            "/write-before-set" => write_before_set(out),
            "/write-then-error" => {
                let response = OutgoingResponse::new(Fields::new());
                write(&response, b"too late");
                ResponseOutparam::set(out, Err(ErrorCode::ConfigurationError));
            }
            "/two-responses" => two_responses(out),
            "/unfinished" => {
                let response = OutgoingResponse::new(Fields::new());
                let body = response.body().expect("a body");
                ResponseOutparam::set(out, Ok(response));
                let stream = body.write().expect("a stream");
                stream.blocking_write_and_flush(b"half").expect("half of it written");
            }
            "/trailers" => {
                let response = OutgoingResponse::new(Fields::new());
                let body = response.body().expect("a body");
                ResponseOutparam::set(out, Ok(response));
                body.write().expect("a stream").blocking_write_and_flush(b"before").expect("written");
                let trailers =
                    Fields::from_list(&[("x-sum".to_owned(), b"\xff1".to_vec())]).expect("trailers");
                OutgoingBody::finish(body, Some(trailers)).expect("finished");
            }
            "/request-trailers" => request_trailers(&request, out, query == "unread"),
            "/large" => large(out, query.parse().unwrap_or(0)),
            "/fields" => respond(out, 200, &[], check_fields(&request).as_bytes()),
            "/copy-headers" => {
                let response = OutgoingResponse::new(request.headers().clone());
                finish(response, out, b"");
            }
            "/fetch" => fetch(query, None, out),
            "/fetch-within" => {
                let (milliseconds, url) = query.split_once('&').expect("milliseconds&URL");
                fetch(url, milliseconds.parse().ok(), out)
            }
            "/sockets" => {
                let tcp = std::net::TcpStream::connect(query).map(drop).map_err(|error| error.kind());
                let udp =
                    std::net::UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"x", query));
                let udp = udp.map(drop).map_err(|error| error.kind());
                let lookup = std::net::ToSocketAddrs::to_socket_addrs("localhost:80").is_ok();
                respond(out, 200, &[], format!("{tcp:?} {udp:?} {lookup}").as_bytes())
            }
            "/file" => {
                let text = std::fs::read_to_string(query).unwrap_or_else(|error| error.to_string());
                respond(out, 200, &[], text.as_bytes())
            }
            "/keep" => {
                respond(out, 200, &[], b"kept");
                LEFT_OVER.set(Some(request));
            }
            "/drop-kept" => {
                let kept = LEFT_OVER.take();
                let text = match kept
                    .as_ref()
                    .map(|request| request.consume().and_then(|body| body.stream().map(drop)))
                {
                    None => "none",
                    Some(Ok(())) => "readable",
                    Some(Err(())) => "stale",
                };
                drop(kept);
                respond(out, 200, &[], text.as_bytes())
            }
            "/trap" => std::process::abort(),
            "/exit" => std::process::exit(3),
            "/loop" => loop {
                std::hint::black_box(());
            },
            _ => respond(out, 404, &[], b"no such path\n"),
        }
    }
}

fn respond(out: ResponseOutparam, status: u16, headers: &[(&str, &str)], body: &[u8]) {
    let entries: Vec<_> =
        headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    let response = OutgoingResponse::new(Fields::from_list(&entries).expect("valid headers"));
    match response.set_status_code(status) {
        Ok(()) => finish(response, out, body),
        Err(()) => respond(out, 500, &[], b"no such status"),
    }
}

/// Sends a response the usual way: set, then written, then finished.
fn finish(response: OutgoingResponse, out: ResponseOutparam, body: &[u8]) {
    let outgoing = response.body().expect("a body");
    ResponseOutparam::set(out, Ok(response));
    let stream = outgoing.write().expect("a stream");
    write_all(&stream, body);
    drop(stream);
    OutgoingBody::finish(outgoing, None).expect("finished");
}

fn write(response: &OutgoingResponse, body: &[u8]) {
    let outgoing = response.body().expect("a body");
    let stream = outgoing.write().expect("a stream");
    write_all(&stream, body);
    drop(stream);
    OutgoingBody::finish(outgoing, None).expect("finished");
}

fn write_all(stream: &OutputStream, bytes: &[u8]) {
    for chunk in bytes.chunks(4096) {
        stream.blocking_write_and_flush(chunk).expect("written");
    }
}

fn describe(request: &IncomingRequest) -> String {
    format!(
        "{:?} {:?} {:?} {:?}",
        request.method(),
        request.scheme(),
        request.authority(),
        request.path_with_query()
    )
}

fn echo(request: IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().expect("a body");
    assert!(request.consume().is_err(), "a second body");
    let stream = body.stream().expect("a stream");
    assert!(body.stream().is_err(), "a second stream");
    let response = OutgoingResponse::new(Fields::new());
    let outgoing = response.body().expect("a body");
    assert!(response.body().is_err(), "a second body");
    ResponseOutparam::set(out, Ok(response));
    let to = outgoing.write().expect("a stream");
    assert!(outgoing.write().is_err(), "a second stream");
    while to.blocking_splice(&stream, 1 << 16).is_ok() {}
    drop((to, stream));
    OutgoingBody::finish(outgoing, None).expect("finished");
    let trailers = IncomingBody::finish(body);
    trailers.subscribe().block();
    assert!(matches!(trailers.get(), Some(Ok(Ok(None)))), "no trailers");
    assert!(matches!(trailers.get(), Some(Err(()))), "trailers once");
}

/// The trailers of the request, their bytes as numbers; with its body read before or left as it is.
fn request_trailers(request: &IncomingRequest, out: ResponseOutparam, unread: bool) {
    let body = request.consume().expect("a body");
    let stream = body.stream().expect("a stream");
    if !unread {
        while stream.blocking_read(1 << 16).is_ok() {}
    }
    drop(stream);
    let future = IncomingBody::finish(body);
    let trailers = loop {
        match future.get() {
            Some(trailers) => break trailers,
            None => future.subscribe().block(),
        }
    };
    assert!(matches!(future.get(), Some(Err(()))), "trailers once");
    let text = match trailers.expect("the first time").expect("no error") {
        Some(fields) => format!("{:?} {}", fields.entries(), fields.append("a", b"b").is_err()),
        None => "none".to_owned(),
    };
    respond(out, 200, &[], text.as_bytes());
}

fn write_before_set(out: ResponseOutparam) {
    let response =
        OutgoingResponse::new(Fields::from_list(&[("x-a".to_owned(), b"1".to_vec())]).expect("headers"));
    response.set_status_code(201).expect("a status");
    write(&response, b"early");
    response.set_status_code(500).expect("a status");
    ResponseOutparam::set(out, Ok(response));
}

fn two_responses(out: ResponseOutparam) {
    let first = OutgoingResponse::new(Fields::new());
    write(&first, b"first");
    let second = OutgoingResponse::new(Fields::new());
    let body = second.body().expect("a body");
    assert!(body.write().is_err(), "stdout is the first response's");
    ResponseOutparam::set(out, Ok(second));
}

fn large(out: ResponseOutparam, size: usize) {
    let response = OutgoingResponse::new(Fields::new());
    finish(response, out, &vec![b'x'; size]);
}

fn check_fields(request: &IncomingRequest) -> String {
    let given = request.headers();
    assert!(matches!(given.append("a", b"b"), Err(HeaderError::Immutable)));
    assert!(matches!(given.delete("a"), Err(HeaderError::Immutable)));
    let fields = Fields::new();
    assert!(matches!(fields.append("Host", b"x"), Err(HeaderError::Forbidden)));
    assert!(matches!(fields.append("bad name", b"x"), Err(HeaderError::InvalidSyntax)));
    assert!(matches!(fields.append("a", b"x\r\ny"), Err(HeaderError::InvalidSyntax)));
    assert!(matches!(fields.set("a", &[b"x\n".to_vec()]), Err(HeaderError::InvalidSyntax)));
    assert!(matches!(Fields::from_list(&[("te te".to_owned(), vec![])]), Err(HeaderError::InvalidSyntax)));
    fields.append("X-One", b"1").expect("appended");
    fields.append("x-one", b"\xff").expect("appended");
    fields.append("x-two", b"2").expect("appended");
    assert_eq!(fields.get("X-ONE"), [b"1".to_vec(), b"\xff".to_vec()]);
    assert!(fields.has("x-TWO") && !fields.has("x-three"));
    fields.set("x-One", &[b"3".to_vec()]).expect("set");
    fields.delete("X-Two").expect("deleted");
    assert_eq!(fields.entries(), [("x-One".to_owned(), b"3".to_vec())]);
    let copy = fields.clone();
    let response = OutgoingResponse::new(fields);
    assert!(matches!(response.headers().append("a", b"b"), Err(HeaderError::Immutable)));
    copy.append("a", b"b").expect("a copy can be changed");
    assert_eq!(copy.entries().len(), 2);
    assert!(response.set_status_code(99).is_err());
    "all as it should be".to_owned()
}

/// Fetches `http://authority/path` and answers with what came back, or with the error.
fn fetch(url: &str, milliseconds: Option<u64>, out: ResponseOutparam) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let headers = Fields::from_list(&[("x-from".to_owned(), b"guest".to_vec())]).expect("headers");
    let request = OutgoingRequest::new(headers);
    request.set_method(&Method::Post).expect("a method");
    request
        .set_scheme(Some(&if scheme == "https" { Scheme::Https } else { Scheme::Http }))
        .expect("a scheme");
    request.set_authority(Some(authority)).expect("an authority");
    request.set_path_with_query(Some(&format!("/{path}"))).expect("a path");
    assert!(request.set_method(&Method::Other("no method".to_owned())).is_err());
    let body = request.body().expect("a body");
    let options = RequestOptions::new();
    options.set_connect_timeout(Some(2_000_000_000)).expect("an option");
    assert_eq!(options.connect_timeout(), Some(2_000_000_000));
    let timeout = milliseconds.map(|milliseconds| milliseconds * 1_000_000);
    options.set_first_byte_timeout(timeout).expect("an option");
    options.set_between_bytes_timeout(timeout).expect("an option");
    let future = match outgoing_handler::handle(request, Some(options)) {
        Ok(future) => future,
        Err(code) => return respond(out, 502, &[], format!("handle: {code:?}").as_bytes()),
    };
    if let Ok(stream) = body.write() {
        let _ = stream.blocking_write_and_flush(b"from the guest");
    }
    let _ = OutgoingBody::finish(body, None);
    future.subscribe().block();
    match future.get().expect("ready").expect("taken once") {
        Err(code) => respond(out, 502, &[], format!("future: {code:?}").as_bytes()),
        Ok(response) => {
            let kind = response.headers().get("x-kind").concat();
            let body = response.consume().expect("a body");
            let stream = body.stream().expect("a stream");
            let mut bytes = Vec::new();
            loop {
                match stream.blocking_read(1 << 16) {
                    Ok(some) => bytes.extend_from_slice(&some),
                    Err(StreamError::Closed) => break,
                    Err(StreamError::LastOperationFailed(error)) => {
                        let words = error.to_debug_string();
                        return respond(out, 502, &[], format!("body: {words}").as_bytes());
                    }
                }
            }
            let text = format!(
                "{} {} {}",
                response.status(),
                String::from_utf8_lossy(&kind),
                String::from_utf8_lossy(&bytes)
            );
            respond(out, 200, &[], text.as_bytes());
        }
    }
    assert!(matches!(future.get(), Some(Err(()))), "the response comes once");
}
