//! Drains, as operators see them.

use std::time::Instant;

use control::{DrainCause, DrainStage, DrainStatusView, DrainView, PeerDrainView};

use super::super::Speaker;
use crate::drain::{Cause, Drain, Heard, Stage};

impl Speaker {
    /// Shows who is drained, and how far.
    #[must_use]
    pub fn drain_view(&self, now: Instant) -> DrainStatusView {
        let drained = self.by_name.iter().filter_map(|(name, id)| {
            let stage = self.peerings.get(id)?.drained?;
            let heard = self.heard(*id);
            Some(PeerDrainView {
                peer: name.clone(),
                stage: self::stage(stage),
                established: heard != Heard::Nobody,
                told: heard == Heard::All,
            })
        });
        DrainStatusView { node: self.node_drain_view(now), peers: drained.collect() }
    }

    pub(super) fn node_drain_view(&self, now: Instant) -> Option<DrainView> {
        self.drains.node().map(|drain| view(drain, now))
    }
}

pub(super) fn stage(stage: Stage) -> DrainStage {
    match stage {
        Stage::Announced => DrainStage::Announced,
        Stage::Withdrawn => DrainStage::Withdrawn,
        Stage::Closed => DrainStage::Closed,
    }
}

fn view(drain: &Drain, now: Instant) -> DrainView {
    DrainView {
        stage: stage(drain.stage()),
        stage_seconds: super::age(drain.since(), now),
        next_stage_seconds: super::remaining(drain.next_deadline(), now),
        cause: match drain.cause {
            Cause::Operator => DrainCause::Operator,
            Cause::Host => DrainCause::Host,
            Cause::Cluster => DrainCause::Cluster,
            Cause::Leave => DrainCause::Leave,
        },
        message: drain.message.clone(),
    }
}
