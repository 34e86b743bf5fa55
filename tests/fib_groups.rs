//! Nexthop groups in a real kernel, one namespace per test.

#![allow(clippy::print_stdout)]

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use fib::{Change, Command, FibSettings, Filter, NextHop, NextHopGroups, NextHopSet, Stats, Target};
use support::fib_thread::{DeletionWatch, Fib, kernel, two_links};
use support::netns::{in_namespace, ip, until};

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(20);

/// The number of an interface.
fn index(name: &str) -> u32 {
    let text = fs::read_to_string(format!("/proc/thread-self/net/dev_snmp6/{name}")).unwrap();
    text.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The neighbour behind `eth1` or `eth2`.
fn hop(number: u8) -> NextHop {
    NextHop::via_interface([10, 0, number, 2].into(), index(&format!("eth{number}")))
}

fn over(numbers: &[u8]) -> Target {
    Target::Forward(NextHopSet::new(numbers.iter().copied().map(hop)).unwrap())
}

fn changes(count: u32, target: Option<&Target>) -> Command {
    let change = |number: u32| {
        let prefix = ipnet::Ipv4Net::new((0x1400_0000 + (number << 8)).into(), 24).unwrap().into();
        Change { metric: None, prefix, target: target.cloned() }
    };
    Command::Apply((0..count).map(change).collect())
}

fn stats(fib: &mut Fib) -> Stats {
    fib.snapshot(Filter::Stats).stats
}

/// Has so many routes installed and everything calm.
fn install(fib: &mut Fib, count: u32, target: &Target) {
    fib.send(changes(count, Some(target)));
    until(PATIENCE, "installed", || stats(fib).installed == count as usize);
}

/// How many routes of ours hang on a group, and how many there are.
fn hanging() -> (usize, usize) {
    let all = ip("-o route show proto 179");
    (all.lines().filter(|line| line.contains(" nhid ")).count(), all.lines().count())
}

/// The gateways the kernel would choose among for an address.
fn gateways(prefix: &str) -> BTreeSet<String> {
    let text = kernel(prefix);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(2).filter(|pair| pair[0] == "via").map(|pair| pair[1].to_owned()).collect()
}

fn set(addresses: &[&str]) -> BTreeSet<String> {
    addresses.iter().map(|address| (*address).to_owned()).collect()
}

/// The numbers of our groups in the kernel.
fn groups() -> Vec<u32> {
    numbers("group ")
}

fn numbers(word: &str) -> Vec<u32> {
    let all = ip("-o nexthop show proto 179");
    let ours = all.lines().filter(|line| line.contains(word));
    ours.map(|line| line.split_whitespace().nth(1).unwrap().parse().unwrap()).collect()
}

#[test]
fn losing_a_next_hop_is_one_message_for_any_number_of_routes() {
    in_namespace("losing_a_next_hop_is_one_message_for_any_number_of_routes", || {
        two_links();
        let count: u32 = std::env::var("FIB_ROUTES").ok().and_then(|n| n.parse().ok()).unwrap_or(5_000);
        let mut fib = Fib::start(FibSettings::default());
        for count in [100, count] {
            install(&mut fib, count, &over(&[1, 2]));
            assert_eq!(hanging(), (count as usize, count as usize));
            assert_eq!(gateways("20.0.7.0/24"), set(&["10.0.1.2", "10.0.2.2"]));
            let before = stats(&mut fib).messages;

            let start = Instant::now();
            fib.handle.lose(vec![hop(1)]);
            until(SECOND, "switched", || gateways("20.0.7.0/24") == set(&["10.0.2.2"]));
            println!("{count} routes: switched after {:?}", start.elapsed());
            assert_eq!(stats(&mut fib).messages - before, 1);
            assert!(ip("route get 20.0.7.7").contains("via 10.0.2.2"));

            // What BGP says afterwards finds nothing to do.
            fib.send(Command::Lose(vec![hop(1)]));
            fib.send(changes(count, Some(&over(&[2]))));
            fib.send(Command::Settled);
            let after = stats(&mut fib);
            assert_eq!((after.messages - before, after.installed), (1, count as usize));
            assert_eq!((after.drift_groups, after.drift_changed, after.drift_deleted), (0, 0, 0));
            assert_eq!(hanging(), (count as usize, count as usize));
        }
    });
}

#[test]
fn a_lost_next_hop_comes_back_when_it_is_wanted_again() {
    in_namespace("a_lost_next_hop_comes_back_when_it_is_wanted_again", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        fib.send(Command::Converged);
        install(&mut fib, 1000, &over(&[1, 2]));
        fib.handle.lose(vec![hop(1)]);
        fib.send(Command::Lose(vec![hop(1)]));
        fib.send(changes(1000, Some(&over(&[2]))));
        until(SECOND, "switched", || gateways("20.0.7.0/24") == set(&["10.0.2.2"]));
        let watch = DeletionWatch::start();
        install(&mut fib, 1000, &over(&[1, 2]));
        until(SECOND, "back", || gateways("20.0.7.0/24") == set(&["10.0.1.2", "10.0.2.2"]));
        until(SECOND, "one group is left", || groups().len() == 1);
        assert_eq!(watch.deletions(), Vec::<String>::new());
        assert_eq!(hanging(), (1000, 1000));
    });
}

