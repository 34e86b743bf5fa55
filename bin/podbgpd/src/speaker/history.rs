//! What the speaker writes into its history.

use std::time::Instant;

use super::{Notice, Speaker};

impl Speaker {
    /// Writes what people are told into the history. Whoever carries out the outputs calls this for each notice.
    pub fn remember(&mut self, notice: &Notice, now: Instant) {
        self.history.remember(notice, now);
    }

    /// Decides, and writes down which best paths that changed.
    pub(super) fn decide(&mut self, now: Instant) {
        let history = &mut self.history;
        self.rib.settle_and_tell(|change| history.best_changed(&change, now));
    }
}
