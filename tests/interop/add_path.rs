//! Several paths of a prefix, from others and to them (RFC 7911).

use anyhow::{Result, ensure};
use control::RouteView;
use lab::net::NextHop;
use lab::speakers::{Kind, Neighbor, Speaker, SpeakerConfig};
use support::rack::{Transport, our_address, their_address};
use support::session::OUR_ASN;
use support::{Podbgpd, Rack, SOON, Session, config, eventually};

use crate::pair::{THEIR_V4, THEIR_V6, net};

/// A peer that announces what the other one does too.
fn giver(index: usize) -> Session {
    Session::new(index).announcing([net(THEIR_V4), net(THEIR_V6)])
}

/// A peer of our AS that takes several paths.
fn taker() -> Session {
    let mut session = Session::new(2).with(|us| us.add_path = true);
    session.config.asn = OUR_ASN;
    session
}

/// The AS numbers in front of the paths somebody knows of a prefix.
fn neighbors(speaker: &Speaker, prefix: &str) -> Result<Vec<u32>> {
    let routes = speaker.routes()?.into_iter().filter(|route| route.prefix == net(prefix));
    let mut neighbors: Vec<u32> = routes.filter_map(|route| route.as_path.first().copied()).collect();
    neighbors.sort_unstable();
    Ok(neighbors)
}

fn await_neighbors(speaker: &Speaker, prefix: &str, wanted: &[u32]) {
    eventually(SOON, &format!("{wanted:?} for {prefix}"), || {
        let known = neighbors(speaker, prefix)?;
        ensure!(known == wanted, "it knows {known:?}");
        Ok(())
    });
}

/// Us between two who give and one who takes, with these lines in its table.
struct Between {
    daemon: Podbgpd,
    givers: Vec<Speaker>,
    taker: Speaker,
    // Last: what runs in it goes first.
    _rack: Rack,
}

impl Between {
    fn start(kind: Kind, taker: &Session, lines: &str) -> Self {
        let rack = Rack::new(3);
        // The next hops are beyond us.
        let via = |transport| NextHop::via(our_address(2, transport));
        rack.theirs[2].add_route(net("10.9.0.0/16"), &[via(Transport::V4)]).expect("a route");
        rack.theirs[2].add_route(net("fd09::/16"), &[via(Transport::V6)]).expect("a route");
        let text = config::node("")
            + &config::peer(&giver(0), "")
            + &config::peer(&giver(1), "")
            + &config::peer(taker, &format!("export = \"all\"\n{lines}"));
        let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &text);
        let givers = (0..2).map(|index| giver(index).start(kind, &rack)).collect();
        let taker = taker.start(kind, &rack);
        (0..3).for_each(|index| drop(daemon.await_established(&config::name(index))));
        Self { daemon, givers, taker, _rack: rack }
    }

    /// Returns the identifiers under which the peer was told of a prefix.
    fn path_ids(&self, prefix: &str) -> Vec<Option<u32>> {
        let told = self.daemon.advertised("peer2").expect("an answer");
        told.iter().filter(|told| told.prefix == net(prefix)).map(|told| told.path_id).collect()
    }
}

const FIRST: u32 = 4_200_000_001;
const SECOND: u32 = 4_200_000_002;

pub(crate) fn rfc_7911_a_peer_is_told_of_all_paths_and_of_the_loss_of_one(kind: Kind) {
    let mut between = Between::start(kind, &taker(), "add-path = { send = \"all\" }");
    for prefix in [THEIR_V4, THEIR_V6] {
        await_neighbors(&between.taker, prefix, &[FIRST, SECOND]);
        assert_eq!(between.path_ids(prefix), [Some(1), Some(2)]);
    }
    let peer = between.daemon.peer("peer2").expect("the taker");
    assert!(peer.families.iter().all(|family| family.add_path_sent && !family.add_path_received), "{peer:?}");

    between.givers[0].withdraw(&[net(THEIR_V4)]).expect("one less");
    await_neighbors(&between.taker, THEIR_V4, &[SECOND]);
    await_neighbors(&between.taker, THEIR_V6, &[FIRST, SECOND]);
    between.givers[0].announce(&[net(THEIR_V4)]).expect("one more");
    await_neighbors(&between.taker, THEIR_V4, &[FIRST, SECOND]);
    between.givers[1].kill();
    await_neighbors(&between.taker, THEIR_V6, &[FIRST]);
}

