//! Address families.

use std::fmt;

use ipnet::IpNet;

/// An address family this speaker carries routes of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 unicast.
    Ipv4,
    /// IPv6 unicast.
    Ipv6,
}

/// The two numbers that name a family on the wire, known to us or not (RFC 4760 §3).
///
/// <https://www.iana.org/assignments/address-family-numbers>
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AfiSafi {
    /// The address family identifier.
    pub afi: u16,
    /// The subsequent address family identifier.
    pub safi: u8,
}

impl Family {
    /// Every family, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// Returns the family a prefix belongs to.
    #[must_use]
    pub fn of(prefix: &IpNet) -> Self {
        match prefix {
            IpNet::V4(_) => Self::Ipv4,
            IpNet::V6(_) => Self::Ipv6,
        }
    }

    /// Returns the numbers of the family.
    #[must_use]
    pub fn code(self) -> AfiSafi {
        match self {
            Self::Ipv4 => AfiSafi { afi: 1, safi: 1 },
            Self::Ipv6 => AfiSafi { afi: 2, safi: 1 },
        }
    }

    /// Returns the family of these numbers, if it is one of ours.
    #[must_use]
    pub fn from_code(code: AfiSafi) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.code() == code)
    }

    /// Returns the number of bits in an address.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        })
    }
}

/// A set of families.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FamilySet(u8);

impl FamilySet {
    /// The empty set.
    pub const NONE: Self = Self(0);
    /// The set of all families.
    pub const ALL: Self = Self(0b11);

    /// Adds a family.
    pub fn insert(&mut self, family: Family) {
        self.0 |= 1 << family as u8;
    }

    /// Takes a family out.
    pub fn remove(&mut self, family: Family) {
        self.0 &= !(1 << family as u8);
    }

    /// Tells whether the family is in the set.
    #[must_use]
    pub fn contains(self, family: Family) -> bool {
        self.0 & 1 << family as u8 != 0
    }

    /// Tells whether no family is in the set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the families that are in both sets.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Walks the families in order.
    pub fn iter(self) -> impl Iterator<Item = Family> {
        Family::ALL.into_iter().filter(move |&family| self.contains(family))
    }
}

impl FromIterator<Family> for FamilySet {
    fn from_iter<I: IntoIterator<Item = Family>>(families: I) -> Self {
        let mut set = Self::NONE;
        families.into_iter().for_each(|family| set.insert(family));
        set
    }
}

impl fmt::Debug for FamilySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
