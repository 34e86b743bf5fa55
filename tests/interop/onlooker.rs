//! A daemon with one puppet for a peer, for the tests of those who look on.

use std::time::Duration;

use bgp::{AsPath, Asn, Community, NextHop, PathAttributes};
use ipnet::IpNet;
use support::puppet::Puppet;
use support::rack::{Transport, our_address, their_address};
use support::{Podbgpd, Rack, Session, config};

use crate::pair::{OUR_V4, net};

/// Programs that follow us take a second or two to write down what they got.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// What the peer announces and import accepts.
pub(crate) const ACCEPTED: &str = "10.50.1.0/24";
/// What it announces and import refuses: it is within our block.
pub(crate) const REFUSED: &str = "10.20.30.96/27";

/// The daemon and its peer.
pub(crate) struct Watched {
    pub(crate) daemon: Podbgpd,
    pub(crate) peer: Puppet,
    // Last: what runs in it goes first.
    pub(crate) rack: Rack,
}

impl Watched {
    /// Starts both, with these lines at the end of the daemon's file; `DIR` in them is the daemon's folder.
    pub(crate) fn start(lines: &str) -> Self {
        let rack = Rack::new(1);
        let directory = rack.directory("ours");
        let lines = lines.replace("DIR", &directory.display().to_string());
        let session = session();
        let text = config::node(&format!("blocks = [\"{OUR_V4}\"]"))
            + &config::peer(&session, "passive = true\nimport = \"safe\"")
            + &lines;
        let daemon = Podbgpd::start(&rack.ours, directory, &text);
        let peer = Self::connect(&rack);
        daemon.await_established("peer0");
        let mut watched = Self { daemon, peer, rack };
        watched.announce(&[ACCEPTED, REFUSED]);
        watched.peer.end_of_rib().expect("the peer announces");
        watched
    }

    /// Dials the daemon as its peer.
    pub(crate) fn connect(rack: &Rack) -> Puppet {
        let (to, asn) = (our_address(0, Transport::V4), session().config.asn);
        Puppet::connect(&rack.theirs[0], to, asn, 0)
    }

    pub(crate) fn announce(&mut self, prefixes: &[&str]) {
        let attributes = PathAttributes {
            as_path: AsPath::sequence([Asn(peer_asn()), Asn(64999)]),
            communities: vec![Community::NO_EXPORT],
            ..PathAttributes::originated(NextHop::from(their_address(0, Transport::V4)))
        };
        let prefixes: Vec<IpNet> = prefixes.iter().map(|prefix| net(prefix)).collect();
        self.peer.announce(&attributes, &prefixes).expect("the peer announces");
    }
}

fn session() -> Session {
    Session::new(0).with(|us| us.ipv6 = false)
}

/// The peer's AS.
pub(crate) fn peer_asn() -> u32 {
    session().config.asn
}
