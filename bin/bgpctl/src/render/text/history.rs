//! The history: a line for each event, in the order of time, and below a batch of routes some of them.

use control::{BestChangeView, BestFrom, HistoryEntryView, HistoryEvent, HistoryView, PeerState};

use super::words::{count, moment, peer_state};
use super::{Screen, Tone, finish, one_line, say};

/// The most paths shown below a batch, unless everything is wanted.
const PATHS: usize = 4;

/// Renders what happened, the oldest first.
pub(crate) fn history(view: &HistoryView, screen: &Screen) -> String {
    let mut text = String::new();
    if !view.enabled {
        text.push_str("nothing is kept: history.records is 0\n");
    } else if view.entries.is_empty() {
        text.push_str("nothing of that is known to have happened\n");
    }
    if view.left_out > 0 {
        text.push_str(&format!("{} left out; --limit shows more\n", count_older(view.left_out)));
    }
    for entry in &view.entries {
        write(&mut text, entry, screen);
    }
    finish(&text, screen)
}

fn write(text: &mut String, entry: &HistoryEntryView, screen: &Screen) {
    let lasted = entry.until - entry.at;
    let over = if lasted >= 1.0 { format!(", over {}", moment(lasted)) } else { String::new() };
    let when = say(Tone::Quiet, &clock(entry.at));
    match &entry.event {
        HistoryEvent::Session { peer, from, to, cause, times } => {
            let often = if *times > 1 { format!(", {times} times{over}") } else { String::new() };
            let (from, to) = (state(*from), peer_state(*to, false));
            text.push_str(&format!("{when}  {peer}: {from} -> {to}: {}{often}\n", one_line(cause)));
        }
        HistoryEvent::Routes { cause, changes, folded, paths, .. } => {
            let changed = count(*changes, "best path");
            text.push_str(&format!("{when}  {changed} changed: {}{over}\n", one_line(&cause.text)));
            let shown = if screen.wide { paths.len() } else { PATHS.min(paths.len()) };
            for path in &paths[..shown] {
                text.push_str(&format!("    {}\n", best_change(path)));
            }
            let left = changes.saturating_sub(shown as u64);
            if left > 0 {
                let why = if *folded { ", not all of them kept" } else { "" };
                text.push_str(&format!("    and {left} more{why}\n"));
            }
        }
        HistoryEvent::Node { peer, text: said, .. } => {
            let whom = peer.as_ref().map(|peer| format!("{peer}: ")).unwrap_or_default();
            text.push_str(&format!("{when}  {whom}{}\n", one_line(said)));
        }
    }
}

fn best_change(path: &BestChangeView) -> String {
    let BestChangeView { prefix, before, after, former } = path;
    if before == after {
        return format!("{prefix}: the path of {} changed", from(after));
    }
    let why = match (before, former) {
        (BestFrom::None, _) => String::new(),
        (_, Some(reason)) => format!(" ({}: {})", from(before), one_line(&reason.text)),
        (_, None) => format!(" ({}: gone)", from(before)),
    };
    format!("{prefix}: {} -> {}{why}", from(before), from(after))
}

fn from(source: &BestFrom) -> &str {
    match source {
        BestFrom::None => "none",
        BestFrom::Originated => "our own",
        BestFrom::Peer { peer } => peer,
    }
}

fn state(state: PeerState) -> &'static str {
    match state {
        PeerState::Idle => "Idle",
        PeerState::Connect => "Connect",
        PeerState::Active => "Active",
        PeerState::OpenSent => "OpenSent",
        PeerState::OpenConfirm => "OpenConfirm",
        PeerState::Established => "Established",
    }
}

fn count_older(number: u64) -> String {
    format!("{number} older {}", if number == 1 { "entry" } else { "entries" })
}

/// Says a time since 1970 as the date and the time of day of UTC, to the millisecond.
fn clock(at: f64) -> String {
    let millis = (at.max(0.0) * 1000.0).round() as u64;
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Returns the date of the Gregorian calendar so many days after 1970 began.
fn date(days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    // Whole periods of 400 years first, so that no clock, however wrong, keeps us busy.
    let (mut year, mut left) = (1970 + days / 146_097 * 400, days % 146_097);
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_date_of_utc() {
        let said = [0.0, 951_782_399.5, 951_868_800.0, 1_767_225_599.999, 4_107_542_400.0].map(clock);
        assert_eq!(
            said,
            [
                "1970-01-01 00:00:00.000Z",
                "2000-02-28 23:59:59.500Z",
                "2000-03-01 00:00:00.000Z",
                "2025-12-31 23:59:59.999Z",
                "2100-03-01 00:00:00.000Z",
            ]
        );
    }
}
