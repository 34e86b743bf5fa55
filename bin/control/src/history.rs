//! History: what has happened, and why.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::query::{bad_request, pairs, parsed, prefix, query, set};
use crate::{ErrorView, PeerState, ReasonView};

/// How many entries an answer has unless asked for more or fewer.
pub const HISTORY_LIMIT: u64 = 100;
/// The most entries an answer has.
pub const HISTORY_LIMIT_MAX: u64 = 5000;

/// What of the history is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Only what concerns this peer.
    pub peer: Option<String>,
    /// Only best paths of this prefix and of those inside it.
    pub prefix: Option<IpNet>,
    /// Only what happened within so many seconds.
    pub since: Option<u64>,
    /// The most entries, of which the latest are shown; [`HISTORY_LIMIT`] unless said.
    pub limit: Option<u64>,
}

impl HistoryQuery {
    pub(crate) fn target(&self) -> String {
        let mut asked = Vec::new();
        asked.extend(self.peer.iter().map(|peer| ("peer", peer.clone())));
        asked.extend(self.prefix.map(|prefix| ("prefix", prefix.to_string())));
        asked.extend(self.since.map(|seconds| ("since", seconds.to_string())));
        asked.extend(self.limit.map(|limit| ("limit", limit.to_string())));
        query("/v1/history", &asked)
    }

    pub(crate) fn from_query(query: &str) -> Result<Self, ErrorView> {
        let mut asked = Self::default();
        pairs(query, |key, value| match key {
            "peer" => set(&mut asked.peer, key, value),
            "prefix" => set(&mut asked.prefix, key, prefix(key, &value)?),
            "since" => set(&mut asked.since, key, parsed(key, &value, "600")?),
            "limit" => match parsed(key, &value, "100")? {
                limit @ 1..=HISTORY_LIMIT_MAX => set(&mut asked.limit, key, limit),
                _ => Err(bad_request(format!("limit: use a number from 1 to {HISTORY_LIMIT_MAX}"))),
            },
            _ => {
                let known = "known are peer, prefix, since, limit";
                Err(bad_request(format!("unknown parameter `{key}`")).with_hint(known))
            }
        })?;
        Ok(asked)
    }
}

/// The answer: the latest entries that were asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryView {
    /// Whether anything is kept (`history.records`).
    pub enabled: bool,
    /// The entries, the oldest first.
    pub entries: Vec<HistoryEntryView>,
    /// How many older ones the limit left out.
    pub left_out: u64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntryView {
    /// When, in seconds since 1970 by the clock of the node as it is now, with a fraction.
    pub at: f64,
    /// When it was over, the same way; as `at` if it was a moment.
    pub until: f64,
    /// What.
    #[serde(flatten)]
    pub event: HistoryEvent,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HistoryEvent {
    /// A session changed its state.
    Session {
        /// The peer's name.
        peer: String,
        /// Whence.
        from: PeerState,
        /// Whither.
        to: PeerState,
        /// Why, for people.
        cause: String,
        /// How often in a row, with steps of another kind between.
        times: u64,
    },
    /// Best paths changed.
    Routes {
        /// What brought that about.
        cause: ReasonView,
        /// The peer that brought it about, if one did.
        peer: Option<String>,
        /// How many changes there were.
        changes: u64,
        /// Whether there were more changes than are kept in detail, so that a prefix may have been among them that
        /// is not named.
        folded: bool,
        /// Some of those asked for, the oldest first.
        paths: Vec<BestChangeView>,
    },
    /// Something else, to the node or to a peer.
    Node {
        /// What, for programs.
        code: String,
        /// The peer, if it is about one.
        peer: Option<String>,
        /// What, for people.
        text: String,
    },
}

/// A best path that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BestChangeView {
    /// The destination.
    pub prefix: IpNet,
    /// Where the best path was from.
    pub before: BestFrom,
    /// Where it was from afterwards; the same when the path changed in itself.
    pub after: BestFrom,
    /// How the former path stood then; `null` when it was gone, none, or is the one that changed.
    pub former: Option<ReasonView>,
}

/// Where a best path is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum BestFrom {
    /// There is none.
    None,
    /// We originate it.
    Originated,
    /// A peer announced it.
    Peer {
        /// The peer's name.
        peer: String,
    },
}
