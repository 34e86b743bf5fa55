//! The control packet: 24 octets that are the whole protocol.

use std::fmt;
use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

use nom::combinator::map;
use nom::number::complete::{be_u32, u8 as octet};
use nom::{IResult, Parser};

use super::Discard;

/// The length of a packet without authentication, in octets.
pub(super) const LENGTH: u8 = 24;
/// The least length of a packet with authentication: the type and length of the section are in it.
const LENGTH_AUTHENTICATED: u8 = 26;

const POLL: u8 = 1 << 5;
const FINAL: u8 = 1 << 4;
const CONTROL_PLANE_INDEPENDENT: u8 = 1 << 3;
const AUTHENTICATED: u8 = 1 << 2;
const DEMAND: u8 = 1 << 1;
const MULTIPOINT: u8 = 1;

/// A control packet, without its authentication section (RFC 5880 §4.1).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
/// |                       My Discriminator                        |
/// |                      Your Discriminator                       |
/// |                    Desired Min TX Interval                    |
/// |                   Required Min RX Interval                    |
/// |                 Required Min Echo RX Interval                 |
/// ```
///
/// Intervals are whole microseconds, at most 2^32 - 1 of them; what is longer is written as that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlPacket {
    /// Why the sender's state last changed.
    pub diagnostic: Diagnostic,
    /// The sender's state.
    pub state: State,
    /// Whether the sender wants an answer at once, with [`is_final`](Self::is_final).
    pub poll: bool,
    /// Whether this answers a poll.
    pub is_final: bool,
    /// Whether the sender's BFD lives on when its control plane does not (the C bit).
    pub control_plane_independent: bool,
    /// Whether the sender, once both are Up, wants to hear nothing it did not ask for.
    pub demand: bool,
    /// Whether an authentication section follows.
    pub authenticated: bool,
    /// How many of the sender's intervals may pass in silence.
    pub multiplier: NonZeroU8,
    /// The session, as the sender names it.
    pub my_discriminator: Discriminator,
    /// The session, as the receiver names it; `None` while the sender has not heard.
    pub your_discriminator: Option<Discriminator>,
    /// The interval the sender would like to send at.
    pub desired_min_tx: Duration,
    /// The least interval the sender can bear; zero for one that wants no periodic packets at all.
    pub required_min_rx: Duration,
    /// The least interval between echo packets the sender can bear; zero for one that echoes none.
    pub required_min_echo_rx: Duration,
}

/// A session, as one of its ends names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Discriminator(pub NonZeroU32);

/// A state of a session, by its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// An operator wants no session; says nothing about the path.
    AdminDown,
    /// Nothing heard, or just gone down.
    Down,
    /// The peer is heard, but does not hear us yet as far as we know.
    Init,
    /// Packets get through both ways.
    Up,
}

/// Why a state changed (RFC 5880 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Diagnostic {
    /// No reason to give.
    None,
    /// Nothing was heard for the detection time.
    DetectionTimeExpired,
    /// The echo function failed.
    EchoFailed,
    /// The other end said that it is down.
    NeighborSignaledDown,
    /// The forwarding plane was reset.
    ForwardingPlaneReset,
    /// The path is down for a reason outside BFD.
    PathDown,
    /// A path that this one is part of is down.
    ConcatenatedPathDown,
    /// An operator wants it so.
    AdministrativelyDown,
    /// A path that this one is part of is down, the other way.
    ReverseConcatenatedPathDown,
    /// A reason not assigned when this was written; five bits.
    Other(u8),
}

impl ControlPacket {
    /// Reads a packet from the payload of a datagram. Octets after its own length are ignored.
    ///
    /// # Errors
    /// Why the packet is to be dropped, the checks of RFC 5880 §6.8.6 that need no session.
    pub fn decode(payload: &[u8]) -> Result<Self, Discard> {
        let (_, fields) = fields(payload).map_err(|_| Discard::Truncated)?;
        let Fields { first, second, multiplier, length, words } = fields;
        let [my, your, desired_min_tx, required_min_rx, required_min_echo_rx] = words;
        if first >> 5 != 1 {
            return Err(Discard::Version);
        }
        let has = |bit: u8| second & bit != 0;
        let least = if has(AUTHENTICATED) { LENGTH_AUTHENTICATED } else { LENGTH };
        if length < least {
            return Err(Discard::Length);
        }
        if payload.len() < usize::from(length) {
            return Err(Discard::Truncated);
        }
        let multiplier = NonZeroU8::new(multiplier).ok_or(Discard::Multiplier)?;
        if has(MULTIPOINT) {
            return Err(Discard::Multipoint);
        }
        let my_discriminator = Discriminator::new(my).ok_or(Discard::MyDiscriminator)?;
        let state = State::from_code(second >> 6);
        let your_discriminator = Discriminator::new(your);
        if your_discriminator.is_none() && matches!(state, State::Init | State::Up) {
            return Err(Discard::YourDiscriminator);
        }
        let micros = |count: u32| Duration::from_micros(count.into());
        Ok(Self {
            diagnostic: Diagnostic::from_code(first & 0x1F),
            state,
            poll: has(POLL),
            is_final: has(FINAL),
            control_plane_independent: has(CONTROL_PLANE_INDEPENDENT),
            demand: has(DEMAND),
            authenticated: has(AUTHENTICATED),
            multiplier,
            my_discriminator,
            your_discriminator,
            desired_min_tx: micros(desired_min_tx),
            required_min_rx: micros(required_min_rx),
            required_min_echo_rx: micros(required_min_echo_rx),
        })
    }

