//! Look-ups of the names that rules name; what they give is remembered for the sockets.

use crate::Sockets;
use crate::guest::ip_name_lookup::{self as exported, GuestResolveAddressStream};
use crate::guest::network::NetworkBorrow;
use crate::native::{self, ErrorCode, IpAddress, Pollable};
use crate::open::Open;
use crate::rules;

pub struct ResolveAddressStream {
    name: String,
    native: native::ip_name_lookup::ResolveAddressStream,
    _open: Open,
}

impl exported::Guest for Sockets {
    type ResolveAddressStream = ResolveAddressStream;

    fn resolve_addresses(
        _: NetworkBorrow,
        name: String,
    ) -> Result<exported::ResolveAddressStream, ErrorCode> {
        rules::require_name(&name)?;
        let open = Open::new()?;
        let native = native::ip_name_lookup::resolve_addresses(&native::instance_network(), &name)?;
        let name = name.to_ascii_lowercase();
        Ok(exported::ResolveAddressStream::new(ResolveAddressStream { name, native, _open: open }))
    }
}

impl GuestResolveAddressStream for ResolveAddressStream {
    fn resolve_next_address(&self) -> Result<Option<IpAddress>, ErrorCode> {
        let address = self.native.resolve_next_address()?;
        if let Some(address) = address {
            rules::remember(&self.name, address);
        }
        Ok(address)
    }

    fn subscribe(&self) -> Pollable {
        self.native.subscribe()
    }
}
