//! Changes as operators read them.

use std::fmt;

use super::{Change, Effect, KeyChange, RangeChange};

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Soft => "soft",
            Self::Refresh => "refresh",
            Self::SessionReset => "session reset",
            Self::Restart => "restart",
        })
    }
}

impl fmt::Display for KeyChange {
    /// Renders as `peer.port 179 -> 1790`; where both values look alike, as `peer.import changed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            write!(f, "{} changed", self.key)
        } else {
            write!(f, "{} {} -> {}", self.key, self.from, self.to)
        }
    }
}

impl Change {
    /// Returns what the change is made to: `peer tor-a`, or the part of the file.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Restart(change) | Self::Setting(change) | Self::Metrics(change) | Self::Leave(change) => {
                part(change).to_owned()
            }
            Self::Listen { .. } | Self::Blocks { .. } => "node".to_owned(),
            Self::Originated { .. } => "cluster".to_owned(),
            Self::Decision { why }
            | Self::Bfd { why }
            | Self::GracefulRestart { why }
            | Self::Capabilities { why }
            | Self::Drain { why }
            | Self::Kubernetes { why }
            | Self::Monitoring { why } => why.first().map_or("node", part).to_owned(),
            Self::RemovePeer { peer }
            | Self::AddPeer { peer }
            | Self::Password { peer, .. }
            | Self::ResetPeer { peer, .. }
            | Self::PeerPolicy { peer, .. }
            | Self::PeerSettings { peer, .. } => format!("peer {peer}"),
            Self::Range { range, .. } => format!("listen-range {range}"),
        }
    }

    /// Returns the name of the peer the change is made to, if it is one.
    #[must_use]
    pub fn peer(&self) -> Option<&str> {
        match self {
            Self::RemovePeer { peer }
            | Self::AddPeer { peer }
            | Self::Password { peer, .. }
            | Self::ResetPeer { peer, .. }
            | Self::PeerPolicy { peer, .. }
            | Self::PeerSettings { peer, .. } => Some(peer),
            _ => None,
        }
    }

    /// Returns what is different, without what it costs.
    #[must_use]
    pub fn difference(&self) -> String {
        match self {
            Self::Restart(change) | Self::Setting(change) | Self::Metrics(change) | Self::Leave(change) => {
                change.to_string()
            }
            Self::Originated { added, removed } => format!("originated{}", Delta { added, removed }),
            Self::Listen { added, removed } => format!("node.listen{}", Delta { added, removed }),
            Self::Blocks { added, removed } => format!("node.blocks{}", Delta { added, removed }),
            Self::RemovePeer { peer } => format!("remove peer {peer}"),
            Self::AddPeer { peer } => format!("add peer {peer}"),
            Self::Range { range, change } => match change {
                RangeChange::Added => format!("add listen-range {range}"),
                RangeChange::Removed => format!("remove listen-range {range}"),
                RangeChange::Changed { why, .. } => format!("listen-range {range}: {}", Why(why)),
            },
            Self::Decision { why }
            | Self::Bfd { why }
            | Self::GracefulRestart { why }
            | Self::Capabilities { why }
            | Self::Drain { why }
            | Self::Kubernetes { why }
            | Self::Monitoring { why } => Why(why).to_string(),
            Self::Password { peer, why } => format!("peer {peer}: {why}"),
            Self::ResetPeer { peer, why }
            | Self::PeerPolicy { peer, why }
            | Self::PeerSettings { peer, why } => format!("peer {peer}: {}", Why(why)),
        }
    }
}

/// Returns the table of the file a setting is in.
fn part(change: &KeyChange) -> &'static str {
    change.key.split_once('.').map_or(change.key, |(table, _)| table)
}

impl fmt::Display for Change {
    /// Renders the line a dry run shows: the effect, what it is done to, and why.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<13}  {}", self.effect().to_string(), self.difference())
    }
}

/// Renders what came and went.
struct Delta<'a, T> {
    added: &'a [T],
    removed: &'a [T],
}

impl<T: fmt::Display> fmt::Display for Delta<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.removed.iter().try_for_each(|item| write!(f, " -{item}"))?;
        self.added.iter().try_for_each(|item| write!(f, " +{item}"))
    }
}

/// Renders changed settings in one line.
struct Why<'a>(&'a [KeyChange]);

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&why.join(", "))
    }
}