#[test]
fn a_group_deleted_behind_our_back_returns_within_a_second() {
    in_namespace("a_group_deleted_behind_our_back_returns_within_a_second", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        install(&mut fib, 5000, &over(&[1, 2]));
        let group = groups()[0];
        let start = Instant::now();
        ip(&format!("nexthop del id {group}"));
        until(SECOND, "all are back", || hanging() == (5000, 5000));
        println!("5000 routes back after {:?}", start.elapsed());
        let stats = stats(&mut fib);
        assert_eq!((stats.drift_groups, stats.group_repairs), (1, 1));
        assert_eq!((stats.drift_deleted, stats.repairs), (5000, 5000));
    });
}

#[test]
fn a_member_deleted_behind_our_back_returns_within_a_second() {
    in_namespace("a_member_deleted_behind_our_back_returns_within_a_second", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        install(&mut fib, 1000, &over(&[1, 2]));
        let before = stats(&mut fib).messages;
        let member = numbers("via 10.0.1.2")[0];
        ip(&format!("nexthop del id {member}"));
        until(SECOND, "it is whole", || gateways("20.0.7.0/24") == set(&["10.0.1.2", "10.0.2.2"]));
        until(SECOND, "counted", || stats(&mut fib).group_repairs == 1);
        let after = stats(&mut fib);
        assert_eq!((after.messages - before, after.installed), (2, 1000));
    });
}

#[test]
fn flushed_nexthops_return_within_a_second_and_foreign_ones_are_not_touched() {
    in_namespace("flushed_nexthops_return_within_a_second_and_foreign_ones_are_not_touched", || {
        two_links();
        // One of them with a number that could be ours.
        ip("nexthop add id 179000000 via 10.0.1.9 dev eth1 proto 98");
        ip("nexthop add id 7 via 10.0.2.9 dev eth2 proto 98");
        ip("nexthop add id 8 group 7/179000000 proto 98");
        ip("route add 198.51.100.0/24 nhid 8 proto 98");
        let mut fib = Fib::start(FibSettings::default());
        let foreign = || ip("-o nexthop show proto 98");
        let before = foreign();
        install(&mut fib, 1000, &over(&[1, 2]));
        for _ in 0..3 {
            ip("nexthop flush proto 179");
            until(SECOND, "all are back", || hanging() == (1000, 1000));
            until(SECOND, "the table agrees", || stats(&mut fib).installed == 1000);
        }
        assert!(stats(&mut fib).drift_groups >= 3);
        fib.send(changes(1000, None));
        fib.send(Command::Converged);
        until(SECOND, "all gone", || hanging() == (0, 0) && numbers("").is_empty());
        assert_eq!(foreign(), before);
        assert!(kernel("198.51.100.0/24").contains("proto 98"));
    });
}

#[test]
fn flushed_routes_return_within_a_second() {
    in_namespace("flushed_routes_return_within_a_second", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        install(&mut fib, 1000, &over(&[1, 2]));
        // `ip route flush` names group and gateways at once, which the kernel refuses.
        let all = (0..1000_u32).map(|number| {
            let prefix = ipnet::Ipv4Net::new((0x1400_0000 + (number << 8)).into(), 24).unwrap();
            format!("route del {prefix} proto 179\n")
        });
        let file = std::env::temp_dir().join(format!("podbgp-flush-{}", std::process::id()));
        fs::write(&file, all.collect::<String>()).unwrap();
        ip(&format!("-batch {}", file.display()));
        fs::remove_file(&file).unwrap();
        until(SECOND, "all are back", || hanging() == (1000, 1000));
        until(SECOND, "counted", || stats(&mut fib).repairs == 1000);
        assert_eq!(groups().len(), 1);
    });
}

#[test]
fn a_link_that_flaps_shrinks_and_grows_the_group() {
    in_namespace("a_link_that_flaps_shrinks_and_grows_the_group", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        install(&mut fib, 1000, &over(&[1, 2]));
        let start = stats(&mut fib).messages;
        let both = set(&["10.0.1.2", "10.0.2.2"]);
        for (down, up) in [("eth1-peer down", "eth1-peer up"), ("eth1 down", "eth1 up")] {
            for _ in 0..5 {
                ip(&format!("link set {down}"));
                until(SECOND, "shrunk", || gateways("20.0.7.0/24") == set(&["10.0.2.2"]));
                ip(&format!("link set {up}"));
                until(SECOND, "grown", || gateways("20.0.7.0/24") == both);
            }
        }
        thread::sleep(Duration::from_millis(200));
        let after = stats(&mut fib);
        println!("{after:?}");
        assert_eq!(hanging(), (1000, 1000));
        assert!(after.messages - start <= 60, "a handful of messages for each flap: {after:?}");
        assert_eq!(after.installed, 1000);
    });
}

