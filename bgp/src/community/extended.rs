//! Extended communities, and how they are written.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use super::ParseCommunityError;
use crate::Asn;

/// An extended community (RFC 4360): eight octets of which the first one or two are its type.
///
/// Written `rt:65000:1` (route target), `ro:65000:1` (route origin), each also with an IPv4 address or a large AS
/// in the middle, `link-bandwidth:65000:125000000` (octets per second), or `0x` and sixteen hexadecimal digits. What is
/// written reads back as the same octets; whatever the short forms cannot say is written in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtendedCommunity(pub [u8; 8]);

/// The types whose middle is an AS of two octets, an IPv4 address, and an AS of four (RFC 4360 §3, RFC 5668).
const TWO_OCTET_AS: u8 = 0x00;
const IPV4_ADDRESS: u8 = 0x01;
const FOUR_OCTET_AS: u8 = 0x02;
/// The second octet of a link bandwidth, the first being [`ExtendedCommunity::NON_TRANSITIVE`] or, from FRR, zero.
const LINK_BANDWIDTH: u8 = 0x04;
/// Words for the second octet (RFC 4360 §4, §5).
const NAMES: [(u8, &str); 2] = [(0x02, "rt"), (0x03, "ro")];

impl ExtendedCommunity {
    /// The bit of the first octet that keeps a community within an AS (RFC 4360 §2).
    const NON_TRANSITIVE: u8 = 0x40;

    /// Tells whether the community may cross an AS border (RFC 4360 §2: the second bit of the type).
    #[must_use]
    pub fn is_transitive(self) -> bool {
        let Self([kind, ..]) = self;
        kind & Self::NON_TRANSITIVE == 0
    }

    /// Says how many octets a second fit through a link of ours (draft-ietf-idr-link-bandwidth §2). The community
    /// is not transitive, and has room for a 2-octet AS number only.
    #[must_use]
    pub fn of_link_bandwidth(asn: Asn, octets_per_second: f32) -> Self {
        let [high, low] = u16::try_from(asn.0).unwrap_or(Asn::TRANS.0 as u16).to_be_bytes();
        let [a, b, c, d] = octets_per_second.to_be_bytes();
        Self([Self::NON_TRANSITIVE, LINK_BANDWIDTH, high, low, a, b, c, d])
    }

    /// Returns how many octets a second fit through a link, where the community says so and it is more than none.
    /// FRR says it with a transitive type, so both are understood.
    #[must_use]
    pub fn link_bandwidth(self) -> Option<f32> {
        let Self([0x00 | Self::NON_TRANSITIVE, LINK_BANDWIDTH, _, _, a, b, c, d]) = self else { return None };
        Some(f32::from_be_bytes([a, b, c, d])).filter(|bandwidth| bandwidth.is_finite() && *bandwidth > 0.0)
    }

    /// Reads a short form without its last part, such as `rt:65000`: the octets all of its communities begin with,
    /// and how many of the eight these are.
    #[must_use]
    pub fn parse_prefix(text: &str) -> Option<(Self, usize)> {
        let (name, middle) = text.split_once(':')?;
        let (subkind, _) = NAMES.into_iter().find(|(_, known)| *known == name)?;
        if let Ok(asn) = middle.parse::<u16>() {
            let [a, b] = asn.to_be_bytes();
            return Some((Self([TWO_OCTET_AS, subkind, a, b, 0, 0, 0, 0]), 4));
        }
        let (kind, [a, b, c, d]) = match middle.parse::<u32>() {
            Ok(asn) => (FOUR_OCTET_AS, asn.to_be_bytes()),
            Err(_) => (IPV4_ADDRESS, middle.parse::<Ipv4Addr>().ok()?.octets()),
        };
        Some((Self([kind, subkind, a, b, c, d, 0, 0]), 6))
    }

    fn parse(text: &str) -> Option<Self> {
        if let Some(digits) = text.strip_prefix("0x") {
            let plain = digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            return u64::from_str_radix(digits, 16).ok().filter(|_| plain).map(|all| Self(all.to_be_bytes()));
        }
        if let Some(link_bandwidth) = text.strip_prefix("link-bandwidth:") {
            let (asn, rate) = link_bandwidth.split_once(':')?;
            let [a, b] = asn.parse::<u16>().ok()?.to_be_bytes();
            let [c, d, e, f] = (rate.parse::<u64>().ok()? as f32).to_be_bytes();
            return Some(Self([Self::NON_TRANSITIVE, LINK_BANDWIDTH, a, b, c, d, e, f]));
        }
        let (front, value) = text.rsplit_once(':')?;
        let (Self([kind, subkind, a, b, c, d, ..]), length) = Self::parse_prefix(front)?;
        Some(if length == 4 {
            let [c, d, e, f] = value.parse::<u32>().ok()?.to_be_bytes();
            Self([kind, subkind, a, b, c, d, e, f])
        } else {
            let [e, f] = value.parse::<u16>().ok()?.to_be_bytes();
            Self([kind, subkind, a, b, c, d, e, f])
        })
    }

