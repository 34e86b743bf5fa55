//! The node as a whole, and the answers to what was asked to be done.

use control::{
    ActionView, BfdSummaryView, ConfigErrorView, Effect, FibView, ReloadView, StatusView, Verdict,
};

use super::drain::drain;
use super::table::{Table, numbers, texts, words};
use super::words::{count, duration, family, last_error};
use super::{Screen, Tone, fact, finish, one_line, say};
use super::{cluster, restart};

/// Renders `show status`: the verdict in a line, then the facts.
pub(crate) fn status(view: &StatusView, screen: &Screen) -> String {
    let mut text = match (view.verdict, view.ready) {
        (Verdict::Ok, true) => say(Tone::Good, "OK"),
        (Verdict::Degraded, true) => say(Tone::Warning, "DEGRADED"),
        (_, false) => say(Tone::Bad, "NOT READY"),
    };
    let peers = &view.peers;
    let up = format!(": {} of {} up", peers.established, count(peers.configured, "peer"));
    text.push_str(&up);
    if peers.administratively_down > 0 {
        text.push_str(&format!(" ({} held down)", peers.administratively_down));
    }
    text.push_str(&format!(", {}\n", kernel_in_brief(&view.fib)));
    for reason in view.not_ready_reasons.iter().chain(&view.reasons) {
        text.push_str(&format!("  - {}\n", one_line(&reason.text)));
    }
    for hand in &view.wrong_hands {
        let what = format!("{}: {}; {}", hand.place, hand.why, hand.remedy);
        text.push_str(&format!("  {} {}\n", say(Tone::Warning, "!"), one_line(&what)));
    }
    for one in &view.duplicates {
        text.push_str(&format!("  {} {}\n", say(Tone::Bad, "!"), cluster::duplicate(one)));
    }
    text.push('\n');

    let node = &view.node;
    fact(&mut text, "Node", format!("{}, AS {}, router ID {}", node.name, node.asn, node.router_id));
    let blocks: Vec<String> = node.blocks.iter().map(ToString::to_string).collect();
    fact(&mut text, "Blocks", if blocks.is_empty() { "none".to_owned() } else { blocks.join(", ") });
    let uptime = duration(view.uptime_seconds);
    fact(&mut text, "Daemon", format!("podbgpd {}, running for {uptime}", view.version));
    if let Some(view) = &view.cluster {
        cluster::in_brief(&mut text, view);
    }
    if let Some(node) = &view.drain {
        fact(&mut text, "Drain", drain(node));
    }
    configuration(&mut text, view);
    kernel(&mut text, &view.fib);
    restart::node(&mut text, &view.restart);
    bfd(&mut text, &view.bfd);
    onlookers(&mut text, view);

    let mut table = Table::new(vec![
        words("FAMILY"),
        numbers("PREFIXES"),
        numbers("PATHS"),
        numbers("MULTIPATH"),
        numbers("ORIGINATED"),
        numbers("REJECTED"),
    ]);
    for routes in &view.routes {
        let mut cells = vec![family(routes.family).to_owned()];
        let counts = [routes.prefixes, routes.paths, routes.multipath, routes.originated, routes.rejected];
        cells.extend(counts.map(|count| count.to_string()));
        table.row(cells);
    }
    if !table.is_empty() {
        text.push('\n');
        text.push_str(&table.render(screen, "  "));
    }
    finish(&text, screen)
}

fn kernel_in_brief(fib: &FibView) -> String {
    match (fib.enabled, fib.synced) {
        (false, _) => "the kernel is left alone".to_owned(),
        (true, true) => format!("the kernel holds all {}", count(fib.desired, "route")),
        (true, false) => format!("the kernel holds {} of {}", fib.installed, count(fib.desired, "route")),
    }
}

fn configuration(text: &mut String, view: &StatusView) {
    let config = &view.config;
    let age = duration(config.loaded_age_seconds);
    fact(text, "Configuration", format!("{}, in force for {age}", config.file));
    if let Some(error) = &config.last_reload_error {
        fact(text, "Reload refused", last_error(error));
    }
}

fn kernel(text: &mut String, fib: &FibView) {
    if !fib.enabled {
        return fact(text, "Kernel", "not written to ([fib] install = false)");
    }
    let FibView { table, protocol, metric, .. } = fib;
    fact(text, "Kernel", format!("table {table}, protocol {protocol}, metric {metric}"));
    let states = [
        (fib.installed, "installed"),
        (fib.pending, "pending"),
        (fib.failed, "failed"),
        (fib.conflicts, "in conflict"),
        (fib.leftovers, "left over"),
        (fib.groups, "nexthop groups"),
    ];
    fact(text, "Routes", nonzero(fib.desired, "wanted", &states));
    let events = [
        (fib.group_repairs, "groups repaired"),
        (fib.adopted, "adopted"),
        (fib.swept, "swept"),
        (fib.write_errors, "writes refused"),
    ];
    fact(text, "Since start", nonzero(fib.repairs, "repaired", &events));
    if let Some(error) = &fib.last_error {
        fact(text, "Last refusal", last_error(error));
    }
}

