//! TCP sockets that connect to what the rules allow, and to nothing else; they neither bind nor listen.

use crate::Sockets;
use crate::guest::network::NetworkBorrow;
use crate::guest::tcp::{self as exported, Duration, GuestTcpSocket, ShutdownType};
use crate::guest::tcp_create_socket;
use crate::native::{self, ErrorCode, InputStream, IpAddressFamily, IpSocketAddress, OutputStream, Pollable};
use crate::open::Open;
use crate::rules::{self, Protocol};

pub struct TcpSocket {
    native: native::tcp::TcpSocket,
    _open: Open,
}

impl exported::Guest for Sockets {
    type TcpSocket = TcpSocket;
}

impl tcp_create_socket::Guest for Sockets {
    fn create_tcp_socket(family: IpAddressFamily) -> Result<exported::TcpSocket, ErrorCode> {
        let open = Open::new()?;
        let native = native::tcp_create_socket::create_tcp_socket(family)?;
        Ok(exported::TcpSocket::new(TcpSocket { native, _open: open }))
    }
}

impl GuestTcpSocket for TcpSocket {
    fn start_bind(&self, _: NetworkBorrow, _: IpSocketAddress) -> Result<(), ErrorCode> {
        Err(ErrorCode::AccessDenied)
    }

    fn finish_bind(&self) -> Result<(), ErrorCode> {
        Err(ErrorCode::NotInProgress)
    }

    fn start_connect(&self, _: NetworkBorrow, remote: IpSocketAddress) -> Result<(), ErrorCode> {
        rules::require(Protocol::Tcp, remote)?;
        self.native.start_connect(&native::instance_network(), remote)
    }

    fn finish_connect(&self) -> Result<(InputStream, OutputStream), ErrorCode> {
        self.native.finish_connect()
    }

    fn start_listen(&self) -> Result<(), ErrorCode> {
        Err(ErrorCode::AccessDenied)
    }

    fn finish_listen(&self) -> Result<(), ErrorCode> {
        Err(ErrorCode::NotInProgress)
    }

    fn accept(&self) -> Result<(exported::TcpSocket, InputStream, OutputStream), ErrorCode> {
        Err(ErrorCode::InvalidState)
    }

    fn local_address(&self) -> Result<IpSocketAddress, ErrorCode> {
        self.native.local_address()
    }

    fn remote_address(&self) -> Result<IpSocketAddress, ErrorCode> {
        self.native.remote_address()
    }

    fn is_listening(&self) -> bool {
        false
    }

    fn address_family(&self) -> IpAddressFamily {
        self.native.address_family()
    }

    fn set_listen_backlog_size(&self, value: u64) -> Result<(), ErrorCode> {
        self.native.set_listen_backlog_size(value)
    }

    fn keep_alive_enabled(&self) -> Result<bool, ErrorCode> {
        self.native.keep_alive_enabled()
    }

    fn set_keep_alive_enabled(&self, value: bool) -> Result<(), ErrorCode> {
        self.native.set_keep_alive_enabled(value)
    }

    fn keep_alive_idle_time(&self) -> Result<Duration, ErrorCode> {
        self.native.keep_alive_idle_time()
    }

    fn set_keep_alive_idle_time(&self, value: Duration) -> Result<(), ErrorCode> {
        self.native.set_keep_alive_idle_time(value)
    }

    fn keep_alive_interval(&self) -> Result<Duration, ErrorCode> {
        self.native.keep_alive_interval()
    }

    fn set_keep_alive_interval(&self, value: Duration) -> Result<(), ErrorCode> {
        self.native.set_keep_alive_interval(value)
    }

    fn keep_alive_count(&self) -> Result<u32, ErrorCode> {
        self.native.keep_alive_count()
    }

    fn set_keep_alive_count(&self, value: u32) -> Result<(), ErrorCode> {
        self.native.set_keep_alive_count(value)
    }

    fn hop_limit(&self) -> Result<u8, ErrorCode> {
        self.native.hop_limit()
    }

    fn set_hop_limit(&self, value: u8) -> Result<(), ErrorCode> {
        self.native.set_hop_limit(value)
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

    fn shutdown(&self, how: ShutdownType) -> Result<(), ErrorCode> {
        self.native.shutdown(how)
    }
}
