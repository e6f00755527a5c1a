//! IP addresses in a text; the standard library parses them.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    ops::Range,
};

use super::{
    around,
    context::{Context, words_before},
};

/// Returns the IPv4 address that begins with this digit. A version or a chapter number can look the
/// same: the word before it decides.
pub(super) fn v4_at(text: &str, at: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    if !around::begins(bytes, at, b"-.,") {
        return None;
    }
    let mut end = at;
    for part in 0..4 {
        if part > 0 {
            if bytes.get(end) != Some(&b'.') {
                return None;
            }
            end += 1;
        }
        let length = around::digits(bytes, end);
        if !(1..=3).contains(&length) {
            return None;
        }
        end += length;
    }
    let is_address = around::ends(bytes, end, b"-.") && text[at..end].parse::<Ipv4Addr>().is_ok();
    (is_address && words_before(text, at) != Context::Version).then_some(at..end)
}

/// Returns whether a colon can be part of an IPv6 address: another colon or a hexadecimal digit
/// follows.
pub(super) fn may_be_v6(bytes: &[u8], colon: usize) -> bool {
    bytes.get(colon + 1).is_some_and(|next| *next == b':' || next.is_ascii_hexdigit())
}

/// Returns the IPv6 address around a colon, without the text before `from`, and the end of the
/// characters that could have been part of one.
pub(super) fn v6_around(text: &str, colon: usize, from: usize) -> (Option<Range<usize>>, usize) {
    let bytes = text.as_bytes();
    let left = bytes[from..colon].iter().rev().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let is_part = |byte: &&u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let end = colon + bytes[colon..].iter().take_while(is_part).count();
    // The end of a sentence.
    let mut last = end - bytes[..end].iter().rev().take_while(|byte| **byte == b'.').count();
    if text[..last].ends_with(':') && !text[..last].ends_with("::") {
        last -= 1;
    }
    let mut start = colon - left;
    // `IPv6:2001:db8::1`: a word can precede the first colons.
    for _ in 0..4 {
        if start >= last {
            break;
        }
        if bytes[start] == b':' && bytes.get(start + 1) != Some(&b':') {
            start += 1;
        }
        if around::begins(bytes, start, b"") && around::ends(bytes, last, b"") && is_address(&text[start..last]) {
            return (Some(start..last), end);
        }
        match bytes[start..last].iter().position(|byte| *byte == b':') {
            Some(next) => start += next + 1,
            None => break,
        }
    }
    (None, end)
}

/// Returns whether it is an address, and neither the `a::b` of a program nor the eight octets of a
/// device.
fn is_address(text: &str) -> bool {
    if text.len() < 3 || text.parse::<Ipv6Addr>().is_err() {
        return false;
    }
    let groups = || text.split(':').filter(|group| !group.is_empty());
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    let octets = !text.contains("::") && groups().all(|group| group.len() == 2);
    let short = !text.starts_with("::") && groups().map(str::len).sum::<usize>() < 4;
    (has_digit || groups().count() >= 3) && !octets && !short
}
