//! Drains: how far the node is, and a line for each peer.

use control::{DrainCause, DrainStage, DrainStatusView, DrainView};

use super::table::{Table, words};
use super::words::{duration, moment, yes};
use super::{Screen, Tone, finish, one_line, say};

/// Renders the answer to everything asked of drains.
pub(crate) fn drains(view: &DrainStatusView, screen: &Screen) -> String {
    let mut text = match &view.node {
        Some(node) => format!("{}: {}\n", say(Tone::Warning, "DRAINED"), drain(node)),
        None if view.peers.is_empty() => format!("{}: nobody is drained\n", say(Tone::Good, "OK")),
        None => format!("{}: some peers; the node is not\n", say(Tone::Warning, "DRAINED")),
    };
    if !view.peers.is_empty() {
        let mut table = Table::new(vec![words("PEER"), words("STAGE"), words("SESSION"), words("TOLD")]);
        for peer in &view.peers {
            let session = if peer.established { "up" } else { "none" };
            let told = if peer.established { yes(peer.told) } else { "-" };
            table.row(vec![peer.peer.clone(), stage(peer.stage), session.to_owned(), told.to_owned()]);
        }
        text.push('\n');
        text.push_str(&table.render(screen, ""));
    }
    finish(&text, screen)
}

/// Says how far a drain is, why, and what comes next.
pub(super) fn drain(view: &DrainView) -> String {
    let cause = match view.cause {
        DrainCause::Operator => "by an operator",
        DrainCause::Host => "because the machine shuts down",
        DrainCause::Cluster => "because the cluster wants it",
        DrainCause::Leave => "to leave",
    };
    let mut text = format!("{} for {}, {cause}", stage(view.stage), duration(view.stage_seconds));
    if let Some(next) = view.next_stage_seconds {
        text.push_str(&format!(", next in {} at the latest", moment(next)));
    }
    if !view.message.is_empty() {
        text.push_str(&format!(" ({})", one_line(&view.message)));
    }
    text
}

/// Says how far a drain is, in one word.
pub(super) fn stage(stage: DrainStage) -> String {
    say(Tone::Warning, stage.name())
}