    /// Writes the packet without authentication, as the payload of a datagram.
    #[must_use]
    pub fn encode(&self) -> [u8; LENGTH as usize] {
        Self { authenticated: false, ..*self }.write(LENGTH)
    }

    /// Writes the packet for a section of this length to follow.
    pub(super) fn encode_for_section(&self, section: u8) -> [u8; LENGTH as usize] {
        Self { authenticated: true, ..*self }.write(LENGTH + section)
    }

    fn write(&self, length: u8) -> [u8; LENGTH as usize] {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        let second = (self.state as u8) << 6
            | bit(self.poll, POLL)
            | bit(self.is_final, FINAL)
            | bit(self.control_plane_independent, CONTROL_PLANE_INDEPENDENT)
            | bit(self.demand, DEMAND)
            | bit(self.authenticated, AUTHENTICATED);
        let head = [1 << 5 | self.diagnostic.code() & 0x1F, second, self.multiplier.get(), length];
        let micros = |interval: Duration| u32::try_from(interval.as_micros()).unwrap_or(u32::MAX);
        let words = [
            self.my_discriminator.0.get(),
            self.your_discriminator.map_or(0, |your| your.0.get()),
            micros(self.desired_min_tx),
            micros(self.required_min_rx),
            micros(self.required_min_echo_rx),
        ];
        let mut octets = [0; LENGTH as usize];
        let all = head.into_iter().chain(words.into_iter().flat_map(u32::to_be_bytes));
        for (octet, value) in octets.iter_mut().zip(all) {
            *octet = value;
        }
        octets
    }
}

/// The fields of the fixed part, as they are written.
struct Fields {
    first: u8,
    second: u8,
    multiplier: u8,
    length: u8,
    words: [u32; 5],
}

fn fields(octets: &[u8]) -> IResult<&[u8], Fields> {
    let words = map((be_u32, be_u32, be_u32, be_u32, be_u32), |words| words.into());
    map((octet, octet, octet, octet, words), |(first, second, multiplier, length, words)| Fields {
        first,
        second,
        multiplier,
        length,
        words,
    })
    .parse(octets)
}

impl Discriminator {
    /// Makes a discriminator; zero is none.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }
}

impl fmt::Display for Discriminator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl State {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::AdminDown, Self::Down, Self::Init, Self::Up];

    /// Reads two bits.
    fn from_code(code: u8) -> Self {
        match code & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}

