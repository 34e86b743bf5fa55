//! A snapshot as octets.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::sealed::Seal;
use super::{Identity, Moment, PeerRecord, Prefixes, Snapshot, Unusable};
use bgp::{Asn, BgpId, Family, FamilySet};

pub(super) const SEAL: Seal = Seal { name: "snapshot", mark: b"podbgp state", format: 1 };

/// Writes a snapshot.
#[must_use]
pub fn encode(snapshot: &Snapshot) -> Vec<u8> {
    let mut octets = SEAL.begin();
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
    Seal::end(octets)
}

/// Reads a snapshot.
///
/// # Errors
/// What is odd about the octets.
pub fn decode(octets: &[u8]) -> Result<Snapshot, Unusable> {
    let mut octets = Octets(SEAL.contents(octets)?);
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
