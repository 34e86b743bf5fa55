//! What is intended of several paths of a prefix (RFC 7911).

use std::fmt;
use std::num::NonZeroU16;

use bgp::FamilySet;

/// Of which families a peer and we tell each other of several paths of a prefix, and of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddPath {
    /// The families; only those the session carries count.
    pub families: FamilySet,
    /// The most paths of a prefix we take from the peer; `None` when we take one.
    pub receive: Option<NonZeroU16>,
    /// The most paths of a prefix we tell the peer of; `None` when we tell one.
    pub send: Option<Most>,
}

/// How many paths of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Most {
    /// The best so many.
    Best(NonZeroU16),
    /// All that can be used.
    All,
}

impl AddPath {
    /// The most paths of a prefix we take unless told otherwise.
    pub const RECEIVE: NonZeroU16 = NonZeroU16::MIN.saturating_add(31);
    /// The most paths of a prefix we tell of unless told otherwise.
    pub const SEND: Most = Most::Best(NonZeroU16::MIN.saturating_add(7));

    /// One path of a prefix each way, as without RFC 7911.
    pub const OFF: Self = Self { families: FamilySet::ALL, receive: None, send: None };

    /// Returns the limits of the tables, for families in which we may tell of several paths.
    #[must_use]
    pub fn of_tables(self, send: FamilySet) -> rib::AddPath {
        let most = |most: NonZeroU16| usize::from(most.get());
        rib::AddPath {
            send,
            most_sent: match self.send {
                Some(Most::Best(best)) => most(best),
                Some(Most::All) => usize::MAX,
                None => 1,
            },
            most_received: self.receive.map_or(1, most),
        }
    }
}

impl fmt::Display for AddPath {
    /// Renders as the file would write it, but for the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let families: Vec<String> = self.families.iter().map(|family| format!("{family:?}")).collect();
        let families = families.join(", ").to_lowercase();
        let parts = [
            self.receive.map(|most| format!("receive = {most}")),
            self.send.map(|most| format!("send = {most}")),
            (self.families != FamilySet::ALL).then(|| format!("families = [{families}]")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if *self == Self::OFF { f.write_str("false") } else { write!(f, "{{ {} }}", parts.join(", ")) }
    }
}

impl fmt::Display for Most {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Best(most) => most.fmt(f),
            Self::All => f.write_str("all"),
        }
    }
}
