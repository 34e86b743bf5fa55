//! Both sides dial at once (RFC 4271 §6.8).

use std::time::Duration;

use anyhow::ensure;
use lab::speakers::Kind;
use support::throughout;

use crate::pair::{Pair, session};

/// How often both sides start at the same time. Whether their connections really cross is up to the machine;
/// the daemon tests make them cross.
const ROUNDS: u64 = 3;

pub(crate) fn one_session_remains_when_both_dial(kind: Kind) {
    for round in 1..=ROUNDS {
        let pair = Pair::start(kind, session(), "");
        pair.await_session();
        let flaps = pair.daemon.peer("peer0").expect("an answer").flaps;
        throughout(Duration::from_secs(1), "the one session", || {
            let peer = pair.daemon.established("peer0")?;
            ensure!(peer.flaps == flaps, "it flapped in round {round}: {:?}", peer.last_error);
            ensure!(connections(&pair)? == 1, "{} connections in round {round}", connections(&pair)?);
            pair.foreign.expect_established()
        });
    }
}

/// Counts the BGP connections of our namespace that are open.
fn connections(pair: &Pair) -> anyhow::Result<usize> {
    let table = pair.rack.ours.run(|| std::fs::read_to_string("/proc/thread-self/net/tcp"))?;
    // 01 is ESTABLISHED, 00B3 port 179 on either end.
    let open = table.lines().filter(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields.get(3) == Some(&"01") && fields[1..3].iter().any(|end| end.ends_with(":00B3"))
    });
    Ok(open.count())
}
