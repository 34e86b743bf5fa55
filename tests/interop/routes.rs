//! Routes in both directions, both families, over either protocol.

use control::{KernelState, RouteView};
use support::foreign::{COMMUNITY, EXTENDED_COMMUNITY, Family, LARGE_COMMUNITY, OUR_ASN, Session};
use support::rack::{Transport, our_address, their_address};
use support::{Kind, SOON, eventually, kernel};

use crate::pair::{OUR_V4, OUR_V6, Pair, THEIR_V4, THEIR_V6, net, session};

pub(crate) fn routes_of_both_families_over_ipv4(kind: Kind) {
    let pair = Pair::start(kind, session(), "");
    pair.await_session();

    let ours = pair.await_received(OUR_V4);
    assert_eq!(ours.as_path, [OUR_ASN]);
    assert_eq!(ours.next_hop, our_address(0, Transport::V4).to_string());
    let ours = pair.await_received(OUR_V6);
    assert_eq!(ours.as_path, [OUR_ASN]);
    assert_eq!(ours.next_hop, our_address(0, Transport::V6).to_string());

    check_learned(&pair.await_learned(THEIR_V4), Transport::V4);
    if kind.announces_v6_over_v4() {
        check_learned(&pair.await_learned(THEIR_V6), Transport::V6);
    }
}

pub(crate) fn routes_of_both_families_over_ipv6(kind: Kind) {
    // IPv4 over IPv6 needs RFC 8950, which OpenBGPD 7.7 does not speak.
    let carries_v4 = kind != Kind::Openbgpd;
    let families = if carries_v4 { vec![Family::V4, Family::V6] } else { vec![Family::V6] };
    let announces = if carries_v4 { vec![net(THEIR_V4), net(THEIR_V6)] } else { vec![net(THEIR_V6)] };
    let session =
        Session { transport: Transport::V6, families, announces, extended_next_hop: carries_v4, ..session() };
    let pair = Pair::start(kind, session, "");
    pair.await_session();

    let ours = pair.await_received(OUR_V6);
    assert_eq!(ours.as_path, [OUR_ASN]);
    assert_eq!(ours.next_hop, our_address(0, Transport::V6).to_string());
    check_learned(&pair.await_learned(THEIR_V6), Transport::V6);
    if carries_v4 {
        let ours = pair.await_received(OUR_V4);
        assert_eq!(ours.as_path, [OUR_ASN]);
        pair.await_learned(THEIR_V4);
    }
}

pub(crate) fn withdrawn_routes_go(kind: Kind) {
    let mut pair = Pair::start(kind, session(), "");
    pair.await_session();
    pair.await_learned(THEIR_V4);
    pair.await_received(OUR_V4);

    pair.foreign.announce(&[net("10.50.2.0/24")]).expect("one more");
    pair.await_learned("10.50.2.0/24");
    pair.foreign.withdraw(&[net(THEIR_V4)]).expect("one less");
    eventually(SOON, "the withdrawn route to go", || kernel::no_route(&pair.rack.ours, net(THEIR_V4)));
    assert!(pair.daemon.route(net(THEIR_V4)).is_err(), "bgpctl still shows it");
    pair.learned("10.50.2.0/24").expect("the other route stays");

    // Ours: another configuration has one block less.
    let text =
        support::config::node(&format!("blocks = [\"{OUR_V6}\"]")) + &support::config::peer(&session(), "");
    pair.daemon.configure(&text);
    let answer = pair.daemon.reload();
    assert!(answer.applied, "{answer:?}");
    eventually(SOON, "our withdrawn block to go", || match pair.foreign.received(net(OUR_V4)) {
        Ok(path) => anyhow::bail!("the peer still has {path:?}"),
        Err(_) => Ok(()),
    });
    pair.foreign.established().expect("the session stays up");
    pair.await_received(OUR_V6);
}

/// Checks a route of the peer's as we show it.
fn check_learned(route: &RouteView, transport: Transport) {
    assert_eq!(route.kernel, KernelState::Installed, "{route:?}");
    let path = &route.candidates[0];
    assert_eq!(path.peer.as_deref(), Some("peer0"));
    let attributes = &path.attributes;
    assert_eq!(attributes.as_path, "4200000001");
    assert_eq!(attributes.next_hop, Some(their_address(0, transport)));
    assert_eq!(attributes.communities, [COMMUNITY]);
    assert_eq!(attributes.extended_communities, [EXTENDED_COMMUNITY]);
    assert_eq!(attributes.large_communities, [LARGE_COMMUNITY]);
}
