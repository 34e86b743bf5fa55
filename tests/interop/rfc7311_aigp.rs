//! The accumulated cost of the way travels where it is wanted, and nowhere else (RFC 7311).

use anyhow::{Context, Result};
use lab::speakers::{Exabgp, Kind};
use support::{Podbgpd, Rack, SOON, Session, config, eventually, requires};

use crate::pair::{OUR_V4, Pair, net, session};

const COSTLY: &str =
    "[policy.costly]\notherwise = \"accept\"\n[[policy.costly.rule]]\nset-aigp = 4000\nthen = \"next\"\n";

/// The cost a route of the peer's has here.
fn cost(daemon: &Podbgpd, prefix: &str) -> Result<Option<u64>> {
    Ok(daemon.route(net(prefix))?.candidates.first().context("no path")?.attributes.aigp)
}

#[test]
fn bird_hears_the_cost_a_policy_says() {
    requires!(Kind::Bird.programs());
    let session = session().with(|peer| peer.aigp = true);
    let rack = Rack::new(1);
    let text = Pair::config(&session, "aigp = true\nexport = \"costly\"") + COSTLY;
    let _daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &text);
    let bird = session.start(Kind::Bird, &rack);
    let told = eventually(SOON, "our block at BIRD", || bird.route(net(OUR_V4)));
    assert!(told.other.contains("BGP.aigp: 4000"), "{told:?}");
}

#[test]
fn what_passes_through_says_its_cost_only_to_those_who_are_to_know() {
    requires!(Exabgp::PROGRAMS);
    requires!(Kind::Bird.programs());
    for (near_hears, far_hears) in [(true, true), (true, false), (false, true)] {
        let rack = Rack::new(2);
        let (near, far) = (Session::new(0), Session::new(1).with(|peer| peer.aigp = true));
        let lines = |hears| format!("export = \"all\"\naigp = {hears}");
        let text = config::node("")
            + &config::peer(&near, &lines(near_hears))
            + &config::peer(&far, &lines(far_hears));
        let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &text);
        let receiver = far.start(Kind::Bird, &rack);
        let _sender = Exabgp::start(
            &rack.theirs[near.index],
            &near.config,
            &["route 10.50.1.0/24 next-hop 10.9.0.2 attribute [0x1a 0x80 0x01000b0000000000000064]"],
            &rack.directory("peer0"),
        )
        .expect("ExaBGP starts");
        let path = eventually(SOON, "the route", || receiver.route(net("10.50.1.0/24")));
        let here = cost(&daemon, "10.50.1.0/24").expect("an answer");
        assert_eq!(here, near_hears.then_some(100));
        // The next hop is on the link: the way to it costs nothing.
        assert_eq!(path.other.contains("BGP.aigp: 100"), near_hears && far_hears, "{path:?}");
    }
}