    /// Returns the short form, of which there may be several readings: the caller sees to that.
    fn short_form(self) -> Option<String> {
        let Self([kind, subkind, a, b, c, d, e, f]) = self;
        if (kind, subkind) == (Self::NON_TRANSITIVE, LINK_BANDWIDTH) {
            let rate = f32::from_be_bytes([c, d, e, f]);
            return Some(format!("link-bandwidth:{}:{}", u16::from_be_bytes([a, b]), rate as u64));
        }
        let (_, name) = NAMES.into_iter().find(|(known, _)| *known == subkind)?;
        let (large, small) = (u32::from_be_bytes([c, d, e, f]), u16::from_be_bytes([e, f]));
        Some(match kind {
            TWO_OCTET_AS => format!("{name}:{}:{large}", u16::from_be_bytes([a, b])),
            IPV4_ADDRESS => format!("{name}:{a}.{b}.{c}.{d}:{small}"),
            FOUR_OCTET_AS => format!("{name}:{}:{small}", u32::from_be_bytes([a, b, c, d])),
            _ => return None,
        })
    }
}

impl fmt::Display for ExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.short_form().filter(|short| Self::parse(short) == Some(*self)) {
            Some(short) => f.write_str(&short),
            None => write!(f, "0x{:016x}", u64::from_be_bytes(self.0)),
        }
    }
}

impl FromStr for ExtendedCommunity {
    type Err = ParseCommunityError;

    fn from_str(text: &str) -> Result<Self, ParseCommunityError> {
        Self::parse(text).ok_or_else(|| ParseCommunityError {
            text: text.to_owned(),
            form: "rt:65000:1, ro:65000:1, link-bandwidth:65000:125000000 or 0x and 16 digits",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_as_the_same_octets() {
        for (text, octets) in [
            ("rt:65001:7", [0, 2, 0xFD, 0xE9, 0, 0, 0, 7]),
            ("ro:65001:4294967295", [0, 3, 0xFD, 0xE9, 0xFF, 0xFF, 0xFF, 0xFF]),
            ("rt:192.0.2.1:9", [1, 2, 192, 0, 2, 1, 0, 9]),
            ("rt:4200000001:9", [2, 2, 0xFA, 0x56, 0xEA, 0x01, 0, 9]),
            ("link-bandwidth:65001:125000000", [0x40, 4, 0xFD, 0xE9, 0x4C, 0xEE, 0x6B, 0x28]),
            ("0x030b000000000064", [3, 0x0B, 0, 0, 0, 0, 0, 100]),
        ] {
            assert_eq!(text.parse(), Ok(ExtendedCommunity(octets)), "{text}");
            assert_eq!(ExtendedCommunity(octets).to_string(), text);
        }
    }

    #[test]
    fn octets_no_short_form_reads_as_are_written_in_hexadecimal() {
        let small_as_in_four_octets = ExtendedCommunity([2, 2, 0, 0, 0xFD, 0xE9, 0, 7]);
        assert_eq!(small_as_in_four_octets.to_string(), "0x02020000fde90007");
        let not_transitive = ExtendedCommunity([0x40, 2, 0xFD, 0xE9, 0, 0, 0, 7]);
        assert_eq!(not_transitive.to_string(), "0x4002fde900000007");
        assert!(!not_transitive.is_transitive());
        for rate in [f32::NAN, -1.0, 0.5, f32::INFINITY] {
            let [c, d, e, f] = rate.to_be_bytes();
            let community = ExtendedCommunity([0x40, 4, 0, 1, c, d, e, f]);
            assert_eq!(community.to_string().parse(), Ok(community), "{rate}");
        }
    }

    #[test]
    fn a_link_bandwidth_is_a_number_above_zero_and_nothing_else() {
        let ten_gigabit = ExtendedCommunity::of_link_bandwidth(Asn(65001), 1.25e9);
        assert_eq!(ten_gigabit.0, [0x40, 0x04, 0xFD, 0xE9, 0x4E, 0x95, 0x02, 0xF9]);
        assert_eq!(ten_gigabit.link_bandwidth(), Some(1.25e9));
        assert_eq!(ten_gigabit.to_string(), "link-bandwidth:65001:1250000000");
        assert!(!ten_gigabit.is_transitive());
        assert_eq!(ExtendedCommunity::of_link_bandwidth(Asn(4_200_000_000), 1.0).0[2..4], [0x5B, 0xA0]);
        for senseless in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert_eq!(ExtendedCommunity::of_link_bandwidth(Asn(1), senseless).link_bandwidth(), None);
        }
        assert_eq!(ExtendedCommunity([0, 2, 0, 0, 0x4E, 0x95, 0x02, 0xF9]).link_bandwidth(), None);
        assert_eq!(ExtendedCommunity([0, 4, 0, 0, 0x4E, 0x95, 0x02, 0xF9]).link_bandwidth(), Some(1.25e9));
    }

    #[test]
    fn what_is_no_extended_community_is_refused() {
        for text in [
            "",
            "rt",
            "rt:1",
            "rt:1:2:3",
            "rt:4294967296:1",
            "rt:65536:65536",
            "xx:1:2",
            "0x12",
            "0x+000000000000001",
        ] {
            assert!(text.parse::<ExtendedCommunity>().is_err(), "{text}");
        }
    }
}
