//! The cluster, as operators see it, and their word on what is held.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use control::{
    ApprovedView, BlockView, ClusterView, ErrorCode, ErrorView, HeldPrefixView, HeldView, ObjectsView,
    OriginatedCountsView, ProblemView, ReportsView,
};
use ipnet::IpNet;
use tracing::info;

use super::Node;
use super::cluster::Follower;
use crate::blast::Held;
use crate::contact;
use crate::intent::{Intent, Leftover};

/// The most problems that are shown one by one.
const PROBLEMS: usize = 100;

impl Node {
    /// Shows what is known of the cluster; `None` outside of any.
    pub(super) fn cluster_view(&self, now: Instant) -> Option<ClusterView> {
        let reports = self.reporting.as_ref().map(super::reporting::Reporting::view);
        self.cluster.as_ref().map(|follower| follower.view(self.speaker.intent(), reports, now))
    }

    /// Does what is held.
    pub(super) fn approve(&mut self, now: Instant) -> Result<ApprovedView, ErrorView> {
        let Some(follower) = &mut self.cluster else { return Err(no_cluster()) };
        let held = follower.blast.held().map(|held| view_of(held, now));
        let Some(approved) = held.filter(|_| follower.blast.approve()) else {
            return Err(
                ErrorView::new(ErrorCode::Conflict, "nothing is held").with_hint("see `bgpctl show cluster`")
            );
        };
        info!(target: "control", change = approved.text, "an operator approves what was held");
        self.go_over_to_cluster(now, "an operator's word");
        let held = self.cluster.as_ref().and_then(|follower| follower.blast.held());
        Ok(ApprovedView { approved, held: held.map(|held| view_of(held, now)) })
    }
}

impl Follower {
    fn view(&self, intent: &Intent, reports: Option<ReportsView>, now: Instant) -> ClusterView {
        let stale = self.contact.stale_since();
        let (blocks_from, peers_from) = self.cluster.sources();
        let known = self.plan.is_some();
        let problems = self.plan.as_ref().map_or(&[][..], |plan| &plan.problems);
        ClusterView {
            node: self
                .file
                .kubernetes
                .as_ref()
                .map(|settings| settings.node_name.clone())
                .unwrap_or_default(),
            blocks_from: known.then(|| blocks_from.to_string()),
            peers_from: known.then(|| peers_from.to_string()),
            stale_since: stale.map(|since| epoch(since, now)),
            stale_seconds: stale.map(|since| age(since, now)),
            from_snapshot: self.restored && self.contact.has_unlisted(),
            waiting_for: self.cluster.missing().into_iter().map(contact::kind).collect(),
            plan_age_seconds: self.planned.map(|planned| age(planned, now)),
            leave: intent.leave.clone(),
            held: self.blast.held().map(|held| view_of(held, now)),
            blocks: blocks(intent, self.blast.held()),
            originated: counts(intent),
            watches: self.contact.views(now),
            objects: self
                .cluster
                .objects()
                .counts()
                .map(|(kind, count)| ObjectsView { kind: contact::kind(kind), count: count as u64 })
                .collect(),
            problem_count: problems.len() as u64,
            problems: problems.iter().take(PROBLEMS).map(problem).collect(),
            latency: self.latency.view(),
            reports: reports
                .unwrap_or_else(|| ReportsView { to: "none".to_owned(), ..ReportsView::default() }),
        }
    }
}

/// Shows what is held.
pub(super) fn view_of(held: &Held, now: Instant) -> HeldView {
    let lost = held.losses.prefixes.values().flat_map(|lost| &lost.withdrawn);
    HeldView {
        text: held.losses.to_string(),
        prefixes: lost
            .map(|(prefix, cause)| HeldPrefixView { prefix: *prefix, cause: cause.clone() })
            .collect(),
        peers: held.losses.peers.iter().cloned().collect(),
        since: epoch(held.since, now),
        held_seconds: age(held.since, now),
        remaining_seconds: held.until.map(|until| until.saturating_duration_since(now).as_secs_f64()),
    }
}

/// Answers who asks for a cluster where there is none.
pub(super) fn no_cluster() -> ErrorView {
    ErrorView::new(ErrorCode::NotFound, "this node takes no part in a cluster")
        .with_hint("the file has no table [kubernetes]")
}

fn blocks(intent: &Intent, held: Option<&Held>) -> Vec<BlockView> {
    let held: Vec<IpNet> = held.iter().flat_map(|held| held.losses.withdrawn()).collect();
    let blocks = intent.originated.iter().filter(|(_, one)| one.leftover == Leftover::Dropped);
    let view = |(prefix, one): (&IpNet, &crate::intent::Originated)| BlockView {
        prefix: *prefix,
        cause: one.cause.clone(),
        held: held.contains(prefix),
    };
    blocks.map(view).collect()
}

fn counts(intent: &Intent) -> OriginatedCountsView {
    let mut counts = OriginatedCountsView::default();
    for (prefix, one) in &intent.originated {
        let is_address = prefix.prefix_len() == prefix.max_prefix_len();
        *match one.leftover {
            Leftover::Dropped => &mut counts.blocks,
            Leftover::DroppedInTransit if is_address => &mut counts.services,
            Leftover::DroppedInTransit => &mut counts.ranges,
            Leftover::Followed => &mut counts.routes,
        } += 1;
    }
    counts
}

fn problem(problem: &::cluster::Problem) -> ProblemView {
    ProblemView {
        kind: contact::kind(problem.kind),
        object: problem.object.to_string(),
        field: problem.field.clone(),
        problem: problem.problem.clone(),
    }
}

fn age(since: Instant, now: Instant) -> u64 {
    now.saturating_duration_since(since).as_secs()
}

/// Returns a moment in seconds since 1970.
fn epoch(at: Instant, now: Instant) -> u64 {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    wall.saturating_sub(now.saturating_duration_since(at)).as_secs()
}
