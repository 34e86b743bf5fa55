//! The cluster: how fresh what is known of it is, and what is held.

use control::{
    ApprovedView, ClusterView, DuplicateView, HeldView, LatencyView, OriginatedCountsView, ReportsView,
    WatchState, WatchView,
};

use super::table::{Table, numbers, texts, words};
use super::words::{count, duration, moment};
use super::{Screen, Tone, fact, finish, one_line, say};

/// Renders `show cluster`: the verdict in a line, what is held, then the facts.
pub(crate) fn cluster(view: &ClusterView, screen: &Screen) -> String {
    let mut text = format!("{}\n", verdict(view));
    if let Some(held) = &view.held {
        text.push_str(&held_lines(held));
    }
    text.push('\n');
    fact(&mut text, "Node object", &view.node);
    let from = |source: &Option<String>| source.clone().unwrap_or_else(|| "not known yet".to_owned());
    fact(&mut text, "Blocks from", from(&view.blocks_from));
    fact(&mut text, "Peers from", from(&view.peers_from));
    fact(&mut text, "Plan", plan(view));
    if let Some(why) = &view.leave {
        fact(&mut text, "Drain", one_line(why));
    }
    fact(&mut text, "Announced", originated(&view.originated));
    fact(&mut text, "To UPDATE", latency(&view.latency));
    reports(&mut text, &view.reports);
    blocks(&mut text, view, screen);
    watches(&mut text, view, screen);
    problems(&mut text, view);
    finish(&text, screen)
}

/// Says in a line how what is known of the cluster stands.
fn verdict(view: &ClusterView) -> String {
    if view.plan_age_seconds.is_none() {
        let kinds = view.waiting_for.join(", ");
        return format!("{}: waiting for {kinds}", say(Tone::Bad, "STARTING"));
    }
    let mut parts = Vec::new();
    parts.extend(view.stale_seconds.map(|age| format!("not heard of everything for {}", duration(age))));
    parts.extend(view.held.as_ref().map(|_| "a change is held".to_owned()));
    parts.extend((view.problem_count > 0).then(|| count(view.problem_count, "problem")));
    match (view.stale_seconds, &view.held) {
        (None, None) if parts.is_empty() => format!("{}: in touch", say(Tone::Good, "OK")),
        (None, None) => format!("{}: in touch, {}", say(Tone::Good, "OK"), parts.join(", ")),
        (Some(_), _) => format!("{}: {}", say(Tone::Warning, "STALE"), parts.join(", ")),
        (None, Some(_)) => format!("{}: {}", say(Tone::Warning, "HELD"), parts.join(", ")),
    }
}

/// Says what of the cluster belongs to the status of the node.
pub(super) fn in_brief(text: &mut String, view: &ClusterView) {
    fact(text, "Cluster", verdict(view));
    if view.stale_since.is_some() {
        fact(text, "In force", "what was known last; nothing is withdrawn for that");
    }
    if view.from_snapshot {
        fact(text, "Objects", "some are those an earlier run has written down");
    }
    fact(text, "Announced", originated(&view.originated));
}

/// Says of a block that somebody else announces it, too.
pub(super) fn duplicate(view: &DuplicateView) -> String {
    let way = match view.as_path.as_str() {
        "" => "from inside our AS".to_owned(),
        path => format!("by AS path {path}"),
    };
    let via = view.next_hop.map(|via| format!(" via {via}")).unwrap_or_default();
    let age = duration(view.seen_seconds);
    format!(
        "{} is ours and peer {} announces it, too, {way}{via}, for {age}: two nodes may have the same block",
        view.prefix,
        one_line(&view.peer)
    )
}

/// Renders the answer to `approve`.
pub(crate) fn approved(view: &ApprovedView, screen: &Screen) -> String {
    let mut text = format!("{}: {}\n", say(Tone::Good, "APPROVED"), one_line(&view.approved.text));
    if let Some(held) = &view.held {
        text.push_str(&held_lines(held));
    }
    finish(&text, screen)
}

fn held_lines(held: &HeldView) -> String {
    let ends = match held.remaining_seconds {
        Some(left) => format!("done in {} unless the cluster changes its mind, or at once", moment(left)),
        None => "done when the cluster still wants it and an operator approves".to_owned(),
    };
    let age = duration(held.held_seconds);
    format!(
        "  {} the cluster would {}\n    wanted for {age}; {ends}: bgpctl approve\n",
        say(Tone::Warning, "!"),
        one_line(&held.text)
    )
}

fn plan(view: &ClusterView) -> String {
    let Some(age) = view.plan_age_seconds else { return "none yet".to_owned() };
    let from = if view.from_snapshot { ", from objects an earlier run has written down" } else { "" };
    format!("in force for {}{from}", duration(age))
}

