//! Whatever happens in whatever order, what was pulled is what a fresh look says, and every count is right.

use proptest::prelude::*;

use super::*;
use crate::drain::{Drain, Marks};
use crate::path::Path;
use crate::policy::{Change, Decision, Edit, Match, Policy, PrefixRange, PrefixSet, Rule};
use crate::pool::AttrId;
use crate::update_group::ExportView;

#[derive(Clone, Debug)]
enum Step {
    Announce {
        peer: u32,
        prefixes: u16,
        variant: u8,
        path_id: u32,
    },
    Withdraw {
        peer: u32,
        prefixes: u16,
        path_id: u32,
    },
    Up(u32),
    Down(u32),
    Lost {
        peer: u32,
        kept: u8,
    },
    Sweep(u32, u8),
    LongLived(u32, u8),
    Import(u32, u8),
    Export(u32, u8),
    Drain(u32, u8),
    Client(u32, bool),
    NextHop(u32, u8),
    Refresh(u32),
    Originate(u16),
    Resolve(u8, u8),
    Settings(u8),
    Settle,
    Pull(u32, usize),
    /// One pulls, and some of those who are told the same hear it.
    PullTogether(u32, u8, usize),
    PullForwarding(usize),
    Track,
}

const PREFIXES: [&str; 10] = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.1.0/24",
    "10.1.1.128/25",
    "172.16.0.0/12",
    "::/0",
    "2001:db8::/32",
    "2001:db8:1::/48",
    "fe80::/10",
];
const PEERS: u32 = 8;

/// Five peers outside, the third of which takes two paths of an IPv4 prefix, and the others are told the same; inside
/// one, a client that takes all paths, and one that is always told of us as next hop.
fn model_peer(number: u32) -> PeerInfo {
    let inside = is_inside(number);
    let add_path = match number {
        4 => AddPath { send: FamilySet::from_iter([Family::Ipv4]), most_sent: 2, ..AddPath::default() },
        5 => AddPath { send: FamilySet::ALL, most_sent: usize::MAX, ..AddPath::default() },
        _ => AddPath::default(),
    };
    PeerInfo {
        asn: if inside { OURS } else { Asn(OURS.0 + number) },
        interface: (number == 2).then_some(7),
        long_lived: if [3, 4, 6].contains(&number) { FamilySet::NONE } else { FamilySet::ALL },
        client: number == 5,
        next_hop: if number == 6 { NextHopMode::Own } else { NextHopMode::Auto },
        add_path,
        ..peer(PeerId(number))
    }
}

fn is_inside(number: u32) -> bool {
    [3, 5, 6].contains(&number)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let peer = 1..=PEERS;
    let step = prop_oneof![
        8 => (peer.clone(), any::<u16>(), any::<u8>(), 0..2u32).prop_map(|(peer, prefixes, variant, path_id)| {
            Step::Announce { peer, prefixes, variant, path_id }
        }),
        4 => (peer.clone(), any::<u16>(), 0..2u32)
            .prop_map(|(peer, prefixes, path_id)| Step::Withdraw { peer, prefixes, path_id }),
        2 => peer.clone().prop_map(Step::Up),
        1 => peer.clone().prop_map(Step::Down),
        2 => (peer.clone(), 0..4u8).prop_map(|(peer, kept)| Step::Lost { peer, kept }),
        1 => (peer.clone(), 0..2u8).prop_map(|(peer, family)| Step::Sweep(peer, family)),
        1 => (peer.clone(), 0..2u8).prop_map(|(peer, family)| Step::LongLived(peer, family)),
        1 => (peer.clone(), 0..4u8).prop_map(|(peer, kind)| Step::Import(peer, kind)),
        1 => (peer.clone(), 0..4u8).prop_map(|(peer, kind)| Step::Export(peer, kind)),
        1 => (peer.clone(), 0..3u8).prop_map(|(peer, kind)| Step::Drain(peer, kind)),
        1 => (peer.clone(), any::<bool>()).prop_map(|(peer, client)| Step::Client(peer, client)),
        1 => (peer.clone(), 0..3u8).prop_map(|(peer, kind)| Step::NextHop(peer, kind)),
        1 => peer.clone().prop_map(Step::Refresh),
        2 => any::<u16>().prop_map(Step::Originate),
        3 => (0..4u8, 0..4u8).prop_map(|(hop, kind)| Step::Resolve(hop, kind)),
        1 => (0..8u8).prop_map(Step::Settings),
        5 => Just(Step::Settle),
        4 => (peer.clone(), 1..6usize).prop_map(|(peer, limit)| Step::Pull(peer, limit)),
        6 => (peer, any::<u8>(), 1..6usize).prop_map(|(peer, with, limit)| Step::PullTogether(peer, with, limit)),
        4 => (1..6usize).prop_map(Step::PullForwarding),
        2 => Just(Step::Track),
    ];
    proptest::collection::vec(step, 1..60)
}

