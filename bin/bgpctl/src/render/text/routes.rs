//! Routes: what is used, what was received, told and installed, and for a prefix why.

use control::{
    AdvertisedView, AttributesView, KernelRouteView, KernelState, PathView, RouteKind, RouteQuery,
    RouteTable, RouteView, Selection, Standing, ToldView,
};

use super::table::{Table, numbers, texts, words};
use super::words::{count, duration, kernel, kernel_word, next_hop, or_dash};
use super::{Screen, Tone, finish, one_line, say};

/// Renders `show routes` from the JSON array that answers `query`.
pub(crate) fn routes(query: &RouteQuery, body: &[u8], screen: &Screen) -> Result<String, serde_json::Error> {
    let text = match (&query.table, query.selection) {
        (RouteTable::Advertised { .. }, _) => advertised(&serde_json::from_slice::<Vec<_>>(body)?, screen),
        (RouteTable::Kernel, _) => kernel_routes(&serde_json::from_slice::<Vec<_>>(body)?, screen),
        (RouteTable::Loc { .. }, Selection::All) => chosen(&serde_json::from_slice::<Vec<_>>(body)?, screen),
        (_, Selection::All) => paths(&serde_json::from_slice::<Vec<_>>(body)?, screen),
        (_, _) => explained(&serde_json::from_slice::<Vec<_>>(body)?),
    };
    let text = if text.is_empty() { nothing(query) } else { text };
    Ok(finish(&text, screen))
}

fn nothing(query: &RouteQuery) -> String {
    let what = match &query.table {
        RouteTable::Loc { .. } => "no route",
        RouteTable::Received { .. } => "no received route",
        RouteTable::Advertised { .. } => "no advertised route",
        RouteTable::Rejected { .. } => "no rejected route",
        RouteTable::Kernel => "no kernel route",
    };
    match query.selection {
        Selection::All => format!("{what}s\n"),
        Selection::Prefix(prefix) => format!("{what} for exactly {prefix}\n"),
        Selection::Address(address) => format!("{what} to {address}\n"),
    }
}

/// A line for each prefix, and one more for each further next hop.
fn chosen(routes: &[RouteView], screen: &Screen) -> String {
    let mut columns = vec![words(""), words("PREFIX"), words("NEXT-HOPS"), texts("AS-PATH"), words("SOURCE")];
    if screen.wide {
        columns.extend([
            words("ORIGIN"),
            numbers("PREF"),
            numbers("MED"),
            numbers("PATHS"),
            texts("COMMUNITIES"),
        ]);
    }
    columns.extend([numbers("AGE"), words("KERNEL")]);
    let mut table = Table::new(columns);
    for route in routes {
        let used = || route.candidates.iter().filter(|path| is_used(path));
        let best = used().next();
        let mut cells = vec![
            marker(route),
            route.prefix.to_string(),
            lines_or_dash(route.next_hops.iter().map(next_hop)),
            or_dash(best.map(|best| as_path(&best.attributes))),
            lines_or_dash(used().map(source)),
        ];
        if screen.wide {
            let attributes = best.map(|best| &best.attributes);
            cells.extend([
                or_dash(attributes.map(|attributes| attributes.origin.clone())),
                or_dash(attributes.and_then(|attributes| attributes.local_pref)),
                or_dash(attributes.and_then(|attributes| attributes.med)),
                route.candidates.len().to_string(),
                or_dash(attributes.map(communities).filter(|communities| !communities.is_empty())),
            ]);
        }
        cells.extend([or_dash(route.age_seconds.map(duration)), kernel_state(&route.kernel, screen)]);
        table.row(cells);
    }
    if table.is_empty() {
        return String::new();
    }
    table.render(screen, "") + "\n" + &summary(routes)
}

fn kernel_state(state: &KernelState, screen: &Screen) -> String {
    if screen.wide { kernel(state) } else { kernel_word(state) }
}

fn is_used(path: &PathView) -> bool {
    matches!(path.standing, Standing::Best | Standing::Multipath)
}

/// `>` in use, `!` wanted of the kernel but not there, `-` no path can be used.
fn marker(route: &RouteView) -> String {
    match route.kernel {
        KernelState::Failed { .. } | KernelState::Conflict { .. } => say(Tone::Bad, "!"),
        _ if route.candidates.iter().any(is_used) => ">".to_owned(),
        _ => say(Tone::Quiet, "-"),
    }
}

