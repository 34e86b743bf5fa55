//! Update groups: peers that see the same, so that what they are told is worked out and written once.
//!
//! An [`ExportView`] is everything about a peer that [`export`](crate::export::export) asks for and that the octets of
//! an UPDATE depend on; it is what `export` is given, so nothing can be forgotten in it. Peers of equal views are a
//! [`Group`] with one record of what was advertised. Where a [member](crate::member) differs, it keeps only the
//! difference.
//!
//! A peer that takes several paths of a prefix is a group by itself: which paths it is told of depends on which are
//! its own, and identifiers mean something on one session only (RFC 7911 §2).

use std::sync::Arc;

use bgp::wire::CodecContext;
use bgp::{Asn, Family, FamilySet, Role};

use crate::adj_rib_out::AdjRibOut;
use crate::drain::Drain;
use crate::export::Export;
use crate::own_as::Behind;
use crate::path::{PeerId, Slot};
use crate::peer::{NextHopMode, NextHopSelf, PeerInfo};
use crate::pending::Pending;

/// What is told to a peer depends on this, and on nothing else of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ExportView {
    pub(crate) families: FamilySet,
    pub(crate) local_asn: Asn,
    pub(crate) external: bool,
    pub(crate) behind: Option<Behind>,
    /// What we are to the peer; roles are between ASes.
    pub(crate) role: Option<Role>,
    pub(crate) export: Arc<Export>,
    pub(crate) client: bool,
    pub(crate) next_hop: NextHopMode,
    pub(crate) next_hop_self: NextHopSelf,
    pub(crate) extended_next_hop: FamilySet,
    pub(crate) long_lived: FamilySet,
    pub(crate) drain: Option<Drain>,
    pub(crate) link_bandwidth: Option<u64>,
    pub(crate) aigp: bool,
    /// How messages are written.
    codec: CodecContext,
    /// The families of which it takes several paths of a prefix, and how many.
    several: FamilySet,
    pub(crate) most_sent: usize,
    /// Who it is, where it takes several paths of some family.
    alone: Option<PeerId>,
}

impl ExportView {
    /// Returns what a peer sees.
    pub(crate) fn of(id: PeerId, info: &PeerInfo) -> Self {
        Self {
            families: info.families,
            local_asn: info.local_asn,
            external: info.is_external(),
            behind: info.own_as.behind,
            role: info.role.filter(|_| info.is_external()),
            export: Arc::clone(&info.export),
            client: info.client,
            next_hop: info.next_hop,
            next_hop_self: info.next_hop_self,
            extended_next_hop: info.extended_next_hop,
            long_lived: info.long_lived,
            drain: info.drain,
            link_bandwidth: info.link_bandwidth,
            aigp: info.aigp,
            codec: info.codec.clone(),
            several: info.add_path.send,
            most_sent: info.add_path.most_sent,
            alone: Some(id).filter(|_| !info.add_path.send.is_empty()),
        }
    }

    /// Tells whether it takes several paths of a prefix of a family.
    pub(crate) fn takes_several(&self, family: Family) -> bool {
        self.several.contains(family)
    }

    /// Tells whether an external peer is told the next hops of others, and so might be told its own address.
    pub(crate) fn keeps_next_hops(&self) -> bool {
        self.external && self.next_hop == NextHopMode::Keep
    }
}

/// The place of a group among the groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupId(pub(crate) u16);

/// Peers that see the same.
pub(crate) struct Group {
    pub(crate) view: ExportView,
    /// Never empty: the last one takes the group along.
    pub(crate) members: Vec<Slot>,
    /// What was advertised, for all of them.
    pub(crate) out: AdjRibOut,
    /// Destinations of which it has to be worked out anew what to say.
    pub(crate) pending: Pending,
    /// Those that should be advertised, but no message can hold their attributes.
    pub(crate) oversized: Pending,
    /// How many paths are on record, by family.
    pub(crate) advertised: [u32; 2],
}

impl Group {
    pub(crate) fn new(view: ExportView, member: Slot) -> Self {
        Self {
            view,
            members: vec![member],
            out: AdjRibOut::default(),
            pending: Pending::default(),
            oversized: Pending::default(),
            advertised: [0; 2],
        }
    }

    /// Tells whether nothing in here refers to a destination.
    pub(crate) fn is_done_with(&self, id: u32) -> bool {
        !self.pending.contains(id) && self.out.is_silent_on(id)
    }
}
