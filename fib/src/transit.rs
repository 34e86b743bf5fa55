//! Destinations to which this node passes nothing on, while it may itself send to them.
//!
//! A blackhole in the main table would do for packets that pass, but the kernel looks a packet of its own up before its
//! destination is translated: a process here that talks to the address of a Service would be refused. So the
//! blackholes are in a table of their own, which a rule has the kernel look into before `main`, for packets that came in
//! by an interface: `not iif lo lookup TABLE`. What prerouting has translated by then never meets them.
//!
//! A value without clock and socket, as [`Table`](crate::Table) is. The rule is there as long as any route is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ipnet::IpNet;

use crate::error::WriteError;
use crate::handle::{RouteState, RouteStatus};
use crate::route::{FibSettings, Target};
use crate::table::Outcome;

/// How long after a refusal the kernel is asked again.
const PAUSE: Duration = Duration::from_secs(10);

/// One write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransitOp {
    AddRoute(IpNet),
    DeleteRoute(IpNet),
    AddRule(Rules),
    DeleteRule(Rules),
}

/// Which of the kernel's two lists of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rules {
    Ipv4,
    Ipv6,
}

impl Rules {
    pub(crate) const BOTH: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    fn of(prefix: &IpNet) -> Self {
        match prefix {
            IpNet::V4(_) => Self::Ipv4,
            IpNet::V6(_) => Self::Ipv6,
        }
    }
}

/// Wanted against installed.
#[derive(Debug, Default)]
pub(crate) struct Transit {
    wanted: BTreeSet<IpNet>,
    installed: BTreeSet<IpNet>,
    /// Those of them an earlier run left and nobody has claimed.
    leftovers: BTreeSet<IpNet>,
    rules: BTreeSet<Rules>,
    refused: BTreeMap<IpNet, (WriteError, Instant, u32)>,
    converged: bool,
    /// When to try again what was refused; nothing is planned until then.
    retry_at: Option<Instant>,
    /// Whether there may be something to plan.
    dirty: bool,
}

impl Transit {
    /// Wants exactly these.
    pub(crate) fn want(&mut self, wanted: BTreeSet<IpNet>) {
        self.leftovers.retain(|prefix| !wanted.contains(prefix));
        self.refused.retain(|prefix, _| wanted.contains(prefix));
        self.wanted = wanted;
        self.changed();
    }

    /// Learns that everybody has said what they want: what is left over may go.
    pub(crate) fn converged(&mut self) {
        self.converged = true;
        self.leftovers.clear();
        self.changed();
    }

    /// Learns all the kernel has.
    pub(crate) fn read(&mut self, installed: BTreeSet<IpNet>, rules: BTreeSet<Rules>) {
        if !self.converged {
            let unknown =
                installed.difference(&self.installed).filter(|prefix| !self.wanted.contains(prefix));
            self.leftovers.extend(unknown.copied());
        }
        (self.installed, self.rules) = (installed, rules);
        self.changed();
    }

    /// Learns that a route of ours came or went; `true` if one that is wanted is missing.
    pub(crate) fn observe(&mut self, prefix: IpNet, is_there: bool) -> bool {
        self.changed();
        if is_there {
            self.installed.insert(prefix);
            return false;
        }
        self.leftovers.remove(&prefix);
        self.installed.remove(&prefix) && self.wanted.contains(&prefix)
    }

    /// Learns that a rule of ours came or went; `true` if one that is needed is missing.
    pub(crate) fn observe_rule(&mut self, rules: Rules, is_there: bool) -> bool {
        self.changed();
        if is_there {
            self.rules.insert(rules);
            return false;
        }
        self.rules.remove(&rules) && self.needed(rules)
    }

    /// Returns what to write next; each is to be answered by [`done`](Self::done).
    pub(crate) fn plan(&mut self, now: Instant, limit: usize) -> Vec<TransitOp> {
        if self.retry_at.take_if(|at| *at <= now).is_some() {
            self.dirty = true;
        }
        if !std::mem::take(&mut self.dirty) {
            return Vec::new();
        }
        let (wanted, installed) = (&self.wanted, &self.installed);
        let missing = wanted.difference(installed).copied().map(TransitOp::AddRoute);
        let spare = |prefix: &&IpNet| !wanted.contains(*prefix) && !self.leftovers.contains(*prefix);
        let spare = installed.iter().filter(spare).copied().map(TransitOp::DeleteRoute);
        // A rule before its routes does no harm, and after them leaves no gap.
        let rule = |rules: Rules| match (self.needed(rules), self.rules.contains(&rules)) {
            (true, false) => Some(TransitOp::AddRule(rules)),
            (false, true) => Some(TransitOp::DeleteRule(rules)),
            _ => None,
        };
        let rules = Rules::BOTH.into_iter().filter_map(rule);
        let ops: Vec<_> = missing.chain(rules).chain(spare).take(limit).collect();
        // What is written may not be all.
        self.dirty = ops.len() == limit;
        ops
    }

