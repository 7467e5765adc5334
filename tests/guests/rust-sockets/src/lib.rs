//! Tries one thing with sockets and says what came of it: a path and its query name it, or two arguments.

mod plain;
mod raw;

use std::io::Write;

use wasip2::exports::cli::run::Guest as Command;
use wasip2::exports::http::incoming_handler::Guest as Handler;
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct App;

wasip2::http::proxy::export!(App);
wasip2::cli::command::export!(App);

impl Handler for App {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let text = act(path.trim_start_matches('/'), query);
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("a body");
        ResponseOutparam::set(out, Ok(response));
        let mut stream = body.write().expect("a stream");
        stream.write_all(text.as_bytes()).expect("written");
        drop(stream);
        OutgoingBody::finish(body, None).expect("finished");
    }
}

impl Command for App {
    fn run() -> Result<(), ()> {
        let arguments: Vec<String> = std::env::args().collect();
        println!("{}", act(&arguments[1], &arguments[2]));
        Ok(())
    }
}

fn act(action: &str, target: &str) -> String {
    match action {
        "tcp" => plain::tcp(target),
        "udp" => plain::udp(target),
        "udp-connected" => plain::udp_connected(target),
        "lookup" => plain::lookup(target),
        "listen" => plain::listen(target),
        "hear" => plain::hear(target),
        "many" => plain::many(target),
        "raw-tcp" => raw::tcp(target),
        "raw-bind" => raw::bind(target),
        "raw-listen" => raw::listen(),
        "raw-stream" => raw::stream(target),
        "raw-send" => raw::send(target),
        "raw-send-both" => raw::send_both(target),
        "raw-send-past" => raw::send_past(target),
        "raw-lookup" => raw::lookup(target),
        _ => format!("no {action}"),
    }
}
