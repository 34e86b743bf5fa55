//! The speaker: every peer's state machine and the tables, composed into one value.
//!
//! Still no socket and no clock. [`Speaker::handle`] takes what happened and the time, and appends what is to
//! be done; [`Speaker::settle`] is called once after a batch of inputs, decides what the batch changed, and
//! hands out adverts as far as the peers' connections have room. The kernel pulls as the peers do:
//! [`Speaker::kernel_command`] gives as many changes as asked for, so a slow kernel makes later changes coalesce.
//!
//! The rule for whoever drives it: carry out every output in order, settle after each batch, sleep until
//! [`Speaker::next_deadline`].

mod advertise;
mod bfd;
mod convergence;
mod drain;
mod dump;
mod duplicates;
mod failover;
mod graceful;
mod history;
mod keys;
mod limits;
mod monitored;
mod notice;
mod opening;
mod peering;
mod places;
mod ranges;
mod readiness;
mod record;
mod refresh;
mod reload;
mod views;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bgp::Family;
use bgp::fsm::{Action, ConnId, Event, StopReason};
use bytes::Bytes;
use ipnet::IpNet;
use rib::{PeerId, Rib};

use crate::addresses::LocalEnd;
use crate::bfd::{Report, Wanted};
use crate::history::History;
use crate::intent::{Intent, Leftover, Originated};
use crate::transport::{Endpoint, Key, Place, Signing, Stretch};

use convergence::Convergence;
pub use convergence::{Ending, Past};
use drain::Drains;
pub use dump::{DumpPage, DumpPath, DumpRoute};
use duplicates::Duplicates;
use failover::{Ground, Losses};
pub use monitored::{FamilyCounts, Reading, SessionFacts};
pub use notice::Notice;
use peering::Peering;
pub use record::Stocktaking;
use record::{Comparison, RollCall};
pub use reload::Acted;
pub use views::Surroundings;

/// Everything that decides, in one place.
pub struct Speaker {
    intent: Intent,
    /// Where the tables' seconds are counted from.
    epoch: Instant,
    rib: Rib,
    peerings: BTreeMap<PeerId, Peering>,
    by_name: BTreeMap<String, PeerId>,
    by_place: BTreeMap<Place, PeerId>,
    /// The links we asked to be looked at for peers, and the keys we asked to be used.
    sought: BTreeSet<u32>,
    signed: BTreeMap<Stretch, Signing>,
    next_id: u32,
    convergence: Convergence,
    /// What of our peers' routes has come back since our restart: the search, and what it found by peer.
    roll_call: Option<RollCall>,
    returned: BTreeMap<String, Comparison>,
    drains: Drains,
    /// Blocks of ours that peers announce as somebody else's.
    duplicates: Duplicates,
    /// The BFD sessions asked for, and how they stood last.
    bfd_wanted: Vec<Wanted>,
    bfd: Report,
    /// What sessions stand on.
    ground: Ground,
    losses: Losses,
    /// What peers asked to have sent again since the last decision; asking more often makes no difference.
    refreshes: BTreeSet<(PeerId, Family)>,
    /// Next hops the kernel's side shall look after, or no longer: at most one command of each.
    tracking: VecDeque<fib::Command>,
    /// How many UPDATEs were written; one may be sent to many peers.
    updates_encoded: u64,
    /// Destinations to which nothing is passed on, and whether the kernel's side knows.
    transit: BTreeSet<IpNet>,
    transit_told: bool,
    /// Whether the kernel's side knows by which gateways single addresses are reached.
    hosts_told: bool,
    /// What the state machines asked for and is not yet translated; kept to keep its room.
    actions: Vec<Action>,
    history: History,
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// Somebody connected from here; answered at once by [`Output::Accept`] or [`Output::Refuse`].
    Accepted(Place, LocalEnd),
    /// Somebody on a link said where he is.
    Heard(Place),
    /// A connection asked for is there.
    Connected(Key, LocalEnd),
    /// A connection asked for cannot be had.
    ConnectFailed(Key, String),
    /// Octets came.
    Received(Key, Bytes),
    /// The kernel took octets.
    Written(Key, usize),
    /// A connection is over.
    Closed(Key, String),
    /// The kernel's side said something.
    Fib(fib::Event),
    /// BFD sessions changed.
    Bfd(Report),
    /// Links, addresses or neighbours changed.
    Sighted(Vec<fib::Sight>),
    /// A deadline passed.
    Tick,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Dial.
    Connect(Key, Endpoint),
    /// Take the connection that was just offered.
    Accept(Key, Endpoint),
    /// Close the connection that was just offered, without a word.
    Refuse,
    /// Send octets.
    Transmit(Key, Bytes),
    /// A connection brought this message, as it was on the wire. What is to be done about it comes next.
    Heard(Key, Bytes),
    /// Close a connection once what was transmitted is out.
    Close(Key),
    /// Sign segments to and from there like this, or no longer.
    Sign(Stretch, Option<Signing>),
    /// Look for peers on exactly these links, and let ourselves be found there.
    Seek(BTreeSet<u32>),
    /// Have exactly these BFD sessions.
    Bfd(Vec<Wanted>),
    /// Tell when one of exactly these neighbours fails.
    Heed(BTreeSet<IpAddr>),
    /// Forward over these no longer, in no route; what becomes of each route follows.
    Lose(Vec<fib::NextHop>),
    /// Tell people.
    Notice(Notice),
}

