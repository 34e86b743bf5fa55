//! Keyed SHA1: packets only who has the key can have sent (RFC 5880 §6.7.4).

use std::fmt;
use std::time::{Duration, Instant};

use nom::IResult;
use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::{be_u32, u8 as octet};
use sha1::{Digest as _, Sha1};

use super::packet::LENGTH;
use super::{ControlPacket, Discard};

/// The length of the authentication section, in octets.
const SECTION: u8 = 28;
/// The length of the key and of the hash that takes its place, in octets.
const HASH: usize = 20;

/// How packets of a session are authenticated, both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// The key both ends have.
    pub key: Key,
    /// What both ends call the key.
    pub key_id: u8,
    /// Whether each packet must have a sequence number of its own, so that none can be sent again by others.
    pub meticulous: bool,
}

/// A key of 1 to 20 octets, which no format shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; HASH]);

/// Signs what one session sends, and checks what it is sent.
#[derive(Debug)]
pub(super) struct Authenticator {
    settings: Authentication,
    /// The sequence number of the last packet sent.
    sent: u32,
    /// The sequence number of the last packet taken, and when that is forgotten.
    taken: Option<(u32, Instant)>,
}

/// An authentication section of type 4 or 5 (RFC 5880 §4.4).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// |   Auth Type   |   Auth Len    |  Auth Key ID  |   Reserved    |
/// |                        Sequence Number                        |
/// |                  Auth Key/Hash, 20 octets ...                 |
/// ```
struct Section<'a> {
    kind: u8,
    length: u8,
    key_id: u8,
    sequence: u32,
    hash: &'a [u8],
}

impl Key {
    /// Makes a key; `None` when there are no octets or too many.
    #[must_use]
    pub fn new(octets: &[u8]) -> Option<Self> {
        let mut key = [0; HASH];
        key.get_mut(..octets.len()).filter(|place| !place.is_empty())?.copy_from_slice(octets);
        Some(Self(key))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Authentication {
    /// Returns the Auth Type.
    fn kind(&self) -> u8 {
        if self.meticulous { 5 } else { 4 }
    }
}

impl Authenticator {
    /// Begins with a sequence number nobody can guess.
    pub(super) fn new(settings: Authentication, sequence: u32) -> Self {
        Self { settings, sent: sequence, taken: None }
    }

    pub(super) fn settings(&self) -> &Authentication {
        &self.settings
    }

    /// Writes a packet with its section.
    pub(super) fn sign(&mut self, packet: &ControlPacket) -> Vec<u8> {
        self.sent = self.sent.wrapping_add(1);
        let mut octets = packet.encode_for_section(SECTION).to_vec();
        octets.extend([self.settings.kind(), SECTION, self.settings.key_id, 0]);
        octets.extend(self.sent.to_be_bytes());
        let hash = self.hash(&octets);
        octets.extend(hash);
        octets
    }

    /// Checks a packet of which the fixed part is fine. `patience` is the detection time it announces.
    pub(super) fn check(
        &mut self,
        payload: &[u8],
        packet: &ControlPacket,
        patience: Duration,
        now: Instant,
    ) -> Result<(), Discard> {
        let before_hash = usize::from(LENGTH + SECTION) - HASH;
        let (_, section) = section(payload).map_err(|_| Discard::Authentication)?;
        let expected = (self.settings.kind(), SECTION, self.settings.key_id);
        if !packet.authenticated || (section.kind, section.length, section.key_id) != expected {
            return Err(Discard::Authentication);
        }
        let hash = self.hash(payload.get(..before_hash).unwrap_or_default());
        // Whatever differs, all octets are looked at: the time taken tells nothing.
        let difference = hash.iter().zip(section.hash).fold(0, |all, (ours, theirs)| all | (ours ^ theirs));
        if difference != 0 || !self.is_due(section.sequence, packet, now) {
            return Err(Discard::Authentication);
        }
        let forgotten = now.checked_add(patience.saturating_mul(2)).unwrap_or(now);
        self.taken = Some((section.sequence, forgotten));
        Ok(())
    }

    /// Tells whether a sequence number may follow the last one.
    fn is_due(&self, sequence: u32, packet: &ControlPacket, now: Instant) -> bool {
        let Some((last, _)) = self.taken.filter(|(_, forgotten)| now < *forgotten) else { return true };
        let ahead = sequence.wrapping_sub(last);
        let least = u32::from(self.settings.meticulous);
        (least..=3 * u32::from(packet.multiplier.get())).contains(&ahead)
    }

    /// Hashes what comes before the hash, with the key in its place.
    fn hash(&self, octets: &[u8]) -> [u8; HASH] {
        Sha1::new().chain_update(octets).chain_update(self.settings.key.0).finalize().into()
    }
}

fn section(payload: &[u8]) -> IResult<&[u8], Section<'_>> {
    let (octets, _) = take(LENGTH).parse(payload)?;
    let (octets, (kind, length, key_id, _, sequence, hash)) =
        (octet, octet, octet, octet, be_u32, take(HASH)).parse(octets)?;
    Ok((octets, Section { kind, length, key_id, sequence, hash }))
}

#[cfg(test)]
mod tests;
