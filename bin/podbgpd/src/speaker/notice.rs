//! What people should know: each notice is one line of the log, and most are one of the history.

use std::net::IpAddr;
use std::time::Duration;

use bgp::Family;
use bgp::fsm::{Cause, State};
use bgp::wire::Offence;
use ipnet::IpNet;

use super::Ending;
use crate::drain::Stage;
use crate::transport::Place;

/// Something people should know.
#[derive(Debug)]
pub enum Notice {
    /// A peer's state machine moved.
    State {
        /// The peer's name.
        peer: String,
        /// Whence.
        from: State,
        /// Whither.
        to: State,
        /// Why.
        cause: Cause,
    },
    /// An UPDATE had a mistake that did not end the session (RFC 7606).
    Offence {
        /// The peer's name.
        peer: String,
        /// What was wrong and what was done about it.
        offence: Offence,
    },
    /// A peer is not told of prefixes: their attributes do not fit into a message.
    Oversized {
        /// The peer's name.
        peer: String,
        /// One of the prefixes.
        example: IpNet,
        /// How many there are.
        prefixes: usize,
    },
    /// A peer announced more prefixes than it may.
    MaxPrefixes {
        /// The peer's name.
        peer: String,
        /// The limit.
        limit: u32,
        /// When it may come back; `None` when an operator says.
        wait: Option<Duration>,
    },
    /// A peer comes near the most prefixes it may announce.
    NearMaxPrefixes {
        /// The peer's name.
        peer: String,
        /// The family.
        family: Family,
        /// How many there are.
        prefixes: u32,
        /// The limit.
        limit: u32,
    },
    /// Somebody in a range connected, and the range has as many peers as it may.
    RangeFull {
        /// The name of the range.
        range: String,
        /// The limit.
        limit: u32,
        /// Who connected.
        from: IpAddr,
    },
    /// A peer announced more paths of a prefix than it may; these were not taken in.
    Surplus {
        /// The peer's name.
        peer: String,
        /// How many there were.
        paths: u32,
    },
    /// Somebody connected whom nobody configured.
    Stranger(Place),
    /// The address of a peer on a link was learned.
    Found {
        /// The peer's name.
        peer: String,
        /// The address.
        address: IpAddr,
        /// The name of the interface.
        interface: String,
    },
    /// A peer's session is over, and its routes are kept for it to come back.
    PeerRestarts {
        /// The peer's name.
        peer: String,
        /// How many routes.
        routes: u32,
        /// How long.
        wait: Duration,
    },
    /// A peer is not back in time; what it announced is the last resort now (RFC 9494).
    PeerIsLate {
        /// The peer's name.
        peer: String,
        /// The family its time is up for.
        family: Family,
        /// How many routes.
        routes: u32,
        /// How much longer they stay.
        wait: Duration,
    },
    /// A peer has told everything again, or is not waited for any longer.
    PeerRestarted {
        /// The peer's name.
        peer: String,
        /// How long it had no session; `None` when it did not come back in time.
        away: Option<Duration>,
        /// How many of its routes were kept.
        kept: u32,
        /// How many of them it did not announce again.
        gone: u32,
    },
    /// A peer has said everything of a family again, and not all it had said before.
    PeerRefreshed {
        /// The peer's name.
        peer: String,
        /// The family.
        family: Family,
        /// How many routes it has not said again.
        gone: usize,
        /// Whether it did not come to the end in time.
        late: bool,
    },
    /// After our restart: routes are chosen again, and the kernel follows.
    Selected {
        /// How long after the start.
        took: Duration,
        /// What ended the waiting.
        ending: Ending,
    },
    /// After our restart: what a peer had announced before it.
    Returned {
        /// The peer's name.
        peer: String,
        /// How many prefixes.
        before: usize,
        /// How many of them it has not announced since.
        missing: u32,
        /// A few of those.
        named: Vec<IpNet>,
    },
    /// A peer announces a block of ours as somebody else's.
    Duplicate {
        /// The block.
        prefix: IpNet,
        /// The peer's name.
        peer: String,
        /// The AS path; empty from inside our AS.
        as_path: String,
        /// The next hop.
        next_hop: Option<IpAddr>,
    },
    /// It does so no longer.
    DuplicateGone {
        /// The block.
        prefix: IpNet,
        /// The peer's name.
        peer: String,
    },
    /// A drain came to its next stage.
    Drain {
        /// The peer's name; `None` for the node.
        peer: Option<String>,
        /// The stage.
        stage: Stage,
    },
    /// Every peer has said all it has to say, or is not waited for any longer.
    Converged {
        /// Whether the deadline decided.
        deadline: bool,
    },
}
