//! Who looks on: monitoring stations, and files.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A monitoring station (RFC 7854).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Station {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it is told; never empty.
    pub views: BTreeSet<BmpView>,
    /// How often it gets counters; `None` when never.
    pub statistics_interval: Option<Duration>,
}

/// A table a station can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BmpView {
    /// What peers announced (RFC 7854).
    AdjRibInPrePolicy,
    /// What import made of it (RFC 7854).
    AdjRibInPostPolicy,
    /// What was chosen (RFC 9069).
    LocRib,
    /// What peers were told (RFC 8671).
    AdjRibOutPostPolicy,
}

impl BmpView {
    /// Every view.
    pub const ALL: [Self; 4] =
        [Self::AdjRibInPrePolicy, Self::AdjRibInPostPolicy, Self::LocRib, Self::AdjRibOutPostPolicy];

    /// Returns the view as the file spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AdjRibInPrePolicy => "adj-rib-in-pre-policy",
            Self::AdjRibInPostPolicy => "adj-rib-in-post-policy",
            Self::LocRib => "loc-rib",
            Self::AdjRibOutPostPolicy => "adj-rib-out-post-policy",
        }
    }
}

impl fmt::Display for BmpView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where every message of every peer is written down (RFC 6396).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mrt {
    /// The folder of the files.
    pub directory: PathBuf,
    /// How many octets a file has before the next one begins.
    pub max_size: u64,
    /// How long a file is written to before the next one begins.
    pub max_age: Duration,
    /// How many files are kept, with the one being written.
    pub keep: u16,
}