fn chosen(bits: u16) -> Vec<&'static str> {
    PREFIXES.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1).map(|(_, text)| *text).collect()
}

const OTHER_CLUSTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);

const HOPS: [&str; 4] = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "fe80::1"];

fn variant(peer: u32, variant: u8) -> PathAttributes {
    let first = if is_inside(peer) { vec![] } else { vec![OURS.0 + peer] };
    let rest: &[u32] = match variant & 3 {
        0 => &[],
        1 => &[64999],
        2 => &[64999, 64998],
        _ => &[OURS.0],
    };
    let mut attributes = attributes(&[&first, rest].concat(), HOPS[usize::from(variant >> 2 & 3)]);
    attributes.med = (variant & 0x10 != 0).then_some(5);
    attributes.local_pref = (variant & 0x20 != 0).then_some(200);
    attributes.communities = match variant >> 5 & 3 {
        0 => vec![],
        1 => vec![Community::LLGR_STALE],
        2 => vec![Community::NO_LLGR],
        _ => vec![Community::NO_EXPORT],
    };
    attributes.rare.edit(|rare| {
        rare.originator_id = (variant & 0x80 != 0).then(|| id(77));
        rare.cluster_list = Vec::from_iter((variant & 0x80 != 0).then_some(OTHER_CLUSTER));
    });
    attributes
}

fn policy(otherwise: Decision) -> Policy {
    let by_prefix = Rule {
        name: "long prefixes".to_owned(),
        matches: vec![Match::Prefix(PrefixSet::from_iter([PrefixRange {
            within: prefix("0.0.0.0/0"),
            lengths: 17..=32,
        }]))],
        edits: vec![Edit::LocalPref(300), Edit::Communities(Change::Add(vec![Community(7)]))],
        decision: Some(Decision::Accept),
    };
    let by_path = Rule {
        name: "from 64999".to_owned(),
        matches: vec![Match::AsPathContains(Asn(64999).into())],
        edits: vec![Edit::Med(Some(50))],
        decision: None,
    };
    Policy { name: "model".to_owned(), rules: vec![by_path, by_prefix], otherwise }
}

fn import(kind: u8) -> Arc<Import> {
    Arc::new(match kind {
        0 => Import::All,
        1 => Import::None,
        2 => Import::Safe(Safe::default()),
        _ => Import::Policy(policy(Decision::Accept)),
    })
}

fn export(kind: u8) -> Arc<Export> {
    Arc::new(match kind {
        0 => Export::All,
        1 => Export::None,
        2 => Export::Originated,
        _ => Export::Policy(policy(Decision::Reject)),
    })
}

/// Forgets by which identifiers a peer knows its paths: they are ours to choose.
fn without_ids(told: &Told) -> Vec<String> {
    sorted(told.iter().map(|(nlri, attributes)| (nlri.prefix, attributes.clone())))
}

fn sorted(paths: impl IntoIterator<Item = (IpNet, PathAttributes)>) -> Vec<String> {
    let mut sorted: Vec<_> = paths.into_iter().map(|path| format!("{path:?}")).collect();
    sorted.sort();
    sorted
}

/// The tables with everybody who listens to them.
struct World {
    rib: Rib,
    told: BTreeMap<u32, Told>,
    kernel: BTreeMap<IpNet, Forwarding>,
    resolutions: BTreeMap<IpAddr, Resolution>,
}

impl World {
    fn new() -> Self {
        let rib = Rib::new(RibSettings::new(id(0x0A00_0001)));
        Self { rib, told: BTreeMap::new(), kernel: BTreeMap::new(), resolutions: BTreeMap::new() }
    }

