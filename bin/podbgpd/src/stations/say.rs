//! What a station was told, and what has to be said for it to know how things are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use bgp::bmp::{self, Down, PeerHeader, Statistic, View};
use bgp::wire::{self, CodecContext, pack};
use bgp::{Capability, Family, HoldTime, Message, Open};
use bytes::{Bytes, BytesMut};
use rib::{Adverts, Monitor, PeerId, Table};

use crate::intent::BmpView;
use crate::mrt::since_epoch;
use crate::speaker::{SessionFacts, Speaker};
use crate::tap::{Tap, messages};
use crate::transport::Key;

/// How many octets make a chunk.
const CHUNK: usize = 64 * 1024;
/// How many destinations are looked at at once.
const BATCH: usize = 512;

/// Messages to a station.
#[derive(Default)]
pub(super) struct Said {
    pub(super) octets: BytesMut,
    pub(super) messages: u64,
    /// Prefixes no message can hold.
    pub(super) unsaid: u64,
}

/// What a station was told over its connection.
pub(super) struct Told {
    monitor: Monitor,
    views: BTreeSet<BmpView>,
    sessions: BTreeMap<PeerId, (Key, PeerHeader)>,
    loc_rib: Option<PeerHeader>,
    /// The tables it has been told once in full, for whose routes the time of a change is known.
    complete: BTreeSet<Table>,
}

impl Told {
    pub(super) fn new(monitor: Monitor, views: &BTreeSet<BmpView>) -> Self {
        Self {
            monitor,
            views: views.clone(),
            sessions: BTreeMap::new(),
            loc_rib: None,
            complete: BTreeSet::new(),
        }
    }

    /// Says which sessions ended and which came up since the last time.
    pub(super) fn sessions(&mut self, speaker: &mut Speaker, tap: &Tap, now: Instant, said: &mut Said) {
        let at = since_epoch(SystemTime::now());
        if self.loc_rib.is_none() && self.views.contains(&BmpView::LocRib) {
            self.begin_loc_rib(speaker, at, said);
        }
        let up: BTreeMap<PeerId, SessionFacts> =
            speaker.sessions(now).map(|session| (session.key.0, session)).collect();
        let over = |(peer, (key, _)): &(&PeerId, &(Key, PeerHeader))| {
            up.get(peer).is_none_or(|session| session.key != *key)
        };
        for peer in self.sessions.iter().filter(over).map(|(&peer, _)| peer).collect::<Vec<_>>() {
            self.end_session(peer, speaker, tap, at, said);
        }
        for session in up.into_values() {
            if !self.sessions.contains_key(&session.key.0) {
                self.begin_session(&session, speaker, tap, at, said);
            }
        }
    }

    fn begin_session(
        &mut self,
        session: &SessionFacts,
        speaker: &mut Speaker,
        tap: &Tap,
        at: Duration,
        said: &mut Said,
    ) {
        let peer = session.key.0;
        let Some(conversation) = tap.conversation(session.key) else { return };
        let header = PeerHeader {
            view: View::AdjRibIn { post_policy: false },
            address: session.address,
            asn: session.asn,
            bgp_id: session.bgp_id,
            at: at.saturating_sub(session.age),
        };
        let opens = (&conversation.sent_open[..], &conversation.received_open[..]);
        bmp::peer_up(&header, conversation.local, conversation.remote.port(), opens, &mut said.octets);
        said.messages += 1;
        self.sessions.insert(peer, (session.key, header));
        for table in self.tables_of(peer) {
            speaker.begin_monitoring(self.monitor, table);
        }
    }

    fn end_session(&mut self, peer: PeerId, speaker: &mut Speaker, tap: &Tap, at: Duration, said: &mut Said) {
        for table in self.tables_of(peer) {
            speaker.end_monitoring(self.monitor, table);
            self.complete.remove(&table);
        }
        let Some((key, header)) = self.sessions.remove(&peer) else { return };
        let conversation = tap.conversation(key);
        let down = conversation.map_or(Down::Local(0), |conversation| conversation.end());
        bmp::peer_down(&PeerHeader { at, ..header }, down, &mut said.octets);
        said.messages += 1;
    }

    /// Loc-RIB is told as the table of a peer that is ourselves, with an OPEN nobody sent (RFC 9069 §5.1).
    fn begin_loc_rib(&mut self, speaker: &mut Speaker, at: Duration, said: &mut Said) {
        let node = &speaker.intent().node;
        let header = PeerHeader {
            view: View::LocRib,
            address: Ipv4Addr::UNSPECIFIED.into(),
            asn: node.asn,
            bgp_id: node.router_id,
            at,
        };
        let families = Family::ALL.map(|family| Capability::Multiprotocol(family.code()));
        let open = Open {
            asn: node.asn,
            hold_time: HoldTime::default(),
            bgp_id: node.router_id,
            capabilities: families.into_iter().chain([Capability::FourOctetAsn(node.asn)]).collect(),
        };
        let mut octets = BytesMut::new();
        // Three capabilities always fit.
        let _ = wire::encode(&Message::Open(open), &CodecContext::before_open(), &mut octets);
        let nowhere = SocketAddr::new(IpAddr::from(Ipv4Addr::UNSPECIFIED), 0);
        bmp::peer_up(&header, nowhere, 0, (&octets, &octets), &mut said.octets);
        said.messages += 1;
        self.loc_rib = Some(header);
        speaker.begin_monitoring(self.monitor, Table::Best);
    }

