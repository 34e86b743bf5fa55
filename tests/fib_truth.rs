//! Some hundred routes in a real kernel, and hands that flush, delete, change and flap: the kernel is right again
//! within a second, the counters say what happened, and nobody else's route is touched.
//!
//! Each scenario runs twice: with routes that list their next hops, and with routes that share a nexthop group.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::Command as Program;
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fib::{
    Change, Command, Event, FibHandle, FibSettings, NextHop, NextHopGroups, NextHopSet, Stats, Target,
};
use ipnet::IpNet;
use lab::speakers::output_of;
use nix::net::if_::if_nametoindex;
use support::install::blocks;
use support::kernel::{PROTOCOL, our_routes};
use support::rack::{Transport, UPLINK, link, their_address};
use support::{Rack, SOON, eventually, requires};
use tokio::sync::mpsc;

/// How soon the kernel must be right again.
const SECOND: Duration = Duration::from_secs(1);
/// Routes of each family.
const ROUTES: usize = 300;
const FLAPS: usize = 100;
/// Long enough for a change to be heard of, too short for everything to be done about it.
const PAUSE: Duration = Duration::from_millis(8);

/// Makes each scenario a test in both forms.
macro_rules! in_both_forms {
    ($($scenario:ident),* $(,)?) => {
        mod inline {
            $(#[test]
            fn $scenario() {
                support::requires!(&["ip"]);
                super::$scenario(&super::World::new(super::NextHopGroups::Never));
            })*
        }
        mod grouped {
            $(#[test]
            fn $scenario() {
                support::requires!(&["ip"]);
                super::$scenario(&super::World::new(super::NextHopGroups::Always));
            })*
        }
    };
}

in_both_forms! {
    routes_that_are_all_deleted_are_put_back,
    a_deleted_route_is_put_back,
    a_changed_route_is_changed_back,
    a_link_that_lost_its_carrier_a_hundred_times_carries_routes_again,
    a_link_that_was_set_down_a_hundred_times_carries_routes_again,
}

/// Only of routes that list their next hops: `ip` flushes no others, the kernel takes its message for a contradiction.
#[test]
fn a_flush_of_our_routes_is_undone() {
    requires!(&["ip"]);
    let world = World::new(NextHopGroups::Never);
    let before = world.stats();
    // It goes in rounds until nothing is left, and gives up: what it deletes is put back meanwhile.
    let _ = world.try_ip(&format!("-4 route flush proto {PROTOCOL}"));
    world.right_within(SECOND, "after the flush");
    world.expect_repaired(before, ROUTES);
}

fn routes_that_are_all_deleted_are_put_back(world: &World) {
    let before = world.stats();
    let line = |prefix: &IpNet| format!("route del {prefix} proto {PROTOCOL}\n");
    let batch = world.rack.directory("ours").join("batch");
    std::fs::write(&batch, world.prefixes.iter().map(line).collect::<String>()).expect("a file");
    world.ip(&format!("-batch {}", batch.display()));
    world.right_within(SECOND, "after the deletion of them all");
    world.expect_repaired(before, world.prefixes.len());
}

fn a_deleted_route_is_put_back(world: &World) {
    let before = world.stats();
    for prefix in [world.prefixes[7], world.prefixes[ROUTES + 7]] {
        world.ip(&format!("{} route del {prefix} proto {PROTOCOL}", dash(prefix)));
    }
    world.right_within(SECOND, "after the deletion");
    let after = world.stats();
    assert_eq!((after.drift_deleted - before.drift_deleted, after.repairs - before.repairs), (2, 2));
}

fn a_changed_route_is_changed_back(world: &World) {
    let before = world.stats();
    let prefix = world.prefixes[7];
    world.ip(&format!("route replace {prefix} via 10.9.0.99 metric 20 proto {PROTOCOL}"));
    world.right_within(SECOND, "after the change");
    let after = world.stats();
    assert_eq!((after.drift_changed - before.drift_changed, after.repairs - before.repairs), (1, 1));
}

fn a_link_that_lost_its_carrier_a_hundred_times_carries_routes_again(world: &World) {
    let far = &world.rack.theirs[0];
    for _ in 0..FLAPS {
        far.set_down(UPLINK).expect("the far end goes down");
        sleep(PAUSE);
        far.set_up(UPLINK).expect("the far end comes up");
        sleep(PAUSE);
    }
    world.right_within(SECOND, "after the flaps");
    assert_eq!(world.stats().failed, 0);
}

