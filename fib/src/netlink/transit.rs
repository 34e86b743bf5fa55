//! Reading and writing the table of what is not passed on, and the rule that leads to it.

use std::collections::BTreeSet;

use ipnet::IpNet;
use rtnetlink::packet_core::{
    NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{BATCH, Netlink, answer, append};
use crate::error::Error;
use crate::message;
use crate::plan::{Action, RouteOp};
use crate::route::Target;
use crate::table::Outcome;
use crate::transit::{Rules, TransitOp};

impl Netlink {
    /// Carries out `ops` and returns an outcome for each.
    pub(crate) fn write_transit(&mut self, ops: &[TransitOp]) -> Result<Vec<Outcome>, Error> {
        let mut outcomes = Vec::with_capacity(ops.len());
        for batch in ops.chunks(BATCH) {
            self.outgoing.clear();
            let mut last = 0;
            for op in batch {
                last = self.outgoing.len();
                self.sequence = self.sequence.wrapping_add(1);
                let request = self.transit_request(*op);
                append(&mut self.outgoing, &request);
            }
            answer::ask_for_answer(&mut self.outgoing[last..]);
            self.write_batch(batch.len(), &mut outcomes)?;
        }
        Ok(outcomes)
    }

    /// Reads the routes of ours in that table, and in which lists the rule is.
    pub(crate) fn read_transit(&mut self) -> Result<(BTreeSet<IpNet>, BTreeSet<Rules>), Error> {
        let settings = self.settings.clone();
        let (mut prefixes, mut rules) = (BTreeSet::new(), BTreeSet::new());
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let request = message::dump_request(family, settings.transit_table, Some(settings.protocol));
            let read = self.dump("routes", RouteNetlinkMessage::GetRoute(request), |answer| {
                if let RouteNetlinkMessage::NewRoute(route) = answer
                    && let Some(route) = message::kernel_route(&route)
                    && settings.is_transit(&route)
                {
                    prefixes.insert(route.prefix);
                }
            });
            match read {
                // There is no such table before its first route.
                Err(Error::Dump { source, .. }) if source.raw_os_error() == Some(libc::ENOENT) => {}
                read => read?,
            }
        }
        for list in Rules::BOTH {
            let request = RouteNetlinkMessage::GetRule(message::rule::dump_request(list));
            let read = self.dump("rules", request, |answer| {
                if let RouteNetlinkMessage::NewRule(rule) = answer {
                    rules.extend(message::rule::ours(&rule, &settings));
                }
            });
            match read {
                // A kernel without policy routing, or without IPv6, has none.
                Err(Error::Dump { source, .. })
                    if matches!(source.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT)) => {}
                read => read?,
            }
        }
        Ok((prefixes, rules))
    }

    fn transit_request(&self, op: TransitOp) -> NetlinkMessage<RouteNetlinkMessage> {
        let mut settings = self.settings.clone();
        let route = |prefix, action| RouteOp { prefix, action, metric: None, group: None };
        let (payload, flags) = match op {
            TransitOp::AddRoute(prefix) | TransitOp::DeleteRoute(prefix) => {
                settings.table = settings.transit_table;
                let action = match op {
                    TransitOp::AddRoute(_) => Action::Add(Target::Blackhole),
                    _ => Action::Delete,
                };
                return message::request(&route(prefix, action), &settings, self.sequence);
            }
            TransitOp::AddRule(list) => {
                let rule = message::rule::rule(list, &settings);
                (RouteNetlinkMessage::NewRule(rule), NLM_F_CREATE | NLM_F_EXCL)
            }
            TransitOp::DeleteRule(list) => {
                (RouteNetlinkMessage::DelRule(message::rule::rule(list, &settings)), 0)
            }
        };
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(payload));
        message.finalize();
        message
    }
}