    fn take(&mut self, step: Step, now: u32) {
        match step {
            Step::Announce { peer, prefixes, variant: kind, path_id } => {
                let mut update = announce(variant(peer, kind), &chosen(prefixes));
                update.announced.iter_mut().flat_map(|a| &mut a.nlri).for_each(|nlri| nlri.path_id = path_id);
                self.rib.update(PeerId(peer), update, now);
            }
            Step::Withdraw { peer, prefixes, path_id } => {
                let mut update = withdraw(&chosen(prefixes));
                update.withdrawn.iter_mut().for_each(|nlri| nlri.path_id = path_id);
                self.rib.update(PeerId(peer), update, now);
            }
            Step::Up(number) => {
                self.rib.peer_up(PeerId(number), model_peer(number));
                self.told.insert(number, Told::new());
            }
            Step::Down(number) => {
                self.rib.peer_down(PeerId(number));
                self.told.remove(&number);
            }
            Step::Lost { peer, kept } => {
                let kept = Family::ALL.into_iter().filter(|&family| kept >> family as u8 & 1 == 1);
                self.rib.peer_lost(PeerId(peer), kept.collect());
                self.told.remove(&peer);
            }
            Step::Sweep(peer, family) => {
                let (peer, family) = (PeerId(peer), Family::ALL[usize::from(family)]);
                let swept = self.rib.stale(peer)[family as usize] as usize;
                assert_eq!(self.rib.sweep_stale(peer, family), swept);
                assert_eq!(self.rib.stale(peer)[family as usize], 0);
            }
            Step::LongLived(peer, family) => {
                self.rib.begin_long_lived(PeerId(peer), Family::ALL[usize::from(family)]);
            }
            Step::Import(number, kind) => {
                let Some(export) = self.info(number).map(|info| Arc::clone(&info.export)) else { return };
                self.rib.set_policy(PeerId(number), import(kind), export);
            }
            Step::Export(number, kind) => {
                let Some(import) = self.info(number).map(|info| Arc::clone(&info.import)) else { return };
                self.rib.set_policy(PeerId(number), import, export(kind));
            }
            Step::Drain(peer, kind) => {
                let drain = [None, Some(Drain::Announced(Marks::default())), Some(Drain::Withdrawn)];
                self.rib.set_drain(PeerId(peer), drain[usize::from(kind)]);
            }
            Step::Client(peer, client) if is_inside(peer) => self.rib.set_client(PeerId(peer), client),
            Step::Client(..) => {}
            Step::NextHop(peer, kind) => {
                let modes = [NextHopMode::Auto, NextHopMode::Own, NextHopMode::Keep];
                self.rib.set_next_hop(PeerId(peer), modes[usize::from(kind)]);
            }
            Step::Refresh(peer) => Family::ALL.iter().for_each(|&f| self.rib.refresh(PeerId(peer), f)),
            Step::Originate(bits) => {
                self.rib.originate(chosen(bits).into_iter().map(|text| Origination::of(prefix(text))), now);
            }
            Step::Resolve(hop, kind) => self.resolve(address(HOPS[usize::from(hop)]), kind),
            Step::Settings(kind) => {
                let mut settings = RibSettings::new(id(0x0A00_0001));
                settings.max_paths = 1 + usize::from(kind & 1);
                settings.always_compare_med = kind & 2 != 0;
                settings.cluster_id = if kind & 4 != 0 { OTHER_CLUSTER } else { settings.cluster_id };
                self.rib.set_settings(settings);
            }
            Step::Settle => self.rib.settle(),
            Step::Pull(peer, limit) => self.pull(peer, limit),
            Step::PullTogether(peer, with, limit) => self.pull_together(peer, with, limit),
            Step::PullForwarding(limit) => self.pull_forwarding(limit),
            Step::Track => self.track(),
        }
    }

    fn info(&self, number: u32) -> Option<&PeerInfo> {
        self.rib.peers().find(|(id, _)| *id == PeerId(number)).map(|(_, info)| info)
    }

    fn pull(&mut self, peer: u32, limit: usize) {
        let adverts = self.rib.pull(PeerId(peer), limit);
        if let Some(told) = self.told.get_mut(&peer) {
            hear(told, &adverts);
        }
    }

