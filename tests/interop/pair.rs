//! `podbgpd` and one foreign daemon, a cable between them.

use anyhow::Result;
use ipnet::IpNet;
use lab::speakers::{Kind, LearnedRoute, Speaker};
use support::{Podbgpd, Rack, SOON, Session, config, eventually};

/// The block we originate in most scenarios.
pub(crate) const OUR_V4: &str = "10.20.30.64/26";
/// The same in IPv6.
pub(crate) const OUR_V6: &str = "fd00:20:30:40::/122";
/// What the peer announces in most scenarios.
pub(crate) const THEIR_V4: &str = "10.50.1.0/24";
/// The same in IPv6.
pub(crate) const THEIR_V6: &str = "fd50:1::/64";

/// Both ends, running.
pub(crate) struct Pair {
    pub(crate) daemon: Podbgpd,
    pub(crate) foreign: Speaker,
    // Last: what runs in it goes first.
    pub(crate) rack: Rack,
}

impl Pair {
    /// Starts both ends, ours with the two blocks and these lines added to the peer's table.
    pub(crate) fn start(kind: Kind, session: Session, lines: &str) -> Self {
        let rack = Rack::new(1);
        let text = Self::config(&session, lines);
        let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &text);
        let foreign = session.start(kind, &rack);
        Self { daemon, foreign, rack }
    }

    /// Writes our file, with these lines added to the peer's table.
    pub(crate) fn config(session: &Session, lines: &str) -> String {
        let blocks = format!("blocks = [\"{OUR_V4}\", \"{OUR_V6}\"]");
        config::node(&blocks) + &config::peer(session, lines)
    }

    /// Waits until both sides say that the session is up.
    pub(crate) fn await_session(&self) {
        self.daemon.await_established("peer0");
        eventually(SOON, "the other side's word on the session", || self.foreign.expect_established());
    }

    /// Waits until the peer has our route.
    pub(crate) fn await_received(&self, prefix: &str) -> LearnedRoute {
        eventually(SOON, &format!("{prefix} at the peer"), || self.foreign.route(net(prefix)))
    }

    /// Waits until we have the peer's route, in the kernel too.
    pub(crate) fn await_learned(&self, prefix: &str) -> control::RouteView {
        eventually(SOON, &format!("{prefix} here"), || self.learned(prefix))
    }

    /// Finds the peer's route here and in the kernel.
    pub(crate) fn learned(&self, prefix: &str) -> Result<control::RouteView> {
        support::kernel::our_route(&self.rack.ours, net(prefix))?;
        self.daemon.route(net(prefix))
    }
}

/// Reads a prefix.
pub(crate) fn net(prefix: &str) -> IpNet {
    prefix.parse().expect("a prefix")
}

/// Returns the session of peer 0 with the usual announcements.
pub(crate) fn session() -> Session {
    Session::new(0).announcing([net(THEIR_V4), net(THEIR_V6)])
}
