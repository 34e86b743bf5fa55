//! Communities: tags routes carry from policy to policy.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::Asn;

/// A community (RFC 1997), written `asn:value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Community(pub u32);

impl Community {
    /// Please prefer any other path: the sender is about to leave (RFC 8326).
    pub const GRACEFUL_SHUTDOWN: Self = Self(0xFFFF_0000);
    /// The route is stale and kept only for want of better (RFC 9494).
    pub const LLGR_STALE: Self = Self(0xFFFF_0006);
    /// Do not keep this route as stale (RFC 9494).
    pub const NO_LLGR: Self = Self(0xFFFF_0007);
    /// Drop what goes to this prefix (RFC 7999).
    pub const BLACKHOLE: Self = Self(0xFFFF_029A);
    /// Not beyond this AS or confederation (RFC 1997).
    pub const NO_EXPORT: Self = Self(0xFFFF_FF01);
    /// To no other peer at all (RFC 1997).
    pub const NO_ADVERTISE: Self = Self(0xFFFF_FF02);
    /// To no external peer, not even inside the confederation (RFC 1997).
    pub const NO_EXPORT_SUBCONFED: Self = Self(0xFFFF_FF03);

    const NAMES: [(Self, &'static str); 7] = [
        (Self::GRACEFUL_SHUTDOWN, "graceful-shutdown"),
        (Self::LLGR_STALE, "llgr-stale"),
        (Self::NO_LLGR, "no-llgr"),
        (Self::BLACKHOLE, "blackhole"),
        (Self::NO_EXPORT, "no-export"),
        (Self::NO_ADVERTISE, "no-advertise"),
        (Self::NO_EXPORT_SUBCONFED, "no-export-subconfed"),
    ];
}

/// An extended community (RFC 4360): eight octets of which the first one or two are its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtendedCommunity(pub [u8; 8]);

impl ExtendedCommunity {
    /// Tells whether the community may cross an AS border (RFC 4360 §2: the second bit of the type).
    #[must_use]
    pub fn is_transitive(self) -> bool {
        let Self([kind, ..]) = self;
        kind & 0x40 == 0
    }

    /// Says how many octets a second fit through a link of ours (draft-ietf-idr-link-bandwidth §2). The community
    /// is not transitive, and has room for a 2-octet AS number only.
    #[must_use]
    pub fn of_link_bandwidth(asn: Asn, octets_per_second: f32) -> Self {
        let [high, low] = u16::try_from(asn.0).unwrap_or(Asn::TRANS.0 as u16).to_be_bytes();
        let [a, b, c, d] = octets_per_second.to_be_bytes();
        Self([0x40, 0x04, high, low, a, b, c, d])
    }

    /// Returns how many octets a second fit through a link, where the community says so and it is more than none.
    /// FRR says it with a transitive type, so both are understood.
    #[must_use]
    pub fn link_bandwidth(self) -> Option<f32> {
        let Self([0x00 | 0x40, 0x04, _, _, a, b, c, d]) = self else { return None };
        Some(f32::from_be_bytes([a, b, c, d])).filter(|bandwidth| bandwidth.is_finite() && *bandwidth > 0.0)
    }
}

/// A large community (RFC 8092), written `global:local1:local2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LargeCommunity {
    /// The AS that gives the other two their meaning.
    pub global: u32,
    /// The first operator-defined part.
    pub local1: u32,
    /// The second operator-defined part.
    pub local2: u32,
}

/// Says that a text is no community and what one looks like.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{text}' is not a community: write {form}")]
pub struct ParseCommunityError {
    text: String,
    form: &'static str,
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(community, _)| community == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{}:{}", self.0 >> 16, self.0 & 0xFFFF),
        }
    }
}

impl FromStr for Community {
    type Err = ParseCommunityError;

    fn from_str(text: &str) -> Result<Self, ParseCommunityError> {
        if let Some((community, _)) = Self::NAMES.iter().find(|(_, name)| *name == text) {
            return Ok(*community);
        }
        text.split_once(':')
            .and_then(|(asn, value)| Some((asn.parse::<u16>().ok()?, value.parse::<u16>().ok()?)))
            .map(|(asn, value)| Self(u32::from(asn) << 16 | u32::from(value)))
            .ok_or_else(|| ParseCommunityError {
                text: text.to_owned(),
                form: "asn:value, each 0 to 65535, or a well-known name such as no-export",
            })
    }
}