    fn pull_together(&mut self, peer: u32, with: u8, limit: usize) {
        let group = self.rib.update_group(PeerId(peer));
        let listeners: Vec<_> = group.filter(|PeerId(number)| with >> (number - 1) & 1 == 1).collect();
        let pulled = self.rib.pull_together(PeerId(peer), &listeners, limit);
        for &id in &pulled.shared.to {
            assert!(id == PeerId(peer) || listeners.contains(&id), "{id:?} has no room");
            for part in pulled.shared.parts.iter().filter(|part| !part.not_for.contains(&id)) {
                hear(self.told.get_mut(&id.0).unwrap(), &part.adverts);
            }
        }
        if let Some(told) = self.told.get_mut(&peer) {
            hear(told, &pulled.own);
        }
    }

    fn pull_forwarding(&mut self, limit: usize) {
        for change in self.rib.pull_forwarding(limit) {
            match change.forwarding {
                Some(forwarding) => drop(self.kernel.insert(change.prefix, forwarding)),
                None => assert!(self.kernel.remove(&change.prefix).is_some(), "{}", change.prefix),
            }
        }
    }

    fn track(&mut self) {
        let changes = self.rib.tracked_next_hops();
        for added in changes.added {
            assert!(self.resolutions.insert(added, Resolution::Unknown).is_none(), "{added} was tracked");
        }
        for removed in changes.removed {
            assert!(self.resolutions.remove(&removed).is_some(), "{removed} was not tracked");
        }
    }

    /// Resolves a next hop, as the kernel's side does: only one it was asked to.
    fn resolve(&mut self, address: IpAddr, kind: u8) {
        let gateway = Gateway::new(super::address("198.51.100.1"), Some(5));
        let resolution = match kind {
            0 => Resolution::Unreachable,
            1 | 2 => Resolution::OnLink { interface: Some(3) },
            _ => Resolution::Via { gateways: vec![gateway], metric: 10 },
        };
        if let Some(known) = self.resolutions.get_mut(&address) {
            *known = resolution.clone();
            self.rib.next_hop(address, resolution);
        }
    }

    /// Lets everybody hear everything, then compares what they believe with a fresh look.
    fn check(&mut self) {
        self.rib.settle();
        self.track();
        self.rib.settle();
        let peers: Vec<_> = self.told.keys().copied().collect();
        for &peer in &peers {
            let mut rounds = 0;
            while self.rib.has_pending(PeerId(peer)) {
                self.pull(peer, 3);
                rounds += 1;
                assert!(rounds < 1000, "a pull without end");
            }
        }
        while self.rib.has_pending_forwarding() {
            self.pull_forwarding(3);
        }
        for peer in peers {
            let fresh = PREFIXES.iter().map(|text| prefix(text));
            let fresh: Vec<_> = fresh.flat_map(|p| self.fresh_look(peer, p)).collect();
            assert_eq!(without_ids(&self.told[&peer]), sorted(fresh), "what peer {peer} believes");
            let record = Family::ALL.into_iter().flat_map(|f| self.rib.advertised(PeerId(peer), f));
            let record: Told = record.map(|(nlri, attributes)| (nlri, attributes.clone())).collect();
            assert_eq!(self.told[&peer], record, "the record for peer {peer}");
        }
        assert_eq!(self.kernel, self.wanted_in_kernel());
    }

    /// Works out what a peer should know of a prefix from its paths.
    fn fresh_look(&self, number: u32, prefix: IpNet) -> Vec<(IpNet, PathAttributes)> {
        let peer = self.info(number).unwrap();
        let family = Family::of(&prefix);
        if !peer.add_path.send.contains(family) {
            let only = self.rib.export_afresh(PeerId(number), &prefix).ok();
            return only.map(|attributes| (prefix, attributes)).into_iter().collect();
        }
        let Some(id) = self.rib.destinations.find(&prefix) else { return Vec::new() };
        let usable = |path: &&Path| {
            let own = self.rib.source(path.source) == Source::Peer(PeerId(number));
            path.accepted != AttrId::NONE && path.standing() != Standing::Unreachable && !own
        };
        let mut left: Vec<_> = self.rib.destinations[id].paths.iter().filter(usable).copied().collect();
        let mut known = Vec::new();
        while known.len() < peer.add_path.most_sent && !left.is_empty() {
            let path = left.remove(self.rib.best_of(&left));
            known.extend(
                crate::export::export(&ExportView::of(PeerId(number), peer), self.rib.outgoing(id, &path))
                    .ok()
                    .map(|attributes| (prefix, attributes)),
            );
        }
        known
    }

