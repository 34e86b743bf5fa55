//! What is intended of graceful restart.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{Intent, PeerIntent};

/// How a restart of ours goes, and how long one of a peer may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GracefulRestart {
    /// Whether anything is said and done about restarts at all.
    pub enabled: bool,
    /// How many seconds we ask peers to wait for us: 12 bits, never zero.
    pub restart_time: u16,
    /// How long we wait, after a restart, for peers to have told all they have.
    pub selection_deferral: Duration,
    /// The longest time we keep the routes of a peer that restarts, whatever it asks for.
    pub max_peer_restart_time: Duration,
    /// How many seconds routes are kept beyond that as the last resort (RFC 9494): 24 bits; zero for not at
    /// all. What we ask peers for and the most we grant them.
    pub long_lived_stale_time: u32,
    /// The folder of what a restart has to remember.
    pub state_directory: PathBuf,
}

/// Which side of a graceful restart we are to a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartRole {
    /// Each keeps the routes of the other while it restarts.
    #[default]
    Both,
    /// We keep the peer's routes, and ask it for nothing.
    Helper,
    /// Neither keeps anything.
    Off,
}

impl Default for GracefulRestart {
    fn default() -> Self {
        Self {
            enabled: true,
            restart_time: 60,
            selection_deferral: Duration::from_secs(60),
            max_peer_restart_time: Duration::from_secs(300),
            long_lived_stale_time: 0,
            state_directory: PathBuf::from("/var/lib/podbgpd"),
        }
    }
}

impl Intent {
    /// Returns which side of a graceful restart we are to a peer.
    #[must_use]
    pub fn restart_role(&self, peer: &PeerIntent) -> RestartRole {
        if self.graceful_restart.enabled { peer.graceful_restart } else { RestartRole::Off }
    }
}

impl RestartRole {
    /// Every role as the file writes it.
    pub const WORDS: [(&'static str, Self); 3] =
        [("both", Self::Both), ("helper", Self::Helper), ("off", Self::Off)];
}

impl fmt::Display for RestartRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::WORDS.iter().find(|(_, role)| role == self).map_or("off", |(word, _)| word);
        f.write_str(word)
    }
}
