//! The cluster: what is known of it, how fresh that is, and what is not done that it wants.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The answer to `GET /v1/cluster`, and part of the status of a node that is in one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterView {
    /// The name of our Node object.
    pub node: String,
    /// Where pod blocks come from: `node`, `calico`, `cilium` or `none`; `null` while that is not known.
    pub blocks_from: Option<String>,
    /// Whose objects say which peers there are: `calico`, `podbgp` or `none`; `null` while that is not known.
    pub peers_from: Option<String>,
    /// Since when something is not heard of any more, in seconds since 1970-01-01 UTC; `null` if all is.
    pub stale_since: Option<u64>,
    /// How long that is ago.
    pub stale_seconds: Option<u64>,
    /// Whether what is in force rests on objects an earlier run has written down, some of them at least.
    pub from_snapshot: bool,
    /// The kinds of objects without which nothing can be said yet; empty once there is a plan.
    pub waiting_for: Vec<String>,
    /// How old the plan in force is; `null` without one.
    pub plan_age_seconds: Option<u64>,
    /// Why the cluster wants the node drained; `null` if it does not.
    pub leave: Option<String>,
    /// What the cluster wants and is not done; `null` if nothing.
    pub held: Option<HeldView>,
    /// The pod blocks the cluster has us announce.
    pub blocks: Vec<BlockView>,
    /// How many prefixes the cluster has us announce.
    pub originated: OriginatedCountsView,
    /// What is watched.
    pub watches: Vec<WatchView>,
    /// How many objects are known, by kind.
    pub objects: Vec<ObjectsView>,
    /// How many problems there are.
    pub problem_count: u64,
    /// What is wrong with objects: the first hundred.
    pub problems: Vec<ProblemView>,
    /// How long it takes from an object's change to the UPDATE.
    pub latency: LatencyView,
    /// What the API server is told of this node.
    pub reports: ReportsView,
}

/// A change that would take away too much at once, and waits to be approved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldView {
    /// What it would do, for people, and which objects it is about.
    pub text: String,
    /// The prefixes it would withdraw.
    pub prefixes: Vec<HeldPrefixView>,
    /// The peers it would remove.
    pub peers: Vec<String>,
    /// Since when it has been wanted, in seconds since 1970-01-01 UTC.
    pub since: u64,
    /// How long that is ago.
    pub held_seconds: u64,
    /// How long until it is made all the same, with a fraction; `null` if only when approved.
    pub remaining_seconds: Option<f64>,
}

/// A prefix that is announced although the cluster no longer wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldPrefixView {
    /// The prefix.
    pub prefix: IpNet,
    /// The object that wanted it.
    pub cause: String,
}

/// The answer to `POST /v1/cluster/approve`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovedView {
    /// What was held and has been done.
    pub approved: HeldView,
    /// What is held now: the cluster wants something else since; `null` if nothing is.
    pub held: Option<HeldView>,
}

/// A pod block the cluster has us announce.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockView {
    /// The block.
    pub prefix: IpNet,
    /// The object that wants it.
    pub cause: String,
    /// Whether it stays although the cluster no longer wants it.
    pub held: bool,
}

/// How many prefixes the cluster has us announce, by what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginatedCountsView {
    /// Blocks of pods.
    pub blocks: u64,
    /// Ranges of Services.
    pub ranges: u64,
    /// Addresses of Services.
    pub services: u64,
    /// Routes others have in the kernel.
    pub routes: u64,
}

/// Something that is watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatchView {
    /// The kind of the objects.
    pub kind: String,
    /// Which of them: a name, a selector, or `all`.
    pub scope: String,
    /// How it stands.
    pub state: WatchState,
    /// How long it has been so.
    pub state_seconds: u64,
    /// How often it was lost.
    pub losses: u64,
    /// Why it was lost the last time; `null` if it never was.
    pub last_error: Option<String>,
}

/// How a watch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchState {
    /// It has not heard everything yet.
    Listing,
    /// It has heard everything and goes on hearing.
    InTouch,
    /// It hears nothing, and what it had heard stays in force.
    Lost,
}

/// How many objects of a kind are known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectsView {
    /// The kind.
    pub kind: String,
    /// How many.
    pub count: u64,
}

/// Something wrong with an object, which costs that object and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemView {
    /// The kind of the object.
    pub kind: String,
    /// Which one: `name` or `namespace/name`.
    pub object: String,
    /// The path of the field, such as `spec.peerIP`; empty for the object as a whole.
    pub field: String,
    /// What is wrong, what became of it, and what to do.
    pub problem: String,
}

/// How long it takes from the arrival of an object's change to the UPDATE handed to the kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyView {
    /// How many changes were measured: those that had something to be said to a peer.
    pub count: u64,
    /// All of it together, with a fraction.
    pub sum_seconds: f64,
    /// The same, sorted.
    pub buckets: Vec<BucketView>,
}

/// How many changes took longer than the bucket before, and no longer than this.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BucketView {
    /// The bound; `null` for the last bucket, which has none.
    pub up_to_seconds: Option<f64>,
    /// How many.
    pub count: u64,
}

/// What the API server is told of this node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportsView {
    /// Where the node says how it is: `condition`, `resource` or `none`.
    pub to: String,
    /// How often it was written.
    pub written: u64,
    /// How often that failed; it is tried again.
    pub failures: u64,
    /// Why the last attempt failed; `null` once one succeeds.
    pub last_error: Option<String>,
    /// Events written.
    pub events: u64,
    /// Events not written: there were too many, or the server was away.
    pub events_dropped: u64,
    /// How often the startup taint was taken off our Node.
    pub taints_removed: u64,
}

/// A block of ours that a peer announces as somebody else's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DuplicateView {
    /// The block.
    pub prefix: IpNet,
    /// The peer.
    pub peer: String,
    /// The AS path it comes by; empty from a peer in our own AS.
    pub as_path: String,
    /// The next hop; `null` if the path has none.
    pub next_hop: Option<IpAddr>,
    /// How long it has been seen.
    pub seen_seconds: u64,
}
