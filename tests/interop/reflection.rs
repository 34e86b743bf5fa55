//! Route reflection and the iBGP mesh (RFC 4456): everybody is in our AS, on cables that all end at us.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Result, ensure};
use lab::net::NextHop;
use lab::speakers::{Kind, LearnedRoute, Speaker};
use support::rack::{Transport, our_address, their_address};
use support::session::OUR_ASN;
use support::{Podbgpd, Rack, SOON, Session, config, eventually, throughout};

use crate::pair::net;

/// What the peers of these numbers announce.
const ROUTES: [&str; 3] = ["10.50.0.0/24", "10.50.1.0/24", "10.50.2.0/24"];
const CLUSTER: Ipv4Addr = Ipv4Addr::new(10, 9, 99, 99);

/// Us in the middle, and three of our AS who each announce a prefix.
struct Mesh {
    daemon: Podbgpd,
    peers: Vec<Speaker>,
    // Last: what runs in it goes first.
    _rack: Rack,
}

impl Mesh {
    /// Starts everybody, with these lines in the peers' tables.
    fn start(kind: Kind, lines: [&str; 3]) -> Self {
        let rack = Rack::new(3);
        for (index, namespace) in rack.theirs.iter().enumerate() {
            // A reflected route has a next hop beyond us.
            let via = NextHop::via(our_address(index, Transport::V4));
            namespace.add_route(net("10.9.0.0/16"), &[via]).expect("a route");
        }
        let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &text(lines));
        let peers = (0..3).map(|index| session(index).start(kind, &rack)).collect();
        let mesh = Self { daemon, peers, _rack: rack };
        (0..3).for_each(|index| drop(mesh.daemon.await_established(&config::name(index))));
        mesh
    }

    fn await_route(&self, peer: usize, of: usize) -> LearnedRoute {
        let what = format!("the route of peer {of} at peer {peer}");
        eventually(SOON, &what, || self.peers[peer].route(net(ROUTES[of])))
    }

    fn expect_no_route(&self, peer: usize, of: usize) -> Result<()> {
        let found = self.peers[peer].route(net(ROUTES[of]));
        ensure!(found.is_err(), "peer {peer} has the route of peer {of}: {found:?}");
        Ok(())
    }
}

fn session(index: usize) -> Session {
    let mut session = Session::new(index).announcing([net(ROUTES[index])]);
    session.config.asn = OUR_ASN;
    session
}

fn text(lines: [&str; 3]) -> String {
    let peers = lines.iter().enumerate();
    let peers =
        peers.map(|(index, lines)| config::peer(&session(index), &format!("export = \"all\"\n{lines}")));
    config::node(&format!("cluster-id = \"{CLUSTER}\"")) + &peers.collect::<String>()
}

fn router_id(peer: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 9, peer, 2)
}

pub(crate) fn rfc_4456_clients_hear_everybody_and_everybody_hears_clients(kind: Kind) {
    let mesh = Mesh::start(kind, ["client = true", "", ""]);
    for (peer, of, originator) in [(1, 0, 0), (2, 0, 0), (0, 1, 1), (0, 2, 2)] {
        let route = mesh.await_route(peer, of);
        assert_eq!(route.originator_id, Some(router_id(originator)), "{route:?}");
        assert_eq!(route.cluster_list, [CLUSTER], "{route:?}");
        assert_eq!(route.next_hop, Some(their_address(of, Transport::V4)), "{route:?}");
        assert_eq!(route.as_path, [0; 0], "{route:?}");
    }
    throughout(Duration::from_secs(2), "silence between the others", || {
        mesh.expect_no_route(1, 2)?;
        mesh.expect_no_route(2, 1)
    });
    let route = mesh.daemon.explained(net(ROUTES[1])).expect("the route of peer 1");
    let told = route.told.expect("one prefix is asked for");
    let reason = |peer: &str| {
        let told = told.iter().find(|told| told.peer == peer).expect("a peer with a session");
        told.reason.as_ref().map(|reason| reason.code.as_str())
    };
    assert_eq!(
        [reason("peer0"), reason("peer1"), reason("peer2")],
        [None, Some("own_path"), Some("internal")]
    );
    let client = mesh.daemon.peer("peer0").expect("the client");
    assert_eq!(client.cluster_id, Some(CLUSTER));
}

pub(crate) fn rfc_4456_a_mesh_without_clients_reflects_nothing(kind: Kind) {
    let mesh = Mesh::start(kind, [""; 3]);
    (0..3).for_each(|of| drop(eventually(SOON, "their routes here", || mesh.daemon.route(net(ROUTES[of])))));
    throughout(Duration::from_secs(2), "silence", || {
        (0..3).try_for_each(|peer| {
            (0..3).filter(|&of| of != peer).try_for_each(|of| mesh.expect_no_route(peer, of))
        })
    });
}

pub(crate) fn rfc_4456_a_reloaded_client_is_reflected_to_without_a_reset(kind: Kind) {
    let mesh = Mesh::start(kind, [""; 3]);
    eventually(SOON, "the route of peer 1 here", || mesh.daemon.route(net(ROUTES[1])));
    mesh.expect_no_route(0, 1).expect("no reflection yet");
    mesh.daemon.configure(&text(["client = true", "", ""]));
    let answer = mesh.daemon.reload();
    assert!(answer.applied, "{answer:?}");
    mesh.await_route(0, 1);
    mesh.await_route(1, 0);
    mesh.daemon.configure(&text([""; 3]));
    assert!(mesh.daemon.reload().applied);
    eventually(SOON, "reflection to end", || {
        mesh.expect_no_route(0, 1)?;
        mesh.expect_no_route(1, 0)
    });
    assert_eq!(mesh.daemon.peer("peer0").expect("a peer").flaps, 0);
}

pub(crate) fn rfc_4271_next_hop_self_is_for_what_comes_from_outside(kind: Kind) {
    let rack = Rack::new(2);
    let outside = Session::new(0).announcing([net(ROUTES[0])]);
    let text = config::node("")
        + &config::peer(&outside, "export = \"all\"")
        + &config::peer(&session(1), "export = \"all\"\nnext-hop = \"self\"");
    let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &text);
    let _outside = outside.start(kind, &rack);
    let inside = session(1).start(kind, &rack);
    daemon.await_established("peer1");
    let route = eventually(SOON, "the route inside", || inside.route(net(ROUTES[0])));
    let ours: IpAddr = our_address(1, Transport::V4);
    assert_eq!((route.next_hop, route.originator_id), (Some(ours), None));
}
