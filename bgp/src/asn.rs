//! Autonomous system numbers.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// A 4-octet autonomous system number (RFC 6793).
///
/// Zero is representable because it appears on the wire as an error (RFC 7607); [`Asn::is_reserved`] tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asn(pub u32);

impl Asn {
    /// Stands in a 2-octet field for a number that does not fit it (RFC 6793 §9).
    pub const TRANS: Self = Self(23456);

    /// Returns what a 2-octet field says of this number: itself, or [`Asn::TRANS`].
    #[must_use]
    pub fn to_two_octets(self) -> u16 {
        u16::try_from(self.0).unwrap_or(23456)
    }

    /// Tells whether no speaker may use this number: 0 (RFC 7607) or the stand-in 23456.
    #[must_use]
    pub fn is_reserved(self) -> bool {
        self.0 == 0 || self == Self::TRANS
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Asn {
    type Err = ParseIntError;

    /// Reads asplain (`4200000001`) or asdot (`64086.59905`) notation (RFC 5396).
    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        match text.split_once('.') {
            Some((high, low)) => {
                let (high, low): (u16, u16) = (high.parse()?, low.parse()?);
                Ok(Self(u32::from(high) << 16 | u32::from(low)))
            }
            None => text.parse().map(Self),
        }
    }
}

impl From<u32> for Asn {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_above_two_octets_are_rendered_as_as_trans() {
        assert_eq!(Asn(65_535).to_two_octets(), 65_535);
        assert_eq!(Asn(65_536).to_two_octets(), 23_456);
    }

    #[test]
    fn both_notations_are_read() {
        assert_eq!("65001".parse(), Ok(Asn(65_001)));
        assert_eq!("1.0".parse(), Ok(Asn(65_536)));
        assert!("1.70000".parse::<Asn>().is_err());
    }
}