pub(crate) fn rfc_7911_the_best_so_many_go_out_and_one_where_several_are_not_agreed(kind: Kind) {
    let between = Between::start(kind, &taker(), "add-path = { send = 1, families = [\"ipv4\"] }");
    await_neighbors(&between.taker, THEIR_V4, &[FIRST]);
    await_neighbors(&between.taker, THEIR_V6, &[FIRST]);
    assert_eq!(between.path_ids(THEIR_V4), [Some(1)]);
    assert_eq!(between.path_ids(THEIR_V6), [None]);
}

/// Somebody else in the middle, whom both give the same and who tells us of both.
pub(crate) fn rfc_7911_we_hear_several_paths_and_the_loss_of_one(kind: Kind) {
    let rack = Rack::new(3);
    let neighbor = |index: usize| Neighbor {
        local_address: Some(our_address(index, Transport::V4)),
        ipv6: true,
        add_path: index == 2,
        ..Neighbor::new(their_address(index, Transport::V4), [FIRST, SECOND, OUR_ASN][index])
    };
    let middle = SpeakerConfig {
        neighbors: (0..3).map(neighbor).collect(),
        transit: true,
        ..SpeakerConfig::new(OUR_ASN, [10, 9, 255, 2].into())
    };
    let middle = Speaker::start(kind, &rack.ours, &middle, &rack.directory("middle")).expect("the middle");
    let mut givers: Vec<_> = (0..2).map(|index| giver(index).start(kind, &rack)).collect();
    let via = |transport| NextHop::via(our_address(2, transport));
    rack.theirs[2].add_route(net("10.9.0.0/16"), &[via(Transport::V4)]).expect("a route");
    let text = format!(
        "[node]\nname = \"ours\"\nasn = {OUR_ASN}\nrouter-id = \"10.9.255.1\"\n\n[[peer]]\nname = \"middle\"\n\
         asn = {OUR_ASN}\naddress = \"{}\"\nimport = \"all\"\nconnect-retry = 1\nhold-time = 9\n\
         add-path = {{ receive = true }}\n",
        our_address(2, Transport::V4)
    );
    let daemon = Podbgpd::start(&rack.theirs[2], rack.directory("ours"), &text);
    daemon.await_established("middle");

    let two_paths = |route: &RouteView| {
        let ids: Vec<_> = route.candidates.iter().filter_map(|path| path.path_id).collect();
        let mut paths: Vec<_> = route.candidates.iter().map(|path| path.attributes.as_path.clone()).collect();
        paths.sort();
        ensure!(paths == [FIRST.to_string(), SECOND.to_string()], "the paths are {paths:?}");
        ensure!(ids.len() == 2 && ids[0] != ids[1], "the identifiers are {ids:?}");
        Ok(())
    };
    eventually(SOON, "both paths here", || two_paths(&daemon.route(net(THEIR_V4))?));
    let peer = daemon.peer("middle").expect("the middle");
    assert!(peer.families.iter().all(|family| family.add_path_received && !family.add_path_sent), "{peer:?}");
    assert_eq!(peer.surplus_paths, 0);

    givers[0].withdraw(&[net(THEIR_V4)]).expect("one less");
    eventually(SOON, "one path less", || {
        let route = daemon.route(net(THEIR_V4))?;
        let [path] = &route.candidates[..] else { anyhow::bail!("{route:?}") };
        ensure!(path.attributes.as_path == SECOND.to_string(), "{path:?}");
        Ok(())
    });
    givers[0].announce(&[net(THEIR_V4)]).expect("one more");
    eventually(SOON, "both paths again", || two_paths(&daemon.route(net(THEIR_V4))?));
    drop(middle);
}
