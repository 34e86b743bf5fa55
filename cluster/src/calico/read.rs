//! What the texts in Calico's objects say. Errors are in words, for a [`Problem`](crate::Problem).

use std::net::{IpAddr, SocketAddr};

use crate::prefix::shown;
use bgp::{Community, LargeCommunity};
use ipnet::IpNet;

/// A community of either kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AnyCommunity {
    Standard(Community),
    Large(LargeCommunity),
}

/// Reads a block; host bits are cleared.
pub(super) fn prefix(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .map(|prefix| prefix.trunc())
        .map_err(|_| format!("{} is no block of addresses, such as 10.244.0.0/16", shown(text)))
}

/// Reads an address.
pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("{} is no address, such as 10.1.2.3", shown(text)))
}

/// Reads an address, which may have a port: `10.1.2.3:1790`, `[fd00::1]:1790`.
pub(super) fn place(text: &str) -> Result<(IpAddr, Option<u16>), String> {
    let bare = text.parse::<IpAddr>().map(|address| (address, None));
    let with_port = || text.parse::<SocketAddr>().map(|place| (place.ip(), Some(place.port())));
    match bare.or_else(|_| with_port()) {
        Ok((_, Some(0))) => Err(format!("{} names port 0", shown(text))),
        Ok((address, _)) if address.is_unspecified() || address.is_multicast() => {
            Err(format!("{} is the address of nobody", shown(text)))
        }
        Ok(place) => Ok(place),
        Err(_) => {
            Err(format!("{} is no address, such as 10.1.2.3, 10.1.2.3:1790 or [fd00::1]:1790", shown(text)))
        }
    }
}

/// Reads a community of two or three numbers.
pub(super) fn community(text: &str) -> Result<AnyCommunity, String> {
    let standard = text.parse().map(AnyCommunity::Standard);
    standard
        .or_else(|_| text.parse().map(AnyCommunity::Large))
        .map_err(|_| format!("{} is no community, such as 65000:100 or 65000:1:100", shown(text)))
}

/// Reads a time as Go writes it (`1m30s`, `1.5h`) and rounds it to seconds.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("{} is no time, such as 90s or 1m30s", shown(text));
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, unit) = rest.split_at(digits);
        let length = unit.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(unit.len());
        let (unit, after) = unit.split_at(length);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        total += number.parse::<f64>().map_err(|_| wrong())? * seconds;
        rest = after;
    }
    if text.is_empty() { Err(wrong()) } else { Ok(total.round() as u64) }
}

/// Reads a time that must be within bounds, in seconds.
pub(super) fn seconds_within(text: &str, least: u16, most: u16) -> Result<u16, String> {
    let seconds = seconds(text)?;
    match u16::try_from(seconds) {
        Ok(seconds) if (least..=most).contains(&seconds) => Ok(seconds),
        _ => Err(format!("{text} is {seconds} s, which is not within {least} to {most}; the default holds")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_go_writes_them() {
        for (text, wanted) in [
            ("90s", 90),
            ("1m30s", 90),
            ("1h0m0.5s", 3601),
            ("1.5h", 5400),
            ("400ms", 0),
            ("1500ms", 2),
            ("0s", 0),
        ] {
            assert_eq!(seconds(text), Ok(wanted), "{text}");
        }
        for text in ["", "90", "s", "1d", "-5s", "1.2.3s", "1m 30s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
        assert_eq!(
            seconds_within("70000s", 1, 4095),
            Err("70000s is 70000 s, which is not within 1 to 4095; the default holds".into())
        );
    }

    #[test]
    fn places_may_have_a_port() {
        let place = |text| place(text).ok().map(|(address, port)| (address.to_string(), port));
        assert_eq!(place("10.0.0.1"), Some(("10.0.0.1".into(), None)));
        assert_eq!(place("10.0.0.1:1790"), Some(("10.0.0.1".into(), Some(1790))));
        assert_eq!(place("[fd00::1]:1790"), Some(("fd00::1".into(), Some(1790))));
        assert_eq!(place("fd00::1"), Some(("fd00::1".into(), None)));
        for text in ["", "10.0.0.1:0", "10.0.0", "0.0.0.0", "ff02::1", "tor-a"] {
            assert_eq!(place(text), None, "{text}");
        }
    }
}
