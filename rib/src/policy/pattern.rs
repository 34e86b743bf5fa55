//! Wildcards for communities: `65000:*`.

use std::fmt;
use std::str::FromStr;

use bgp::{Community, ExtendedCommunity, LargeCommunity};

/// A kind of community.
pub trait Tag: Copy + Ord + fmt::Debug + FromStr {
    /// The community of nothing but ones.
    const ONES: Self;

    /// Keeps the bits that are ones in the other, too.
    #[must_use]
    fn and(self, mask: Self) -> Self;

    /// Reads what is no community but stands for many: the bits they have in common, and which these are.
    fn wildcard(text: &str) -> Option<(Self, Self)>;
}

/// Communities of one kind that have some of their bits in common: all of them, or some parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern<T> {
    /// Zero where the mask is.
    value: T,
    mask: T,
}

/// Says that a text stands for no communities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPattern;

impl<T: Tag> Pattern<T> {
    /// Tells whether a community is one of these.
    #[must_use]
    pub fn matches(&self, tag: T) -> bool {
        tag.and(self.mask) == self.value
    }

    /// Returns the community if it is only one.
    pub(super) fn exact(&self) -> Option<T> {
        (self.mask == T::ONES).then_some(self.value)
    }
}

impl<T: Tag> From<T> for Pattern<T> {
    fn from(tag: T) -> Self {
        Self { value: tag, mask: T::ONES }
    }
}

impl<T: Tag> FromStr for Pattern<T> {
    type Err = NoPattern;

    /// Reads a community, or one with `*` in the place of a part.
    fn from_str(text: &str) -> Result<Self, NoPattern> {
        match text.parse::<T>() {
            Ok(tag) => Ok(Self::from(tag)),
            Err(_) => T::wildcard(text).map(|(value, mask)| Self { value, mask }).ok_or(NoPattern),
        }
    }
}

impl Tag for Community {
    const ONES: Self = Self(u32::MAX);

    fn and(self, mask: Self) -> Self {
        Self(self.0 & mask.0)
    }

    /// Reads `65000:*`, `*:100` or `*`.
    fn wildcard(text: &str) -> Option<(Self, Self)> {
        if text == "*" {
            return Some((Self(0), Self(0)));
        }
        let (asn, value) = text.split_once(':')?;
        let part = |part: &str| match part {
            "*" => Some((0, 0)),
            part => Some((u32::from(part.parse::<u16>().ok()?), 0xFFFF)),
        };
        let ((asn, asn_mask), (value, value_mask)) = (part(asn)?, part(value)?);
        Some((Self(asn << 16 | value), Self(asn_mask << 16 | value_mask)))
    }
}

impl Tag for LargeCommunity {
    const ONES: Self = Self { global: u32::MAX, local1: u32::MAX, local2: u32::MAX };

    fn and(self, mask: Self) -> Self {
        Self {
            global: self.global & mask.global,
            local1: self.local1 & mask.local1,
            local2: self.local2 & mask.local2,
        }
    }

    /// Reads `65000:*:*`, `*:1:2` and the like, or `*`.
    fn wildcard(text: &str) -> Option<(Self, Self)> {
        let zero = Self { global: 0, local1: 0, local2: 0 };
        if text == "*" {
            return Some((zero, zero));
        }
        let part = |part: &str| match part {
            "*" => Some((0, 0)),
            part => Some((part.parse::<u32>().ok()?, u32::MAX)),
        };
        let parts = text.split(':').map(part).collect::<Option<Vec<_>>>()?;
        let [(global, first), (local1, second), (local2, third)] = parts[..] else { return None };
        Some((Self { global, local1, local2 }, Self { global: first, local1: second, local2: third }))
    }
}

impl Tag for ExtendedCommunity {
    const ONES: Self = Self([0xFF; 8]);

    fn and(self, mask: Self) -> Self {
        Self((u64::from_be_bytes(self.0) & u64::from_be_bytes(mask.0)).to_be_bytes())
    }

    /// Reads `rt:65000:*` and the like, or `*`.
    fn wildcard(text: &str) -> Option<(Self, Self)> {
        if text == "*" {
            return Some((Self([0; 8]), Self([0; 8])));
        }
        let (value, length) = Self::parse_prefix(text.strip_suffix(":*")?)?;
        let octets = std::array::from_fn(|index| if index < length { 0xFF } else { 0 });
        Some((value, Self(octets)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches<T: Tag>(pattern: &str, text: &str) -> bool
    where
        T::Err: fmt::Debug,
    {
        pattern.parse::<Pattern<T>>().unwrap().matches(text.parse().unwrap())
    }

    #[test]
    fn a_star_is_any_number_in_its_place() {
        for (pattern, yes, no) in [
            ("65000:1", "65000:1", "65000:2"),
            ("65000:*", "65000:7", "65001:7"),
            ("*:7", "65000:7", "65000:8"),
            ("65535:*", "no-export", "65000:1"),
        ] {
            assert!(matches::<Community>(pattern, yes), "{pattern}");
            assert!(!matches::<Community>(pattern, no), "{pattern}");
        }
        for (pattern, yes, no) in [
            ("65000:*:*", "65000:1:2", "65001:1:2"),
            ("*:1:*", "65000:1:2", "65000:2:2"),
            ("65000:1:2", "65000:1:2", "65000:1:3"),
        ] {
            assert!(matches::<LargeCommunity>(pattern, yes), "{pattern}");
            assert!(!matches::<LargeCommunity>(pattern, no), "{pattern}");
        }
        for (pattern, yes, no) in [
            ("rt:65000:*", "rt:65000:1", "ro:65000:1"),
            ("rt:4200000001:*", "rt:4200000001:1", "rt:4200000002:1"),
            ("ro:192.0.2.1:*", "ro:192.0.2.1:9", "ro:192.0.2.2:9"),
        ] {
            assert!(matches::<ExtendedCommunity>(pattern, yes), "{pattern}");
            assert!(!matches::<ExtendedCommunity>(pattern, no), "{pattern}");
        }
        assert!(matches::<Community>("*", "65000:1"));
        assert!(matches::<LargeCommunity>("*", "1:2:3"));
        assert!(matches::<ExtendedCommunity>("*", "rt:1:1"));
    }

    #[test]
    fn a_star_stands_for_a_whole_number_only() {
        for text in ["", "65000:1*", "65536:*", "*:*:*", "65000"] {
            assert_eq!(text.parse::<Pattern<Community>>(), Err(NoPattern), "{text}");
        }
        for text in ["65000:*", "1:2:3:*", "*:x:1"] {
            assert_eq!(text.parse::<Pattern<LargeCommunity>>(), Err(NoPattern), "{text}");
        }
        for text in ["rt:*", "rt:*:1", "65000:*", "rt:x:*"] {
            assert_eq!(text.parse::<Pattern<ExtendedCommunity>>(), Err(NoPattern), "{text}");
        }
    }
}
