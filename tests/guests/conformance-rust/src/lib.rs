//! A wasi:http guest: each path is one thing that the standard speaks of. conformance-python does the same.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, HeaderError, IncomingBody, IncomingRequest, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, OutgoingResponse, ResponseOutparam, Scheme,
};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

struct App;

wasip2::http::proxy::export!(App);

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

impl Guest for App {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        CALLS.set(CALLS.get() + 1);
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/hello" => respond(out, &[("content-type", b"text/plain")], b"hello\n"),
            "/echo" => {
                let bytes = read_all(&request.consume().expect("a body").stream().expect("a stream"));
                respond(out, &[], &bytes);
            }
            "/count" => {
                let size = count(&request.consume().expect("a body").stream().expect("a stream"));
                respond(out, &[], size.to_string().as_bytes());
            }
            "/stream" => stream(request, out),
            "/first-then-fetch" => first_then_fetch(query, out),
            "/headers" => respond(out, &[], &lines(&request.headers())),
            "/copy" => {
                let given = request.headers().entries();
                let copied: Vec<_> = given.into_iter().filter(|(name, _)| name.starts_with("x-")).collect();
                send(out, OutgoingResponse::new(Fields::from_list(&copied).expect("headers")), b"copied");
            }
            "/fields" => respond(out, &[], check_fields(&request).as_bytes()),
            "/trailers-in" => trailers_in(request, out),
            "/trailers-out" => {
                let response = OutgoingResponse::new(fields(&[("trailer", b"x-sum")]));
                let body = response.body().expect("a body");
                ResponseOutparam::set(out, Ok(response));
                write(&body, b"body");
                OutgoingBody::finish(body, Some(fields(&[("x-sum", b"1"), ("x-sum", b"2")])))
                    .expect("finished");
            }
            "/length" => length(query, out),
            "/status" => {
                let response = OutgoingResponse::new(Fields::new());
                match response.set_status_code(query.parse().unwrap_or(0)) {
                    Ok(()) => send(out, response, b""),
                    Err(()) => respond(out, &[], b"no such status"),
                }
            }
            "/large" => respond(out, &[], &vec![b'x'; query.parse().unwrap_or(0)]),
            "/write-first" => write_first(out),
            "/two" => {
                let first = OutgoingResponse::new(Fields::new());
                let body = first.body().expect("a body");
                let stream = body.write().expect("a stream");
                stream.check_write().expect("open");
                stream.write(b"first").expect("written");
                ResponseOutparam::set(out, Ok(OutgoingResponse::new(fields(&[("x-second", b"1")]))));
            }
            "/silent" => {}
            "/error" => ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some(query.to_owned())))),
            "/trap" => std::process::abort(),
            "/trap-after" => {
                let body = begin(out, b"part");
                std::hint::black_box(&body);
                std::process::abort();
            }
            "/unfinished" => drop(begin(out, b"part")),
            "/exit" => std::process::exit(3),
            "/loop" => loop {
                std::hint::black_box(());
            },
            "/burn" => {
                let began = Instant::now();
                let time = Duration::from_millis(query.parse().unwrap_or(0));
                while began.elapsed() < time {
                    std::hint::black_box((0..10_000u64).sum::<u64>());
                }
                respond(out, &[], b"burnt\n");
            }
            "/print" => {
                println!("printed to stdout");
                eprintln!("printed to stderr");
                respond(out, &[], b"not printed");
            }
            "/fetch" => respond(out, &[], &fetched(query)),
            "/calls" => respond(out, &[], CALLS.get().to_string().as_bytes()),
            "/leave" => respond(out, &[], leave(query).as_bytes()),
            "/find" => respond(out, &[], find(query).as_bytes()),
            "/now" => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
                let drawn = wasip2::random::random::get_random_u64();
                respond(out, &[], format!("{} {drawn}", now.as_secs_f64()).as_bytes());
            }
            "/sleep" => {
                std::thread::sleep(Duration::from_millis(query.parse().unwrap_or(0)));
                respond(out, &[], b"slept");
            }
            _ => {
                let text = format!(
                    "{}\n{}\n{}\n{target}\n",
                    method(&request.method()),
                    request.scheme().map_or("none", |scheme| match scheme {
                        Scheme::Http => "http",
                        Scheme::Https => "https",
                        Scheme::Other(_) => "other",
                    }),
                    request.authority().unwrap_or_else(|| "none".to_owned()),
                );
                respond(out, &[], text.as_bytes());
            }
        }
    }
}

fn method(method: &Method) -> &str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => name,
    }
}

fn fields(pairs: &[(&str, &[u8])]) -> Fields {
    let owned: Vec<_> = pairs.iter().map(|(name, value)| (name.to_string(), value.to_vec())).collect();
    Fields::from_list(&owned).expect("valid fields")
}

