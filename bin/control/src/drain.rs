//! Leaving peers: requests about drains, and how they stand.

use serde::{Deserialize, Serialize};

/// The answer to everything asked of drains: how they stand now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrainStatusView {
    /// The drain of the whole node; `null` if there is none.
    pub node: Option<DrainView>,
    /// Every peer that is drained, by itself or with the node, in the order of the names.
    pub peers: Vec<PeerDrainView>,
}

/// One drain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrainView {
    /// How far it is.
    pub stage: DrainStage,
    /// How long it has been there.
    pub stage_seconds: u64,
    /// How long until the next stage at the latest, with a fraction; `null` in the last.
    pub next_stage_seconds: Option<f64>,
    /// Why the node or the peer is drained.
    pub cause: DrainCause,
    /// What peers are told when their sessions are closed; empty for nothing.
    pub message: String,
}

/// How a peer stands that is drained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerDrainView {
    /// The peer's name.
    pub peer: String,
    /// How far it is drained.
    pub stage: DrainStage,
    /// Whether its session is Established.
    pub established: bool,
    /// Whether it has been sent everything that this stage has to say.
    pub told: bool,
}

/// How far a drain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrainStage {
    /// What we advertise says that it is about to go, and what we learned is the last resort.
    Announced,
    /// Nothing is advertised.
    Withdrawn,
    /// There is no session.
    Closed,
}

impl DrainStage {
    /// Every stage, in their order.
    pub const ALL: [Self; 3] = [Self::Announced, Self::Withdrawn, Self::Closed];

    /// Returns the stage as JSON spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Withdrawn => "withdrawn",
            Self::Closed => "closed",
        }
    }
}

/// Why a drain was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrainCause {
    /// An operator wanted it.
    Operator,
    /// The machine shuts down.
    Host,
    /// The cluster wants it.
    Cluster,
    /// The daemon leaves, and ends when it is done.
    Leave,
}
