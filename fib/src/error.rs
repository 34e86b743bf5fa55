//! What can go wrong at the kernel's door.

use std::fmt;
use std::io;

/// Why kernel routes cannot be kept at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A netlink socket could not be made or set up.
    #[error("cannot open the netlink socket ({step}): {source}")]
    Open {
        /// The call that failed.
        step: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The kernel lets us read routes but not write them.
    #[error(
        "not allowed to write kernel routes: give the process CAP_NET_ADMIN, or set install = false under [fib]"
    )]
    Privilege,
    /// The kernel refused to list what it has.
    #[error("cannot read the kernel's {what}: {source}")]
    Dump {
        /// What was asked for.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A netlink socket failed for good.
    #[error("the netlink socket failed: {0}")]
    Socket(#[source] io::Error),
    /// The thread that keeps the routes could not be started.
    #[error("cannot start the kernel route thread: {0}")]
    Thread(#[source] io::Error),
}

/// The kernel's answer to a write it refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteError {
    /// The positive `errno`.
    pub errno: i32,
    /// The kernel's own words (extended ack), empty if it had none.
    pub text: String,
}

impl WriteError {
    /// Tells whether the route to be deleted or replaced was not there.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self.errno, libc::ESRCH | libc::ENOENT)
    }

    /// Tells whether the nexthop object the route was to hang on is not there.
    pub(crate) fn names_no_next_hop(&self) -> bool {
        self.errno == libc::EINVAL && self.text.starts_with("Nexthop id does not exist")
    }

    /// Tells whether the kernel does not know what was asked of it.
    pub(crate) fn is_unsupported(&self) -> bool {
        self.errno == libc::EOPNOTSUPP
    }

    /// Tells whether somebody's route already has the key we wanted to add.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.errno == libc::EEXIST
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", io::Error::from_raw_os_error(self.errno))?;
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

impl std::error::Error for WriteError {}
