//! What happens, as Events of the API server (`events.k8s.io/v1`).

use bgp::fsm::State;
use serde_json::{Value, json};

use super::cut;
use crate::speaker::Notice;

/// Who reports, as Events name controllers.
const CONTROLLER: &str = "podbgp.io/podbgpd";

/// Something worth an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// Whether somebody should look.
    pub warning: bool,
    /// What it is, in a word: `SessionDown`.
    pub reason: &'static str,
    /// What we do or did about it, in a word.
    pub action: &'static str,
    /// The same in a sentence.
    pub note: String,
}

impl Happening {
    /// Makes one of a notice; most are none.
    #[must_use]
    pub fn of(notice: &Notice) -> Option<Self> {
        let new = |warning, reason, action, note| Some(Self { warning, reason, action, note });
        match notice {
            Notice::State { peer, to: State::Established, .. } => {
                new(false, "SessionUp", "Establish", format!("the session with peer {peer} is up"))
            }
            Notice::State { peer, from: State::Established, cause, .. } => new(
                true,
                "SessionDown",
                "Reconnect",
                format!("the session with peer {peer} is lost: {cause}"),
            ),
            Notice::MaxPrefixes { peer, limit, .. } => {
                let note = format!("peer {peer} announced more than the {limit} prefixes it may");
                new(true, "TooManyPrefixes", "Close", note)
            }
            Notice::Drain { peer: None, stage } => {
                new(false, "Drain", "Drain", format!("the node is drained: {stage}"))
            }
            Notice::Duplicate { prefix, peer, as_path, .. } => {
                let by = if as_path.is_empty() {
                    "from inside our AS".to_owned()
                } else {
                    format!("by AS path {as_path}")
                };
                let note =
                    format!("our block {prefix} is announced by somebody else, too: peer {peer} has it {by}");
                new(true, "DuplicateBlock", "Alarm", note)
            }
            Notice::DuplicateGone { prefix, peer } => {
                let note =
                    format!("our block {prefix} is no longer announced by somebody else (peer {peer})");
                new(false, "DuplicateBlockGone", "Clear", note)
            }
            _ => None,
        }
    }

    /// Says that a change is held.
    #[must_use]
    pub fn held(change: &str) -> Self {
        let note = format!("held until approved (bgpctl approve): the cluster would {change}");
        Self { warning: true, reason: "ChangeHeld", action: "Hold", note }
    }

    /// Says that nothing is held any more.
    #[must_use]
    pub fn released(why: &str) -> Self {
        let note = format!("nothing is held any more: {why}");
        Self { warning: false, reason: "ChangeReleased", action: "Release", note }
    }

    /// Says that the startup taint is off.
    #[must_use]
    pub fn taint_removed(taint: &str) -> Self {
        let note = format!("the node can carry traffic; the startup taint {taint} is off");
        Self { warning: false, reason: "StartupTaintRemoved", action: "Untaint", note }
    }

    /// Writes the Event. `micros` since 1970 make its name unique on the node; what is about a Node is in the
    /// namespace `default`.
    #[must_use]
    pub fn event(&self, node: &str, micros: u64) -> Value {
        let time = super::rfc3339(micros / 1_000_000);
        let time = format!("{}.{:06}Z", time.trim_end_matches('Z'), micros % 1_000_000);
        json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": { "name": format!("{node}.{micros:x}"), "namespace": "default" },
            "eventTime": time,
            "type": if self.warning { "Warning" } else { "Normal" },
            "reason": self.reason,
            "action": self.action,
            "note": cut(&self.note),
            "reportingController": CONTROLLER,
            "reportingInstance": node,
            "regarding": { "apiVersion": "v1", "kind": "Node", "name": node, "uid": node },
        })
    }
}
