use super::*;
use crate::route::{NextHop, NextHopSet};

fn settings() -> FibSettings {
    FibSettings::default()
}

fn via(address: &str) -> Target {
    Target::Forward(NextHopSet::new([NextHop::via(address.parse().unwrap())]).unwrap())
}

fn route(number: u32, target: &Target) -> FibRoute {
    let prefix = ipnet::Ipv4Net::new((0x1400_0000 + (number << 8)).into(), 24).unwrap();
    FibRoute { prefix: prefix.into(), target: target.clone() }
}

fn carry_out(table: &mut Table, now: Instant) -> usize {
    let ops = table.plan(now, usize::MAX);
    for op in &ops {
        table.done(op, Outcome::Confirmed, now);
    }
    ops.len()
}

#[test]
fn a_hundred_thousand_routes_cost_less_than_fifty_octets_each() {
    const COUNT: u32 = 100_000;
    let now = Instant::now();
    let mut table = Table::new(settings());
    let target = via("10.0.0.1");
    for number in 0..COUNT {
        table.want(&route(number, &target));
    }
    assert_eq!(carry_out(&mut table, now), COUNT as usize);
    let octets = table.entries.octets() + table.queue.capacity() * size_of::<IpNet>();
    assert_eq!(table.stats().installed, COUNT as usize);
    assert!(octets / (COUNT as usize) < 50, "{octets} octets");
}

#[test]
fn a_target_nobody_uses_any_more_is_forgotten() {
    let now = Instant::now();
    let mut table = Table::new(settings());
    for number in 0..100 {
        table.want(&route(number, &via("10.0.0.1")));
    }
    carry_out(&mut table, now);
    assert_eq!(table.targets.len(), 1);
    for number in 0..100 {
        table.want(&route(number, &via("10.0.0.2")));
    }
    assert_eq!(table.targets.len(), 2);
    carry_out(&mut table, now);
    assert_eq!(table.targets.len(), 1);
    for number in 0..100 {
        table.unwant(route(number, &via("10.0.0.2")).prefix);
    }
    carry_out(&mut table, now);
    assert_eq!(table.targets.len(), 0);
    assert_eq!(table.entries.iter().count(), 0);
}

#[test]
fn a_lost_answer_is_settled_by_a_resync() {
    let now = Instant::now();
    let mut table = Table::new(settings());
    let wanted = route(0, &via("10.0.0.1"));
    table.want(&wanted);
    let ops = table.plan(now, 10);
    table.done(&ops[0], Outcome::Unknown, now);
    assert!(table.is_dirty());
    table.begin_resync();
    let settings = settings();
    let there = KernelRoute {
        prefix: wanted.prefix,
        table: settings.table,
        protocol: settings.protocol,
        metric: settings.metric,
        target: Some(wanted.target),
        group: None,
    };
    table.observe(&KernelEvent::Present { route: there, replaced: false }, now);
    assert_eq!(table.end_resync(), vec![]);
    assert_eq!(table.plan(now, 10), vec![]);
    assert_eq!(table.stats().installed, 1);
}

#[test]
fn the_pause_between_tries_grows_to_half_a_minute() {
    let mut now = Instant::now();
    let mut table = Table::new(settings());
    table.want(&route(0, &via("10.0.0.1")));
    let mut longest = std::time::Duration::ZERO;
    for _ in 0..20 {
        let ops = table.plan(now, 10);
        let refusal = WriteError { errno: libc::ENETUNREACH, text: String::new() };
        table.done(&ops[0], Outcome::Refused(refusal), now);
        let next = table.next_deadline().unwrap();
        assert!(next - now >= longest);
        longest = next - now;
        now = next;
    }
    assert_eq!(longest.as_secs(), 30);
}

#[test]
fn a_route_of_a_kind_we_never_write_is_replaced() {
    let now = Instant::now();
    let mut table = Table::new(settings());
    let wanted = route(0, &via("10.0.0.1"));
    table.want(&wanted);
    carry_out(&mut table, now);
    let odd = KernelRoute {
        prefix: wanted.prefix,
        table: settings().table,
        protocol: settings().protocol,
        metric: settings().metric,
        target: None,
        group: None,
    };
    let drift = table.observe(&KernelEvent::Present { route: odd, replaced: true }, now);
    assert_eq!(drift, Some(Drift::Changed(wanted.prefix)));
    let expected = RouteOp { prefix: wanted.prefix, action: Action::Replace(wanted.target), group: None };
    assert_eq!(table.plan(now, 10), vec![Op::Route(expected)]);
}
