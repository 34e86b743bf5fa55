//! Answers completed by a kernel's thread that is the real table and nothing else.

use std::time::Instant;

use control::RouteTable;
use fib::{
    FibRoute, FibSettings, KernelEvent, KernelRoute, NextHop, NextHopSet, Outcome, Snapshot, Stats, Table,
    WriteError,
};

use super::*;

const FIB: Fib = Fib {
    install: true,
    protocol: 179,
    metric: 20,
    table: 254,
    max_paths: 16,
    next_hop_groups: crate::intent::NextHopGroups::Auto,
    weights: crate::intent::Weights::None,
    transit_table: 179,
};
/// The loopback interface, which every machine has.
const LOOPBACK: u32 = 1;

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

fn via(addresses: &[&str]) -> Target {
    let hops = addresses.iter().map(|address| NextHop::via_interface(address.parse().unwrap(), LOOPBACK));
    Target::Forward(NextHopSet::new(hops).expect("there is one"))
}

/// Wants routes and has the kernel say the same of all that are not written yet.
fn write(table: &mut Table, wanted: &[(&str, Target)], outcome: &Outcome) {
    let now = Instant::now();
    for (prefix, target) in wanted {
        table.want(&FibRoute { metric: None, prefix: net(prefix), target: target.clone() });
    }
    for op in table.plan(now, usize::MAX) {
        table.done(&op, outcome.clone(), now);
    }
}

fn refused(errno: i32, text: &str) -> Outcome {
    Outcome::Refused(WriteError { errno, text: text.to_owned() })
}

/// A table with a route of every kind: installed, failed, in conflict, pending, left over, and a blackhole.
fn every_state() -> Table {
    let mut table = Table::new(FibSettings::default());
    let now = Instant::now();
    let leftover = KernelRoute {
        prefix: net("10.9.0.0/16"),
        table: FIB.table,
        protocol: FIB.protocol,
        metric: FIB.metric,
        target: Some(via(&["10.0.0.9"])),
        group: None,
    };
    table.observe(&KernelEvent::Present { route: leftover.clone(), replaced: false }, now);
    let both = via(&["10.0.0.1", "10.0.0.2"]);
    write(
        &mut table,
        &[("10.1.0.0/16", both), ("10.2.0.0/24", Target::Blackhole), ("fd00::/16", via(&["fd01::1"]))],
        &Outcome::Confirmed,
    );
    let unreachable = refused(101, "Nexthop has invalid gateway");
    write(&mut table, &[("10.3.0.0/16", via(&["10.0.9.9"]))], &unreachable);
    write(&mut table, &[("10.4.0.0/16", via(&["10.0.0.1"]))], &refused(17, ""));
    let theirs = KernelRoute { prefix: net("10.4.0.0/16"), protocol: 98, ..leftover };
    table.observe(&KernelEvent::Present { route: theirs, replaced: false }, now);
    table.want(&FibRoute { metric: None, prefix: net("10.5.0.0/16"), target: via(&["10.0.0.1"]) });
    table
}

/// Answers for a table as the thread would.
fn thread(table: Table) -> mpsc::Sender<Command> {
    let (commands, mut inbox) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(Command::Snapshot(filter, reply)) = inbox.recv().await {
            let (routes, stats) = (table.routes(&filter), Stats::default());
            let _ = reply.send(Snapshot { install: true, routes, stats, next_hops: [].into() });
        }
    });
    commands
}

async fn answer(
    unfinished: Unfinished,
    kernel: Option<mpsc::Sender<Command>>,
) -> Result<Response, ErrorView> {
    let (reply, answer) = oneshot::channel();
    unfinished.send(kernel, reply);
    answer.await.expect("there is an answer")
}

async fn kernel_page(query: RouteQuery, table: Table) -> Page<KernelRouteView> {
    match answer(Unfinished::Kernel(query, FIB), Some(thread(table))).await {
        Ok(Response::KernelRoutes(page)) => page,
        other => panic!("{other:?}"),
    }
}

