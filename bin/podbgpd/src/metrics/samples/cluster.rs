//! What is known of the cluster, and what it is told.

use std::fmt;

use ::control::{ClusterView, DuplicateView, LatencyView, ReportsView, WatchState, WatchView};
use prometheus_client::registry::Unit;

use super::{Histogram, Labels, Page, Snapshot, alone, truth};

impl Snapshot {
    pub(super) fn cluster(&self, page: &mut Page<'_>) -> fmt::Result {
        let duplicate = |one: &DuplicateView| {
            (vec![("prefix", one.prefix.to_string()), ("peer", one.peer.clone())], 1_u64)
        };
        let help = "Blocks of ours that a peer announces as somebody else's";
        page.gauge("podbgp_duplicate_block", help, None, self.status.duplicates.iter().map(duplicate))?;
        match &self.status.cluster {
            Some(view) => {
                freshness(page, view)?;
                contents(page, view)?;
                reports(page, &view.reports)
            }
            None => Ok(()),
        }
    }
}

fn freshness(page: &mut Page<'_>, view: &ClusterView) -> fmt::Result {
    let help = "Whether something of the cluster is not heard of any more";
    page.gauge("podbgp_cluster_stale", help, None, truth(view.stale_since.is_some()))?;
    let help = "How long something of the cluster has not been heard of";
    let age = alone(view.stale_seconds.unwrap_or_default());
    page.gauge("podbgp_cluster_stale", help, Some(Unit::Seconds), age)?;
    let help = "Whether what is in force rests on objects an earlier run has written down";
    page.gauge("podbgp_cluster_from_snapshot", help, None, truth(view.from_snapshot))?;
    let plan = view.plan_age_seconds.map(|age| (vec![], age));
    page.gauge("podbgp_cluster_plan_age", "How old the plan in force is", Some(Unit::Seconds), plan)?;
    let of = |watch: &WatchView| vec![("kind", watch.kind.clone()), ("scope", watch.scope.clone())];
    let up = view.watches.iter().map(|watch| (of(watch), u64::from(watch.state == WatchState::InTouch)));
    page.gauge("podbgp_cluster_watch_up", "Whether the watch hears what happens", None, up)?;
    let losses = view.watches.iter().map(|watch| (of(watch), watch.losses));
    page.counter("podbgp_cluster_watch_losses", "How often the watch was lost", losses)?;
    page.histogram(
        "podbgp_cluster_update_latency",
        "From the arrival of an object's change to its UPDATE in the socket",
        Unit::Seconds,
        histogram(&view.latency),
    )
}

fn contents(page: &mut Page<'_>, view: &ClusterView) -> fmt::Result {
    let objects = view.objects.iter().map(|objects| (kind(&objects.kind), objects.count));
    page.gauge("podbgp_cluster_objects", "Objects known", None, objects)?;
    let problems = alone(view.problem_count);
    page.gauge("podbgp_cluster_problems", "What is wrong with objects", None, problems)?;
    let counts = &view.originated;
    let originated = [
        ("blocks", counts.blocks),
        ("ranges", counts.ranges),
        ("services", counts.services),
        ("routes", counts.routes),
    ];
    let originated = originated.map(|(name, count)| (kind(name), count));
    page.gauge("podbgp_cluster_originated", "Prefixes announced for the cluster", None, originated)?;
    let help = "Whether a change that takes away too much is held";
    page.gauge("podbgp_cluster_change_held", help, None, truth(view.held.is_some()))?;
    let age = view.held.as_ref().map_or(0, |held| held.held_seconds);
    page.gauge("podbgp_cluster_change_held", "How long it has been", Some(Unit::Seconds), alone(age))?;
    page.gauge("podbgp_cluster_drain", "Whether the cluster wants a drain", None, truth(view.leave.is_some()))
}

fn reports(page: &mut Page<'_>, reports: &ReportsView) -> fmt::Result {
    let of = |result: &str| vec![("result", result.to_owned())];
    let written = [(of("success"), reports.written), (of("failure"), reports.failures)];
    page.counter("podbgp_cluster_reports", "Writes of this node's status to the API server", written)?;
    let events = [(of("success"), reports.events), (of("dropped"), reports.events_dropped)];
    page.counter("podbgp_cluster_events", "Events for the API server", events)?;
    let help = "How often the startup taint was taken off";
    page.counter("podbgp_cluster_taints_removed", help, alone(reports.taints_removed))
}

fn kind(name: &str) -> Labels {
    vec![("kind", name.to_owned())]
}

fn histogram(view: &LatencyView) -> Histogram {
    let bound = |seconds: Option<f64>| seconds.unwrap_or(f64::INFINITY);
    let buckets = view.buckets.iter().map(|bucket| (bound(bucket.up_to_seconds), bucket.count));
    Histogram { sum: view.sum_seconds, count: view.count, buckets: buckets.collect() }
}
