//! The network of an address.

use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::scalar::Scalar;

/// How many bits of an address are kept.
#[derive(Clone, Copy)]
pub(super) struct Networks {
    v4: u8,
    v6: u8,
}

impl Networks {
    /// Takes the bits of IPv4 (0 to 32) and IPv6 (0 to 128); a larger number keeps all.
    pub(super) fn new(v4: u8, v6: u8) -> Self {
        Self { v4: v4.min(32), v6: v6.min(128) }
    }

    /// Appends the network of an address: `192.0.2.0/24`, `2001:db8::/48`. An IPv4 address mapped
    /// into IPv6 counts as IPv4: as IPv6 either all or nothing of it would be kept.
    pub(super) fn of(self, value: &Scalar<'_>, out: &mut String) -> Option<()> {
        let Scalar::Text(text) = value else { return None };
        let text = text.trim();
        // A zone (`fe80::1%eth0`) names an interface of the sender, not a network.
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