fn select(selection: Selection) -> RouteQuery {
    RouteQuery { table: RouteTable::Kernel, selection, ..RouteQuery::default() }
}

fn prefixes(page: &Page<KernelRouteView>) -> Vec<String> {
    page.items.iter().map(|route| route.prefix.to_string()).collect()
}

#[tokio::test]
async fn every_state_of_a_kernel_route_has_its_word_and_its_facts() {
    let page = kernel_page(select(Selection::All), every_state()).await;
    let states: Vec<_> =
        page.items.iter().map(|route| (route.prefix.to_string(), route.kernel.clone())).collect();
    let failed = "Network is unreachable (os error 101): Nexthop has invalid gateway".to_owned();
    let expected = [
        ("10.1.0.0/16", KernelState::Installed),
        ("10.2.0.0/24", KernelState::Installed),
        ("10.3.0.0/16", KernelState::Failed { error: failed }),
        ("10.4.0.0/16", KernelState::Conflict { owner: "protocol 98".to_owned() }),
        ("10.5.0.0/16", KernelState::Pending),
        ("10.9.0.0/16", KernelState::Leftover),
        ("fd00::/16", KernelState::Installed),
    ];
    assert_eq!(states, expected.map(|(prefix, state)| (prefix.to_owned(), state)));
    assert_eq!(page.next, None);

    let [forwarded, blackhole] = [&page.items[0], &page.items[1]];
    let hops: Vec<_> = forwarded.next_hops.iter().map(|hop| hop.address.to_string()).collect();
    assert_eq!((forwarded.kind, hops), (RouteKind::Unicast, vec!["10.0.0.1".into(), "10.0.0.2".into()]));
    assert_eq!(forwarded.next_hops[0].interface.as_deref(), Some("lo"));
    assert_eq!((forwarded.table, forwarded.protocol, forwarded.metric), (254, 179, 20));
    assert_eq!((blackhole.kind, blackhole.next_hops.len()), (RouteKind::Blackhole, 0));
}

#[tokio::test]
async fn an_intruder_nobody_has_seen_yet_is_of_an_unknown_owner() {
    let mut table = Table::new(FibSettings::default());
    write(&mut table, &[("10.4.0.0/16", via(&["10.0.0.1"]))], &refused(17, ""));
    let page = kernel_page(select(Selection::All), table).await;
    assert_eq!(page.items[0].kernel, KernelState::Conflict { owner: "unknown".to_owned() });
}

#[tokio::test]
async fn a_prefix_is_matched_exactly_and_an_address_by_the_longest() {
    let exactly = |prefix| select(Selection::Prefix(net(prefix)));
    assert_eq!(prefixes(&kernel_page(exactly("10.1.0.0/16"), every_state()).await), ["10.1.0.0/16"]);
    assert_eq!(prefixes(&kernel_page(exactly("10.1.0.0/17"), every_state()).await), Vec::<String>::new());

    let nested = || {
        let mut table = every_state();
        write(&mut table, &[("10.1.2.0/24", via(&["10.0.0.2"]))], &Outcome::Confirmed);
        table
    };
    let to = |address: &str| select(Selection::Address(address.parse().unwrap()));
    assert_eq!(prefixes(&kernel_page(to("10.1.2.3"), nested()).await), ["10.1.2.0/24"]);
    assert_eq!(prefixes(&kernel_page(to("10.1.3.3"), nested()).await), ["10.1.0.0/16"]);
    assert_eq!(prefixes(&kernel_page(to("192.0.2.1"), nested()).await), Vec::<String>::new());
    let of_the_other_family = RouteQuery { family: Some(Family::Ipv6), ..to("10.1.2.3") };
    assert_eq!(kernel_page(of_the_other_family, nested()).await.items, []);
}