    /// Returns what a peer has announced, as it would announce it again.
    fn announced_by(&self, number: u32) -> Vec<Update> {
        let destinations = Family::ALL.into_iter().flat_map(|family| self.rib.destinations(family));
        let paths = destinations.flat_map(|destination| {
            destination.paths().map(move |path| (destination.prefix(), path)).collect::<Vec<_>>()
        });
        let own = paths.filter(|(_, path)| path.source() == Source::Peer(PeerId(number)));
        let update = |(prefix, path): (IpNet, crate::PathView<'_>)| {
            let nlri = vec![Nlri { path_id: path.path_id(), ..Nlri::from(prefix) }];
            let announced = vec![Announcement { attributes: path.received().clone(), nlri }];
            Update { announced, ..Update::default() }
        };
        own.map(update).collect()
    }

    /// Works out the forwarding of every destination from the views alone.
    fn wanted_in_kernel(&self) -> BTreeMap<IpNet, Forwarding> {
        let mut wanted = BTreeMap::new();
        for destination in Family::ALL.into_iter().flat_map(|family| self.rib.destinations(family)) {
            let mut gateways = Vec::new();
            let mut ours = false;
            for path in destination.paths().filter(|path| path.standing().forwards()) {
                let Source::Peer(PeerId(peer)) = path.source() else {
                    ours = true;
                    continue;
                };
                let address = path.accepted().unwrap().next_hop.address();
                let interface = self.info(peer).unwrap().interface;
                if address == super::address("fe80::1") && interface.is_some() {
                    gateways.push(Gateway::new(address, interface));
                    continue;
                }
                match &self.resolutions[&address] {
                    Resolution::OnLink { interface } => {
                        gateways.push(Gateway::new(address, *interface));
                    }
                    Resolution::Via { gateways: through, .. } => gateways.extend(through.iter().copied()),
                    Resolution::Unknown | Resolution::Unreachable => panic!("best through nowhere"),
                }
            }
            gateways.sort();
            gateways.dedup();
            if ours {
                wanted.insert(destination.prefix(), Forwarding::Blackhole);
            } else if !gateways.is_empty() {
                wanted.insert(destination.prefix(), Forwarding::Via(gateways));
            }
        }
        wanted
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restart_that_forgets_nothing_changes_nothing(steps in steps(), number in 1..=PEERS) {
        let mut world = World::new();
        for (now, step) in steps.into_iter().enumerate() {
            world.take(step, now as u32);
        }
        // With nothing left of an earlier restart: what still is stale at the second loss goes.
        world.take(Step::Down(number), 99);
        world.take(Step::Up(number), 99);
        world.take(Step::Announce { peer: number, prefixes: 0x3FF, variant: number as u8, path_id: 0 }, 99);
        world.check();
        let info = world.info(number).unwrap().clone();
        let (again, told) = (world.announced_by(number), world.told.clone());
        let handed_out = world.rib.stats().forwarding_changes;

        world.take(Step::Lost { peer: number, kept: 3 }, 100);
        world.check();
        world.rib.peer_up(PeerId(number), info);
        world.told.insert(number, Told::new());
        world.check();
        for update in again {
            world.rib.update(PeerId(number), update, 101);
        }
        world.check();
        let swept = Family::ALL.map(|family| world.rib.sweep_stale(PeerId(number), family));
        world.check();
        prop_assert_eq!(swept, [0, 0]);
        prop_assert_eq!(world.rib.stats().forwarding_changes, handed_out);
        let known = |told: &BTreeMap<u32, Told>| told.values().map(without_ids).collect::<Vec<_>>();
        prop_assert_eq!(known(&world.told), known(&told));
        prop_assert_eq!(world.rib.audit(), Ok(()));
    }

    #[test]
    fn what_was_pulled_is_what_a_fresh_look_says(steps in steps()) {
        let mut world = World::new();
        for (now, step) in steps.into_iter().enumerate() {
            world.take(step, now as u32);
            prop_assert_eq!(world.rib.audit(), Ok(()));
        }
        world.check();
        prop_assert_eq!(world.rib.audit(), Ok(()));
        // With everybody gone nothing is left.
        (1..=PEERS).for_each(|peer| world.take(Step::Down(peer), 0));
        world.take(Step::Originate(0), 0);
        world.check();
        prop_assert!(world.kernel.is_empty());
        prop_assert!(world.rib.is_empty());
        prop_assert_eq!(world.rib.attribute_sets(), 0);
        prop_assert_eq!(world.rib.audit(), Ok(()));
    }
}
