//! Kernel routes in a real kernel, one namespace per test.

#![allow(clippy::print_stdout)]

use std::net::IpAddr;
use std::process::Command as Process;
use std::thread;
use std::time::{Duration, Instant};

use fib::{
    Change, Command, Event, FibSettings, Filter, NextHop, NextHopSet, Resolution, RouteState, Target,
    Unreachable,
};
use nix::unistd::geteuid;
use support::fib_thread::{DeletionWatch, Fib, kernel, two_links, via};
use support::netns::{in_namespace, ip, until};
use tokio::sync::mpsc;

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn every_kind_of_route_is_installed_and_removed() {
    in_namespace("every_kind_of_route_is_installed_and_removed", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        let cases = [
            ("192.0.2.0/24", via(&["10.0.1.2"]), "192.0.2.0/24 via 10.0.1.2 dev eth1 proto 179 metric 20"),
            (
                "2001:db8:1::/48",
                via(&["fd00:1::2"]),
                "2001:db8:1::/48 via fd00:1::2 dev eth1 proto 179 metric 20",
            ),
            (
                "198.51.100.0/24",
                via(&["fd00:1::2"]),
                "198.51.100.0/24 via inet6 fd00:1::2 dev eth1 proto 179 metric 20",
            ),
            ("203.0.113.0/26", Target::Blackhole, "blackhole 203.0.113.0/26 proto 179 metric 20"),
            ("2001:db8:2::/64", Target::Blackhole, "blackhole 2001:db8:2::/64 dev lo proto 179 metric 20"),
            ("0.0.0.0/0", via(&["10.0.1.2"]), "default via 10.0.1.2 dev eth1 proto 179 metric 20"),
            ("192.0.3.0/24", via(&["10.0.2.2", "10.0.1.2"]), "nexthop via 10.0.1.2 dev eth1 weight 1"),
            ("192.0.3.0/24", via(&["10.0.1.2", "10.0.2.2"]), "nexthop via 10.0.2.2 dev eth2 weight 1"),
            (
                "192.0.4.0/24",
                via(&["10.0.1.2", "fd00:2::2"]),
                "nexthop via inet6 fd00:2::2 dev eth2 weight 1",
            ),
            ("2001:db8:3::/48", via(&["fd00:2::2", "fd00:1::2"]), "nexthop via fd00:1::2 dev eth1 weight 1"),
            ("2001:db8:3::/48", via(&["fd00:2::2", "fd00:1::2"]), "nexthop via fd00:2::2 dev eth2 weight 1"),
        ];
        for (prefix, target, expected) in &cases {
            fib.want(prefix, target.clone());
            fib.wait_until_installed(prefix);
            let kernel = kernel(prefix);
            assert!(kernel.contains(expected), "{prefix}: {kernel}");
        }
        assert_eq!(fib.snapshot(Filter::Stats).stats.failures, 0);
        for (prefix, ..) in &cases {
            fib.unwant(prefix);
            until(SECOND, "removed", || !kernel(prefix).contains("proto 179"));
        }
        assert_eq!(fib.snapshot(Filter::All).routes, vec![]);
    });
}

#[test]
fn a_link_local_gateway_works_on_its_interface() {
    in_namespace("a_link_local_gateway_works_on_its_interface", || {
        two_links();
        let index: u32 = std::fs::read_to_string("/proc/thread-self/net/dev_snmp6/eth1")
            .unwrap()
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let mut fib = Fib::start(FibSettings::default());
        for (prefix, gateway, expected) in [
            ("192.0.2.0/24", "fe80::2", "via inet6 fe80::2 dev eth1"),
            ("2001:db8::/48", "fe80::2", "via fe80::2 dev eth1"),
            ("192.0.3.0/24", "169.254.1.1", "via 169.254.1.1 dev eth1"),
        ] {
            let next_hop = NextHop::via_interface(gateway.parse().unwrap(), index);
            fib.want(prefix, Target::Forward(NextHopSet::new([next_hop]).unwrap()));
            fib.wait_until_installed(prefix);
            assert!(kernel(prefix).contains(expected), "{}", kernel(prefix));
        }
    });
}

