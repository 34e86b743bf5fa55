//! BGP roles: what two ASes are to each other, said by both (RFC 9234).
//!
//! A role says who pays whom for transit, and so which routes must not go on. Both ends are configured apart; that
//! each says its own in its OPEN is what finds out that somebody got it wrong before a route leaks.

use std::fmt;

use crate::Capability;

/// What we are to the peer (RFC 9234 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Gives the peer transit.
    Provider,
    /// A route server, and the peer its client.
    RouteServer,
    /// A client of the peer, a route server.
    RouteServerClient,
    /// Gets transit from the peer.
    Customer,
    /// Exchanges own and customers' routes with the peer.
    Peer,
}

impl Role {
    /// Every role with its code in the capability and its word.
    const TABLE: [(Self, u8, &'static str); 5] = [
        (Self::Provider, 0, "provider"),
        (Self::RouteServer, 1, "rs"),
        (Self::RouteServerClient, 2, "rs-client"),
        (Self::Customer, 3, "customer"),
        (Self::Peer, 4, "peer"),
    ];

    /// Every role with the word a file has for it.
    pub const WORDS: [(&'static str, Self); 5] = {
        let [a, b, c, d, e] = Self::TABLE;
        [(a.2, a.0), (b.2, b.0), (c.2, c.0), (d.2, d.0), (e.2, e.0)]
    };

    /// Returns the value of the capability.
    #[must_use]
    pub fn code(self) -> u8 {
        Self::TABLE.iter().find(|(role, ..)| *role == self).map_or(u8::MAX, |&(_, code, _)| code)
    }

    /// Returns the role of a capability's value, if it is one.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::TABLE.iter().find(|(_, other, _)| *other == code).map(|&(role, ..)| role)
    }

    /// Returns what the peer must be to us (RFC 9234 §4.2, table 2).
    #[must_use]
    pub fn counterpart(self) -> Self {
        match self {
            Self::Provider => Self::Customer,
            Self::Customer => Self::Provider,
            Self::RouteServer => Self::RouteServerClient,
            Self::RouteServerClient => Self::RouteServer,
            Self::Peer => Self::Peer,
        }
    }

    /// Finds the role in the capabilities of an OPEN of ours.
    pub(crate) fn among(capabilities: &[Capability]) -> Option<Self> {
        codes(capabilities).find_map(Self::from_code)
    }

    /// Tells what is wrong with what the peer says it is, if anything (RFC 9234 §4.2).
    ///
    /// A peer that says nothing is fine unless `required`; one that says the same thing twice says it once.
    pub(crate) fn mismatch(self, required: bool, theirs: &[Capability]) -> Option<String> {
        let wanted = self.counterpart();
        match codes(theirs).find(|&code| code != wanted.code()) {
            Some(code) => {
                let said =
                    Self::from_code(code).map_or_else(|| format!("role {code}"), |role| role.to_string());
                Some(format!("we are {self}, so the peer must be {wanted}, and says it is {said}"))
            }
            None if required && codes(theirs).next().is_none() => {
                Some(format!("we are {self} and require a role, and the peer says none"))
            }
            None => None,
        }
    }
}

fn codes(capabilities: &[Capability]) -> impl Iterator<Item = u8> {
    capabilities.iter().filter_map(|capability| match capability {
        Capability::Role(code) => Some(*code),
        _ => None,
    })
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::TABLE.iter().find(|(role, ..)| role == self).map_or("", |&(.., word)| word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_survives_its_code_and_is_its_counterparts_counterpart() {
        for (_, role) in Role::WORDS {
            assert_eq!(Role::from_code(role.code()), Some(role));
            assert_eq!(role.counterpart().counterpart(), role);
        }
        assert_eq!(Role::from_code(5), None);
    }

    #[test]
    fn only_the_counterpart_goes_with_a_role() {
        for (_, ours) in Role::WORDS {
            for code in 0..=u8::MAX {
                let fits = ours.counterpart().code() == code;
                assert_eq!(ours.mismatch(true, &[Capability::Role(code)]).is_none(), fits, "{ours} {code}");
            }
        }
    }

    #[test]
    fn a_peer_may_be_silent_unless_a_role_is_required() {
        assert_eq!(Role::Customer.mismatch(false, &[]), None);
        assert!(Role::Customer.mismatch(true, &[]).is_some());
    }

    #[test]
    fn a_role_said_twice_counts_once_and_two_roles_are_none() {
        let (provider, customer) = (Capability::Role(0), Capability::Role(3));
        assert_eq!(Role::Customer.mismatch(true, &[provider.clone(), provider.clone()]), None);
        assert!(Role::Customer.mismatch(false, &[provider, customer]).is_some());
    }
}