fn summary(routes: &[RouteView]) -> String {
    let in_state =
        |wanted: fn(&KernelState) -> bool| routes.iter().filter(|route| wanted(&route.kernel)).count();
    let mut text = format!(
        "{}, {} installed",
        count(routes.len() as u64, "route"),
        in_state(|kernel| *kernel == KernelState::Installed)
    );
    let troubles = [
        (in_state(|kernel| *kernel == KernelState::Pending), "pending"),
        (in_state(|kernel| matches!(kernel, KernelState::Failed { .. })), "failed"),
        (in_state(|kernel| matches!(kernel, KernelState::Conflict { .. })), "in conflict"),
    ];
    for (number, word) in troubles.into_iter().filter(|(number, _)| *number > 0) {
        text.push_str(&format!(", {number} {word}"));
    }
    text + "\n"
}

/// A line for each path, whatever became of it.
fn paths(routes: &[RouteView], screen: &Screen) -> String {
    let ids = routes.iter().flat_map(|route| &route.candidates).any(|path| path.path_id.is_some());
    let mut columns = vec![words("PREFIX")];
    columns.extend(ids.then(|| numbers("PATH-ID")));
    columns.extend([words("SOURCE"), words("NEXT-HOP"), texts("AS-PATH"), numbers("AGE"), texts("STANDING")]);
    let mut table = Table::new(columns);
    for route in routes {
        for path in &route.candidates {
            let mut cells = vec![route.prefix.to_string()];
            cells.extend(ids.then(|| or_dash(path.path_id)));
            cells.extend([
                source(path),
                or_dash(path.attributes.next_hop),
                as_path(&path.attributes),
                duration(path.age_seconds),
                verdict(path),
            ]);
            table.row(cells);
        }
    }
    if table.is_empty() { String::new() } else { table.render(screen, "") }
}

fn advertised(routes: &[AdvertisedView], screen: &Screen) -> String {
    let ids = routes.iter().any(|route| route.path_id.is_some());
    let mut columns = vec![words("PREFIX")];
    columns.extend(ids.then(|| numbers("PATH-ID")));
    columns.extend([
        words("NEXT-HOP"),
        texts("AS-PATH"),
        words("ORIGIN"),
        numbers("MED"),
        texts("COMMUNITIES"),
    ]);
    let mut table = Table::new(columns);
    for route in routes {
        let attributes = &route.attributes;
        let mut cells = vec![route.prefix.to_string()];
        cells.extend(ids.then(|| or_dash(route.path_id)));
        cells.extend([
            or_dash(attributes.next_hop),
            as_path(attributes),
            attributes.origin.clone(),
            or_dash(attributes.med),
            or_dash(Some(communities(attributes)).filter(|communities| !communities.is_empty())),
        ]);
        table.row(cells);
    }
    if table.is_empty() { String::new() } else { table.render(screen, "") }
}

fn kernel_routes(routes: &[KernelRouteView], screen: &Screen) -> String {
    let mut table = Table::new(vec![
        words("PREFIX"),
        words("KIND"),
        words("NEXT-HOPS"),
        numbers("TABLE"),
        numbers("PROTO"),
        numbers("METRIC"),
        texts("STATE"),
    ]);
    for route in routes {
        let kind = match route.kind {
            RouteKind::Unicast => "unicast",
            RouteKind::Blackhole => "blackhole",
        };
        table.row(vec![
            route.prefix.to_string(),
            kind.to_owned(),
            lines_or_dash(route.next_hops.iter().map(next_hop)),
            route.table.to_string(),
            route.protocol.to_string(),
            route.metric.to_string(),
            kernel_state(&route.kernel, screen),
        ]);
    }
    if table.is_empty() { String::new() } else { table.render(screen, "") }
}

/// A block for each prefix: every candidate, with the reason why it was chosen or not.
fn explained(routes: &[RouteView]) -> String {
    let blocks: Vec<String> = routes.iter().map(explain).collect();
    blocks.join("\n")
}

fn explain(route: &RouteView) -> String {
    let mut text = format!("{}\n", route.prefix);
    let hops: Vec<String> = route.next_hops.iter().map(next_hop).collect();
    let used = route.candidates.iter().any(is_used);
    let forwarding = match (&hops[..], used, &route.unwritten) {
        ([], true, Some(why)) => one_line(&why.text),
        ([], true, None) => {
            "here: packets to addresses in use go to their pods, others are dropped".to_owned()
        }
        ([], false, _) => "no path can be used".to_owned(),
        (hops, ..) => hops.join(", "),
    };
    super::fact(&mut text, "Forwarding", forwarding);
    super::fact(&mut text, "Kernel", kernel(&route.kernel));
    if let Some(cause) = &route.cause {
        super::fact(&mut text, "Originated", format!("for {}", one_line(cause)));
    }
    if let Some(age) = route.age_seconds {
        super::fact(&mut text, "In use for", duration(age));
    }
    for path in &route.candidates {
        text.push('\n');
        candidate(&mut text, path);
    }
    if let Some(told) = route.told.as_ref().filter(|told| !told.is_empty()) {
        text.push('\n');
        told.iter().for_each(|told| text.push_str(&telling(told)));
    }
    text
}