fn originated(counts: &OriginatedCountsView) -> String {
    let OriginatedCountsView { blocks, ranges, services, routes } = *counts;
    let parts = [
        (blocks, "pod block"),
        (ranges, "Service range"),
        (services, "Service address"),
        (routes, "kernel route"),
    ];
    let parts: Vec<String> = (parts.iter().filter(|(number, _)| *number > 0))
        .map(|(number, noun)| match (*number, *noun) {
            (1, noun) => format!("1 {noun}"),
            (many, "Service address") => format!("{many} Service addresses"),
            (many, noun) => format!("{many} {noun}s"),
        })
        .collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn latency(latency: &LatencyView) -> String {
    if latency.count == 0 {
        return "nothing measured yet".to_owned();
    }
    let mean = latency.sum_seconds / latency.count as f64 * 1000.0;
    let median = quantile(latency, 0.5);
    let most = quantile(latency, 0.99);
    format!("{}, {mean:.1}ms at the mean, half {median}, 99% {most}", count(latency.count, "change"))
}

/// Says within what time a share of the changes was made.
fn quantile(latency: &LatencyView, share: f64) -> String {
    let wanted = share * latency.count as f64;
    let mut seen = 0;
    for bucket in &latency.buckets {
        seen += bucket.count;
        if seen as f64 >= wanted {
            return match bucket.up_to_seconds {
                Some(bound) => format!("within {}ms", bound * 1000.0),
                None => "later than that".to_owned(),
            };
        }
    }
    "not known".to_owned()
}

fn reports(text: &mut String, reports: &ReportsView) {
    let mut said = match reports.to.as_str() {
        "none" => "none".to_owned(),
        to => format!("as {to}, written {}", count(reports.written, "time")),
    };
    for (number, word) in [
        (reports.failures, "failed"),
        (reports.events, "events"),
        (reports.events_dropped, "events left out"),
        (reports.taints_removed, "taints taken off"),
    ] {
        if number > 0 {
            said.push_str(&format!(", {number} {word}"));
        }
    }
    fact(text, "Reports", said);
    if let Some(error) = &reports.last_error {
        fact(text, "Last failure", one_line(error));
    }
}

fn blocks(text: &mut String, view: &ClusterView, screen: &Screen) {
    if view.blocks.is_empty() {
        return;
    }
    let mut table = Table::new(vec![words("BLOCK"), texts("BECAUSE OF"), words("")]);
    for block in &view.blocks {
        let held = if block.held { say(Tone::Warning, "held") } else { String::new() };
        table.row(vec![block.prefix.to_string(), one_line(&block.cause), held]);
    }
    text.push('\n');
    text.push_str(&table.render(screen, "  "));
}

fn watches(text: &mut String, view: &ClusterView, screen: &Screen) {
    if view.watches.is_empty() {
        return;
    }
    let columns = vec![
        words("WATCH"),
        words("OF"),
        words("STATE"),
        numbers("FOR"),
        numbers("OBJECTS"),
        numbers("LOST"),
    ];
    let mut table = Table::new(columns);
    for watch in &view.watches {
        let objects = view.objects.iter().find(|objects| objects.kind == watch.kind);
        table.row(vec![
            watch.kind.clone(),
            one_line(&watch.scope),
            state(watch.state),
            duration(watch.state_seconds),
            objects.map_or_else(|| "-".to_owned(), |objects| objects.count.to_string()),
            watch.losses.to_string(),
        ]);
    }
    text.push('\n');
    text.push_str(&table.render(screen, "  "));
    for watch in &view.watches {
        let WatchView { kind, state, last_error, .. } = watch;
        if let (WatchState::Lost | WatchState::Listing, Some(error)) = (state, last_error) {
            text.push_str(&format!("  - {kind}: {}\n", one_line(error)));
        }
    }
}

fn state(state: WatchState) -> String {
    match state {
        WatchState::InTouch => say(Tone::Good, "in touch"),
        WatchState::Listing => say(Tone::Warning, "listing"),
        WatchState::Lost => say(Tone::Bad, "lost"),
    }
}

fn problems(text: &mut String, view: &ClusterView) {
    if view.problems.is_empty() {
        return;
    }
    text.push_str("\n  PROBLEMS\n");
    for problem in &view.problems {
        let field = if problem.field.is_empty() { String::new() } else { format!("{}: ", problem.field) };
        let what = format!("{} {}: {field}{}", problem.kind, problem.object, problem.problem);
        text.push_str(&format!("  - {}\n", one_line(&what)));
    }
    let unnamed = view.problem_count.saturating_sub(view.problems.len() as u64);
    if unnamed > 0 {
        text.push_str(&format!("  and {} more\n", count(unnamed, "problem")));
    }
}
