//! What goes into the log: one line per change of state, with whence, whither and why.

use bgp::fsm::State;
use tracing::{debug, info, warn};

use crate::speaker::Notice;

/// Logs what the speaker has to say. The kernel's thread logs for itself.
pub(super) fn tell(notice: &Notice) {
    match notice {
        // Up and down are news; the steps of trying are for those who look closer.
        Notice::State { peer, from, to, cause } => {
            if *from == State::Established || *to == State::Established {
                info!(peer, %from, %to, %cause, "session state");
            } else {
                debug!(peer, %from, %to, %cause, "session state");
            }
        }
        Notice::Offence { peer, offence } => {
            warn!(peer, attribute = offence.attribute, error = %offence.error,
                disposition = ?offence.disposition, "malformed attribute in an UPDATE");
        }
        Notice::MaxPrefixes { peer, limit } => {
            warn!(peer, limit, "too many prefixes; the session stays down until `bgpctl peer NAME up`");
        }
        Notice::Stranger(from) => warn!(%from, "refused a connection: no peer has this address"),
        Notice::Converged { deadline: false } => info!("every peer has sent End-of-RIB"),
        Notice::Converged { deadline: true } => {
            warn!("not every peer has sent End-of-RIB; leftovers in the kernel go all the same");
        }
    }
}
