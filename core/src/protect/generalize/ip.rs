//! An address's network.

use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::scalar::Scalar;

/// How many bits of an address stay.
#[derive(Clone, Copy)]
pub(super) struct Networks {
    v4: u8,
    v6: u8,
}

impl Networks {
    /// Bits of IPv4 (0 to 32) and IPv6 (0 to 128); more is all.
    pub(super) fn new(v4: u8, v6: u8) -> Self {
        Self { v4: v4.min(32), v6: v6.min(128) }
    }

    /// Appends the network of an address: `192.0.2.0/24`, `2001:db8::/48`. An IPv4 address mapped
    /// into IPv6 is that IPv4 address: as IPv6 it would show all or nothing of itself.
    pub(super) fn of(self, value: &Scalar<'_>, out: &mut String) -> Option<()> {
        let Scalar::Text(text) = value else { return None };
        let text = text.trim();
        // A zone (`fe80::1%eth0`) names an interface of the sender, no network.
        let text = text.split_once('%').filter(|(_, zone)| !zone.is_empty()).map_or(text, |(address, _)| address);
        match text.parse::<IpAddr>().ok()?.to_canonical() {
            IpAddr::V4(address) => {
                let kept = u32::MAX.checked_shl(32 - u32::from(self.v4)).unwrap_or(0);
                write!(out, "{}/{}", Ipv4Addr::from_bits(address.to_bits() & kept), self.v4)
            }
            IpAddr::V6(address) => {
                let kept = u128::MAX.checked_shl(128 - u32::from(self.v6)).unwrap_or(0);
                write!(out, "{}/{}", Ipv6Addr::from_bits(address.to_bits() & kept), self.v6)
            }
        }
        .ok()
    }
}
