//! Which learned routes go to the kernel where others write some of them, which way, and under which metric.

use super::*;
use crate::{Hand, Ownership, RouteMetric, Unwritten};

const NEXT_HOP: &str = "192.0.2.1";

/// Tables with a peer that announces these prefixes; its next hop is behind a router.
fn world(prefixes: &[&str], local_pref: Option<u32>) -> Rib {
    let mut rib = Rib::new(RibSettings::new(id(0x0A00_0001)));
    rib.peer_up(INSIDE, peer(INSIDE));
    let mut said = attributes(&[65001], NEXT_HOP);
    said.local_pref = local_pref;
    rib.update(INSIDE, announce(said, prefixes), 1);
    let gateways = vec![Gateway::new(address("192.0.2.254"), Some(1))];
    rib.next_hop(address(NEXT_HOP), Resolution::Via { gateways, metric: 1 });
    rib.settle();
    rib
}

fn owned(rib: &mut Rib, ownership: Ownership) {
    rib.set_ownership(&ownership);
    rib.settle();
    rib.audit().unwrap();
}

fn pools(pools: &[(&str, Hand)]) -> Ownership {
    let pools = pools.iter().map(|(pool, hand)| (prefix(pool), hand.clone())).collect();
    Ownership { pools, ..Ownership::default() }
}

/// What the kernel is told next: prefix, forwarding and metric.
fn told(rib: &mut Rib) -> Vec<(String, Option<Forwarding>, Option<u32>)> {
    let changes = rib.pull_forwarding(100).into_iter();
    let mut changes: Vec<_> =
        changes.map(|change| (change.prefix.to_string(), change.forwarding, change.metric)).collect();
    changes.sort_by(|one, other| one.0.cmp(&other.0));
    changes
}

fn plain() -> Option<Forwarding> {
    Some(Forwarding::Via(vec![Gateway::new(address("192.0.2.254"), Some(1))]))
}

fn unwritten(rib: &Rib, text: &str) -> Option<Unwritten> {
    rib.destination(&prefix(text)).unwrap().unwritten()
}

#[test]
fn what_is_somebody_elses_is_not_written_and_says_whose() {
    let mut rib = world(&["10.1.0.0/26", "10.2.0.0/26", "0.0.0.0/0"], None);
    assert!(told(&mut rib).iter().all(|(_, forwarding, metric)| (forwarding, metric) == (&plain(), &None)));
    owned(&mut rib, pools(&[("10.1.0.0/24", Hand::Ours), ("10.0.0.0/8", Hand::Theirs)]));
    assert_eq!(told(&mut rib), [("10.2.0.0/26".to_owned(), None, None)]);
    assert_eq!(unwritten(&rib, "10.2.0.0/26"), Some(Unwritten::Pool(prefix("10.0.0.0/8"))));
    assert_eq!(unwritten(&rib, "10.1.0.0/26"), None);
    // What we originate is ours wherever it is.
    rib.originate([Origination::of(prefix("10.3.0.0/26"))], 2);
    rib.settle();
    assert_eq!(told(&mut rib), [("10.3.0.0/26".to_owned(), Some(Forwarding::Blackhole), None)]);
    let foreign_next_hops = [address(NEXT_HOP)].into();
    owned(&mut rib, Ownership { foreign_next_hops, ..Ownership::default() });
    let gone = ["0.0.0.0/0", "10.1.0.0/26"].map(|text| (text.to_owned(), None, None));
    assert_eq!(told(&mut rib), gone);
    assert_eq!(unwritten(&rib, "0.0.0.0/0"), Some(Unwritten::NextHop(address(NEXT_HOP))));
    owned(&mut rib, Ownership::default());
    assert_eq!(told(&mut rib).len(), 3);
}

#[test]
fn a_tunnel_leads_to_the_bgp_next_hop_itself() {
    let mut rib = world(&["10.1.0.0/26", "10.2.0.0/26"], None);
    told(&mut rib);
    let tunnel = |except: &[&str]| Hand::Tunnel {
        interface: "tunl0".to_owned(),
        except: except.iter().map(|text| prefix(text)).collect(),
    };
    owned(&mut rib, pools(&[("10.1.0.0/16", tunnel(&[])), ("10.2.0.0/16", tunnel(&["192.0.2.0/24"]))]));
    assert_eq!(told(&mut rib), [("10.1.0.0/26".to_owned(), None, None)], "there is no such interface");
    assert_eq!(unwritten(&rib, "10.1.0.0/26"), Some(Unwritten::NoTunnel("tunl0".to_owned())));
    rib.name_link(7, Some("tunl0"));
    let far = Gateway { address: address(NEXT_HOP), interface: Some(7), onlink: true };
    assert_eq!(told(&mut rib), [("10.1.0.0/26".to_owned(), Some(Forwarding::Via(vec![far])), None)]);
    assert_eq!(rib.destination(&prefix("10.2.0.0/26")).unwrap().wanted_forwarding(), plain());
    rib.name_link(7, None);
    assert_eq!(told(&mut rib), [("10.1.0.0/26".to_owned(), None, None)]);
}

#[test]
fn a_metric_goes_by_local_pref_where_it_is_to() {
    for (local_pref, metric) in [
        (Some(2_147_482_623), 1024),
        (Some(2_147_483_135), 512),
        (Some(100), 2_147_483_547),
        (None, 2_147_483_547),
        (Some(u32::MAX), 1),
    ] {
        let mut rib = world(&["10.1.0.0/26"], local_pref);
        told(&mut rib);
        owned(&mut rib, Ownership { metric: RouteMetric::FromLocalPref, ..Ownership::default() });
        assert_eq!(told(&mut rib), [("10.1.0.0/26".to_owned(), plain(), Some(metric))], "{local_pref:?}");
        // Another preference is another metric, by the same way.
        let mut said = attributes(&[65001], NEXT_HOP);
        said.local_pref = Some(7);
        rib.update(INSIDE, announce(said, &["10.1.0.0/26"]), 2);
        rib.settle();
        assert_eq!(told(&mut rib), [("10.1.0.0/26".to_owned(), plain(), Some(2_147_483_640))]);
        owned(&mut rib, Ownership::default());
        assert_eq!(told(&mut rib), [("10.1.0.0/26".to_owned(), plain(), None)]);
    }
}
