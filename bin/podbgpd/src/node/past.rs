//! What an earlier run left.

use tracing::info;

use crate::intent::Intent;
use crate::snapshot::{self, Identity};
use crate::speaker::Past;

/// Finds out what an earlier run left, in the kernel and on disk.
pub(super) fn gather(intent: &Intent, adopted: usize) -> Past {
    let directory = &intent.graceful_restart.state_directory;
    let (snapshot, away) = snapshot::load(directory, Identity::of(intent)).unzip();
    let past = Past { snapshot, away, adopted, ..Past::default() };
    if past.is_restart() {
        info!(
            target: "restart",
            away = away.map(tracing::field::debug),
            adopted = past.adopted,
            peers_up = past.snapshot.as_ref().map(|snapshot| snapshot.peers.iter().filter(|peer| peer.up).count()),
            forwarding_kept = past.kept_forwarding(),
            "going on where an earlier run ended"
        );
    }
    past
}
