//! As an attacker does it: the functions of wasi:sockets themselves, with addresses that a libc would not pass on.

use std::net::SocketAddr;

use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{
    ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp::{OutgoingDatagram, OutgoingDatagramStream, UdpSocket};
use wasip2::sockets::udp_create_socket::create_udp_socket;

type Result<T> = std::result::Result<T, ErrorCode>;

pub fn tcp(target: &str) -> String {
    let (family, remote) = address(target);
    tell(create_tcp_socket(family).and_then(|socket| {
        socket.start_connect(&instance_network(), remote)?;
        socket.subscribe().block();
        socket.finish_connect().map(|_| "connected")
    }))
}

pub fn bind(target: &str) -> String {
    let (family, local) = address(target);
    let tcp = create_tcp_socket(family).and_then(|socket| socket.start_bind(&instance_network(), local));
    let udp = create_udp_socket(family).and_then(|socket| socket.start_bind(&instance_network(), local));
    format!("tcp {}, udp {}", tell(tcp.map(|()| "bound")), tell(udp.map(|()| "bound")))
}

pub fn listen() -> String {
    tell(create_tcp_socket(IpAddressFamily::Ipv4).and_then(|socket| {
        socket.start_listen()?;
        socket.finish_listen().map(|()| "listening")
    }))
}

pub fn stream(target: &str) -> String {
    let (family, remote) = address(target);
    tell(udp(family).and_then(|socket| socket.stream(Some(remote)).map(|_| "connected")))
}

pub fn send(target: &str) -> String {
    let (family, remote) = address(target);
    tell(udp(family).and_then(|socket| {
        let (_incoming, outgoing) = socket.stream(None)?;
        send_all(&outgoing, &[remote])
    }))
}

/// `ALLOWED,OTHER`: both in one call, then the other alone.
pub fn send_both(targets: &str) -> String {
    let (family, allowed, other) = addresses(targets);
    tell(udp(family).and_then(|socket| {
        let (_incoming, outgoing) = socket.stream(None)?;
        let both = send_all(&outgoing, &[allowed, other])?;
        Ok(format!("{both}, then {}", tell(send_all(&outgoing, &[other]))))
    }))
}

/// `ALLOWED,OTHER`: to the other, over a stream that is connected to the allowed one.
pub fn send_past(targets: &str) -> String {
    let (family, allowed, other) = addresses(targets);
    tell(udp(family).and_then(|socket| {
        let (_incoming, outgoing) = socket.stream(Some(allowed))?;
        send_all(&outgoing, &[other])
    }))
}

pub fn lookup(name: &str) -> String {
    tell(resolve_addresses(&instance_network(), name).and_then(|stream| {
        stream.subscribe().block();
        stream.resolve_next_address().map(|_| "looked up")
    }))
}

fn udp(family: IpAddressFamily) -> Result<UdpSocket> {
    let socket = create_udp_socket(family)?;
    let (_, any) = address(if family == IpAddressFamily::Ipv4 { "0.0.0.0:0" } else { "[::]:0" });
    socket.start_bind(&instance_network(), any)?;
    socket.finish_bind()?;
    Ok(socket)
}

fn send_all(outgoing: &OutgoingDatagramStream, targets: &[IpSocketAddress]) -> Result<String> {
    outgoing.subscribe().block();
    outgoing.check_send()?;
    let datagrams: Vec<_> = targets
        .iter()
        .map(|&remote| OutgoingDatagram { data: b"ping".to_vec(), remote_address: Some(remote) })
        .collect();
    outgoing.send(&datagrams).map(|count| format!("sent {count}"))
}

fn addresses(targets: &str) -> (IpAddressFamily, IpSocketAddress, IpSocketAddress) {
    let (allowed, other) = targets.split_once(',').expect("two addresses");
    let ((family, allowed), (_, other)) = (address(allowed), address(other));
    (family, allowed, other)
}

fn address(text: &str) -> (IpAddressFamily, IpSocketAddress) {
    match text.parse().expect("an address") {
        SocketAddr::V4(it) => {
            let [a, b, c, d] = it.ip().octets();
            let it = Ipv4SocketAddress { port: it.port(), address: (a, b, c, d) };
            (IpAddressFamily::Ipv4, IpSocketAddress::Ipv4(it))
        }
        SocketAddr::V6(it) => {
            let [a, b, c, d, e, f, g, h] = it.ip().segments();
            let it = Ipv6SocketAddress {
                port: it.port(),
                flow_info: it.flowinfo(),
                address: (a, b, c, d, e, f, g, h),
                scope_id: it.scope_id(),
            };
            (IpAddressFamily::Ipv6, IpSocketAddress::Ipv6(it))
        }
    }
}

fn tell(result: Result<impl ToString>) -> String {
    match result {
        Ok(text) => text.to_string(),
        Err(code) => code.name().to_owned(),
    }
}
