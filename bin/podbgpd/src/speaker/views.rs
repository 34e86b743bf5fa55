//! What operators see: the speaker's state in the language of the control socket.
//!
//! Views are made from the records themselves when somebody asks; nothing is kept for display.

mod bfd;
mod capabilities;
mod drain;
mod history;
mod peers;
mod policy_test;
mod restart;
mod routes;
mod status;
mod words;

use std::time::{Duration, Instant};

use control::{Family, LastErrorView};

pub use status::Surroundings;

fn family(family: bgp::Family) -> Family {
    match family {
        bgp::Family::Ipv4 => Family::Ipv4,
        bgp::Family::Ipv6 => Family::Ipv6,
    }
}

fn age(since: Instant, now: Instant) -> u64 {
    now.duration_since(since).as_secs()
}

fn remaining(deadline: Option<Instant>, now: Instant) -> Option<f64> {
    deadline.map(|deadline| deadline.saturating_duration_since(now)).map(|left: Duration| left.as_secs_f64())
}

fn last_error(error: &bgp::fsm::LastError, now: Instant) -> LastErrorView {
    LastErrorView {
        code: error.reason.label().to_owned(),
        text: error.reason.to_string(),
        age_seconds: age(error.at, now),
    }
}