fn a_link_that_was_set_down_a_hundred_times_carries_routes_again(world: &World) {
    for _ in 0..FLAPS {
        world.rack.ours.set_down(&link(0)).expect("the link goes down");
        sleep(PAUSE);
        world.rack.ours.set_up(&link(0)).expect("the link comes up");
        sleep(PAUSE);
    }
    world.right_within(SECOND, "after the flaps");
    assert_eq!(world.stats().failed, 0);
}

#[test]
fn a_deleted_group_is_made_again_with_its_routes() {
    requires!(&["ip"]);
    let world = World::new(NextHopGroups::Always);
    let before = world.stats();
    assert_eq!((before.groups, before.next_hops), (2, 4), "one of each family");
    // The kernel deletes the routes of a group along with it.
    world.ip(&format!("nexthop del id {}", world.group_of(world.prefixes[0])));
    world.right_within(SECOND, "after the deletion of a group");
    let after = world.stats();
    assert_eq!(after.group_repairs - before.group_repairs, 1, "{after:?}");
    world.expect_objects_soon();
}

#[test]
fn a_deleted_nexthop_is_made_again_and_joins_its_group() {
    requires!(&["ip"]);
    let world = World::new(NextHopGroups::Always);
    let member = world.member_of(world.group_of(world.prefixes[0]));
    // The kernel takes it out of the group without a word to those who listen to routes.
    world.ip(&format!("nexthop del id {member}"));
    world.right_within(SECOND, "after the deletion of a nexthop");
    world.expect_objects_soon();
}

#[test]
fn a_flush_of_our_nexthops_is_undone() {
    requires!(&["ip"]);
    let world = World::new(NextHopGroups::Always);
    world.ip(&format!("nexthop flush proto {PROTOCOL}"));
    world.right_within(SECOND, "after the flush of our nexthops");
    world.expect_objects_soon();
}

/// A node with two uplinks, our routes through both, and other people's routes beside them.
struct World {
    handle: Option<FibHandle>,
    listener: Option<JoinHandle<()>>,
    prefixes: Vec<IpNet>,
    others: BTreeSet<String>,
    rack: Rack,
}

impl World {
    fn new(next_hop_groups: NextHopGroups) -> Self {
        let rack = Rack::new(2);
        let settings = FibSettings { next_hop_groups, ..FibSettings::default() };
        let (sender, mut events) = mpsc::channel(64);
        let handle = rack.ours.run(|| fib::spawn(settings, sender)).expect("netlink opens");
        loop {
            match events.blocking_recv() {
                Some(Event::Ready { .. }) => break,
                Some(_) => {}
                None => panic!("fib has ended"),
            }
        }
        let listener = thread::spawn(move || while events.blocking_recv().is_some() {});
        let families = [Transport::V4, Transport::V6];
        let prefixes: Vec<_> = families.into_iter().flat_map(|family| blocks(family, ROUTES)).collect();
        let world =
            Self { handle: Some(handle), listener: Some(listener), prefixes, others: BTreeSet::new(), rack };
        for family in families {
            world.want(family);
        }
        world.right_within(SOON, "at first");
        world.add_others()
    }

    /// Wants the routes of a family through both uplinks.
    fn want(&self, transport: Transport) {
        let index = |peer| self.rack.ours.run(|| if_nametoindex(link(peer).as_str())).expect("a link");
        let hops = [0, 1].map(|peer| NextHop::via_interface(their_address(peer, transport), index(peer)));
        let target = Target::Forward(NextHopSet::new(hops).expect("two next hops"));
        let ours = self.prefixes.iter().filter(|prefix| is_of(transport, prefix));
        let change = |&prefix: &IpNet| Change { metric: None, prefix, target: Some(target.clone()) };
        let refused = self.handle().try_send(Command::Apply(ours.map(change).collect()));
        assert!(refused.is_ok(), "room for a command");
    }

    /// Adds routes of others: to our prefixes with another metric, static and of a routing daemon, and to elsewhere.
    /// None leaves by the link that flaps: those the kernel itself would take away.
    fn add_others(mut self) -> Self {
        let (first, second) = (self.prefixes[7], self.prefixes[8]);
        self.ip(&format!("route add {first} via 10.9.1.77 metric 30 proto static"));
        self.ip(&format!("route add {second} via 10.9.1.77 metric 10 proto 12"));
        self.ip("route add 198.51.100.0/24 via 10.9.1.77 proto 186");
        self.ip("route add blackhole 203.0.113.0/24 proto 180");
        self.ip("route add 192.0.2.0/24 via 10.9.1.77 proto 179 table 77");
        let third = self.prefixes[ROUTES + 7];
        self.ip(&format!("-6 route add {third} via fd09:1::77 metric 30 proto static"));
        self.ip("nexthop add id 77 via 10.9.1.77 dev peer1 proto static");
        self.ip("route add 198.18.0.0/24 nhid 77 proto static");
        self.others = self.other_routes();
        assert!(self.others.len() > 7, "{:?}", self.others);
        self
    }

