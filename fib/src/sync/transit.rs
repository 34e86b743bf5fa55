//! What is not passed on: see [`Transit`](crate::transit::Transit).

use std::collections::BTreeSet;
use std::time::Instant;

use ipnet::IpNet;
use rtnetlink::packet_route::rule::RuleMessage;
use tracing::warn;

use super::Keeper;
use crate::error::Error;
use crate::handle::{Filter, RouteStatus};
use crate::message;
use crate::netlink::BATCH;
use crate::table::Outcome;

impl Keeper {
    pub(super) fn want_transit(&mut self, wanted: BTreeSet<IpNet>) {
        self.transit.want(wanted.iter().map(IpNet::trunc).collect());
    }

    pub(super) fn read_transit(&mut self) -> Result<(), Error> {
        let (routes, rules) = self.netlink.read_transit()?;
        self.transit.read(routes, rules);
        Ok(())
    }

    pub(super) fn notice_transit(&mut self, prefix: IpNet, is_there: bool) {
        if self.transit.observe(prefix, is_there) {
            warn!(target: "fib", %prefix, "a route of ours was missing; repairing");
        }
    }

    pub(super) fn notice_rule(&mut self, rule: &RuleMessage, is_there: bool) {
        if let Some(rules) = message::rule::ours(rule, &self.settings)
            && self.transit.observe_rule(rules, is_there)
        {
            warn!(target: "fib", "the rule that keeps packets from passing through was missing; repairing");
        }
    }

    pub(super) fn write_transit(&mut self) -> Result<(), Error> {
        if !self.settings.install {
            return Ok(());
        }
        let ops = self.transit.plan(Instant::now(), BATCH);
        if ops.is_empty() {
            return Ok(());
        }
        self.messages += ops.len() as u64;
        let outcomes = self.netlink.write_transit(&ops)?;
        let now = Instant::now();
        for (&op, outcome) in ops.iter().zip(&outcomes) {
            if let Outcome::Refused(error) = outcome
                && !(error.is_taken() || error.is_gone())
            {
                warn!(target: "fib", ?op, %error, "packets that pass through are not dropped");
            }
            self.transit.done(op, outcome, now);
        }
        if outcomes.contains(&Outcome::Unknown) {
            self.read_transit()?;
        }
        Ok(())
    }

    /// Lists the routes a filter asks for, of both tables.
    pub(super) fn routes(&self, filter: &Filter) -> Vec<RouteStatus> {
        let mut routes = self.table.routes(filter);
        if !self.transit.is_used() || *filter == Filter::Stats {
            return routes;
        }
        let is_asked_for = |prefix: &IpNet| match filter {
            Filter::Stats => false,
            Filter::All | Filter::Page(None, _) => true,
            Filter::Prefixes(prefixes) => prefixes.iter().any(|wanted| wanted.trunc() == *prefix),
            Filter::Page(Some(after), _) => prefix > after,
            Filter::Address(address) => prefix.contains(address),
        };
        let full = matches!(filter, Filter::Page(_, limit) if routes.len() == *limit);
        let last = routes.last().filter(|_| full).map(|route| route.prefix);
        let transit = self.transit.statuses(&self.settings).into_iter();
        // What is behind a full page is for the next one.
        let on_page = |prefix: &IpNet| last.is_none_or(|last| *prefix <= last);
        routes.extend(transit.filter(|route| is_asked_for(&route.prefix) && on_page(&route.prefix)));
        if !matches!(filter, Filter::Prefixes(_)) {
            routes.sort_by_key(|route| (route.prefix.addr(), route.prefix.prefix_len()));
        }
        routes
    }
}