    fn tables_of(&self, peer: PeerId) -> Vec<Table> {
        let table = |view: &BmpView| match view {
            BmpView::AdjRibInPrePolicy => Some(Table::Received(peer)),
            BmpView::AdjRibInPostPolicy => Some(Table::Accepted(peer)),
            BmpView::AdjRibOutPostPolicy => Some(Table::Advertised(peer)),
            BmpView::LocRib => None,
        };
        self.views.iter().filter_map(table).collect()
    }

    /// Says what changed in the tables, about a chunk of it.
    pub(super) fn routes(&mut self, speaker: &mut Speaker, now: SystemTime, said: &mut Said) {
        for table in speaker.monitored_pending(self.monitor) {
            let Some(header) = self.header_of(table) else { continue };
            loop {
                if said.octets.len() >= CHUNK {
                    return;
                }
                let adverts = speaker.pull_monitored(self.monitor, table, BATCH);
                // Of what was there before, nobody knows when each came.
                let at = if self.complete.contains(&table) { since_epoch(now) } else { Duration::ZERO };
                said.adverts(&PeerHeader { at, ..header }, &adverts);
                if !adverts.end_of_rib.is_empty() {
                    self.complete.insert(table);
                }
                if !adverts.more {
                    break;
                }
            }
        }
    }

    fn header_of(&self, table: Table) -> Option<PeerHeader> {
        let of = |peer: PeerId, view| Some(PeerHeader { view, ..self.sessions.get(&peer)?.1 });
        match table {
            Table::Received(peer) => of(peer, View::AdjRibIn { post_policy: false }),
            Table::Accepted(peer) => of(peer, View::AdjRibIn { post_policy: true }),
            Table::Advertised(peer) => of(peer, View::AdjRibOut { post_policy: true }),
            Table::Best => self.loc_rib,
        }
    }

    /// Says the counters.
    pub(super) fn statistics(&self, speaker: &Speaker, said: &mut Said) {
        let at = since_epoch(SystemTime::now());
        for (&peer, (_, header)) in &self.sessions {
            let (families, treated_as_withdraw) = speaker.counted(peer);
            let capped = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
            let mut counted = vec![
                Statistic::Rejected(families.iter().map(|counts| counts.rejected).sum()),
                Statistic::TreatedAsWithdraw(capped(treated_as_withdraw)),
                Statistic::AdjRibIn(families.iter().map(|counts| u64::from(counts.received)).sum()),
            ];
            for counts in &families {
                let family = counts.family.code();
                counted.push(Statistic::AdjRibInOf(family, counts.received.into()));
                counted.push(Statistic::AdjRibOutOf(family, counts.advertised.into()));
            }
            bmp::statistics(&PeerHeader { at, ..*header }, &counted, &mut said.octets);
            said.messages += 1;
        }
        if let Some(header) = self.loc_rib {
            let counted = [Statistic::LocRib(speaker.best_paths())];
            bmp::statistics(&PeerHeader { at, ..header }, &counted, &mut said.octets);
            said.messages += 1;
        }
    }
}

impl Said {
    /// Adds adverts as the UPDATEs they are, one message for each.
    pub(super) fn adverts(&mut self, header: &PeerHeader, adverts: &Adverts) {
        let large = bmp::update_context(true);
        // Not every station reads longer messages than most sessions have.
        let usual = CodecContext { extended_messages: false, ..large.clone() };
        let mut updates = BytesMut::new();
        for (family, nlri) in &adverts.withdrawn {
            pack::withdraw(*family, nlri, &usual, &mut updates);
        }
        for advert in &adverts.announced {
            let announced = [&usual, &large].into_iter().any(|context| {
                pack::announce(&advert.attributes, advert.family, &advert.nlri, context, &mut updates).is_ok()
            });
            if !announced {
                pack::withdraw(advert.family, &advert.nlri, &usual, &mut updates);
                self.unsaid += advert.nlri.len() as u64;
            }
        }
        for &family in &adverts.end_of_rib {
            pack::end_of_rib(family, &usual, &mut updates);
        }
        let updates: Bytes = updates.freeze();
        for update in messages(&updates) {
            bmp::route_monitoring(header, &update, &mut self.octets);
            self.messages += 1;
        }
    }
}
