//! Leaving a session before it ends, and peers that do (RFC 8326).

use super::*;
use crate::drain::{Drain, Lowered, Marks};

const MARKS: Marks = Marks { prepend: 2, med: Some(50) };
const ROUTE: &str = "203.0.113.0/24";
const BLOCK: &str = "10.20.0.0/26";

/// Both TORs announce one prefix alike, and we originate another.
fn rack() -> Rib {
    let mut rib = rib();
    for tor in [TOR_A, TOR_B, INSIDE] {
        rib.peer_up(tor, peer(tor));
    }
    rib.originate([Origination::of(prefix(BLOCK))], 0);
    rib.update(TOR_A, announce(attributes(&[65001, 7], "192.0.2.1"), &[ROUTE]), 0);
    rib.update(TOR_B, announce(attributes(&[65002, 7], "192.0.2.2"), &[ROUTE]), 0);
    rib.settle();
    rib
}

fn told(rib: &mut Rib, peer: PeerId, told: &mut Told) -> Option<PathAttributes> {
    rib.settle();
    hear(told, &rib.pull(peer, 100));
    rib.audit().unwrap();
    told.get(&prefix(BLOCK)).cloned()
}

fn carries(attributes: &PathAttributes) -> bool {
    attributes.communities == [Community::GRACEFUL_SHUTDOWN]
}

#[test]
fn a_drained_peer_is_told_so_and_withdrawn_from_and_back_again() {
    let (mut rib, mut heard) = (rack(), Told::new());
    let before = told(&mut rib, TOR_A, &mut heard).unwrap();
    assert_eq!((before.as_path.to_string().as_str(), before.med), ("65000", None));

    rib.set_drain(TOR_A, Some(Drain::Announced(MARKS)));
    let marked = told(&mut rib, TOR_A, &mut heard).unwrap();
    assert!(carries(&marked));
    assert_eq!((marked.as_path.to_string().as_str(), marked.med), ("65000 65000 65000", Some(50)));

    rib.set_drain(TOR_A, Some(Drain::Withdrawn));
    assert_eq!(told(&mut rib, TOR_A, &mut heard), None);
    assert_eq!(heard.len(), 0);
    assert_eq!(rib.explain_export(TOR_A, &prefix(BLOCK)), Err(Withheld::Drained));

    rib.set_drain(TOR_A, None);
    assert_eq!(told(&mut rib, TOR_A, &mut heard), Some(before));
}

#[test]
fn an_internal_peer_is_given_the_lowest_preference_instead_of_a_longer_path() {
    let (mut rib, mut heard) = (rack(), Told::new());
    rib.set_drain(INSIDE, Some(Drain::Announced(MARKS)));
    let marked = told(&mut rib, INSIDE, &mut heard).unwrap();
    assert!(carries(&marked));
    assert_eq!((marked.local_pref, marked.as_path.length(), marked.med), (Some(0), 0, None));
}

#[test]
fn marks_come_after_the_policy_and_are_not_said_twice() {
    use crate::policy::{Edit, Policy, Rule};
    let edit = Edit::ReplaceCommunities(vec![Community(7), Community::GRACEFUL_SHUTDOWN]);
    let rule = Rule {
        name: String::new(),
        matches: vec![],
        edits: vec![edit],
        decision: Some(crate::policy::Decision::Accept),
    };
    let policy = Policy { name: "p".into(), rules: vec![rule], otherwise: crate::policy::Decision::Reject };
    let mut rib = rack();
    let import = Arc::clone(&peer(TOR_A).import);
    rib.set_policy(TOR_A, import, Arc::new(Export::Policy(policy)));
    rib.set_drain(TOR_A, Some(Drain::Announced(Marks::default())));
    let marked = told(&mut rib, TOR_A, &mut Told::new()).unwrap();
    assert_eq!(marked.communities, [Community(7), Community::GRACEFUL_SHUTDOWN]);
}

#[test]
fn what_a_drained_peer_said_is_the_last_resort_until_the_drain_is_called_off() {
    let mut rib = rack();
    let standings = |rib: &mut Rib| {
        rib.settle();
        rib.audit().unwrap();
        [TOR_A, TOR_B].map(|tor| standing(rib, ROUTE, Source::Peer(tor)).unwrap())
    };
    let before = standings(&mut rib);
    assert_eq!(before, [Standing::Best, Standing::Multipath]);

    for drain in [Drain::Announced(MARKS), Drain::Withdrawn] {
        rib.set_drain(TOR_A, Some(drain));
        assert_eq!(standings(&mut rib), [Standing::Lost(crate::Reason::LocalPref), Standing::Best]);
    }
    let destination = rib.destination(&prefix(ROUTE)).unwrap();
    let lowered: Vec<_> = destination.paths().map(|path| path.lowered()).collect();
    assert_eq!(lowered, [None, Some(Lowered::Drain)]);

    rib.withdraw_of(TOR_B);
    assert_eq!(standing(&rib, ROUTE, Source::Peer(TOR_A)), Some(Standing::Best), "better than none");
    rib.update(TOR_B, announce(attributes(&[65002, 7], "192.0.2.2"), &[ROUTE]), 0);
    rib.set_drain(TOR_A, None);
    assert_eq!(standings(&mut rib), before);
}

#[test]
fn a_peer_that_says_it_goes_is_left_if_that_is_heeded() {
    let going = || PathAttributes {
        communities: vec![Community::GRACEFUL_SHUTDOWN],
        ..attributes(&[65001, 7], "192.0.2.1")
    };
    let mut rib = rack();
    rib.update(TOR_A, announce(going(), &[ROUTE]), 0);
    rib.settle();
    let of_tor_a = |rib: &Rib| standing(rib, ROUTE, Source::Peer(TOR_A)).unwrap();
    assert_eq!(of_tor_a(&rib), Standing::Lost(crate::Reason::LocalPref));
    let path = rib.destination(&prefix(ROUTE)).unwrap().paths().last();
    assert_eq!(path.and_then(|path| path.lowered()), Some(Lowered::GracefulShutdown));

    rib.set_graceful_shutdown(TOR_A, false);
    rib.settle();
    rib.audit().unwrap();
    assert_eq!(of_tor_a(&rib), Standing::Best);
}

#[test]
fn an_internal_peers_preference_is_its_own() {
    let mut rib = rack();
    let internal = PathAttributes {
        communities: vec![Community::GRACEFUL_SHUTDOWN],
        local_pref: Some(200),
        ..attributes(&[7], "192.0.2.3")
    };
    rib.update(INSIDE, announce(internal, &[ROUTE]), 0);
    rib.settle();
    assert_eq!(standing(&rib, ROUTE, Source::Peer(INSIDE)), Some(Standing::Best));
}

impl Rib {
    fn withdraw_of(&mut self, peer: PeerId) {
        self.update(peer, withdraw(&[ROUTE]), 0);
        self.settle();
    }
}