impl fmt::Display for ExtendedCommunity {
    /// Renders route target and route origin as the field writes them, the rest as octets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([kind, subkind, a, b, c, d, e, g]) = *self;
        if let Some(bandwidth) = self.link_bandwidth() {
            return write!(f, "bandwidth:{}:{bandwidth}", u16::from_be_bytes([a, b]));
        }
        let name = match subkind {
            0x02 => "rt",
            0x03 => "ro",
            _ => return write!(f, "0x{:016x}", u64::from_be_bytes(self.0)),
        };
        match kind & 0xBF {
            0x00 => {
                let (asn, value) = (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, g]));
                write!(f, "{name}:{asn}:{value}")
            }
            0x01 => write!(f, "{name}:{a}.{b}.{c}.{d}:{}", u16::from_be_bytes([e, g])),
            0x02 => {
                let (asn, value) = (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, g]));
                write!(f, "{name}:{asn}:{value}")
            }
            _ => write!(f, "0x{:016x}", u64::from_be_bytes(self.0)),
        }
    }
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.global, self.local1, self.local2)
    }
}

impl FromStr for LargeCommunity {
    type Err = ParseCommunityError;

    fn from_str(text: &str) -> Result<Self, ParseCommunityError> {
        let mut parts = text.split(':').map(|part| part.parse::<u32>().ok());
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Some(global)), Some(Some(local1)), Some(Some(local2)), None) => {
                Ok(Self { global, local1, local2 })
            }
            _ => Err(ParseCommunityError {
                text: text.to_owned(),
                form: "global:local1:local2, each 0 to 4294967295",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_read_back_as_written() {
        for text in ["no-export", "graceful-shutdown", "65001:100", "0:0"] {
            assert_eq!(text.parse::<Community>().unwrap().to_string(), text);
        }
        assert_eq!("4200000001:7:9".parse::<LargeCommunity>().unwrap().to_string(), "4200000001:7:9");
    }

    #[test]
    fn what_is_no_community_says_what_one_looks_like() {
        let error = "65536:1".parse::<Community>().unwrap_err();
        assert!(error.to_string().contains("asn:value"), "{error}");
        assert!("1:2".parse::<LargeCommunity>().is_err());
        assert!("1:2:3:4".parse::<LargeCommunity>().is_err());
    }

    #[test]
    fn a_link_bandwidth_is_a_number_above_zero_and_nothing_else() {
        let ten_gigabit = ExtendedCommunity::of_link_bandwidth(Asn(65001), 1.25e9);
        assert_eq!(ten_gigabit.0, [0x40, 0x04, 0xFD, 0xE9, 0x4E, 0x95, 0x02, 0xF9]);
        assert_eq!(ten_gigabit.link_bandwidth(), Some(1.25e9));
        assert_eq!(ten_gigabit.to_string(), "bandwidth:65001:1250000000");
        assert!(!ten_gigabit.is_transitive());
        assert_eq!(ExtendedCommunity::of_link_bandwidth(Asn(4_200_000_000), 1.0).0[2..4], [0x5B, 0xA0]);
        for senseless in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert_eq!(ExtendedCommunity::of_link_bandwidth(Asn(1), senseless).link_bandwidth(), None);
        }
        assert_eq!(ExtendedCommunity([0, 2, 0, 0, 0x4E, 0x95, 0x02, 0xF9]).link_bandwidth(), None);
    }

    #[test]
    fn route_targets_are_rendered_by_their_kind() {
        let two_octet = ExtendedCommunity([0, 2, 0xFD, 0xE9, 0, 0, 0, 7]);
        assert_eq!(two_octet.to_string(), "rt:65001:7");
        assert!(two_octet.is_transitive());
        assert!(!ExtendedCommunity([0x40, 4, 0, 0, 0, 0, 0, 0]).is_transitive());
    }
}