#[test]
fn with_both_links_gone_and_back_everything_is_as_it_was() {
    in_namespace("with_both_links_gone_and_back_everything_is_as_it_was", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        install(&mut fib, 1000, &over(&[1, 2]));
        for links in [["eth1", "eth2"], ["eth1-peer", "eth2-peer"]] {
            for link in links {
                ip(&format!("link set {link} down"));
            }
            thread::sleep(Duration::from_millis(100));
            for link in links {
                ip(&format!("link set {link} up"));
            }
            let both = set(&["10.0.1.2", "10.0.2.2"]);
            until(SECOND, "all are back", || hanging().1 == 1000 && gateways("20.0.7.0/24") == both);
            until(2 * SECOND, "on a group", || hanging() == (1000, 1000));
            until(SECOND, "the table agrees", || stats(&mut fib).installed == 1000);
        }
    });
}

#[test]
fn a_new_run_adopts_groups_and_rewrites_nothing() {
    in_namespace("a_new_run_adopts_groups_and_rewrites_nothing", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        install(&mut fib, 1000, &over(&[1, 2]));
        let before = ip("-o nexthop show");
        let watch = DeletionWatch::start();
        fib.handle.join();
        let mut fib = Fib::start(FibSettings::default());
        assert_eq!(stats(&mut fib).leftovers, 1000);
        install(&mut fib, 1000, &over(&[1, 2]));
        fib.send(Command::Converged);
        thread::sleep(Duration::from_millis(400));
        let after = stats(&mut fib);
        assert_eq!((after.messages, after.installed, after.groups), (0, 1000, 1));
        assert_eq!(ip("-o nexthop show"), before);
        assert_eq!(watch.deletions(), Vec::<String>::new());
        // And it is in charge of them.
        fib.handle.lose(vec![hop(2)]);
        until(SECOND, "switched", || gateways("20.0.7.0/24") == set(&["10.0.1.2"]));
        assert_eq!(stats(&mut fib).messages, 1);
    });
}

#[test]
fn a_new_run_without_groups_moves_the_routes_off_them() {
    in_namespace("a_new_run_without_groups_moves_the_routes_off_them", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        install(&mut fib, 100, &over(&[1, 2]));
        fib.handle.join();
        let watch = DeletionWatch::start();
        let settings = FibSettings { next_hop_groups: NextHopGroups::Never, ..FibSettings::default() };
        let mut fib = Fib::start(settings);
        install(&mut fib, 100, &over(&[1, 2]));
        fib.send(Command::Converged);
        until(SECOND, "moved and tidied", || hanging() == (0, 100) && numbers("").is_empty());
        assert_eq!(watch.deletions(), Vec::<String>::new());
        assert_eq!(gateways("20.0.7.0/24"), set(&["10.0.1.2", "10.0.2.2"]));
    });
}

#[test]
fn ipv6_routes_share_groups_too() {
    in_namespace("ipv6_routes_share_groups_too", || {
        two_links();
        let gateway = |number: u8| {
            let address = format!("fd00:{number}::2").parse().unwrap();
            NextHop::via_interface(address, index(&format!("eth{number}")))
        };
        let target = Target::Forward(NextHopSet::new([gateway(1), gateway(2)]).unwrap());
        let mut fib = Fib::start(FibSettings::default());
        let change = |number: u32| {
            let prefix = format!("2001:db8:{number:x}::/48").parse().unwrap();
            Change { metric: None, prefix, target: Some(target.clone()) }
        };
        fib.send(Command::Apply((0..500).map(change).collect()));
        until(PATIENCE, "installed", || stats(&mut fib).installed == 500);
        let hanging =
            || ip("-6 -o route show proto 179").lines().filter(|line| line.contains("nhid")).count();
        ip(&format!("nexthop del id {}", groups()[0]));
        until(SECOND, "repaired", || hanging() == 500 && stats(&mut fib).installed == 500);
        let before = stats(&mut fib).messages;
        fib.handle.lose(vec![gateway(1)]);
        until(SECOND, "switched", || gateways("2001:db8:7::/48") == set(&["fd00:2::2"]));
        let after = stats(&mut fib);
        assert_eq!((after.messages - before, after.groups, after.installed), (1, 1, 500));
    });
}

#[test]
fn few_routes_name_their_next_hops() {
    in_namespace("few_routes_name_their_next_hops", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        install(&mut fib, NextHopGroups::MANY - 1, &over(&[1, 2]));
        thread::sleep(Duration::from_millis(400));
        assert_eq!(hanging(), (0, NextHopGroups::MANY as usize - 1));
        let before = stats(&mut fib).messages;
        fib.handle.lose(vec![hop(1)]);
        until(SECOND, "switched", || gateways("20.0.7.0/24") == set(&["10.0.2.2"]));
        assert_eq!(stats(&mut fib).messages - before, u64::from(NextHopGroups::MANY) - 1);
        // One more of them, and they share.
        fib.send(Command::Lose(vec![hop(1)]));
        install(&mut fib, 100, &over(&[1, 2]));
        until(SECOND, "on a group", || hanging() == (100, 100));
    });
}
