//! The configuration of `podbgpd` for a rack: what most tests have in common.

use std::fmt::Write as _;

use crate::session::{OUR_ASN, Session};

/// The tables that are not peers: our AS number, the kernel on, these lines added to `[node]`.
#[must_use]
pub fn node(lines: &str) -> String {
    format!("[node]\nname = \"ours\"\nasn = {OUR_ASN}\nrouter-id = \"10.9.255.1\"\n{lines}\n")
}

/// The table of the peer at the other end of a foreign daemon's session, with more lines.
///
/// It takes everything and tells what it originates; `import` and `export` may be in `lines` instead.
#[must_use]
pub fn peer(session: &Session, lines: &str) -> String {
    let mut table = format!("[[peer]]\nname = \"{}\"\nasn = {}\n", name(session.index), session.config.asn);
    for us in &session.config.neighbors {
        if let Some(address) = us.local_address {
            let _ = writeln!(table, "address = \"{address}\"");
        }
        let _ = writeln!(table, "hold-time = {}\nfamilies = {:?}", us.hold_time, us.families());
    }
    for (key, default) in [("import", "\"all\""), ("connect-retry", "1")] {
        if !lines.contains(key) {
            let _ = writeln!(table, "{key} = {default}");
        }
    }
    let _ = writeln!(table, "{lines}");
    table
}

/// What we call the rack's peer of this number.
#[must_use]
pub fn name(index: usize) -> String {
    format!("peer{index}")
}
