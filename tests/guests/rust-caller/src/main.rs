//! A command that tries every way out to the authority it is given, and prints what came of each.

use std::net::{TcpStream, ToSocketAddrs, UdpSocket};

use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, OutgoingRequest, Scheme};

fn main() {
    let authority = std::env::args().nth(1).expect("an authority");
    println!("http {}", http(&authority));
    println!("tcp {:?}", TcpStream::connect(&authority).map(drop).map_err(|error| error.kind()));
    let sent = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"x", &authority));
    println!("udp {:?}", sent.map(drop).map_err(|error| error.kind()));
    println!("lookup {}", ("localhost", 80).to_socket_addrs().is_ok());
}

fn http(authority: &str) -> String {
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).expect("a scheme");
    request.set_authority(Some(authority)).expect("an authority");
    match outgoing_handler::handle(request, None) {
        Err(code) => format!("handle: {code:?}"),
        Ok(future) => {
            future.subscribe().block();
            match future.get().expect("ready").expect("taken once") {
                Err(code) => format!("future: {code:?}"),
                Ok(response) => response.status().to_string(),
            }
        }
    }
}
