//! Router solicitations and advertisements (RFC 4861 §4.1, §4.2), as far as finding a peer takes.

use std::net::Ipv6Addr;

/// The ICMPv6 types.
pub(super) const SOLICITATION: u8 = 133;
pub(super) const ADVERTISEMENT: u8 = 134;

/// The hop limit that shows that no router was crossed (RFC 4861 §6.1).
pub(super) const HOP_LIMIT: u8 = 255;

/// What two neighbours say to find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// "Who is there?"
    Solicitation,
    /// "I am."
    Advertisement,
}

impl Message {
    /// Writes the message. The kernel fills in the checksum.
    ///
    /// In an advertisement everything is zero: no router to be used, and no word on any parameter of the link.
    pub(super) fn write(self) -> Vec<u8> {
        let (kind, length) = match self {
            Self::Solicitation => (SOLICITATION, 8),
            Self::Advertisement => (ADVERTISEMENT, 16),
        };
        let mut octets = vec![0; length];
        octets[0] = kind;
        octets
    }

    /// Reads a message; `None` of one that a neighbour does not send (RFC 4861 §6.1.1, §6.1.2). The kernel has
    /// checked the checksum.
    pub(super) fn read(octets: &[u8], from: Ipv6Addr, hop_limit: u8) -> Option<Self> {
        let (message, options) = match octets {
            [SOLICITATION, 0, ..] => (Self::Solicitation, octets.get(8..)?),
            [ADVERTISEMENT, 0, ..] => (Self::Advertisement, octets.get(16..)?),
            _ => return None,
        };
        let from_here = match message {
            // Who asks may not have an address yet.
            Self::Solicitation => from.is_unicast_link_local() || from.is_unspecified(),
            Self::Advertisement => from.is_unicast_link_local(),
        };
        (hop_limit == HOP_LIMIT && from_here && are_whole(options)).then_some(message)
    }
}

/// Tells whether options fill their room: each has a length, counted in eight octets and never zero.
fn are_whole(mut options: &[u8]) -> bool {
    while let [_, rest @ ..] = options {
        let length = rest.first().map_or(0, |&length| usize::from(length) * 8);
        match options.get(length..) {
            Some(after) if length > 0 => options = after,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEIGHBOUR: Ipv6Addr = Ipv6Addr::new(0xFE80, 0, 0, 0, 0, 0, 0, 1);

    fn read(octets: &[u8]) -> Option<Message> {
        Message::read(octets, NEIGHBOUR, HOP_LIMIT)
    }

    #[test]
    fn what_we_write_we_read() {
        for message in [Message::Solicitation, Message::Advertisement] {
            assert_eq!(read(&message.write()), Some(message));
        }
    }

    #[test]
    fn our_advertisement_makes_nobody_use_us_as_router() {
        let octets = Message::Advertisement.write();
        assert_eq!(octets[6..8], [0, 0], "router lifetime");
        assert_eq!(octets[5], 0, "flags");
    }

    #[test]
    fn an_advertisement_of_a_router_with_options_is_one() {
        // Hop limit 64, lifetime 1800, source link-layer address, MTU 1500.
        let octets = [
            134, 0, 0x12, 0x34, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, //
            1, 1, 2, 0, 0, 0, 0, 1, //
            5, 1, 0, 0, 0, 0, 5, 0xDC,
        ];
        assert_eq!(read(&octets), Some(Message::Advertisement));
    }

    #[test]
    fn what_crossed_a_router_is_not_heard() {
        let octets = Message::Advertisement.write();
        assert_eq!(Message::read(&octets, NEIGHBOUR, 254), None);
    }

    #[test]
    fn an_advertisement_comes_from_a_link_local_address() {
        let octets = Message::Advertisement.write();
        for from in ["2001:db8::1", "::", "ff02::1"] {
            assert_eq!(Message::read(&octets, from.parse().unwrap(), HOP_LIMIT), None, "{from}");
        }
    }

    #[test]
    fn who_asks_may_have_no_address_yet() {
        let octets = Message::Solicitation.write();
        assert_eq!(Message::read(&octets, Ipv6Addr::UNSPECIFIED, HOP_LIMIT), Some(Message::Solicitation));
    }

    #[test]
    fn nonsense_is_not_heard() {
        let advertisement = Message::Advertisement.write();
        let with = |options: &[u8]| read(&[&advertisement, options].concat());
        assert_eq!(read(&[]), None);
        assert_eq!(read(&advertisement[..15]), None, "cut short");
        assert_eq!(read(&[134, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None, "a code");
        assert_eq!(read(&[135, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None, "another type");
        assert_eq!(with(&[1, 0, 0, 0, 0, 0, 0, 0]), None, "an option without length");
        assert_eq!(with(&[1]), None, "an option cut short");
        assert_eq!(with(&[1, 2, 0, 0, 0, 0, 0, 0]), None, "an option longer than its room");
    }
}
