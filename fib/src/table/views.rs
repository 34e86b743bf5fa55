//! What the table can tell about itself.

use ipnet::IpNet;

use super::Table;
use super::entries::Entry;
use super::troubles::Cause;
use crate::handle::{Filter, RouteState, RouteStatus, Stats};

impl Table {
    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let conflicts = self.troubles.conflicts();
        let (next_hops, groups) = (self.groups.objects(), self.groups.groups());
        Stats { failed: self.troubles.len() - conflicts, conflicts, next_hops, groups, ..self.stats }
    }

    /// Lists the routes that `filter` asks for.
    #[must_use]
    pub fn routes(&self, filter: &Filter) -> Vec<RouteStatus> {
        let find = |prefix: IpNet| self.entries.find(prefix).map(|entry| self.status(prefix, entry));
        match filter {
            Filter::Stats => Vec::new(),
            Filter::All => self.entries.iter().map(|(prefix, entry)| self.status(prefix, entry)).collect(),
            Filter::Prefixes(prefixes) => prefixes.iter().map(IpNet::trunc).filter_map(find).collect(),
            Filter::Page(after, limit) => {
                let page = self.entries.iter_after(*after).take(*limit);
                page.map(|(prefix, entry)| self.status(prefix, entry)).collect()
            }
            Filter::Address(address) => {
                self.entries.covering(*address).into_iter().filter_map(find).collect()
            }
        }
    }

    fn status(&self, prefix: IpNet, entry: Entry) -> RouteStatus {
        let state = match self.troubles.find(prefix) {
            _ if entry.right => RouteState::Installed,
            _ if entry.is_leftover() => RouteState::Adopted,
            Some(trouble) => match &trouble.cause {
                Cause::Refused(error) => RouteState::Failed {
                    error: error.clone(),
                    since: trouble.since,
                    retries: trouble.retries,
                },
                Cause::Taken { protocol } => {
                    RouteState::Conflict { protocol: *protocol, since: trouble.since }
                }
            },
            None => RouteState::Pending,
        };
        RouteStatus {
            prefix,
            table: self.settings.table,
            metric: self.metric(prefix),
            target: self.targets.target(entry.wanted).cloned(),
            installed: self.installed(entry).cloned(),
            state,
        }
    }
}
