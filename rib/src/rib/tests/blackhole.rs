//! BLACKHOLE (RFC 7999).

use super::*;

fn said() -> PathAttributes {
    let mut said = attributes(&[65001], "198.51.100.66");
    said.communities = vec![Community::BLACKHOLE];
    said
}

/// Tables that resolve next hops, none of which leads anywhere.
fn rib_without_ways() -> Rib {
    let mut rib = Rib::new(RibSettings::new(id(0x0A00_0001)));
    rib.next_hop(address("198.51.100.66"), Resolution::Unreachable);
    rib
}

#[test]
fn what_a_peer_asks_to_drop_is_dropped_if_it_may_ask() {
    for (blackhole, forwarding) in [(true, Some(Forwarding::Blackhole)), (false, None)] {
        let mut rib = rib_without_ways();
        rib.peer_up(TOR_A, PeerInfo { blackhole, ..peer(TOR_A) });
        rib.update(TOR_A, announce(said(), &["10.1.2.3/32"]), 1);
        rib.settle();
        assert_eq!(rib.destination(&prefix("10.1.2.3/32")).unwrap().wanted_forwarding(), forwarding);
        rib.audit().unwrap();
    }
}

#[test]
fn what_is_dropped_is_not_told_beyond_our_as() {
    for (blackhole, told) in [(true, Some(Withheld::NoExport)), (false, Some(Withheld::Pending))] {
        let mut rib = rib();
        rib.peer_up(TOR_A, PeerInfo { blackhole, ..peer(TOR_A) });
        rib.peer_up(TOR_B, peer(TOR_B));
        rib.update(TOR_A, announce(said(), &["10.1.2.3/32"]), 1);
        rib.settle();
        assert_eq!(rib.explain_export(TOR_B, &prefix("10.1.2.3/32")).err(), told);
    }
}

#[test]
fn a_peer_may_be_allowed_to_ask_while_its_session_is_up() {
    let mut already = said();
    already.communities.push(Community::NO_EXPORT);
    for said in [said(), already] {
        let mut rib = rib();
        rib.peer_up(TOR_A, peer(TOR_A));
        rib.update(TOR_A, announce(said, &["10.1.2.3/32"]), 1);
        rib.settle();
        let forwarding = |rib: &mut Rib| rib.pull_forwarding(10).pop().map(|change| change.forwarding);
        let through = Forwarding::Via(vec![Gateway::new(address("198.51.100.66"), None)]);
        assert_eq!(forwarding(&mut rib), Some(Some(through.clone())));
        rib.set_blackhole(TOR_A, true);
        rib.settle();
        assert_eq!(forwarding(&mut rib), Some(Some(Forwarding::Blackhole)));
        rib.set_blackhole(TOR_A, false);
        rib.settle();
        assert_eq!(forwarding(&mut rib), Some(Some(through)));
        rib.audit().unwrap();
    }
}