fn telling(told: &ToldView) -> String {
    let reason = told.reason.as_ref().map(|reason| format!(": {}", one_line(&reason.text)));
    let word = if told.advertised { "told to" } else { "not told to" };
    format!("  {word} {}{}\n", told.peer, reason.unwrap_or_default())
}

fn candidate(text: &mut String, path: &PathView) {
    let mark = if is_used(path) { '>' } else { ' ' };
    let reason =
        path.reason.as_ref().map(|reason| format!(": {}", one_line(&reason.text))).unwrap_or_default();
    text.push_str(&format!(
        "{mark} {}  {}{}{reason}\n",
        source(path),
        standing(path.standing),
        staleness(path)
    ));
    let attributes = &path.attributes;
    let mut facts = Vec::new();
    if let Some(next_hop) = attributes.next_hop {
        let link_local =
            attributes.link_local_next_hop.map(|address| format!(" ({address})")).unwrap_or_default();
        facts.push(format!("next hop {next_hop}{link_local}"));
    }
    facts.push(format!("AS path {}", as_path(attributes)));
    facts.push(format!("origin {}", attributes.origin));
    facts.extend(attributes.local_pref.map(|preference| format!("local pref {preference}")));
    facts.extend(attributes.med.map(|med| format!("MED {med}")));
    facts.push(format!("age {}", duration(path.age_seconds)));
    facts.extend(path.path_id.map(|id| format!("path ID {id}")));
    text.push_str(&format!("    {}\n", facts.join(", ")));
    for line in further(attributes) {
        text.push_str(&format!("    {}\n", one_line(&line)));
    }
}

/// The attributes most paths do not have, a line for each.
fn further(attributes: &AttributesView) -> Vec<String> {
    let mut lines = Vec::new();
    let communities = communities(attributes);
    if !communities.is_empty() {
        lines.push(format!("communities {communities}"));
    }
    match (&attributes.aggregator, attributes.atomic_aggregate) {
        (Some(aggregator), true) => lines.push(format!("aggregated by {aggregator} (atomic)")),
        (Some(aggregator), false) => lines.push(format!("aggregated by {aggregator}")),
        (None, true) => lines.push("aggregated (atomic)".to_owned()),
        (None, false) => {}
    }
    if let Some(originator) = attributes.originator_id {
        let clusters: Vec<String> = attributes.cluster_list.iter().map(ToString::to_string).collect();
        lines.push(format!("originator {originator}, reflected by {}", clusters.join(" ")));
    }
    if let Some(asn) = attributes.only_to_customer {
        lines.push(format!("only to customers since AS {asn}"));
    }
    if let Some(metric) = attributes.aigp {
        lines.push(format!("accumulated cost {metric} (AIGP)"));
    }
    lines.extend(attributes.unknown.iter().map(|unknown| format!("not understood, passed on: {unknown}")));
    lines
}

fn communities(attributes: &AttributesView) -> String {
    let AttributesView { communities, extended_communities, large_communities, .. } = attributes;
    [&communities[..], extended_communities, large_communities].concat().join(" ")
}

fn as_path(attributes: &AttributesView) -> String {
    if attributes.as_path.is_empty() { "(empty)".to_owned() } else { attributes.as_path.clone() }
}

fn source(path: &PathView) -> String {
    path.peer.clone().unwrap_or_else(|| "(this node)".to_owned())
}

/// Says what became of a path, and why.
fn verdict(path: &PathView) -> String {
    let reason = path.reason.as_ref().map(|reason| format!(": {}", one_line(&reason.text)));
    standing(path.standing) + &staleness(path) + &reason.unwrap_or_default()
}

/// Marks a path its peer has not announced on this session.
fn staleness(path: &PathView) -> String {
    path.stale.map_or_else(String::new, |stale| format!(", {}", say(Tone::Warning, &stale.to_string())))
}

fn standing(standing: Standing) -> String {
    match standing {
        Standing::Best => say(Tone::Good, "best"),
        Standing::Multipath => say(Tone::Good, "multipath"),
        Standing::Lost => "lost".to_owned(),
        Standing::Unreachable => say(Tone::Warning, "unreachable"),
        Standing::Rejected => say(Tone::Bad, "rejected"),
    }
}

fn lines_or_dash(lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { "-".to_owned() } else { lines.join("\n") }
}
