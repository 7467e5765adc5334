//! UDP sockets that speak with those whom the rules allow: what others send is dropped, as no port is there to listen.

use crate::Sockets;
use crate::guest::network::NetworkBorrow;
use crate::guest::udp::{
    self as exported, GuestIncomingDatagramStream, GuestOutgoingDatagramStream, GuestUdpSocket,
    IncomingDatagram, OutgoingDatagram,
};
use crate::guest::udp_create_socket;
use crate::native::{self, ErrorCode, IpAddressFamily, IpSocketAddress, Pollable};
use crate::open::Open;
use crate::rules::{self, Protocol};

pub struct UdpSocket {
    native: native::udp::UdpSocket,
    _open: Open,
}

pub struct IncomingDatagramStream(native::udp::IncomingDatagramStream);

pub struct OutgoingDatagramStream(native::udp::OutgoingDatagramStream);

impl exported::Guest for Sockets {
    type UdpSocket = UdpSocket;
    type IncomingDatagramStream = IncomingDatagramStream;
    type OutgoingDatagramStream = OutgoingDatagramStream;
}

impl udp_create_socket::Guest for Sockets {
    fn create_udp_socket(family: IpAddressFamily) -> Result<exported::UdpSocket, ErrorCode> {
        let open = Open::new()?;
        let native = native::udp_create_socket::create_udp_socket(family)?;
        Ok(exported::UdpSocket::new(UdpSocket { native, _open: open }))
    }
}

impl GuestUdpSocket for UdpSocket {
    /// A client's socket is bound, too: to no address and no port of its choice.
    fn start_bind(&self, _: NetworkBorrow, local: IpSocketAddress) -> Result<(), ErrorCode> {
        let free = match local {
            IpSocketAddress::Ipv4(local) => local.address == (0, 0, 0, 0) && local.port == 0,
            IpSocketAddress::Ipv6(local) => local.address == (0, 0, 0, 0, 0, 0, 0, 0) && local.port == 0,
        };
        if !free {
            return Err(ErrorCode::AccessDenied);
        }
        self.native.start_bind(&native::instance_network(), local)
    }

    fn finish_bind(&self) -> Result<(), ErrorCode> {
        self.native.finish_bind()
    }

    fn stream(
        &self,
        remote: Option<IpSocketAddress>,
    ) -> Result<(exported::IncomingDatagramStream, exported::OutgoingDatagramStream), ErrorCode> {
        if let Some(remote) = remote {
            rules::require(Protocol::Udp, remote)?;
        }
        let (incoming, outgoing) = self.native.stream(remote)?;
        Ok((
            exported::IncomingDatagramStream::new(IncomingDatagramStream(incoming)),
            exported::OutgoingDatagramStream::new(OutgoingDatagramStream(outgoing)),
        ))
    }

    fn local_address(&self) -> Result<IpSocketAddress, ErrorCode> {
        self.native.local_address()
    }

    fn remote_address(&self) -> Result<IpSocketAddress, ErrorCode> {
        self.native.remote_address()
    }

    fn address_family(&self) -> IpAddressFamily {
        self.native.address_family()
    }

    fn unicast_hop_limit(&self) -> Result<u8, ErrorCode> {
        self.native.unicast_hop_limit()
    }

    fn set_unicast_hop_limit(&self, value: u8) -> Result<(), ErrorCode> {
        self.native.set_unicast_hop_limit(value)
    }

    fn receive_buffer_size(&self) -> Result<u64, ErrorCode> {
        self.native.receive_buffer_size()
    }

    fn set_receive_buffer_size(&self, value: u64) -> Result<(), ErrorCode> {
        self.native.set_receive_buffer_size(value)
    }

    fn send_buffer_size(&self) -> Result<u64, ErrorCode> {
        self.native.send_buffer_size()
    }

    fn set_send_buffer_size(&self, value: u64) -> Result<(), ErrorCode> {
        self.native.set_send_buffer_size(value)
    }

    fn subscribe(&self) -> Pollable {
        self.native.subscribe()
    }
}

impl GuestIncomingDatagramStream for IncomingDatagramStream {
    fn receive(&self, max_results: u64) -> Result<Vec<IncomingDatagram>, ErrorCode> {
        let mut datagrams = self.0.receive(max_results)?;
        datagrams.retain(|datagram| rules::require(Protocol::Udp, datagram.remote_address).is_ok());
        Ok(datagrams)
    }

    fn subscribe(&self) -> Pollable {
        self.0.subscribe()
    }
}

impl GuestOutgoingDatagramStream for OutgoingDatagramStream {
    fn check_send(&self) -> Result<u64, ErrorCode> {
        self.0.check_send()
    }

    /// Those in front of the first that is refused are sent: an error says that none was.
    fn send(&self, mut datagrams: Vec<OutgoingDatagram>) -> Result<u64, ErrorCode> {
        // One without an address goes to that of the stream, which was allowed.
        let refused = datagrams.iter().enumerate().find_map(|(number, datagram)| {
            let error = rules::require(Protocol::Udp, datagram.remote_address?).err()?;
            Some((number, error))
        });
        match refused {
            Some((0, error)) => return Err(error),
            Some((number, _)) => datagrams.truncate(number),
            None => {}
        }
        self.0.send(&datagrams)
    }

    fn subscribe(&self) -> Pollable {
        self.0.subscribe()
    }
}
