//! The writes that bring reality to the wish.

use std::fmt;

use ipnet::IpNet;

use crate::route::{NextHop, Target};

/// One write to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// About a route.
    Route(RouteOp),
    /// About a nexthop object or a group of them.
    NextHop(NextHopOp),
}

/// One write about a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteOp {
    /// The destination.
    pub prefix: IpNet,
    /// What to write.
    pub action: Action,
    /// Its metric, if not that of the settings.
    pub metric: Option<u32>,
    /// The nexthop group the route hangs on, which holds the next hops of its target; none if it names them.
    pub group: Option<u32>,
}

/// What to do about one prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make a route where we know of none; never replaces one that is there after all.
    Add(Target),
    /// Change our route; never makes one.
    Replace(Target),
    /// Delete our route.
    Delete,
    /// Delete a route of ours with a metric we do not use any more.
    DeleteStray {
        /// That metric.
        metric: u32,
    },
}

/// One write about what routes can hang on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextHopOp {
    /// Make an object of one next hop.
    AddObject {
        /// Its number, free as far as we know.
        id: u32,
        /// What it stands for; its weight means nothing.
        next_hop: NextHop,
    },
    /// Make a group.
    AddGroup {
        /// Its number, free as far as we know.
        id: u32,
        /// What it spreads packets over.
        members: Vec<Member>,
    },
    /// Change what a group of ours holds.
    ReplaceGroup {
        /// Its number.
        id: u32,
        /// What it spreads packets over from now on.
        members: Vec<Member>,
    },
    /// Delete an object or a group. The kernel takes an object out of all groups, and the routes with a group.
    Delete {
        /// Its number.
        id: u32,
    },
}

/// One share of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The number of the object.
    pub id: u32,
    /// What it stands for, and its weight in the group.
    pub next_hop: NextHop,
}

impl RouteOp {
    /// Deletes a route of ours with a metric it should not have.
    pub(crate) fn delete_stray(prefix: IpNet, metric: u32) -> Self {
        Self { prefix, action: Action::DeleteStray { metric }, metric: None, group: None }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route(op) => op.fmt(f),
            Self::NextHop(op) => op.fmt(f),
        }
    }
}

impl fmt::Display for RouteOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.prefix;
        match &self.action {
            Action::Add(target) => write!(f, "add {prefix} {target}"),
            Action::Replace(target) => write!(f, "replace {prefix} {target}"),
            Action::Delete => write!(f, "delete {prefix}"),
            Action::DeleteStray { metric } => write!(f, "delete {prefix} metric {metric}"),
        }?;
        self.metric.map_or(Ok(()), |metric| write!(f, " metric {metric}"))?;
        self.group.map_or(Ok(()), |id| write!(f, " (group {id})"))
    }
}

impl fmt::Display for NextHopOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, id, members) = match self {
            Self::AddObject { id, next_hop } => return write!(f, "add next hop {id} {next_hop}"),
            Self::Delete { id } => return write!(f, "delete next hop {id}"),
            Self::AddGroup { id, members } => ("add", id, members),
            Self::ReplaceGroup { id, members } => ("replace", id, members),
        };
        write!(f, "{word} group {id}")?;
        members.iter().try_for_each(|member| write!(f, " {}", member.id))
    }
}