#[test]
fn a_foreign_route_is_never_touched_and_ours_waits_for_it() {
    in_namespace("a_foreign_route_is_never_touched_and_ours_waits_for_it", || {
        two_links();
        ip("route add 192.0.2.0/24 via 10.0.1.9 proto 98 metric 20");
        ip("route add 192.0.3.0/24 via 10.0.1.9 proto 98 metric 10");
        ip("-6 route add 2001:db8::/48 via fd00:1::9 proto 98 metric 20");
        let mut fib = Fib::start(FibSettings::default());
        fib.want("192.0.2.0/24", via(&["10.0.2.2"]));
        fib.want("192.0.3.0/24", via(&["10.0.2.2"]));
        fib.want("2001:db8::/48", via(&["fd00:2::2"]));
        fib.wait_until_installed("192.0.3.0/24");
        for prefix in ["192.0.2.0/24", "2001:db8::/48"] {
            until(SECOND, "the culprit is known", || {
                matches!(fib.state(prefix), Some(RouteState::Conflict { protocol: Some(98), .. }))
            });
        }
        assert!(kernel("192.0.3.0/24").contains("via 10.0.1.9 dev eth1 proto 98 metric 10"));
        fib.unwant("192.0.3.0/24");
        until(SECOND, "ours is gone", || !kernel("192.0.3.0/24").contains("179"));
        assert!(kernel("192.0.3.0/24").contains("proto 98"));
        assert_eq!(kernel("192.0.2.0/24"), "192.0.2.0/24 via 10.0.1.9 dev eth1 proto 98 metric 20");
        ip("route del 192.0.2.0/24 proto 98");
        ip("-6 route del 2001:db8::/48 proto 98");
        until(SECOND, "ours takes the free place", || {
            kernel("192.0.2.0/24").contains("proto 179") && kernel("2001:db8::/48").contains("proto 179")
        });
    });
}

#[test]
fn a_route_deleted_behind_our_back_returns_within_a_second() {
    in_namespace("a_route_deleted_behind_our_back_returns_within_a_second", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        for (prefix, gateway) in [("192.0.2.0/24", "10.0.1.2"), ("2001:db8::/48", "fd00:1::2")] {
            fib.want(prefix, via(&[gateway]));
            fib.wait_until_installed(prefix);
            ip(&format!("route del {prefix}"));
            until(SECOND, "it is back", || kernel(prefix).contains("proto 179"));
        }
        until(SECOND, "counted", || fib.snapshot(Filter::Stats).stats.repairs == 2);
        assert_eq!(fib.snapshot(Filter::Stats).stats.drift_deleted, 2);
    });
}

#[test]
fn a_route_changed_behind_our_back_is_put_right_within_a_second() {
    in_namespace("a_route_changed_behind_our_back_is_put_right_within_a_second", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        fib.want("192.0.2.0/24", via(&["10.0.1.2", "10.0.2.2"]));
        fib.want("2001:db8::/48", via(&["fd00:1::2", "fd00:2::2"]));
        fib.wait_until_installed("192.0.2.0/24");
        fib.wait_until_installed("2001:db8::/48");
        ip("route replace 192.0.2.0/24 via 10.0.1.7 proto 179 metric 20");
        until(SECOND, "IPv4 is right again", || {
            let kernel = kernel("192.0.2.0/24");
            kernel.contains("via 10.0.1.2") && kernel.contains("via 10.0.2.2") && !kernel.contains("10.0.1.7")
        });
        // One leg of an IPv6 multipath route can be deleted on its own.
        ip("-6 route del 2001:db8::/48 via fd00:1::2 dev eth1");
        until(SECOND, "IPv6 is right again", || {
            let kernel = kernel("2001:db8::/48");
            kernel.contains("via fd00:1::2") && kernel.contains("via fd00:2::2")
        });
    });
}

#[test]
fn a_foreign_replacement_of_our_route_is_a_conflict() {
    in_namespace("a_foreign_replacement_of_our_route_is_a_conflict", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        fib.want("192.0.2.0/24", via(&["10.0.1.2"]));
        fib.wait_until_installed("192.0.2.0/24");
        ip("route replace 192.0.2.0/24 via 10.0.1.7 proto 98 metric 20");
        until(SECOND, "conflict", || {
            matches!(fib.state("192.0.2.0/24"), Some(RouteState::Conflict { protocol: Some(98), .. }))
        });
        thread::sleep(Duration::from_millis(500));
        assert_eq!(kernel("192.0.2.0/24"), "192.0.2.0/24 via 10.0.1.7 dev eth1 proto 98 metric 20");
    });
}

