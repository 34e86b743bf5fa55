//! What is intended of a drain.

use std::time::Duration;

use rib::Marks;

/// How peers are left; what is done is in the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long peers may choose other paths once they have heard that ours go.
    pub announce: Duration,
    /// How long packets under way may arrive once our paths are gone.
    pub withdraw: Duration,
    /// When all of it is over, whatever peers do.
    pub deadline: Duration,
    /// How often our AS is put into the path once more, for peers that do not know GRACEFUL_SHUTDOWN.
    pub prepend: u8,
    /// The MED for such peers.
    pub med: Option<u32>,
    /// Whether a shutdown of the machine waits for the node to be drained.
    pub on_host_shutdown: bool,
}

impl Default for Drain {
    /// What routers of a data centre need to choose anew, and more.
    fn default() -> Self {
        Self {
            announce: Duration::from_secs(10),
            withdraw: Duration::from_secs(2),
            deadline: Duration::from_secs(60),
            prepend: 0,
            med: None,
            on_host_shutdown: true,
        }
    }
}

impl Drain {
    /// Returns what external peers are told beside the community.
    #[must_use]
    pub fn marks(&self) -> Marks {
        Marks { prepend: self.prepend, med: self.med }
    }
}
