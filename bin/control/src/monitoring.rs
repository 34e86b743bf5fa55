//! Who looks on.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// A monitoring station (BMP, RFC 7854).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationView {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it is connected.
    pub connected: bool,
    /// Connections that were lost.
    pub lost: u64,
    /// Messages told.
    pub messages: u64,
    /// Prefixes not told because their attributes do not fit into a message.
    pub unsaid: u64,
    /// Why it is not connected, if that is known.
    pub last_error: Option<String>,
}

/// The files every message is written to (MRT, RFC 6396).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MrtView {
    /// The folder.
    pub directory: String,
    /// Records written.
    pub written: u64,
    /// Records left out because the disk was too slow, or did not take them.
    pub dropped: u64,
}
