//! The query of a target: how parameters are written and read.

use std::fmt::Write as _;

use ipnet::IpNet;

use crate::{ErrorCode, ErrorView};

/// Writes a path with its query.
pub(crate) fn query(path: &str, pairs: &[(&str, String)]) -> String {
    let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("{key}={}", escape(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// Hands on each parameter of a query.
pub(crate) fn pairs(
    query: &str,
    mut take: impl FnMut(&str, String) -> Result<(), ErrorView>,
) -> Result<(), ErrorView> {
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        take(key, unescape(value)?)?;
    }
    Ok(())
}

pub(crate) fn set<T>(slot: &mut Option<T>, key: &str, value: T) -> Result<(), ErrorView> {
    if slot.replace(value).is_some() {
        return Err(bad_request(format!("parameter `{key}` is there twice")));
    }
    Ok(())
}

pub(crate) fn truth(key: &str, value: &str) -> Result<bool, ErrorView> {
    parsed(key, value, "true")
}

/// Reads a prefix and clears its host bits, as routers do.
pub(crate) fn prefix(key: &str, value: &str) -> Result<IpNet, ErrorView> {
    Ok(parsed::<IpNet>(key, value, "10.1.2.0/24")?.trunc())
}

pub(crate) fn parsed<T: std::str::FromStr>(key: &str, value: &str, example: &str) -> Result<T, ErrorView> {
    let wrong = |_| bad_request(format!("{key}: `{value}` is not understood"));
    value.parse().map_err(wrong).map_err(|error| error.with_hint(format!("write it like {key}={example}")))
}

pub(crate) fn bad_request(error: impl Into<String>) -> ErrorView {
    ErrorView::new(ErrorCode::BadRequest, error)
}

/// Percent-encodes what has a meaning of its own in a path or a query (RFC 3986 §2.1)..
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                escaped.push(octet as char)
            }
            _ => write!(escaped, "%{octet:02X}").expect("a String takes everything"),
        }
    }
    escaped
}

pub(crate) fn unescape(text: &str) -> Result<String, ErrorView> {
    let wrong = || bad_request(format!("`{text}` is not percent-encoded UTF-8"));
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let digits = [rest.next().ok_or_else(wrong)?, rest.next().ok_or_else(wrong)?];
        let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
        let value = high.zip(low).ok_or_else(wrong)?;
        octets.push((value.0 * 16 + value.1) as u8);
    }
    String::from_utf8(octets).map_err(|_| wrong())
}