impl Diagnostic {
    /// Returns the number on the wire.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::DetectionTimeExpired => 1,
            Self::EchoFailed => 2,
            Self::NeighborSignaledDown => 3,
            Self::ForwardingPlaneReset => 4,
            Self::PathDown => 5,
            Self::ConcatenatedPathDown => 6,
            Self::AdministrativelyDown => 7,
            Self::ReverseConcatenatedPathDown => 8,
            Self::Other(code) => code,
        }
    }

    fn from_code(code: u8) -> Self {
        match code {
            0 => Self::None,
            1 => Self::DetectionTimeExpired,
            2 => Self::EchoFailed,
            3 => Self::NeighborSignaledDown,
            4 => Self::ForwardingPlaneReset,
            5 => Self::PathDown,
            6 => Self::ConcatenatedPathDown,
            7 => Self::AdministrativelyDown,
            8 => Self::ReverseConcatenatedPathDown,
            code => Self::Other(code),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::DetectionTimeExpired => "control detection time expired",
            Self::EchoFailed => "echo function failed",
            Self::NeighborSignaledDown => "neighbor signaled session down",
            Self::ForwardingPlaneReset => "forwarding plane reset",
            Self::PathDown => "path down",
            Self::ConcatenatedPathDown => "concatenated path down",
            Self::AdministrativelyDown => "administratively down",
            Self::ReverseConcatenatedPathDown => "reverse concatenated path down",
            Self::Other(code) => return write!(f, "diagnostic {code}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Up and polling, 300 ms × 3, and 50 ms for echo packets.
    const UP: [u8; 24] = [
        0x20, 0xE0, 3, 24, 0x7A, 0x1B, 0x20, 0x4D, 0, 0, 0, 9, 0, 4, 0x93, 0xE0, 0, 4, 0x93, 0xE0, 0, 0,
        0xC3, 0x50,
    ];

    #[test]
    fn every_field_is_where_the_rfc_has_it() {
        let packet = ControlPacket::decode(&UP).unwrap();
        assert_eq!(packet.state, State::Up);
        assert_eq!(packet.diagnostic, Diagnostic::None);
        assert!(packet.poll && !packet.is_final && !packet.demand && !packet.control_plane_independent);
        assert_eq!(packet.multiplier.get(), 3);
        assert_eq!(packet.my_discriminator, Discriminator::new(0x7A1B_204D).unwrap());
        assert_eq!(packet.your_discriminator, Discriminator::new(9));
        assert_eq!(packet.desired_min_tx, Duration::from_millis(300));
        assert_eq!(packet.required_min_rx, Duration::from_millis(300));
        assert_eq!(packet.required_min_echo_rx, Duration::from_millis(50));
        assert_eq!(packet.encode(), UP);
    }

    #[test]
    fn a_packet_cut_anywhere_is_dropped() {
        for length in 0..UP.len() {
            assert_eq!(ControlPacket::decode(&UP[..length]), Err(Discard::Truncated), "{length} octets");
        }
    }

    #[test]
    fn octets_behind_the_packet_are_ignored() {
        let longer: Vec<u8> = UP.into_iter().chain([7; 9]).collect();
        assert_eq!(ControlPacket::decode(&longer), ControlPacket::decode(&UP));
    }

    #[test]
    fn each_mistake_has_its_reason() {
        let mistakes: [(usize, u8, Discard); 11] = [
            (0, 0x00, Discard::Version),
            (0, 0x40, Discard::Version),
            (1, 0xE1, Discard::Multipoint),
            (1, 0xE4, Discard::Length),
            (2, 0, Discard::Multiplier),
            (3, 23, Discard::Length),
            (3, 25, Discard::Truncated),
            (3, 255, Discard::Truncated),
            (4, 0x7A, Discard::MyDiscriminator),
            (11, 0, Discard::YourDiscriminator),
            (3, 0, Discard::Length),
        ];
        for (at, value, reason) in mistakes {
            let mut octets = UP;
            octets[at] = value;
            if reason == Discard::MyDiscriminator {
                octets[4..8].fill(0);
            }
            assert_eq!(ControlPacket::decode(&octets), Err(reason), "octet {at} is {value}");
        }
    }

    #[test]
    fn only_down_and_admin_down_may_name_no_session() {
        for (code, accepted) in [(0, true), (1, true), (2, false), (3, false)] {
            let mut octets = UP;
            octets[1] = code << 6;
            octets[8..12].fill(0);
            assert_eq!(ControlPacket::decode(&octets).is_ok(), accepted, "state {code}");
        }
    }

    #[test]
    fn an_authenticated_packet_is_known_by_its_bit() {
        let mut octets: Vec<u8> = UP.into_iter().chain([1, 3, 7]).collect();
        octets[1] |= AUTHENTICATED;
        octets[3] = 27;
        assert!(ControlPacket::decode(&octets).unwrap().authenticated);
        assert!(!ControlPacket::decode(&UP).unwrap().authenticated);
    }

    #[test]
    fn an_interval_that_does_not_fit_is_the_longest_that_does() {
        let packet = ControlPacket { desired_min_tx: Duration::MAX, ..ControlPacket::decode(&UP).unwrap() };
        let read = ControlPacket::decode(&packet.encode()).unwrap();
        assert_eq!(read.desired_min_tx, Duration::from_micros(u32::MAX.into()));
    }

    proptest! {
        #[test]
        fn what_is_understood_is_written_the_same(octets in proptest::collection::vec(any::<u8>(), 24..40)) {
            let mut octets = octets;
            octets[0] = 0x20 | octets[0] & 0x1F;
            octets[1] &= !(AUTHENTICATED | MULTIPOINT);
            octets[3] = 24;
            if let Ok(packet) = ControlPacket::decode(&octets) {
                prop_assert_eq!(&packet.encode()[..], &octets[..24]);
            }
        }
    }
}
