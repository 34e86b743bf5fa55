//! What to watch: only what this node needs.

use crate::event::Kind;

/// Objects to be watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watch {
    /// Their kind.
    pub kind: Kind,
    /// Which of them.
    pub scope: Scope,
}

impl Watch {
    /// Watches all objects of a kind.
    #[must_use]
    pub fn all(kind: Kind) -> Self {
        Self { kind, scope: Scope::All }
    }
}

/// Which objects of a kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// All there are, in every namespace.
    All,
    /// The one of that name in the cluster (`fieldSelector=metadata.name=`).
    Named(String),
    /// The one of that name in a namespace.
    In {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
    /// Those whose labels match (`labelSelector=`), in every namespace.
    Labelled(String),
}