#[test]
fn routes_survive_a_link_that_is_set_down_and_up() {
    in_namespace("routes_survive_a_link_that_is_set_down_and_up", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        fib.want("192.0.2.0/24", via(&["10.0.1.2"]));
        fib.want("192.0.3.0/24", via(&["10.0.1.2", "10.0.2.2"]));
        fib.want("2001:db8::/48", via(&["fd00:2::2"]));
        for prefix in ["192.0.2.0/24", "192.0.3.0/24", "2001:db8::/48"] {
            fib.wait_until_installed(prefix);
        }
        ip("link set eth1 down");
        // The kernel has dropped it without a word: the truth must be noticed all the same.
        until(SECOND, "the loss is noticed", || {
            matches!(fib.state("192.0.2.0/24"), Some(RouteState::Failed { .. }))
        });
        ip("link set eth1 up");
        let back = until(SECOND, "IPv4 is back", || kernel("192.0.2.0/24").contains("proto 179"));
        until(SECOND - back, "ECMP is whole", || {
            let kernel = kernel("192.0.3.0/24");
            kernel.contains("via 10.0.1.2") && kernel.contains("via 10.0.2.2") && !kernel.contains("dead")
        });
        assert!(kernel("2001:db8::/48").contains("proto 179"));
        until(SECOND, "the table agrees", || fib.snapshot(Filter::Stats).stats.installed == 3);
    });
}

#[test]
fn routes_survive_a_link_that_loses_and_regains_carrier() {
    in_namespace("routes_survive_a_link_that_loses_and_regains_carrier", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        fib.want("192.0.2.0/24", via(&["10.0.1.2"]));
        fib.want("2001:db8::/48", via(&["fd00:1::2"]));
        fib.wait_until_installed("192.0.2.0/24");
        fib.wait_until_installed("2001:db8::/48");
        ip("link set eth1-peer down");
        let name = fib.wait_for(|event| match event {
            Event::Links(links) => {
                links.iter().find(|link| !link.up && link.name == "eth1").map(|a| a.name.clone())
            }
            _ => None,
        });
        assert_eq!(name, "eth1");
        ip("link set eth1-peer up");
        until(SECOND, "both are usable", || {
            ["192.0.2.0/24", "2001:db8::/48"]
                .into_iter()
                .all(|prefix| kernel(prefix).contains("proto 179") && !kernel(prefix).contains("linkdown"))
        });
        until(SECOND, "the table agrees", || fib.snapshot(Filter::Stats).stats.installed == 2);
    });
}

#[test]
fn a_new_run_adopts_what_the_last_one_left() {
    in_namespace("a_new_run_adopts_what_the_last_one_left", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        fib.want("192.0.2.0/24", via(&["10.0.1.2", "10.0.2.2"]));
        fib.want("192.0.3.0/24", via(&["10.0.1.2"]));
        fib.want("2001:db8::/48", via(&["fd00:2::2"]));
        for prefix in ["192.0.2.0/24", "192.0.3.0/24", "2001:db8::/48"] {
            fib.wait_until_installed(prefix);
        }
        let watch = DeletionWatch::start();
        fib.handle.join();
        let mut fib = Fib::start(FibSettings::default());
        assert_eq!(fib.state("192.0.3.0/24"), Some(RouteState::Adopted));
        fib.want("192.0.2.0/24", via(&["10.0.2.2", "10.0.1.2"]));
        fib.want("2001:db8::/48", via(&["fd00:2::2"]));
        fib.wait_until_installed("192.0.2.0/24");
        fib.wait_until_installed("2001:db8::/48");
        let stats = fib.snapshot(Filter::Stats).stats;
        assert_eq!((stats.writes, stats.leftovers), (0, 1), "what is right is not written again");
        assert_eq!(watch.deletions(), Vec::<String>::new());

        assert!(kernel("192.0.3.0/24").contains("proto 179"), "leftovers stay until told");
        fib.send(Command::Converged);
        let swept = fib.wait_for(|event| match event {
            Event::Swept { leftovers } => Some(*leftovers),
            _ => None,
        });
        assert_eq!(swept, 1);
        until(SECOND, "swept", || kernel("192.0.3.0/24").is_empty());
        assert!(kernel("192.0.2.0/24").contains("proto 179"));
    });
}

#[test]
fn leftovers_with_another_metric_are_swept_too() {
    in_namespace("leftovers_with_another_metric_are_swept_too", || {
        two_links();
        ip("route add 192.0.2.0/24 via 10.0.1.2 proto 179 metric 33");
        ip("route add 192.0.3.0/24 via 10.0.1.2 proto 179 metric 33");
        let mut fib = Fib::start(FibSettings::default());
        fib.want("192.0.2.0/24", via(&["10.0.1.2"]));
        fib.wait_until_installed("192.0.2.0/24");
        // What is claimed is there under its own metric, and the other goes then; what is not has to wait.
        until(SECOND, "superseded", || !kernel("192.0.2.0/24").contains("metric 33"));
        assert!(kernel("192.0.2.0/24").contains("metric 20"));
        assert!(kernel("192.0.3.0/24").contains("metric 33"));
        fib.send(Command::Converged);
        until(SECOND, "swept", || kernel("192.0.3.0/24").is_empty());
    });
}

