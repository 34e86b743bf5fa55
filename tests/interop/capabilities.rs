//! Names (draft-walton-bgp-hostname-capability), and what the operator sees of both OPENs.

use lab::speakers::Kind;

use crate::pair::{Pair, session};

pub(crate) fn the_peer_says_its_name_and_so_do_we(kind: Kind) {
    let pair = Pair::start(kind, session(), "");
    pair.await_session();
    let peer = pair.daemon.peer("peer0").expect("an answer");
    let name = peer.hostname.expect("a name");
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a host name");
    assert!(name.starts_with(machine.trim()), "{name} on {machine}");
    assert!(peer.capabilities.remote.contains(&format!("hostname {name}")), "{:?}", peer.capabilities);
    assert!(peer.capabilities.local.contains(&"hostname ours".to_owned()), "{:?}", peer.capabilities);
    assert_eq!(peer.software_version, None, "neither says by default what it runs");
    assert!(peer.rtt_seconds.is_some_and(|seconds| seconds > 0.0), "{:?}", peer.rtt_seconds);
    assert_eq!(peer.retransmissions, Some(0));
}
