//! Numbers and states as people say them.

use control::{BfdState, Family, KernelState, LastErrorView, NextHopView, PeerState};

use super::{Tone, one_line, say};

/// Says a duration by its two largest units: `42s`, `2h13m`, `3d4h`.
pub(super) fn duration(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let mut left = seconds;
    let mut parts = Vec::new();
    for (unit, length) in units {
        parts.push((left / length, unit));
        left %= length;
    }
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(parts.len() - 1);
    parts[first..]
        .iter()
        .take(2)
        .filter(|(count, _)| *count > 0 || seconds == 0)
        .map(|(n, u)| format!("{n}{u}"))
        .collect()
}

/// Says a duration that has a fraction: `7.3s`.
pub(super) fn moment(seconds: f64) -> String {
    if seconds < 60.0 { format!("{seconds:.1}s") } else { duration(seconds as u64) }
}

/// Says `1 route`, `2 routes`.
pub(super) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Says the state of a peer, which an operator may have put on hold.
pub(super) fn peer_state(state: PeerState, administratively_down: bool) -> String {
    if administratively_down {
        return say(Tone::Quiet, "AdminDown");
    }
    match state {
        PeerState::Established => say(Tone::Good, "Established"),
        PeerState::OpenConfirm => say(Tone::Warning, "OpenConfirm"),
        PeerState::OpenSent => say(Tone::Warning, "OpenSent"),
        PeerState::Active => say(Tone::Bad, "Active"),
        PeerState::Connect => say(Tone::Bad, "Connect"),
        PeerState::Idle => say(Tone::Bad, "Idle"),
    }
}

/// Says the state of a BFD session.
pub(super) fn bfd_state(state: BfdState) -> String {
    match state {
        BfdState::Up => say(Tone::Good, "Up"),
        BfdState::Init => say(Tone::Warning, "Init"),
        BfdState::Down => say(Tone::Bad, "Down"),
        BfdState::AdminDown => say(Tone::Quiet, "AdminDown"),
    }
}

/// Says a short duration: `300ms`.
pub(super) fn millis(seconds: f64) -> String {
    format!("{:.0}ms", seconds * 1000.0)
}

/// Says how a route stands with the kernel, in one word.
pub(super) fn kernel_word(kernel: &KernelState) -> String {
    match kernel {
        KernelState::Installed => say(Tone::Good, "installed"),
        KernelState::Pending => say(Tone::Warning, "pending"),
        KernelState::Failed { .. } => say(Tone::Bad, "failed"),
        KernelState::Conflict { .. } => say(Tone::Bad, "conflict"),
        KernelState::Leftover => say(Tone::Warning, "leftover"),
        KernelState::NotWanted => say(Tone::Quiet, "not wanted"),
    }
}

/// Says how a route stands with the kernel, and why.
pub(super) fn kernel(kernel: &KernelState) -> String {
    let word = kernel_word(kernel);
    match kernel {
        KernelState::Failed { error } => format!("{word}: {}", one_line(error)),
        KernelState::Conflict { owner } => format!("{word}: {} has a route in its place", one_line(owner)),
        _ => word,
    }
}

/// Says what went wrong last; the age comes first, since the end of a long text is cut.
pub(super) fn last_error(error: &LastErrorView) -> String {
    format!("{} ago: {}", duration(error.age_seconds), one_line(&error.text))
}

pub(super) fn next_hop(next_hop: &NextHopView) -> String {
    let mut text = next_hop.address.to_string();
    if let Some(interface) = &next_hop.interface {
        text.push('%');
        text.push_str(interface);
    }
    if next_hop.weight > 1 {
        text.push_str(&format!(" weight {}", next_hop.weight));
    }
    text
}

pub(super) fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

pub(super) fn family(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    }
}

pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_its_two_largest_units() {
        let said = [0, 1, 59, 60, 125, 3600, 7985, 86_400, 86_460, 93_784, 864_000].map(duration);
        assert_eq!(said, ["0s", "1s", "59s", "1m", "2m5s", "1h", "2h13m", "1d", "1d", "1d2h", "10d"]);
    }
}
