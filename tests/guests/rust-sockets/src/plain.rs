//! As programs do it: Rust's standard library.

use std::io::{Read, Result, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

const ANY: &str = "0.0.0.0:0";

pub fn tcp(target: &str) -> String {
    tell(TcpStream::connect(target).and_then(|mut stream| {
        stream.write_all(b"ping")?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }))
}

pub fn udp(target: &str) -> String {
    tell(UdpSocket::bind(ANY).and_then(|socket| {
        socket.send_to(b"ping", target)?;
        answer(&socket)
    }))
}

pub fn udp_connected(target: &str) -> String {
    tell(UdpSocket::bind(ANY).and_then(|socket| {
        socket.connect(target)?;
        socket.send(b"ping")?;
        answer(&socket)
    }))
}

/// The first that is heard after a knock, which the server has a stranger answer first.
pub fn hear(target: &str) -> String {
    tell(UdpSocket::bind(ANY).and_then(|socket| {
        socket.send_to(b"knock", target)?;
        answer(&socket)
    }))
}

pub fn lookup(name: &str) -> String {
    match (name, 0).to_socket_addrs() {
        Ok(found) => found.map(|address| address.ip().to_string()).collect::<Vec<_>>().join(" "),
        Err(_) => "no address".to_owned(),
    }
}

/// `tcp ADDRESS` or `udp ADDRESS`, with a `+` for the space.
pub fn listen(target: &str) -> String {
    match target.split_once('+') {
        Some(("tcp", address)) => tell(TcpListener::bind(address).map(|_| "bound".to_owned())),
        Some((_, address)) => tell(UdpSocket::bind(address).map(|_| "bound".to_owned())),
        None => "tcp or udp?".to_owned(),
    }
}

/// As many connections as there can be, closed again, and one more.
pub fn many(target: &str) -> String {
    let mut open = Vec::new();
    let error = loop {
        match TcpStream::connect(target) {
            Ok(stream) => open.push(stream),
            Err(error) => break error,
        }
    };
    let count = open.len();
    drop(open);
    format!("{count}, then {:?}; {}", error.kind(), tcp(target))
}

fn answer(socket: &UdpSocket) -> Result<String> {
    let mut buffer = [0; 100];
    let (size, _) = socket.recv_from(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..size]).into_owned())
}

fn tell(result: Result<String>) -> String {
    result.unwrap_or_else(|error| format!("{:?}", error.kind()))
}