fn lines(fields: &Fields) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in fields.entries() {
        text.extend_from_slice(name.as_bytes());
        text.push(b'=');
        text.extend_from_slice(&value);
        text.push(b'\n');
    }
    text
}

fn respond(out: ResponseOutparam, headers: &[(&str, &[u8])], body: &[u8]) {
    send(out, OutgoingResponse::new(fields(headers)), body);
}

fn send(out: ResponseOutparam, response: OutgoingResponse, bytes: &[u8]) {
    let body = response.body().expect("a body");
    ResponseOutparam::set(out, Ok(response));
    write(&body, bytes);
    let _ = OutgoingBody::finish(body, None);
}

/// Sends the head and the first bytes, flushed; the body is open.
fn begin(out: ResponseOutparam, bytes: &[u8]) -> OutgoingBody {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("a body");
    ResponseOutparam::set(out, Ok(response));
    write(&body, bytes);
    body
}

/// Writes and flushes; the stream is taken for this and let go, so this works once for a body.
fn write(body: &OutgoingBody, bytes: &[u8]) {
    write_all(&body.write().expect("a stream"), bytes);
}

fn write_all(stream: &OutputStream, bytes: &[u8]) {
    for chunk in bytes.chunks(4096) {
        if stream.blocking_write_and_flush(chunk).is_err() {
            return;
        }
    }
}

fn read_all(stream: &InputStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(1 << 16) {
            Ok(some) => bytes.extend_from_slice(&some),
            Err(StreamError::Closed) => return bytes,
            Err(error) => panic!("{error}"),
        }
    }
}

fn count(stream: &InputStream) -> u64 {
    let mut size = 0;
    loop {
        match stream.blocking_skip(1 << 16) {
            Ok(some) => size += some,
            Err(StreamError::Closed) => return size,
            Err(error) => panic!("{error}"),
        }
    }
}

fn stream(request: IncomingRequest, out: ResponseOutparam) {
    let incoming = request.consume().expect("a body");
    let from = incoming.stream().expect("a stream");
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("a body");
    ResponseOutparam::set(out, Ok(response));
    let to = body.write().expect("a stream");
    loop {
        match from.blocking_read(1 << 16) {
            Ok(bytes) => write_all(&to, &bytes),
            Err(StreamError::Closed) => break,
            Err(error) => panic!("{error}"),
        }
    }
    drop(to);
    OutgoingBody::finish(body, None).expect("finished");
}

fn first_then_fetch(query: &str, out: ResponseOutparam) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("a body");
    ResponseOutparam::set(out, Ok(response));
    let to = body.write().expect("a stream");
    write_all(&to, b"first\n");
    write_all(&to, &fetched(query));
    drop(to);
    OutgoingBody::finish(body, None).expect("finished");
}

fn trailers_in(request: IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().expect("a body");
    read_all(&body.stream().expect("a stream"));
    let future = IncomingBody::finish(body);
    future.subscribe().block();
    match future.get().expect("ready").expect("once") {
        Ok(Some(trailers)) => respond(out, &[], &lines(&trailers)),
        Ok(None) => respond(out, &[], b"none"),
        Err(code) => respond(out, &[], format!("{code:?}").as_bytes()),
    }
}

/// `/length?declared,written`: one number in the head, another in the body.
fn length(query: &str, out: ResponseOutparam) {
    let (declared, written) = query.split_once(',').expect("two numbers");
    let response = OutgoingResponse::new(fields(&[("content-length", declared.as_bytes())]));
    let body = response.body().expect("a body");
    ResponseOutparam::set(out, Ok(response));
    write(&body, &vec![b'x'; written.parse().expect("a number")]);
    let _ = OutgoingBody::finish(body, None);
}

fn write_first(out: ResponseOutparam) {
    let response = OutgoingResponse::new(fields(&[("x-a", b"1")]));
    response.set_status_code(201).expect("a status");
    let body = response.body().expect("a body");
    let stream = body.write().expect("a stream");
    assert!(stream.check_write().expect("open") >= 5);
    stream.write(b"early").expect("written");
    drop(stream);
    OutgoingBody::finish(body, None).expect("finished");
    ResponseOutparam::set(out, Ok(response));
}

