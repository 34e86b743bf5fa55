//! What would become of a route.

use control::{AttributeChangeView, Direction, PolicyRuleView, PolicyTestView, TriedRoute};

use super::{Screen, Tone, fact, finish, one_line, say};

/// Renders a trial: the verdict in a line, then the route, the policy, and each step with its changes.
pub(crate) fn policy_test(view: &PolicyTestView, screen: &Screen) -> String {
    let (tone, word) = if view.accepted { (Tone::Good, "accepted") } else { (Tone::Bad, "rejected") };
    let by = match (&view.rule, &view.reason) {
        (Some(rule), _) => format!(" by {}", named(rule)),
        (None, Some(reason)) => format!(": {}", one_line(&reason.text)),
        (None, None) => format!(" by {}", one_line(&view.policy)),
    };
    let way = match view.direction {
        Direction::Import => "from",
        Direction::Export => "to",
    };
    let mut text = format!("{} {way} {}: {}{by}\n\n", view.prefix, view.peer, say(tone, word));
    let source = match (&view.from, view.direction) {
        (Some(from), Direction::Export) => format!(", from {from}"),
        (None, Direction::Export) => ", ours".to_owned(),
        (_, Direction::Import) => String::new(),
    };
    let route = match view.route {
        TriedRoute::Table => "as it is in the tables",
        TriedRoute::Given => "as described",
        TriedRoute::Plain => "a plain one: the tables have none, and none was described",
    };
    fact(&mut text, "route", format!("{route}{source}"));
    fact(&mut text, "policy", one_line(&view.policy));
    if !view.session {
        fact(&mut text, "session", "none: our own address on it is not known yet");
    }
    if let (Some(_), Some(reason)) = (&view.rule, &view.reason) {
        fact(&mut text, "reason", one_line(&reason.text));
    }
    for step in &view.steps {
        fact(&mut text, "step", step.rule.as_ref().map_or("the protocol".to_owned(), named));
        step.changes.iter().for_each(|change| fact(&mut text, "", changed(change)));
    }
    finish(&text, screen)
}

fn named(rule: &PolicyRuleView) -> String {
    match &rule.name {
        Some(name) => format!("rule {} '{}'", rule.number, one_line(name)),
        None => format!("rule {}", rule.number),
    }
}

fn changed(change: &AttributeChangeView) -> String {
    let shown = |value: &str| if value.is_empty() { "none".to_owned() } else { one_line(value) };
    let attribute = change.attribute.replace('_', " ");
    format!("{attribute}: {} -> {}", shown(&change.before), shown(&change.after))
}
