//! What signs segments: whose, and what changes when the intent does.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{Output, Speaker};
use crate::intent::{Intent, PeerIntent};
use crate::transport::Signing;

/// Lists what signs segments to and from whom. Of addresses in several prefixes the narrowest counts.
fn signings(intent: &Intent) -> BTreeMap<IpNet, Signing> {
    let peers = intent.peers.values().map(|peer| (IpNet::from(peer.address), peer));
    let ranges = intent.ranges.values().map(|range| (range.prefix, &range.peer));
    ranges.chain(peers).filter_map(|(net, peer)| Some((net, Signing::of(peer)?))).collect()
}

/// Has segments of a peer that is forgotten signed no longer, beyond what its range says.
pub(super) fn withdraw(peer: &PeerIntent, out: &mut Vec<Output>) {
    if Signing::of(peer).is_some() {
        out.push(Output::Sign(peer.address.into(), None));
    }
}

impl Speaker {
    /// Has segments signed as the intent says.
    pub(super) fn sign(&self, out: &mut Vec<Output>) {
        let wanted = signings(&self.intent);
        out.extend(wanted.into_iter().map(|(net, signing)| Output::Sign(net, Some(signing))));
    }

    /// Has segments signed as the intent says, where it says other than before.
    pub(super) fn sign_anew(&self, before: &Intent, out: &mut Vec<Output>) {
        let (before, wanted) = (signings(before), signings(&self.intent));
        for net in before.keys().filter(|net| !wanted.contains_key(net)) {
            out.push(Output::Sign(*net, None));
        }
        for (net, signing) in wanted {
            if before.get(&net) != Some(&signing) {
                out.push(Output::Sign(net, Some(signing)));
            }
        }
    }
}