    /// The routes that are not ours, as `ip` tells them, but for those of the link that flaps.
    fn other_routes(&self) -> BTreeSet<String> {
        let lines = ["-4", "-6"].map(|family| self.ip(&format!("-o {family} route show table all")));
        let ours = format!(" proto {PROTOCOL} metric 20 ");
        let text = lines.concat();
        let lines = text.lines().filter(|line| !format!("{line} ").contains(&ours));
        lines.filter(|line| !line.contains("peer0")).map(|line| line.trim_end().to_owned()).collect()
    }

    /// Waits until the kernel holds exactly our routes, each through both uplinks, and `fib` knows.
    fn right_within(&self, limit: Duration, when: &str) {
        let start = Instant::now();
        let look = || -> Result<()> {
            self.expect_right()?;
            let stats = self.stats();
            ensure!(stats.installed == self.prefixes.len() && stats.dirty == 0, "{stats:?}");
            Ok(())
        };
        while let Err(reason) = look() {
            assert!(start.elapsed() < limit, "wrong {:?} {when}: {reason:#}", start.elapsed());
            sleep(Duration::from_millis(20));
        }
        if !self.others.is_empty() {
            assert_eq!(self.other_routes(), self.others, "other people's routes {when}");
        }
    }

    fn expect_right(&self) -> Result<()> {
        let routes = our_routes(&self.rack.ours)?;
        ensure!(routes.len() == self.prefixes.len(), "{} routes of {}", routes.len(), self.prefixes.len());
        for (route, prefix) in routes.iter().zip(&self.prefixes) {
            let mut gateways: Vec<IpAddr> = route.gateways().collect();
            gateways.sort_unstable();
            let transport = if prefix.addr().is_ipv4() { Transport::V4 } else { Transport::V6 };
            let both = [0, 1].map(|peer| their_address(peer, transport));
            ensure!(route.destination == *prefix && route.metric == Some(20) && gateways == both, "{route}");
        }
        Ok(())
    }

    /// Checks that at least so many routes were found missing since then and put back.
    fn expect_repaired(&self, before: Stats, count: usize) {
        let after = self.stats();
        let (deleted, repaired) =
            (after.drift_deleted - before.drift_deleted, after.repairs - before.repairs);
        assert!(
            deleted >= count as u64 && repaired >= count as u64,
            "{deleted} deleted, {repaired} repaired"
        );
    }

    /// Waits for a group of each family and the objects in it, and none that an accident left over.
    fn expect_objects_soon(&self) {
        let what = "a group of each family, with two objects each";
        eventually(SECOND, what, || {
            let stats = self.stats();
            ensure!((stats.groups, stats.next_hops) == (2, 4), "{stats:?}");
            Ok(())
        });
    }

    fn handle(&self) -> &FibHandle {
        self.handle.as_ref().expect("it is there until dropped")
    }

    fn stats(&self) -> Stats {
        self.handle().stats()
    }

    /// The nexthop group that a route of ours uses.
    fn group_of(&self, prefix: IpNet) -> u32 {
        let line = self.ip(&format!("-d -o route show {prefix} proto {PROTOCOL}"));
        word_after(&line, "nhid")
            .and_then(|word| word.parse().ok())
            .unwrap_or_else(|| panic!("no group: {line}"))
    }

    /// The first member of a group.
    fn member_of(&self, group: u32) -> u32 {
        let line = self.ip(&format!("nexthop show id {group}"));
        let members = word_after(&line, "group").and_then(|word| word.split('/').next());
        members.and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no members: {line}"))
    }

    /// Runs `ip` in our namespace.
    fn ip(&self, words: &str) -> String {
        self.try_ip(words).expect(words)
    }

    fn try_ip(&self, words: &str) -> Result<String> {
        let mut command = Program::new("ip");
        command.args(words.split_whitespace());
        output_of(&self.rack.ours, command)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.join();
        }
        let _ = self.listener.take().map(JoinHandle::join);
    }
}

fn word_after<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split_whitespace().skip_while(|word| *word != key).nth(1)
}

fn is_of(transport: Transport, prefix: &IpNet) -> bool {
    prefix.addr().is_ipv4() == (transport == Transport::V4)
}

/// The family as a flag of `ip`.
fn dash(prefix: IpNet) -> &'static str {
    if prefix.addr().is_ipv4() { "-4" } else { "-6" }
}