fn bfd(text: &mut String, bfd: &BfdSummaryView) {
    if bfd.sessions == 0 {
        return;
    }
    let discarded = bfd.discarded.iter().map(|discarded| discarded.count).sum();
    let troubles = [(discarded, "packets dropped"), (bfd.send_failures, "packets not sent")];
    let sessions = format!("of {} up", count(bfd.sessions, "session"));
    fact(text, "BFD", nonzero(bfd.up, &sessions, &troubles));
}

fn onlookers(text: &mut String, view: &StatusView) {
    for station in &view.stations {
        let messages = count(station.messages, "message");
        let state = match (station.connected, &station.last_error) {
            (true, _) => format!("connected, {messages}"),
            (false, Some(error)) => format!("not connected: {}", one_line(error)),
            (false, None) => "not connected yet".to_owned(),
        };
        let troubles = [(station.lost, "connections lost"), (station.unsaid, "prefixes not told")];
        fact(text, "BMP station", list(format!("{} {state}", station.address), &troubles));
    }
    if let Some(mrt) = &view.mrt {
        let written = format!("{}: {}", mrt.directory, count(mrt.written, "message"));
        fact(text, "MRT", list(written, &[(mrt.dropped, "left out")]));
    }
}

/// Lists the first count in any case, and the others that are not zero.
fn nonzero(first: u64, word: &str, others: &[(u64, &str)]) -> String {
    list(format!("{first} {word}"), others)
}

/// Lists what comes first, and the counts that are not zero.
fn list(first: String, others: &[(u64, &str)]) -> String {
    let mut parts = vec![first];
    parts
        .extend(others.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")));
    parts.join(", ")
}

/// Renders the answer to `reload`.
pub(crate) fn reload(view: &ReloadView, screen: &Screen) -> String {
    if !view.applied {
        let mistakes = count(view.errors.len() as u64, "mistake");
        let mut text =
            format!("{}: {mistakes} in {}, nothing is changed\n", say(Tone::Bad, "REFUSED"), view.file);
        view.errors.iter().for_each(|error| config_error(&mut text, error));
        return finish(&text, screen);
    }
    let mut text = match view.errors.len() as u64 {
        0 => format!("{}: {}", say(Tone::Good, "APPLIED"), view.file),
        missing => {
            let problems = count(missing, "problem");
            format!("{}: {}, with {problems}", say(Tone::Warning, "APPLIED"), view.file)
        }
    };
    text.push_str(if view.changes.is_empty() { ", nothing was different\n" } else { "\n" });
    view.errors.iter().for_each(|error| config_error(&mut text, error));
    if view.changes.is_empty() {
        return finish(&text, screen);
    }
    text.push('\n');
    let mut table = Table::new(vec![words("WHAT"), texts("CHANGE"), words("EFFECT")]);
    for change in &view.changes {
        table.row(vec![change.subject.clone(), one_line(&change.change), effect(change.effect)]);
    }
    text.push_str(&table.render(screen, ""));
    finish(&text, screen)
}

fn config_error(text: &mut String, error: &ConfigErrorView) {
    let line = error.line.map(|line| format!("line {line}: ")).unwrap_or_default();
    let key = error.key.as_ref().map(|key| format!("{key}: ")).unwrap_or_default();
    text.push_str(&format!("  - {line}{key}{}\n", one_line(&error.problem)));
    if let Some(hint) = &error.hint {
        text.push_str(&format!("    hint: {}\n", one_line(hint)));
    }
}

fn effect(effect: Effect) -> String {
    match effect {
        Effect::None => say(Tone::Quiet, "none"),
        Effect::Routes => "routes sent".to_owned(),
        Effect::PolicyRefresh => "policy applied anew".to_owned(),
        Effect::SessionStart => "session starts".to_owned(),
        Effect::SessionReset => say(Tone::Warning, "session reset"),
        Effect::SessionStop => say(Tone::Warning, "session ends"),
        Effect::Restart => say(Tone::Warning, "at the next start"),
    }
}

/// Renders the answer to `peer NAME ACTION`.
pub(crate) fn action(view: &ActionView, screen: &Screen) -> String {
    finish(&format!("{} {}: {}\n", view.peer, view.action.name(), one_line(&view.effect)), screen)
}