impl Speaker {
    /// Makes a speaker that knows of no earlier run, and starts its peers.
    #[must_use]
    pub fn new(intent: Intent, now: Instant, out: &mut Vec<Output>) -> Self {
        Self::after(Past::default(), intent, now, out)
    }

    /// Makes a speaker that goes on where an earlier run ended, and starts its peers.
    #[must_use]
    pub fn after(mut past: Past, intent: Intent, now: Instant, out: &mut Vec<Output>) -> Self {
        let drains = Drains::taken_up(std::mem::take(&mut past.drained), now);
        let mut speaker = Self {
            epoch: now,
            rib: Rib::new(peering::rib_settings(&intent)),
            peerings: BTreeMap::new(),
            by_name: BTreeMap::new(),
            by_place: BTreeMap::new(),
            sought: BTreeSet::new(),
            signed: BTreeMap::new(),
            next_id: 0,
            convergence: Convergence::new(past, intent.graceful_restart.selection_deferral, now),
            drains,
            duplicates: Duplicates::default(),
            roll_call: None,
            returned: BTreeMap::new(),
            bfd_wanted: Vec::new(),
            bfd: Report::default(),
            ground: Ground::default(),
            losses: Losses::default(),
            refreshes: BTreeSet::new(),
            tracking: VecDeque::new(),
            updates_encoded: 0,
            transit: BTreeSet::new(),
            transit_told: true,
            hosts_told: true,
            actions: Vec::new(),
            history: History::new(intent.history.records as usize, now),
            intent,
        };
        speaker.history.happened("started", None, "podbgpd started".to_owned(), now);
        speaker.originate(now);
        speaker.rib.set_guard(&speaker.intent.guard);
        speaker.rib.set_ownership(&speaker.intent.ownership);
        speaker.hosts_told = speaker.intent.host_routes.is_empty();
        for peer in speaker.intent.peers.values().cloned().collect::<Vec<_>>() {
            speaker.add_peer(peer, now, out);
        }
        speaker.sign(out);
        speaker.recall(&speaker.convergence.had_sessions(), now, out);
        speaker.want_bfd(out);
        speaker.heed_neighbours(out);
        speaker.follow_cluster(now, out);
        speaker
    }

    /// Returns what this node should do.
    #[must_use]
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// Takes what happened and appends what is to be done about it.
    pub fn handle(&mut self, input: Input, now: Instant, out: &mut Vec<Output>) {
        match input {
            Input::Accepted(from, end) => self.accepted(from, end, now, out),
            Input::Heard(place) => self.found_at(place, now, out),
            Input::Connected((peer, conn), end) => {
                if let Some(peering) = self.peerings.get_mut(&peer) {
                    peering.ends.insert(conn, end);
                }
                self.peer_event(peer, Event::Connected(conn), now, out);
            }
            Input::ConnectFailed((peer, conn), why) => {
                self.peer_event(peer, Event::ConnectFailed(conn, why), now, out);
                self.forget_end(peer, conn);
            }
            Input::Received((peer, conn), octets) => {
                self.peer_event(peer, Event::Received(conn, octets), now, out);
            }
            Input::Written((peer, conn), count) => {
                self.peer_event(peer, Event::Written(conn, count), now, out);
            }
            Input::Closed((peer, conn), why) => {
                self.peer_event(peer, Event::Closed(conn, why), now, out);
                self.forget_end(peer, conn);
            }
            Input::Fib(event) => self.kernel_event(event),
            Input::Bfd(report) => self.follow_bfd(report, now, out),
            Input::Sighted(sights) => self.follow_sights(sights, now, out),
            Input::Tick => {
                for peer in self.due(now) {
                    self.peer_event(peer, Event::Tick, now, out);
                }
                self.expire_stale(now, out);
                self.expire_refreshes(now, out);
                self.end_excesses(now, out);
                self.forget_members(now, out);
                self.call_roll(out);
            }
        }
    }

