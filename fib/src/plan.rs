//! The difference between wish and reality, one prefix at a time.

use std::fmt;

use ipnet::IpNet;

use crate::route::Target;

/// One write to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// The destination.
    pub prefix: IpNet,
    /// What to write.
    pub action: Action,
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

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.prefix;
        match &self.action {
            Action::Add(target) => write!(f, "add {prefix} {target}"),
            Action::Replace(target) => write!(f, "replace {prefix} {target}"),
            Action::Delete => write!(f, "delete {prefix}"),
            Action::DeleteStray { metric } => write!(f, "delete {prefix} metric {metric}"),
        }
    }
}

/// What the kernel has under our mark for one prefix.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Installed<'a> {
    /// No route, as far as we know.
    Nothing,
    /// A route that says what we could have said.
    Known(&'a Target),
    /// A route of a kind we never write.
    Odd,
}

/// Returns what brings reality to the wish; `None` if nothing is to be done.
///
/// A route nobody wants is deleted only if it is `disposable`: it was ours in this run, or everybody has
/// said what they want.
pub(crate) fn decide(wanted: Option<&Target>, installed: Installed<'_>, disposable: bool) -> Option<Action> {
    match (wanted, installed) {
        (None, Installed::Nothing) => None,
        (None, Installed::Known(_) | Installed::Odd) => disposable.then_some(Action::Delete),
        (Some(wanted), Installed::Nothing) => Some(Action::Add(wanted.clone())),
        (Some(wanted), Installed::Known(installed)) if wanted.is_met_by(installed) => None,
        (Some(wanted), Installed::Known(_) | Installed::Odd) => Some(Action::Replace(wanted.clone())),
    }
}
