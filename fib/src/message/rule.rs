//! Our words and the kernel's words for the rule that has packets passing through looked up in a table of their own.

use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::{RouteHeader, RouteProtocol};
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};

use crate::route::FibSettings;
use crate::transit::Rules;

/// Where the rule stands: behind what others have for their own purposes, ahead of `main` at 32766.
const PRIORITY: u32 = 32_765;
/// The interface packets of the node itself come from.
const LOOPBACK: &str = "lo";

/// Makes the rule: `not iif lo lookup TABLE`.
pub(crate) fn rule(rules: Rules, settings: &FibSettings) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = family(rules);
    message.header.action = RuleAction::ToTable;
    message.header.flags = RuleFlags::Invert;
    message.header.table = u8::try_from(settings.transit_table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    message.attributes = vec![
        RuleAttribute::Iifname(LOOPBACK.to_owned()),
        RuleAttribute::Table(settings.transit_table),
        RuleAttribute::Priority(PRIORITY),
        RuleAttribute::Protocol(RouteProtocol::from(settings.protocol)),
    ];
    message
}

/// Asks for all rules of a list.
pub(crate) fn dump_request(rules: Rules) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = family(rules);
    message
}

/// Returns the list a rule is in, if it is ours; one that says something else under our mark is not.
pub(crate) fn ours(message: &RuleMessage, settings: &FibSettings) -> Option<Rules> {
    let rules = match message.header.family {
        AddressFamily::Inet => Rules::Ipv4,
        AddressFamily::Inet6 => Rules::Ipv6,
        _ => return None,
    };
    let has = |wanted: &RuleAttribute| message.attributes.contains(wanted);
    let wanted = rule(rules, settings);
    let plain = message.header.dst_len == 0 && message.header.src_len == 0 && message.header.tos == 0;
    let same = message.header.action == RuleAction::ToTable
        && message.header.flags.contains(RuleFlags::Invert)
        && wanted.attributes.iter().all(has);
    (plain && same).then_some(rules)
}

fn family(rules: Rules) -> AddressFamily {
    match rules {
        Rules::Ipv4 => AddressFamily::Inet,
        Rules::Ipv6 => AddressFamily::Inet6,
    }
}
