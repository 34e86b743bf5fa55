//! What a server can do wrong.

use std::time::Duration;

/// What this server does wrong, from the next request on.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// How it takes requests for streaming lists.
    pub streaming_lists: StreamingLists,
    /// What it answers instead, to requests whose path contains a text; the first that fits.
    pub instead: Vec<Instead>,
    /// Whether it says nothing at all any more, with every connection open: neither answers nor events.
    pub frozen: bool,
    /// Sends answers in pieces of so many octets, with a pause after each.
    pub slow: Option<(usize, Duration)>,
    /// Whether whole lists are sent where the cache will do, whatever the limit of a page.
    pub ignores_limit: bool,
    /// How often watches get a bookmark; never if `None`.
    pub bookmarks: Option<Duration>,
    /// Cuts answers to lists after so many octets.
    pub cut_lists: Option<usize>,
}

/// How a server takes requests for streaming lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamingLists {
    /// It has them.
    #[default]
    Served,
    /// It refuses with 422, as with the feature gate off.
    Refused,
    /// It begins and then says ERROR in the stream, as with an old etcd.
    BreakOff,
    /// It does not know what is asked of it, and sends what there is without an end.
    NotUnderstood,
}

/// An answer instead of the right one.
#[derive(Clone, Debug)]
pub struct Instead {
    /// Requests whose path contains this.
    pub path: String,
    /// The HTTP status.
    pub status: u16,
    /// The reason in the answer.
    pub reason: &'static str,
    /// The header of that name, in seconds.
    pub retry_after: Option<u32>,
    /// How many times.
    pub times: usize,
}

impl Instead {
    /// Answers so to every request whose path contains a text.
    #[must_use]
    pub fn always(path: &str, status: u16, reason: &'static str) -> Self {
        Self { path: path.to_owned(), status, reason, retry_after: None, times: usize::MAX }
    }
}

impl Faults {
    /// Returns what to answer to a request for this path, if not the right thing.
    pub(super) fn instead(&mut self, path: &str) -> Option<Instead> {
        let found =
            self.instead.iter_mut().find(|instead| instead.times > 0 && path.contains(&instead.path))?;
        found.times = found.times.saturating_sub(usize::from(found.times != usize::MAX));
        Some(found.clone())
    }
}
