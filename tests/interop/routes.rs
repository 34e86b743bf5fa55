//! Routes in both directions, both families, over either protocol.

use control::{KernelState, RouteView};
use lab::speakers::Kind;
use support::rack::{Transport, our_address, their_address};
use support::session::{OUR_ASN, communities};
use support::{SOON, Session, eventually, kernel};

use crate::pair::{OUR_V4, OUR_V6, Pair, THEIR_V4, THEIR_V6, net, session};

pub(crate) fn routes_of_both_families_over_ipv4(kind: Kind) {
    let pair = Pair::start(kind, session(), "");
    pair.await_session();

    let ours = pair.await_received(OUR_V4);
    assert_eq!(ours.as_path, [OUR_ASN]);
    assert_eq!(ours.next_hop, Some(our_address(0, Transport::V4)));
    let ours = pair.await_received(OUR_V6);
    assert_eq!(ours.as_path, [OUR_ASN]);
    assert_eq!(ours.next_hop, Some(our_address(0, Transport::V6)));

    check_learned(&pair.await_learned(THEIR_V4), Transport::V4);
    // OpenBGPD 7.7 on Linux announces the next hop `::1` there, whatever its file says.
    if kind != Kind::Openbgpd {
        check_learned(&pair.await_learned(THEIR_V6), Transport::V6);
    }
}

pub(crate) fn routes_of_both_families_over_ipv6(kind: Kind) {
    // IPv4 over IPv6 needs RFC 8950, which OpenBGPD 7.7 does not speak.
    let carries_v4 = kind != Kind::Openbgpd;
    let announced = if carries_v4 { vec![net(THEIR_V4), net(THEIR_V6)] } else { vec![net(THEIR_V6)] };
    let session = Session::over(Transport::V6, 0).with(|us| us.ipv4 = carries_v4).announcing(announced);
    let pair = Pair::start(kind, session, "");
    pair.await_session();

    let ours = pair.await_received(OUR_V6);
    assert_eq!(ours.as_path, [OUR_ASN]);
    assert_eq!(ours.next_hop, Some(our_address(0, Transport::V6)));
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
    eventually(SOON, "our withdrawn block to go", || match pair.foreign.route(net(OUR_V4)) {
        Ok(path) => anyhow::bail!("the peer still has {path:?}"),
        Err(_) => Ok(()),
    });
    pair.foreign.expect_established().expect("the session stays up");
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
    assert_eq!(attributes.communities, communities().standard);
    assert_eq!(attributes.extended_communities, communities().extended);
    assert_eq!(attributes.large_communities, communities().large);
}
