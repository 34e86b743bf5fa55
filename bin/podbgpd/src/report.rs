//! What the API server is told of this node: a value made from the very views operators see, and when to write it.
//!
//! ```text
//!   views ─► Report ─► watch channel ─► kube::report ─► the condition of our Node, or our BGPNodeStatus
//!   notices ─► Happening ─► bounded channel ─►┘      └─► Events; the startup taint is taken off
//! ```
//!
//! Nothing here waits: [`Pace`] says when to write, and what cannot be written is dropped and counted. The API
//! server of a cluster of five thousand nodes is everybody's; see the constants for what one node may ask of it.

pub mod happening;
mod pace;
pub mod taint;
mod time;

use control::{ClusterView, PeerState, PeerView, StatusView};
use serde::Serialize;
use serde_json::{Value, json};

pub use happening::Happening;
pub use pace::{Budget, Pace};
pub use time::rfc3339;

/// The type of the condition of our Node.
pub const CONDITION: &str = "podbgp.io/Ready";
/// The most problems of objects that are written down.
const PROBLEMS: usize = 20;
/// The most characters of a message; the API server takes 32 KiB.
const MESSAGE: usize = 1024;
/// Two moments that are no further apart are the same one, told by clocks of whole seconds.
const JITTER: u64 = 2;

/// How this node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether it can carry traffic.
    pub ready: bool,
    /// Why, or why not, in a word.
    pub reason: String,
    /// The same in sentences.
    pub message: String,
    /// The version of the daemon.
    pub version: String,
    /// Our AS.
    pub asn: u32,
    /// Our identifier.
    pub router_id: String,
    /// The peers.
    pub peers: Vec<Peer>,
    /// The pod blocks.
    pub blocks: Vec<Block>,
    /// How many prefixes are announced for the cluster, by what they are.
    pub announced: Announced,
    /// What is wrong with objects: the first few.
    pub problems: Vec<String>,
    /// How many there are.
    pub problem_count: u64,
    /// The change that is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// Since when the API server was not heard of, the last time it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<String>,
    /// Blocks of ours that peers announce as somebody else's.
    pub duplicates: Vec<String>,
    /// Whether the startup taint is on our Node; `None` when that is not known.
    #[serde(skip)]
    pub tainted: Option<bool>,
}

/// A peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Its AS, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// The state of its session.
    pub state: &'static str,
    /// Since when it has been in it.
    pub since: String,
    /// The same, in seconds since 1970.
    #[serde(skip)]
    since_seconds: u64,
    /// What went wrong the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// A pod block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// The block.
    pub cidr: String,
    /// The object that wants it, or the file.
    pub cause: String,
    /// Whether it stays although it is no longer wanted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
}

/// How many prefixes are announced for the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Announced {
    /// Blocks of pods.
    pub blocks: u64,
    /// Ranges of Services.
    pub ranges: u64,
    /// Addresses of Services.
    pub services: u64,
    /// Routes others have in the kernel.
    pub routes: u64,
}

/// A change that waits to be approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// What it would do.
    pub change: String,
    /// Since when it has been wanted.
    pub since: String,
}

impl Report {
    /// Makes one of the views; `now` is in seconds since 1970. `tainted` says whether the startup taint is on our Node.
    #[must_use]
    pub fn of(status: &StatusView, peers: &[PeerView], tainted: Option<bool>, now: u64) -> Self {
        let cluster = status.cluster.as_deref();
        let (reason, message) = in_words(status);
        let file = status.node.blocks.iter().map(|block| (block.to_string(), "the file".to_owned(), false));
        let blocks = cluster.iter().flat_map(|cluster| &cluster.blocks);
        let blocks = blocks.map(|block| (block.prefix.to_string(), block.cause.clone(), block.held));
        let in_cluster: Vec<_> = blocks.collect();
        let ours = file.filter(|(cidr, ..)| in_cluster.iter().all(|(other, ..)| other != cidr));
        let blocks: Vec<_> = ours.collect::<Vec<_>>().into_iter().chain(in_cluster).collect();
        Self {
            ready: status.ready,
            reason,
            message,
            version: status.version.clone(),
            asn: status.node.asn,
            router_id: status.node.router_id.to_string(),
            peers: peers.iter().map(|peer| Peer::of(peer, now)).collect(),
            blocks: blocks.into_iter().map(|(cidr, cause, held)| Block { cidr, cause, held }).collect(),
            announced: cluster.map(announced).unwrap_or_default(),
            problems: cluster.map(problems).unwrap_or_default(),
            problem_count: cluster.map_or(0, |cluster| cluster.problem_count),
            held: cluster
                .and_then(|cluster| cluster.held.as_ref())
                .map(|held| Held { change: cut(&held.text), since: rfc3339(held.since) }),
            stale_since: cluster.and_then(|cluster| cluster.stale_since).map(rfc3339),
            duplicates: status
                .duplicates
                .iter()
                .map(|one| format!("{} from {}", one.prefix, one.peer))
                .collect(),
            tainted,
        }
    }