    /// Decides what the inputs since the last time changed, and sends what there is room for.
    pub fn settle(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.want_bfd(out);
        self.heed_neighbours(out);
        self.seek(out);
        for (peer, family) in std::mem::take(&mut self.refreshes) {
            self.rib.refresh(peer, family);
        }
        self.decide(now);
        self.advertise(now, out);
        // A drain goes on when everything has been said, and then there is something else to say.
        while self.check_drains(now, out) {
            self.decide(now);
            self.advertise(now, out);
        }
        self.check_convergence(now, out);
        self.check_duplicates(now, out);
    }

    /// Returns when [`Input::Tick`] is due at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let machines = self.peerings.values().filter_map(|peering| peering.machine.next_deadline());
        let kept = self.peerings.values().filter_map(|peering| peering.grace.as_ref()?.next_deadline());
        let sessions = self.peerings.values().filter_map(|peering| peering.session.as_ref());
        let refreshing = sessions.flat_map(|session| session.refreshing.values().copied());
        let roll_call = self.roll_call.as_ref().map(|_| self.epoch);
        let own = self.convergence.deadline().into_iter().chain(self.drains.next_deadline()).chain(roll_call);
        let of_peers = self.next_return().into_iter().chain(self.next_forgotten());
        let alarms = self.duplicates.next_deadline();
        machines.chain(kept).chain(refreshing).chain(own).chain(of_peers).chain(alarms).min()
    }

    /// Ends every session, for good. Kernel routes stay.
    pub fn shut_down(&mut self, reason: &StopReason, now: Instant, out: &mut Vec<Output>) {
        for peer in self.peerings.keys().copied().collect::<Vec<_>>() {
            self.peer_event(peer, Event::Stop { reason: reason.clone() }, now, out);
        }
    }

    /// A connection that ends by itself is not closed by its state machine.
    fn forget_end(&mut self, peer: PeerId, conn: ConnId) {
        if let Some(peering) = self.peerings.get_mut(&peer) {
            peering.ends.remove(&conn);
        }
    }

    fn seconds(&self, now: Instant) -> u32 {
        u32::try_from(now.duration_since(self.epoch).as_secs()).unwrap_or(u32::MAX)
    }

    fn originate(&mut self, now: Instant) {
        self.duplicates.touch();
        let blocks = self.intent.node.blocks.iter().map(|&block| rib::Origination::of(block));
        let of_cluster = self.intent.originated.iter().map(|(&prefix, one)| one.of_tables(prefix));
        let passes_nothing_on = |one: &(&IpNet, &Originated)| one.1.leftover == Leftover::DroppedInTransit;
        let transit = self.intent.originated.iter().filter(passes_nothing_on).map(|(&prefix, _)| prefix);
        let transit: BTreeSet<IpNet> = transit.collect();
        self.transit_told &= transit == self.transit;
        self.transit = transit;
        // What the file names wins.
        let wanted = of_cluster.chain(blocks);
        self.rib.originate(wanted, self.seconds(now));
    }

    fn due(&self, now: Instant) -> Vec<PeerId> {
        let due = |peering: &Peering| peering.machine.next_deadline().is_some_and(|deadline| deadline <= now);
        self.peerings.iter().filter(|(_, peering)| due(peering)).map(|(&id, _)| id).collect()
    }

    fn kernel_event(&mut self, event: fib::Event) {
        match event {
            fib::Event::Resolved(resolved) => {
                for (address, resolution) in resolved {
                    self.rib.next_hop(address, peering::resolution(&resolution));
                }
            }
            fib::Event::Ready { .. }
            | fib::Event::Swept { .. }
            | fib::Event::Applied { .. }
            | fib::Event::Drift { .. }
            | fib::Event::Links(_)
            | fib::Event::Failed(_) => {}
        }
    }

    fn peer_event(&mut self, id: PeerId, event: Event, now: Instant, out: &mut Vec<Output>) {
        let Some(peering) = self.peerings.get_mut(&id) else { return };
        if peering.place.is_none() && matches!(event, Event::Start) {
            // It starts when it is found.
            return;
        }
        if matches!(event, Event::Start | Event::Stop { .. }) {
            peering.excess = None;
        }
        let mut actions = std::mem::take(&mut self.actions);
        peering.machine.handle(event, now, &mut actions);
        let mut over_limit = false;
        for action in actions.drain(..) {
            // What comes after the excess would only be forgotten again.
            if !(over_limit && matches!(action, Action::Update(_))) {
                over_limit |= self.act(id, action, now, out) == Outcome::OverLimit;
            }
        }
        self.actions = actions;
        if over_limit {
            self.keep_away(id, now, out);
        }
    }

    fn act(&mut self, id: PeerId, action: Action, now: Instant, out: &mut Vec<Output>) -> Outcome {
        let Some(peering) = self.peerings.get_mut(&id) else { return Outcome::Done };
        match action {
            Action::Connect(conn) => out.push(Output::Connect((id, conn), peering.endpoint(&self.intent))),
            Action::Accept(conn) => out.push(Output::Accept((id, conn), peering.endpoint(&self.intent))),
            Action::Refuse => out.push(Output::Refuse),
            Action::Heard(conn, octets) => out.push(Output::Heard((id, conn), octets)),
            Action::Transmit(conn, octets) => out.push(Output::Transmit((id, conn), octets)),
            Action::Close(conn) => {
                peering.ends.remove(&conn);
                out.push(Output::Close((id, conn)));
            }
            Action::Established(negotiated) => {
                let mut info = peering.established(&negotiated, &self.intent);
                let own = peering.session.as_ref().and_then(|session| session.end.towards(info.address));
                info.link = self.ground.link_of(peering.whereabouts(), own).map(Arc::from);
                info.drain = drain::of_tables(peering.drained, &self.intent.drain);
                self.rib.peer_up(id, info);
                self.session_returned(id, now, out);
            }
            Action::Update(update) => return self.receive(id, update, now, out),
            Action::Offences(offences) => {
                for offence in offences {
                    peering.offend(&offence);
                    out.push(Output::Notice(Notice::Offence { peer: peering.name(), offence }));
                }
            }
            Action::Refresh(refresh) => self.refreshed(id, refresh, now, out),
            Action::Down(reason) => self.session_lost(id, &reason, now, out),
            Action::State { from, to, cause } => {
                out.push(Output::Notice(Notice::State { peer: peering.name(), from, to, cause }));
            }
        }
        Outcome::Done
    }

    fn receive(&mut self, id: PeerId, update: bgp::Update, now: Instant, out: &mut Vec<Output>) -> Outcome {
        let seconds = self.seconds(now);
        let Some(peering) = self.peerings.get_mut(&id) else { return Outcome::Done };
        let Some(session) = &mut peering.session else { return Outcome::Done };
        if let Some(family) = update.end_of_rib {
            session.end_of_rib_received.insert(family);
        }
        let received = self.rib.update(id, update, seconds);
        self.duplicates.touch();
        if received.surplus > 0 {
            peering.surplus_paths += u64::from(received.surplus);
            out.push(Output::Notice(Notice::Surplus { peer: peering.name(), paths: received.surplus }));
        }
        if let Some(limit) = peering.intent.max_prefixes.filter(|_| received.limit_exceeded) {
            let (peer, wait) = (peering.name(), peering.intent.max_prefixes_restart);
            out.push(Output::Notice(Notice::MaxPrefixes { peer, limit, wait }));
            return Outcome::OverLimit;
        }
        self.watch_limit(id, out);
        if let Some(family) = received.end_of_rib {
            self.session_complete(id, family, now, out);
        }
        Outcome::Done
    }
}

/// What became of an action.
#[derive(PartialEq)]
enum Outcome {
    Done,
    /// The peer announced more than it may; its session has to end once its other actions are done.
    OverLimit,
}
