//! Answers to what was asked to be done.

use serde::{Deserialize, Serialize};

use crate::PeerAction;

/// The answer to `POST /v1/reload`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadView {
    /// Whether the file was taken over. A file with a mistake changes nothing; one that asks for something the node
    /// does not have now, such as the use of an address, is taken over all the same.
    pub applied: bool,
    /// The file read.
    pub file: String,
    /// What changed, with its effect; empty when nothing did.
    pub changes: Vec<ChangeView>,
    /// Every mistake in the file; when it was taken over, what of it could not be had.
    pub errors: Vec<ConfigErrorView>,
}

/// One difference between the old and the new intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeView {
    /// What it concerns: `node`, `fib`, `peer tor-a`, …
    pub subject: String,
    /// What is different: `hold-time: 90 → 9`.
    pub change: String,
    /// What the difference does to the running daemon.
    pub effect: Effect,
}

/// What a change of the configuration does to the running daemon, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing a peer could notice.
    None,
    /// Routes are originated or withdrawn; sessions stay.
    Routes,
    /// Policy is applied anew to the routes held; sessions stay.
    PolicyRefresh,
    /// A session starts that was not there.
    SessionStart,
    /// A session ends and starts again.
    SessionReset,
    /// A session ends.
    SessionStop,
    /// It waits for the daemon to be started again.
    Restart,
}

/// A mistake in the configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigErrorView {
    /// The line, from 1, if the mistake has one.
    pub line: Option<u64>,
    /// The key, such as `peer[1].hold-time`.
    pub key: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// The answer to `POST /v1/peers/NAME/ACTION`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionView {
    /// The peer's name.
    pub peer: String,
    /// What was asked for.
    pub action: PeerAction,
    /// What it led to, for people: `session closed (Cease/Administrative Shutdown)`.
    pub effect: String,
}