    /// Learns how a write went.
    pub(crate) fn done(&mut self, op: TransitOp, outcome: &Outcome, now: Instant) {
        let refusal = match outcome {
            Outcome::Confirmed => None,
            Outcome::Refused(error) => match op {
                TransitOp::AddRoute(_) | TransitOp::AddRule(_) if error.is_taken() => None,
                TransitOp::DeleteRoute(_) | TransitOp::DeleteRule(_) if error.is_gone() => None,
                _ => Some(error),
            },
            // All will be read again.
            Outcome::Unknown => return,
        };
        if let Some(error) = refusal {
            self.retry_at = Some(now + PAUSE);
            if let TransitOp::AddRoute(prefix) = op {
                let refused = self.refused.entry(prefix).or_insert((error.clone(), now, 0));
                (refused.0, refused.2) = (error.clone(), refused.2 + 1);
            }
            return;
        }
        match op {
            TransitOp::AddRoute(prefix) => {
                self.installed.insert(prefix);
                self.refused.remove(&prefix);
            }
            TransitOp::DeleteRoute(prefix) => drop(self.installed.remove(&prefix)),
            TransitOp::AddRule(rules) => drop(self.rules.insert(rules)),
            TransitOp::DeleteRule(rules) => drop(self.rules.remove(&rules)),
        }
    }

    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Tells whether there is anything to compare with the kernel.
    pub(crate) fn is_used(&self) -> bool {
        !(self.wanted.is_empty() && self.installed.is_empty() && self.rules.is_empty())
    }

    /// Returns all there is to tell of, in the order of prefixes.
    pub(crate) fn statuses(&self, settings: &FibSettings) -> Vec<RouteStatus> {
        let all = self.wanted.union(&self.installed);
        all.map(|&prefix| self.status(prefix, settings)).collect()
    }

    fn status(&self, prefix: IpNet, settings: &FibSettings) -> RouteStatus {
        let (wanted, installed) = (self.wanted.contains(&prefix), self.installed.contains(&prefix));
        let effective = installed && self.rules.contains(&Rules::of(&prefix));
        let state = match self.refused.get(&prefix) {
            _ if wanted && effective => RouteState::Installed,
            _ if self.leftovers.contains(&prefix) => RouteState::Adopted,
            Some((error, since, retries)) => {
                RouteState::Failed { error: error.clone(), since: *since, retries: *retries }
            }
            None => RouteState::Pending,
        };
        RouteStatus {
            prefix,
            table: settings.transit_table,
            metric: settings.metric_of(prefix),
            target: wanted.then_some(Target::Blackhole),
            installed: installed.then_some(Target::Blackhole),
            state,
        }
    }

    fn needed(&self, rules: Rules) -> bool {
        self.wanted.iter().chain(&self.leftovers).any(|prefix| Rules::of(prefix) == rules)
    }

    fn changed(&mut self) {
        self.dirty = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(prefixes: &[&str]) -> BTreeSet<IpNet> {
        prefixes.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// Plans and confirms until there is nothing left to do; says what was done.
    fn rest(transit: &mut Transit) -> Vec<TransitOp> {
        let now = Instant::now();
        let mut done = Vec::new();
        while transit.is_dirty() {
            for op in transit.plan(now, 2) {
                transit.done(op, &Outcome::Confirmed, now);
                done.push(op);
            }
        }
        done
    }

    #[test]
    fn a_rule_is_there_as_long_as_any_route_of_its_family_is() {
        let mut transit = Transit::default();
        let (one, two) = ("10.96.0.1/32".parse().unwrap(), "fd00::1/128".parse().unwrap());
        transit.want(set(&["10.96.0.1/32"]));
        assert_eq!(rest(&mut transit), [TransitOp::AddRoute(one), TransitOp::AddRule(Rules::Ipv4)]);
        transit.want(set(&["fd00::1/128"]));
        let mut done = rest(&mut transit);
        done.sort_by_key(|op| format!("{op:?}"));
        assert_eq!(
            done,
            [
                TransitOp::AddRoute(two),
                TransitOp::AddRule(Rules::Ipv6),
                TransitOp::DeleteRoute(one),
                TransitOp::DeleteRule(Rules::Ipv4),
            ]
        );
        transit.want(set(&[]));
        assert_eq!(rest(&mut transit), [TransitOp::DeleteRule(Rules::Ipv6), TransitOp::DeleteRoute(two)]);
        assert!(!transit.is_used());
    }

    #[test]
    fn what_an_earlier_run_left_stays_until_everybody_has_spoken() {
        let mut transit = Transit::default();
        transit.read(set(&["10.96.0.1/32", "10.96.0.2/32"]), [Rules::Ipv4].into());
        assert_eq!(rest(&mut transit), []);
        transit.want(set(&["10.96.0.2/32"]));
        assert_eq!(rest(&mut transit), []);
        transit.converged();
        assert_eq!(rest(&mut transit), [TransitOp::DeleteRoute("10.96.0.1/32".parse().unwrap())]);
    }

    #[test]
    fn what_somebody_takes_away_is_put_back() {
        let mut transit = Transit::default();
        let one = "10.96.0.1/32".parse().unwrap();
        transit.want([one].into());
        rest(&mut transit);
        assert!(transit.observe(one, false));
        assert_eq!(rest(&mut transit), [TransitOp::AddRoute(one)]);
        assert!(transit.observe_rule(Rules::Ipv4, false));
        assert_eq!(rest(&mut transit), [TransitOp::AddRule(Rules::Ipv4)]);
        assert!(!transit.observe_rule(Rules::Ipv6, false), "nobody needs it");
    }

    #[test]
    fn a_refusal_is_shown_and_tried_again_later() {
        let mut transit = Transit::default();
        let (one, now) = ("10.96.0.1/32".parse().unwrap(), Instant::now());
        transit.want([one].into());
        let error = WriteError { errno: libc::EOPNOTSUPP, text: String::new() };
        for op in transit.plan(now, 10) {
            transit.done(op, &Outcome::Refused(error.clone()), now);
        }
        assert!(!transit.is_dirty());
        let state = transit.statuses(&FibSettings::default()).remove(0).state;
        assert!(matches!(state, RouteState::Failed { retries: 1, .. }), "{state:?}");
        assert_eq!(transit.plan(now + PAUSE, 10).len(), 2);
    }
}
