//! What is intended of nexthop groups.

use std::fmt;

/// Whether routes that leave the same way share a nexthop group of the kernel, or each name its next hops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NextHopGroups {
    /// Every route names its next hops.
    Never,
    /// Groups for sets of next hops that many routes share.
    #[default]
    Auto,
    /// Groups for all sets of two next hops or more.
    Always,
}

impl fmt::Display for NextHopGroups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::Auto => "auto",
            Self::Always => "always",
        })
    }
}
