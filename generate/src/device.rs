//! What people look at a shop with: programs, screens, addresses.

use super::{
    draw::Draw,
    text::{put, put_hex_group, put_number},
};

/// A device and the browser on it.
pub(super) struct Device {
    pub(super) kind: &'static str,
    pub(super) user_agent: &'static str,
    pub(super) screen: &'static str,
}

/// A device, as short as a table wants it.
const fn device(kind: &'static str, screen: &'static str, user_agent: &'static str) -> Device {
    Device { kind, user_agent, screen }
}

/// Every device.
pub(super) static DEVICES: [Device; 8] = [
    device("desktop", "1920x1080", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
    device("mobile", "402x874", "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) Mobile/15E148"),
    device("mobile", "412x915", "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/142.0 Mobile"),
    device("desktop", "2560x1440", "ExampleShop/7.3 (Windows NT 10.0; Win64; x64)"),
    device(
        "desktop",
        "1536x864",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36",
    ),
    device(
        "desktop",
        "1440x900",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_7) AppleWebKit/605.1.15 Version/26.1 Safari/605.1.15",
    ),
    device("tablet", "820x1180", "Mozilla/5.0 (iPad; CPU OS 26_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"),
    device("mobile", "360x800", "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0"),
];

/// How many of the devices, from the first on, events of accounts name: drawn as they were when
/// there were no others.
pub(super) const ACCOUNT_DEVICES: u64 = 4;

/// Appends a drawn address.
pub(super) fn put_ip(out: &mut Vec<u8>, draw: &mut Draw) {
    put_ip_of(out, draw.bits());
}

/// Appends the address of these bits, one of the ranges for documentation (RFC 5737, RFC 3849): one
/// in four is IPv6.
pub(super) fn put_ip_of(out: &mut Vec<u8>, bits: u64) {
    const NETS: [&str; 3] = ["192.0.2.", "198.51.100.", "203.0.113."];
    if bits.is_multiple_of(4) {
        // Two groups of zeros at least, and none outside of them: the canonical form of RFC 5952.
        put(out, "2001:db8:");
        put_hex_group(out, (bits >> 8) | 1);
        out.push(b':');
        put_hex_group(out, (bits >> 24) | 1);
        put(out, "::");
        put_hex_group(out, (bits >> 40) | 1);
    } else {
        put(out, NETS[(bits >> 8) as usize % NETS.len()]);
        put_number(out, 1 + (bits >> 16) % 254);
    }
}