#[test]
fn a_refused_route_is_retried_and_explained() {
    in_namespace("a_refused_route_is_retried_and_explained", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        fib.want("192.0.2.0/24", via(&["10.0.9.2"]));
        let mut complaint = None;
        until(SECOND, "refused", || {
            if let Some(RouteState::Failed { error, .. }) = fib.state("192.0.2.0/24") {
                complaint = Some(error);
            }
            complaint.is_some()
        });
        assert_eq!(complaint.unwrap().text, "Nexthop has invalid gateway");
        until(PATIENCE, "retried", || {
            matches!(fib.state("192.0.2.0/24"), Some(RouteState::Failed { retries: 3.., .. }))
        });
        ip("addr add 10.0.9.1/24 dev eth2");
        until(SECOND, "installed", || kernel("192.0.2.0/24").contains("via 10.0.9.2 dev eth2 proto 179"));
    });
}

#[test]
fn next_hops_are_resolved_and_changes_told() {
    in_namespace("next_hops_are_resolved_and_changes_told", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        let addresses = ["10.0.1.2", "10.0.1.1", "172.16.0.1", "fd00:2::5", "fe80::1"];
        fib.send(Command::Track(addresses.iter().map(|address| address.parse().unwrap()).collect()));
        let first: Vec<(IpAddr, Resolution)> = fib.wait_for(|event| match event {
            Event::Resolved(answers) => Some(answers.clone()),
            _ => None,
        });
        let told: Vec<String> =
            first.iter().map(|(address, resolution)| format!("{address} {resolution}")).collect();
        let link = |name: &str| ip(&format!("-o link show {name}")).split(':').next().unwrap().to_string();
        assert_eq!(
            told,
            [
                "10.0.1.1 local".to_string(),
                format!("10.0.1.2 on link dev {}", link("eth1")),
                "172.16.0.1 unreachable: no route".to_string(),
                format!("fd00:2::5 on link dev {}", link("eth2")),
                "fe80::1 unreachable: a link-local address needs an interface".to_string(),
            ]
        );
        ip("route add 172.16.0.0/16 via 10.0.2.2");
        assert_eq!(fib.resolution("172.16.0.1").to_string(), format!("via 10.0.2.2 dev {}", link("eth2")));
        ip("route replace blackhole 172.16.0.0/16");
        assert_eq!(fib.resolution("172.16.0.1"), Resolution::Unreachable { why: Unreachable::Rejected });
        ip("route del blackhole 172.16.0.0/16");
        assert_eq!(fib.resolution("172.16.0.1"), Resolution::Unreachable { why: Unreachable::NoRoute });
        ip("link set eth1-peer down");
        assert_eq!(fib.resolution("10.0.1.2"), Resolution::Unreachable { why: Unreachable::LinkDown });
        ip("link set eth1-peer up");
        assert!(matches!(fib.resolution("10.0.1.2"), Resolution::OnLink { .. }));
    });
}

#[test]
fn what_a_lost_link_reached_is_told_at_once() {
    in_namespace("what_a_lost_link_reached_is_told_at_once", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        fib.send(Command::Track(vec!["10.0.1.2".parse().unwrap()]));
        assert!(matches!(fib.resolution("10.0.1.2"), Resolution::OnLink { .. }));
        // A busy machine may be late now and then; letting things settle first would be late every time.
        let told_at_once = (0..5).any(|_| {
            thread::sleep(Duration::from_millis(100));
            let start = Instant::now();
            ip("link set eth1-peer down");
            assert_eq!(fib.resolution("10.0.1.2"), Resolution::Unreachable { why: Unreachable::LinkDown });
            let took = start.elapsed();
            ip("link set eth1-peer up");
            assert!(matches!(fib.resolution("10.0.1.2"), Resolution::OnLink { .. }));
            took < Duration::from_millis(40)
        });
        assert!(told_at_once);
    });
}

#[test]
fn our_own_route_resolves_no_next_hop() {
    in_namespace("our_own_route_resolves_no_next_hop", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        fib.want("0.0.0.0/0", via(&["10.0.1.2"]));
        fib.wait_until_installed("0.0.0.0/0");
        fib.send(Command::Track(vec!["192.0.2.1".parse().unwrap()]));
        let expected = Resolution::Unreachable { why: Unreachable::OwnRoute("0.0.0.0/0".parse().unwrap()) };
        assert_eq!(fib.resolution("192.0.2.1"), expected);
    });
}

