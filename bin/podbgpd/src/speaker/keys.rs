//! What signs segments: whose, and what changes when the intent does or a peer is found.

use std::collections::BTreeMap;

use super::peering::Peering;
use super::{Output, Speaker};
use crate::intent::PeerIntent;
use crate::transport::{Signing, Stretch};

impl Speaker {
    /// Has segments signed as the intent says, where it says other than before.
    pub(super) fn sign(&mut self, out: &mut Vec<Output>) {
        let wanted = self.signings();
        for of in self.signed.keys().filter(|of| !wanted.contains_key(of)) {
            out.push(Output::Sign(*of, None));
        }
        for (of, signing) in &wanted {
            if self.signed.get(of) != Some(signing) {
                out.push(Output::Sign(*of, Some(signing.clone())));
            }
        }
        self.signed = wanted;
    }

    /// Notes that a peer's segments are signed as those of its range.
    pub(super) fn sign_as_range(&mut self, peer: &PeerIntent) {
        self.signed.extend(Signing::of(peer).map(|signing| (peer.address.into(), signing)));
    }

    /// Lists what signs segments to and from whom. Of addresses in several prefixes the narrowest counts.
    fn signings(&self) -> BTreeMap<Stretch, Signing> {
        let of_peer = |peering: &Peering| Some((peering.place?.into(), Signing::of(&peering.intent)?));
        let peers = self.peerings.values().filter_map(of_peer);
        let ranges = self.intent.ranges.values();
        ranges
            .filter_map(|range| Some((range.prefix.into(), Signing::of(&range.peer)?)))
            .chain(peers)
            .collect()
    }
}
