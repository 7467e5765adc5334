//! Answers with what it was given, chosen by the path; the same source is a module and a component.

use std::io::{Read, Write};

fn main() {
    let path = std::env::var("PATH_INFO").unwrap_or_default();
    match path.as_str() {
        "/env" => {
            let mut all: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
            all.sort();
            print!("Content-Type: text/plain\n\n{}\n", all.join("\n"));
        }
        "/args" => {
            let all: Vec<String> = std::env::args().collect();
            print!("Content-Type: text/plain\n\n{all:?}\n");
        }
        "/echo" => {
            let mut body = Vec::new();
            std::io::stdin().read_to_end(&mut body).unwrap();
            print!("Content-Type: application/octet-stream\n\n");
            std::io::stdout().write_all(&body).unwrap();
        }
        "/cookies" => print!("Content-Type: text/plain\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\ntwo\r\n"),
        "/file" => {
            let data = std::fs::read_to_string("/data/file");
            let written = std::fs::write("/data/other", "x");
            print!("Content-Type: text/plain\n\n{} <nil> {}\n", data.unwrap_or_default(), written.is_err());
        }
        "/teapot" => print!("Status: 418 I'm a teapot\n\nshort and stout\n"),
        "/moved" => print!("Location: /elsewhere\n\n"),
        "/fail" => std::process::exit(3),
        "/panic" => panic!("as asked"),
        "/nothing" => {}
        _ => print!("Content-Type: text/plain\n\nhello from Rust\n"),
    }
}

/// Another entry point of the module.
#[unsafe(no_mangle)]
pub extern "C" fn other() {
    print!("Content-Type: text/plain\n\nthe other entry\n");
    std::io::stdout().flush().unwrap();
}
