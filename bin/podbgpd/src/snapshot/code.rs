//! A snapshot as octets: a header, the facts, and a SHA-1 over both against chance, not against malice.

use std::net::Ipv4Addr;
use std::time::Duration;

use bgp::{Asn, BgpId, Family, FamilySet};
use sha1::{Digest, Sha1};

use super::{Identity, Moment, PeerRecord, Prefixes, Snapshot, Unusable};

const MAGIC: &[u8; 12] = b"podbgp state";
/// The way it is written. Another number for every other way.
const FORMAT: u16 = 1;
const CHECKSUM: usize = 20;

/// Writes a snapshot.
#[must_use]
pub fn encode(snapshot: &Snapshot) -> Vec<u8> {
    let mut octets = Vec::new();
    octets.extend(MAGIC);
    octets.extend(FORMAT.to_be_bytes());
    octets.extend(snapshot.node.asn.0.to_be_bytes());
    octets.extend(snapshot.node.router_id.to_ipv4().octets());
    octets.extend(snapshot.taken.boot);
    octets.extend(u64::try_from(snapshot.taken.uptime.as_millis()).unwrap_or(u64::MAX).to_be_bytes());
    octets.push(snapshot.farewell.into());
    octets.extend(snapshot.installed.to_be_bytes());
    write_prefixes(&snapshot.originated, &mut octets);
    octets.extend(count(snapshot.peers.len()).to_be_bytes());
    for peer in &snapshot.peers {
        octets.extend(count(peer.name.len()).to_be_bytes());
        octets.extend(peer.name.as_bytes());
        octets.push(peer.up.into());
        octets.push(
            Family::ALL
                .into_iter()
                .fold(0, |bits, family| bits | u8::from(peer.families.contains(family)) << family as u8),
        );
        write_prefixes(&peer.announced, &mut octets);
    }
    let checksum = Sha1::digest(&octets);
    octets.extend(checksum.as_slice());
    octets
}

/// Reads a snapshot.
///
/// # Errors
/// What is odd about the octets.
pub fn decode(octets: &[u8]) -> Result<Snapshot, Unusable> {
    let rest = octets.strip_prefix(MAGIC).ok_or(Unusable::Damaged)?;
    let format = Octets(rest).u16().ok_or(Unusable::Damaged)?;
    if format != FORMAT {
        return Err(Unusable::Format(format));
    }
    let (said, checksum) = octets.split_last_chunk::<CHECKSUM>().ok_or(Unusable::Damaged)?;
    if Sha1::digest(said).as_slice() != checksum {
        return Err(Unusable::Damaged);
    }
    let body = said.get(MAGIC.len() + size_of_val(&FORMAT)..).ok_or(Unusable::Damaged)?;
    let mut octets = Octets(body);
    read(&mut octets).filter(|_| octets.0.is_empty()).ok_or(Unusable::Damaged)
}

fn read(octets: &mut Octets<'_>) -> Option<Snapshot> {
    let node = Identity { asn: Asn(octets.u32()?), router_id: BgpId::new(Ipv4Addr::from(octets.array()?))? };
    let taken = Moment { boot: octets.array()?, uptime: Duration::from_millis(octets.u64()?) };
    let farewell = octets.flag()?;
    let installed = octets.u64()?;
    let originated = octets.prefixes()?;
    let mut peers = Vec::new();
    for _ in 0..octets.u32()? {
        let length = octets.u32()?;
        let name = std::str::from_utf8(octets.take(length)?).ok()?.to_owned();
        let up = octets.flag()?;
        let [bits] = octets.array()?;
        let families: FamilySet =
            Family::ALL.into_iter().filter(|&family| bits >> family as u8 & 1 == 1).collect();
        peers.push(PeerRecord { name, up, families, announced: octets.prefixes()? });
    }
    Some(Snapshot { node, taken, farewell, installed, originated, peers })
}

fn write_prefixes(prefixes: &Prefixes, octets: &mut Vec<u8>) {
    octets.extend(count(prefixes.len()).to_be_bytes());
    octets.extend(count(prefixes.octets().len()).to_be_bytes());
    octets.extend(prefixes.octets());
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

/// What is still to be read.
struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn take(&mut self, count: u32) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(count).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn flag(&mut self) -> Option<bool> {
        let [flag] = self.array()?;
        (flag < 2).then_some(flag == 1)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn prefixes(&mut self) -> Option<Prefixes> {
        let (count, length) = (self.u32()?, self.u32()?);
        Some(Prefixes::from_octets(count, self.take(length)?))
    }
}
