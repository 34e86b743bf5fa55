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
    FibRoute { metric: None, prefix: prefix.into(), target: target.clone() }
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
    let expected =
        RouteOp { prefix: wanted.prefix, action: Action::Replace(wanted.target), metric: None, group: None };
    assert_eq!(table.plan(now, 10), vec![Op::Route(expected)]);
}

/// A kernel for one table: carries out what it plans, and says what that was.
fn all_of(table: &mut Table) -> Vec<String> {
    let now = Instant::now();
    let mut done = Vec::new();
    loop {
        let ops = table.plan(now, 10);
        if ops.is_empty() {
            return done;
        }
        for op in ops {
            done.push(op.to_string());
            table.done(&op, Outcome::Confirmed, now);
        }
    }
}

fn kernel_has(table: &mut Table, prefix: &str, metric: u32) {
    let prefix = prefix.parse().unwrap();
    let target = Some(Target::Blackhole);
    let route = KernelRoute { prefix, table: 254, protocol: 179, metric, target, group: None };
    table.observe(&KernelEvent::Present { route, replaced: false }, Instant::now());
}

fn with_metric(prefix: &str, metric: Option<u32>) -> FibRoute {
    FibRoute { prefix: prefix.parse().unwrap(), metric, target: Target::Blackhole }
}

#[test]
fn a_change_of_metric_leaves_no_gap() {
    let mut table = Table::new(FibSettings::default());
    table.want(&with_metric("10.1.0.0/24", Some(1024)));
    assert_eq!(all_of(&mut table), ["add 10.1.0.0/24 blackhole metric 1024"]);
    table.want(&with_metric("10.1.0.0/24", Some(512)));
    assert_eq!(
        all_of(&mut table),
        ["add 10.1.0.0/24 blackhole metric 512", "delete 10.1.0.0/24 metric 1024"]
    );
    table.want(&with_metric("10.1.0.0/24", None));
    assert_eq!(all_of(&mut table), ["add 10.1.0.0/24 blackhole", "delete 10.1.0.0/24 metric 512"]);
    table.unwant("10.1.0.0/24".parse().unwrap());
    assert_eq!(all_of(&mut table), ["delete 10.1.0.0/24"]);
    assert_eq!((table.stats().installed, table.stats().dirty), (0, 0));
    assert!(table.metrics.is_empty() && table.strays.is_empty());
}

#[test]
fn a_change_of_mind_before_the_write_costs_nothing() {
    let mut table = Table::new(FibSettings::default());
    table.want(&with_metric("10.1.0.0/24", Some(1024)));
    all_of(&mut table);
    table.want(&with_metric("10.1.0.0/24", Some(512)));
    table.want(&with_metric("10.1.0.0/24", Some(1024)));
    assert_eq!(all_of(&mut table), Vec::<String>::new());
    assert_eq!(table.stats().installed, 1);
}

#[test]
fn an_earlier_runs_routes_are_adopted_whatever_their_metric() {
    let mut table = Table::new(FibSettings::default());
    for (prefix, metric) in
        [("10.1.0.0/24", 1024), ("10.2.0.0/24", 512), ("10.3.0.0/24", 20), ("10.3.0.0/24", 7)]
    {
        kernel_has(&mut table, prefix, metric);
    }
    assert_eq!(table.stats().leftovers, 3);
    // The same again needs no write, another metric one and then a deletion.
    table.want(&with_metric("10.1.0.0/24", Some(1024)));
    assert_eq!(all_of(&mut table), Vec::<String>::new());
    table.want(&with_metric("10.3.0.0/24", Some(7)));
    assert_eq!(all_of(&mut table), ["delete 10.3.0.0/24 metric 20"]);
    table.converged();
    assert_eq!(all_of(&mut table), ["delete 10.2.0.0/24 metric 512"]);
    assert_eq!((table.stats().installed, table.stats().leftovers), (2, 0));
    // From now on a route of our mark with a metric nobody asked for is a stray.
    kernel_has(&mut table, "10.1.0.0/24", 99);
    assert_eq!(all_of(&mut table), ["delete 10.1.0.0/24 metric 99"]);
}