fn check_fields(request: &IncomingRequest) -> &'static str {
    let given = request.headers();
    assert!(matches!(given.append("a", b"b"), Err(HeaderError::Immutable)));
    assert!(matches!(given.delete("a"), Err(HeaderError::Immutable)));
    assert!(matches!(given.set("a", &[]), Err(HeaderError::Immutable)));
    let fields = Fields::new();
    for name in ["connection", "Host", "keep-alive", "transfer-encoding", "upgrade", "proxy-connection"] {
        assert!(matches!(fields.append(name, b"x"), Err(HeaderError::Forbidden)), "{name}");
    }
    for name in ["", "bad name", "bad:name", "b\u{e9}"] {
        assert!(matches!(fields.append(name, b"x"), Err(HeaderError::InvalidSyntax)), "{name}");
    }
    for value in [&b"a\r\nb"[..], b"a\nb", b"a\0b"] {
        assert!(matches!(fields.append("a", value), Err(HeaderError::InvalidSyntax)));
    }
    fields.append("X-One", b"1").expect("appended");
    fields.append("x-one", b"\xff").expect("appended");
    fields.append("x-two", b"").expect("appended");
    assert_eq!(fields.get("X-ONE"), [b"1".to_vec(), b"\xff".to_vec()]);
    assert!(fields.has("x-TWO") && !fields.has("x-three"));
    assert!(fields.get("x-three").is_empty());
    fields.set("x-One", &[b"3".to_vec()]).expect("set");
    fields.delete("X-Two").expect("deleted");
    assert_eq!(fields.entries().len(), 1);
    let copy = fields.clone();
    let response = OutgoingResponse::new(fields);
    assert!(matches!(response.headers().append("a", b"b"), Err(HeaderError::Immutable)));
    copy.append("a", b"b").expect("a copy can be changed");
    assert_eq!(response.headers().entries().len(), 1);
    assert_eq!(response.status_code(), 200);
    assert!(response.set_status_code(99).is_err());
    assert!(request.consume().is_ok() && request.consume().is_err());
    "all as it should be"
}

/// Posts to `http://{url}`: status, the header x-kind and the body, or the error's name.
fn fetched(url: &str) -> Vec<u8> {
    let (authority, path) = url.split_once('/').unwrap_or((url, ""));
    let request = OutgoingRequest::new(fields(&[("x-from", b"guest")]));
    request.set_method(&Method::Post).expect("a method");
    request.set_scheme(Some(&Scheme::Http)).expect("a scheme");
    request.set_authority(Some(authority)).expect("an authority");
    request.set_path_with_query(Some(&format!("/{path}"))).expect("a path");
    let body = request.body().expect("a body");
    let future = match outgoing_handler::handle(request, None) {
        Ok(future) => future,
        Err(code) => return format!("at once: {}", name(&code)).into_bytes(),
    };
    write(&body, b"from the guest");
    let _ = OutgoingBody::finish(body, None);
    future.subscribe().block();
    match future.get().expect("ready").expect("taken once") {
        Err(code) => name(&code).into_bytes(),
        Ok(response) => whole(&response),
    }
}

fn whole(response: &IncomingResponse) -> Vec<u8> {
    let kind = response.headers().get("x-kind").concat();
    let bytes = read_all(&response.consume().expect("a body").stream().expect("a stream"));
    [response.status().to_string().as_bytes(), &kind, &bytes].join(&b' ')
}

fn name(code: &ErrorCode) -> String {
    let text = format!("{code:?}");
    let end = text.find(['(', ' ']).unwrap_or(text.len());
    text[..end].trim_start_matches("ErrorCode::").to_owned()
}

/// Leaves the word in memory (freed and not), in /tmp and in the environment.
fn leave(word: &str) -> String {
    std::mem::forget(word.to_owned());
    drop(word.repeat(10_000));
    // SAFETY: a guest has one thread.
    unsafe { std::env::set_var("LEFT", word) };
    let file = std::fs::write("/tmp/left", word)
        .map_or_else(|error| error.kind().to_string(), |()| "file".to_owned());
    format!("left; /tmp: {file}")
}

/// Looks for a word, given with each byte's lowest bit turned, in all that a guest can reach.
fn find(turned: &str) -> String {
    let turned = turned.as_bytes();
    let mut found = Vec::new();
    if std::env::var_os("LEFT").is_some() {
        found.push("environment");
    }
    if std::fs::exists("/tmp/left").unwrap_or(false) {
        found.push("file");
    }
    let size = core::arch::wasm32::memory_size(0) << 16;
    // SAFETY: all of the linear memory can be read.
    let memory =
        unsafe { core::slice::from_raw_parts(core::hint::black_box(1024 as *const u8), size - 1024) };
    if memory.windows(turned.len()).any(|some| some.iter().zip(turned).all(|(one, other)| *one == other ^ 1))
    {
        found.push("memory");
    }
    if CALLS.get() > 1 {
        found.push("calls");
    }
    if found.is_empty() { "nothing".to_owned() } else { found.join(" ") }
}