    /// Takes over from the report before what only seems to have changed: ages of whole seconds do not add up.
    #[must_use]
    pub fn steadied(mut self, before: Option<&Self>) -> Self {
        for peer in &mut self.peers {
            let known = before.and_then(|before| before.peers.iter().find(|other| other.name == peer.name));
            let same = |known: &&Peer| {
                known.state == peer.state && known.since_seconds.abs_diff(peer.since_seconds) <= JITTER
            };
            if let Some(known) = known.filter(same) {
                (peer.since, peer.since_seconds) = (known.since.clone(), known.since_seconds);
            }
        }
        self
    }

    /// Returns what decides whether a condition has something new to say.
    #[must_use]
    pub fn in_brief(&self) -> (bool, &str, &str) {
        (self.ready, &self.reason, &self.message)
    }

    /// Writes the patch that puts our condition among those of our Node (`application/strategic-merge-patch+json`).
    /// `transition` is since when the node has been as ready as it is.
    #[must_use]
    pub fn condition_patch(&self, transition: &str, now: u64) -> Value {
        json!({ "status": { "conditions": [{
            "type": CONDITION,
            "status": if self.ready { "True" } else { "False" },
            "reason": self.reason,
            "message": self.message,
            "lastHeartbeatTime": rfc3339(now),
            "lastTransitionTime": transition,
        }] } })
    }

    /// Writes the patch that replaces the status of our `BGPNodeStatus` (`application/merge-patch+json`). What has
    /// no value now is removed.
    #[must_use]
    pub fn status_patch(&self, now: u64) -> Value {
        let mut status = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = status.as_object_mut() {
            fields.insert("updated".to_owned(), rfc3339(now).into());
            for optional in ["held", "staleSince"] {
                fields.entry(optional).or_insert(Value::Null);
            }
        }
        json!({ "status": status })
    }
}

impl Peer {
    fn of(view: &PeerView, now: u64) -> Self {
        let since_seconds = now.saturating_sub(view.state_seconds);
        let down = view.state != PeerState::Established;
        let last_error = view.last_error.as_ref().filter(|_| down).map(|error| cut(&error.text));
        Self {
            name: view.name.clone(),
            address: view.address.to_string(),
            asn: view.asn,
            state: view.state.name(),
            since: rfc3339(since_seconds),
            since_seconds,
            last_error,
        }
    }
}

/// Makes the object that our status is the status of (`POST`); it goes with our Node.
#[must_use]
pub fn status_object(node: &str, node_uid: &str) -> Value {
    let mut object = json!({
        "apiVersion": "podbgp.io/v1alpha1",
        "kind": "BGPNodeStatus",
        "metadata": { "name": node },
    });
    if !node_uid.is_empty() {
        object["metadata"]["ownerReferences"] =
            json!([{ "apiVersion": "v1", "kind": "Node", "name": node, "uid": node_uid }]);
    }
    object
}

/// Returns the reason and the message of a condition. A ready node may have something to say, too.
fn in_words(status: &StatusView) -> (String, String) {
    let (first, texts): (_, Vec<&str>) = match status.ready {
        false => {
            let reasons = &status.not_ready_reasons;
            (reasons.first(), reasons.iter().map(|reason| reason.text.as_str()).collect())
        }
        true => (status.reasons.first(), status.reasons.iter().map(|reason| reason.text.as_str()).collect()),
    };
    match first {
        None => ("Ready".to_owned(), "sessions are up, and everything has been said".to_owned()),
        Some(first) => (camel_case(&first.code), cut(&texts.join("; "))),
    }
}

/// Turns `no_session` into `NoSession`, as reasons are written.
fn camel_case(code: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>())
    };
    code.split('_').filter_map(word).collect()
}

fn announced(cluster: &ClusterView) -> Announced {
    let control::OriginatedCountsView { blocks, ranges, services, routes } = cluster.originated;
    Announced { blocks, ranges, services, routes }
}

fn problems(cluster: &ClusterView) -> Vec<String> {
    let text = |problem: &control::ProblemView| {
        let field = if problem.field.is_empty() { String::new() } else { format!("{}: ", problem.field) };
        cut(&format!("{} {}: {field}{}", problem.kind, problem.object, problem.problem))
    };
    cluster.problems.iter().take(PROBLEMS).map(text).collect()
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MESSAGE)].to_owned()
}

#[cfg(test)]
mod tests;