#[test]
fn without_install_nothing_is_written_but_next_hops_are_resolved() {
    in_namespace("without_install_nothing_is_written_but_next_hops_are_resolved", || {
        two_links();
        let mut fib = Fib::start(FibSettings { install: false, ..FibSettings::default() });
        fib.want("192.0.2.0/24", via(&["10.0.1.2"]));
        fib.send(Command::Track(vec!["10.0.1.2".parse().unwrap()]));
        assert!(matches!(fib.resolution("10.0.1.2"), Resolution::OnLink { .. }));
        let snapshot = fib.snapshot(Filter::All);
        assert!(!snapshot.install);
        assert_eq!(snapshot.routes[0].state, RouteState::Pending);
        assert_eq!(kernel("192.0.2.0/24"), "");
    });
}

#[test]
fn twenty_thousand_routes_are_written_while_commands_are_heard() {
    in_namespace("twenty_thousand_routes_are_written_while_commands_are_heard", || {
        two_links();
        let count: u32 = std::env::var("FIB_ROUTES").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000);
        let mut fib = Fib::start(FibSettings::default());
        let target = via(&["10.0.1.2", "10.0.2.2"]);
        let change = |number: u32| {
            let prefix = ipnet::Ipv4Net::new((0x1400_0000 + (number << 8)).into(), 24).unwrap().into();
            Change { metric: None, prefix, target: Some(target.clone()) }
        };
        let start = Instant::now();
        fib.send(Command::Apply((0..count).map(change).collect()));
        let asked = Instant::now();
        let under_way = fib.snapshot(Filter::Stats).stats;
        let heard = asked.elapsed();
        until(60 * SECOND, "all written", || fib.snapshot(Filter::Stats).stats.installed == count as usize);
        let took = start.elapsed();
        println!("{count} routes in {took:?}; a question in between answered in {heard:?} at {under_way:?}");
        assert!(heard < SECOND);
        assert_eq!(ip("-o route show proto 179").lines().count(), count as usize);
        let stats = fib.snapshot(Filter::Stats).stats;
        assert_eq!((stats.failures, stats.overruns), (0, 0));
    });
}

#[test]
fn lost_notifications_are_noticed_and_made_good() {
    in_namespace("lost_notifications_are_noticed_and_made_good", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        fib.want("192.0.2.0/24", via(&["10.0.1.2"]));
        fib.wait_until_installed("192.0.2.0/24");
        // More than the ears of the thread hold, while it is busy with wishes that come to nothing. The last of
        // it is about a route of ours.
        let burst = (0..60_000_u32).map(|number| {
            let [_, a, b, c] = number.to_be_bytes();
            format!("route add blackhole 30.{a}.{b}.{c}/32 table 77\n")
        });
        let burst: String = burst.chain(["route del 192.0.2.0/24 proto 179\n".to_owned()]).collect();
        let file = std::env::temp_dir().join(format!("podbgp-burst-{}", std::process::id()));
        std::fs::write(&file, burst).unwrap();
        let prefix = "192.0.3.0/24".parse().unwrap();
        let wish = |number: u32| Change {
            metric: None,
            prefix,
            target: number.is_multiple_of(2).then_some(Target::Blackhole),
        };
        let mut batch = Process::new("ip").arg("-batch").arg(&file).spawn().unwrap();
        while batch.try_wait().unwrap().is_none() {
            fib.send(Command::Apply((0..200_000).map(wish).collect()));
        }
        std::fs::remove_file(&file).unwrap();
        assert!(batch.wait().unwrap().success());
        until(4 * PATIENCE, "the loss is noticed", || fib.snapshot(Filter::Stats).stats.overruns > 0);
        until(4 * PATIENCE, "the route is back", || kernel("192.0.2.0/24").contains("proto 179"));
        until(PATIENCE, "the table agrees", || fib.snapshot(Filter::Stats).stats.installed == 1);
        assert_eq!(fib.snapshot(Filter::Stats).stats.drift_deleted, 1);
    });
}

#[test]
fn without_the_capability_the_error_says_what_to_do() {
    if geteuid().is_root() {
        let test = "without_the_capability_the_error_says_what_to_do";
        let ids = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
        let binary = std::env::current_exe().unwrap();
        let status = Process::new("setpriv").args(ids).arg(binary).args(["--exact", test]).status();
        assert!(status.expect("util-linux is installed").success());
        return;
    }
    let (events, _listener) = mpsc::channel(1);
    let refused = fib::spawn(FibSettings::default(), events);
    assert!(matches!(refused, Err(fib::Error::Privilege)), "{refused:?}");
}