#[tokio::test]
async fn pages_follow_each_other_whatever_the_family_asked_for() {
    let large = || {
        let mut table = Table::new(FibSettings::default());
        let target = via(&["10.0.0.1"]);
        for number in 0..PAGE as u32 + 2 {
            let prefix = ipnet::Ipv4Net::new((0x1400_0000 + (number << 8)).into(), 24).unwrap().into();
            table.want(&FibRoute { metric: None, prefix, target: target.clone() });
        }
        write(&mut table, &[("fd00::/16", target)], &Outcome::Confirmed);
        table
    };
    let first = kernel_page(select(Selection::All), large()).await;
    assert_eq!((first.items.len(), first.next), (PAGE, first.items.last().map(|route| route.prefix)));
    let second = RouteQuery { after: first.next, ..select(Selection::All) };
    let second = kernel_page(second, large()).await;
    assert_eq!(prefixes(&second), ["20.4.0.0/24", "20.4.1.0/24", "fd00::/16"]);
    assert_eq!(second.next, None);

    let ipv6 = RouteQuery { family: Some(Family::Ipv6), ..select(Selection::All) };
    let page = kernel_page(ipv6.clone(), large()).await;
    assert_eq!(prefixes(&page), Vec::<String>::new(), "the page is empty, but not the last");
    let page = kernel_page(RouteQuery { after: page.next, ..ipv6 }, large()).await;
    assert_eq!((prefixes(&page), page.next), (vec!["fd00::/16".to_owned()], None));
}

fn route(prefix: &str, kernel: KernelState, hops: &[&str]) -> RouteView {
    let hop = |address: &&str| NextHopView { address: address.parse().unwrap(), interface: None, weight: 1 };
    RouteView {
        prefix: net(prefix),
        family: Family::of(&net(prefix)),
        next_hops: hops.iter().map(hop).collect(),
        kernel,
        cause: None,
        unwritten: None,
        age_seconds: None,
        candidates: Vec::new(),
        told: None,
    }
}

async fn completed(items: Vec<RouteView>, kernel: Option<mpsc::Sender<Command>>) -> Page<RouteView> {
    let next = Some(net("10.9.0.0/16"));
    match answer(Unfinished::Routes(Page { items, next }), kernel).await {
        Ok(Response::Routes(page)) => page,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn destinations_learn_from_the_kernel_what_became_of_them() {
    let asked = vec![
        route("10.1.0.0/16", KernelState::Pending, &["10.0.0.1", "10.0.0.7"]),
        route("10.3.0.0/16", KernelState::Pending, &["10.0.9.9"]),
        route("10.77.0.0/16", KernelState::Pending, &["10.0.0.1"]),
        route("10.78.0.0/16", KernelState::NotWanted, &[]),
    ];
    let page = completed(asked, Some(thread(every_state()))).await;
    let states: Vec<_> = page.items.iter().map(|route| route.kernel.name()).collect();
    assert_eq!(states, ["installed", "failed", "pending", "not_wanted"]);
    assert_eq!(page.next, Some(net("10.9.0.0/16")));
    let interfaces: Vec<_> = page.items[0].next_hops.iter().map(|hop| hop.interface.as_deref()).collect();
    assert_eq!(interfaces, [Some("lo"), None], "the second is not in the kernel yet");
}

#[tokio::test]
async fn without_a_kernel_thread_the_owners_word_stands() {
    let asked = vec![route("10.1.0.0/16", KernelState::NotWanted, &["10.0.0.1"])];
    assert_eq!(completed(asked.clone(), None).await.items, asked);
    let asked = answer(Unfinished::Kernel(select(Selection::All), FIB), None).await;
    let Ok(Response::KernelRoutes(page)) = asked else { panic!("{asked:?}") };
    assert_eq!(page, Page { items: Vec::new(), next: None });
}

#[tokio::test]
async fn a_thread_that_has_ended_is_an_error_not_an_empty_answer() {
    let (gone, inbox) = mpsc::channel(1);
    drop(inbox);
    let refused = answer(Unfinished::Kernel(select(Selection::All), FIB), Some(gone)).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::Unavailable);
}
