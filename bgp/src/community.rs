//! Communities: tags routes carry from policy to policy.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

mod extended;

pub use extended::ExtendedCommunity;

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
}
