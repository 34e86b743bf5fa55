//! The table against a kernel that has groups and treats them as Linux does.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use super::super::{KernelEvent, NextHopKind};
use super::*;
use crate::error::WriteError;
use crate::handle::Filter;
use crate::plan::Member;
use crate::route::{FibRoute, FibSettings};

const OURS: u8 = 179;
const METRIC: u32 = 20;

/// What a route does: what it says itself, or the number of a group.
#[derive(Clone, Debug, PartialEq)]
enum Way {
    Own(Target),
    Group(u32),
}

/// Linux, as far as routes and nexthop objects go: ours and nobody else's.
#[derive(Default)]
struct Kernel {
    routes: BTreeMap<IpNet, Way>,
    objects: BTreeMap<u32, NextHop>,
    groups: BTreeMap<u32, Vec<(u32, NonZeroU16)>>,
    down: Vec<u32>,
    without_groups: bool,
}

impl Kernel {
    fn write(&mut self, op: &Op) -> Outcome {
        let result = match op {
            Op::Route(op) => self.write_route(op),
            Op::NextHop(_) if self.without_groups => Err((libc::EOPNOTSUPP, "")),
            Op::NextHop(op) => self.write_next_hop(op),
        };
        match result {
            Ok(()) => Outcome::Confirmed,
            Err((errno, text)) => Outcome::Refused(WriteError { errno, text: text.into() }),
        }
    }

    fn write_route(&mut self, op: &RouteOp) -> Result<(), (i32, &'static str)> {
        let there = self.routes.contains_key(&op.prefix);
        let target = match &op.action {
            Action::Add(_) if there => return Err((libc::EEXIST, "")),
            Action::Replace(_) if !there => return Err((libc::ENOENT, "")),
            Action::Add(target) | Action::Replace(target) => target,
            Action::Delete if !there => return Err((libc::ESRCH, "")),
            Action::Delete => {
                self.routes.remove(&op.prefix);
                return Ok(());
            }
            Action::DeleteStray { .. } => panic!("there are no strays"),
        };
        let way = match op.group {
            Some(id) if !self.groups.contains_key(&id) => {
                return Err((libc::EINVAL, "Nexthop id does not exist"));
            }
            Some(id) => Way::Group(id),
            None => Way::Own(target.clone()),
        };
        self.routes.insert(op.prefix, way);
        if op.group.is_some() {
            assert_eq!(self.target(op.prefix).as_ref(), Some(target), "{op} says what it does");
        }
        Ok(())
    }

    fn write_next_hop(&mut self, op: &NextHopOp) -> Result<(), (i32, &'static str)> {
        let taken = |id| self.objects.contains_key(&id) || self.groups.contains_key(&id);
        let shares = |members: &[Member]| members.iter().map(|of| (of.id, of.next_hop.weight)).collect();
        match op {
            NextHopOp::AddObject { id, .. } | NextHopOp::AddGroup { id, .. } if taken(*id) => {
                return Err((libc::EEXIST, ""));
            }
            NextHopOp::AddObject { next_hop, .. } if self.is_down(next_hop) => {
                return Err((libc::ENETDOWN, "Carrier for nexthop device is down"));
            }
            NextHopOp::AddObject { id, next_hop } => {
                self.objects.insert(*id, *next_hop);
            }
            NextHopOp::AddGroup { members, .. } | NextHopOp::ReplaceGroup { members, .. }
                if !members.iter().all(|member| self.objects.contains_key(&member.id)) =>
            {
                return Err((libc::EINVAL, "Invalid nexthop id"));
            }
            NextHopOp::ReplaceGroup { id, .. } if !self.groups.contains_key(id) => {
                return Err((libc::ENOENT, ""));
            }
            NextHopOp::AddGroup { id, members } | NextHopOp::ReplaceGroup { id, members } => {
                self.groups.insert(*id, shares(members));
            }
            NextHopOp::Delete { id } if !taken(*id) => return Err((libc::ENOENT, "")),
            NextHopOp::Delete { id } => {
                let routes = self.routes.len();
                self.delete(*id);
                assert_eq!(routes, self.routes.len(), "{op:?} costs no route");
            }
        }
        Ok(())
    }

    /// Deletes an object or a group, and what the kernel deletes with it.
    fn delete(&mut self, id: u32) {
        self.groups.remove(&id);
        self.objects.remove(&id);
        for shares in self.groups.values_mut() {
            shares.retain(|(member, _)| *member != id);
        }
        self.groups.retain(|_, shares| !shares.is_empty());
        self.routes.retain(|_, way| !matches!(way, Way::Group(id) if !self.groups.contains_key(id)));
    }

    fn set_down(&mut self, index: u32) {
        self.down.push(index);
        let over = |(id, hop): (&u32, &NextHop)| (hop.interface == Some(index)).then_some(*id);
        let flushed: Vec<u32> = self.objects.iter().filter_map(over).collect();
        flushed.into_iter().for_each(|id| self.delete(id));
    }

    fn is_down(&self, next_hop: &NextHop) -> bool {
        next_hop.interface.is_some_and(|index| self.down.contains(&index))
    }

    fn target(&self, prefix: IpNet) -> Option<Target> {
        match self.routes.get(&prefix)? {
            Way::Own(target) => Some(target.clone()),
            Way::Group(id) => {
                let hop = |(id, weight): &(u32, _)| NextHop { weight: *weight, ..self.objects[id] };
                NextHopSet::new(self.groups[id].iter().map(hop)).map(Target::Forward)
            }
        }
    }

    fn next_hops(&self) -> Vec<KernelNextHop> {
        let found = |id: &u32, kind| KernelNextHop { id: *id, protocol: OURS, kind };
        let objects = self.objects.iter().map(|(id, hop)| found(id, NextHopKind::Single(*hop)));
        objects.chain(self.groups.iter().map(|(id, of)| found(id, NextHopKind::Group(of.clone())))).collect()
    }
}

struct World {
    table: Table,
    kernel: Kernel,
    now: Instant,
    messages: usize,
}

impl World {
    fn new(next_hop_groups: NextHopGroups) -> Self {
        let settings = FibSettings { next_hop_groups, ..FibSettings::default() };
        let (table, kernel) = (Table::new(settings), Kernel::default());
        Self { table, kernel, now: Instant::now(), messages: 0 }
    }

    /// Starts anew over the kernel as it is.
    fn restart(&mut self, next_hop_groups: NextHopGroups) {
        self.table = Table::new(FibSettings { next_hop_groups, ..FibSettings::default() });
        for index in self.kernel.down.clone() {
            self.table.interface(index, false);
        }
        self.resync();
    }

    fn resync(&mut self) {
        self.table.begin_resync();
        self.table.learn_next_hops(&self.kernel.next_hops());
        for (prefix, way) in &self.kernel.routes {
            let (target, group) = match way {
                Way::Own(target) => (Some(target.clone()), None),
                Way::Group(id) => (None, Some(*id)),
            };
            let route =
                KernelRoute { prefix: *prefix, table: 254, protocol: OURS, metric: METRIC, target, group };
            self.table.observe(&KernelEvent::Present { route, replaced: false }, self.now);
        }
        self.table.end_resync();
    }

    fn want(&mut self, number: u32, target: &Target) {
        self.table.want(&FibRoute { prefix: prefix(number), target: target.clone() });
    }

    fn want_many(&mut self, count: u32, target: &Target) {
        (0..count).for_each(|number| self.want(number, target));
    }

    /// Writes until nothing is left to do; returns how many messages that took.
    fn settle(&mut self) -> usize {
        let before = self.messages;
        for _ in 0..1000 {
            if self.table.is_suspicious() {
                self.resync();
            }
            let ops = self.table.plan(self.now, 50);
            if ops.is_empty() {
                return self.messages - before;
            }
            for op in ops {
                self.messages += 1;
                let outcome = self.kernel.write(&op);
                self.table.done(&op, outcome, self.now);
            }
        }
        panic!("the table does not come to rest");
    }

    fn wait(&mut self, milliseconds: u64) -> usize {
        self.now += Duration::from_millis(milliseconds);
        // The first plan only notes what there is to do.
        self.settle() + self.settle()
    }

    /// Somebody deletes an object or a group, and the kernel says so.
    fn steal(&mut self, id: u32) {
        let before = self.kernel.next_hops();
        self.kernel.delete(id);
        let after = self.kernel.next_hops();
        for gone in before.iter().filter(|was| !after.iter().any(|is| is.id == was.id)) {
            self.table.observe_next_hop(&NextHopEvent::Gone { id: gone.id });
        }
        for changed in after.into_iter().filter(|is| !before.contains(is)) {
            self.table.observe_next_hop(&NextHopEvent::Present(changed));
        }
    }

    fn flap_down(&mut self, index: u32) {
        self.kernel.set_down(index);
        self.table.interface(index, false);
    }

    fn flap_up(&mut self, index: u32) {
        self.kernel.down.retain(|down| *down != index);
        self.table.interface(index, true);
        self.table.retry_troubled();
    }

    fn on_groups(&self) -> usize {
        self.kernel.routes.values().filter(|way| matches!(way, Way::Group(_))).count()
    }

    fn all_do(&self, target: &Target) -> bool {
        self.kernel.routes.keys().all(|prefix| self.kernel.target(*prefix).as_ref() == Some(target))
    }
}

fn prefix(number: u32) -> IpNet {
    ipnet::Ipv4Net::new((0x1400_0000 + (number << 8)).into(), 24).unwrap().into()
}

fn hop_of(number: u8) -> NextHop {
    NextHop::via_interface([10, 0, number, 2].into(), number.into())
}

/// Next hops by their numbers, which are those of their interfaces.
fn to(numbers: &[u8]) -> Target {
    Target::Forward(NextHopSet::new(numbers.iter().copied().map(hop_of)).unwrap())
}

#[test]
fn many_routes_share_a_group_and_few_do_not() {
    let mut world = World::new(NextHopGroups::Auto);
    world.want_many(NextHopGroups::MANY - 1, &to(&[1, 2]));
    world.settle();
    assert_eq!((world.on_groups(), world.kernel.objects.len()), (0, 0));
    world.want_many(1000, &to(&[1, 2]));
    world.settle();
    assert_eq!((world.kernel.groups.len(), world.kernel.objects.len()), (1, 2));
    // Those that were there first follow when things have calmed down.
    world.wait(300);
    assert_eq!(world.on_groups(), 1000);
    assert_eq!(world.table.stats().installed, 1000);
}

#[test]
fn a_set_that_is_not_popular_any_more_is_named_again() {
    let mut world = World::new(NextHopGroups::Auto);
    world.want_many(100, &to(&[1, 2]));
    world.settle();
    world.table.converged();
    for number in 0..100 - NextHopGroups::FEW {
        world.table.unwant(prefix(number));
    }
    world.wait(300);
    assert_eq!(world.on_groups(), NextHopGroups::FEW as usize);
    world.table.unwant(prefix(99));
    world.settle();
    world.wait(300);
    assert_eq!(world.on_groups(), 0);
    assert_eq!((world.kernel.groups.len(), world.kernel.objects.len()), (0, 0), "nothing is left behind");
}

#[test]
fn a_single_next_hop_and_a_blackhole_need_no_group() {
    let mut world = World::new(NextHopGroups::Always);
    world.want_many(100, &to(&[1]));
    (100..200).for_each(|number| world.want(number, &Target::Blackhole));
    world.want(200, &Target::Forward(NextHopSet::new([NextHop::via([10, 0, 1, 2].into())]).unwrap()));
    world.settle();
    assert_eq!((world.on_groups(), world.kernel.objects.len()), (0, 0));
    assert_eq!(world.table.stats().installed, 201);
}

#[test]
fn losing_a_next_hop_is_one_message_and_what_bgp_says_later_is_none() {
    for count in [100, 5000] {
        let mut world = World::new(NextHopGroups::Auto);
        world.want_many(count, &to(&[1, 2]));
        world.settle();
        world.table.lose(&[hop_of(1)]);
        assert_eq!(world.settle(), 1);
        assert!(world.all_do(&to(&[2])));
        world.table.lose_in_order(&[hop_of(1)]);
        world.want_many(count, &to(&[2]));
        world.table.settle();
        assert_eq!(world.settle(), 0);
        assert_eq!(world.table.stats().installed, count as usize);
        assert_eq!(world.table.stats().group_repairs, 0);
    }
}

#[test]
fn wishes_older_than_the_loss_do_not_bring_a_next_hop_back() {
    let mut world = World::new(NextHopGroups::Auto);
    world.want_many(100, &to(&[1, 2]));
    world.settle();
    world.table.lose(&[hop_of(1)]);
    world.settle();
    // These were under way when it happened.
    (100..200).for_each(|number| world.want(number, &to(&[1, 2])));
    world.settle();
    assert!(world.all_do(&to(&[2])));
    world.table.lose_in_order(&[hop_of(1)]);
    world.settle();
    assert!(world.all_do(&to(&[2])), "the word itself changes nothing");
    assert_eq!(world.table.stats().installed, 200);
    // Whoever wants it from now on means it.
    world.want(0, &to(&[1, 2]));
    world.settle();
    assert_eq!(world.kernel.target(prefix(0)), Some(to(&[1, 2])));
    assert_eq!(world.kernel.target(prefix(1)), Some(to(&[2])));
}

#[test]
fn a_peer_that_is_back_before_anything_was_said_again_gets_its_routes_back() {
    let mut world = World::new(NextHopGroups::Auto);
    world.want_many(100, &to(&[1, 2]));
    world.settle();
    world.table.lose(&[hop_of(1)]);
    world.settle();
    world.table.lose_in_order(&[hop_of(1)]);
    world.settle();
    world.table.settle();
    assert_eq!(world.settle(), 2, "the object and the group");
    assert!(world.all_do(&to(&[1, 2])));
}

#[test]
fn routes_that_name_their_next_hops_lose_one_too() {
    let mut world = World::new(NextHopGroups::Never);
    world.want_many(10, &to(&[1, 2]));
    world.want(10, &to(&[1]));
    world.settle();
    world.table.lose(&[hop_of(1)]);
    assert_eq!(world.settle(), 10);
    assert_eq!(world.kernel.target(prefix(0)), Some(to(&[2])));
    assert_eq!(world.kernel.target(prefix(10)), Some(to(&[1])), "there is nothing else");
}

#[test]
fn the_last_member_of_a_group_is_never_deleted() {
    let mut world = World::new(NextHopGroups::Always);
    world.want_many(50, &to(&[1, 2]));
    (50..100).for_each(|number| world.want(number, &to(&[2, 3])));
    world.settle();
    // The kernel of the test would notice if a route fell.
    world.table.lose(&[hop_of(1), hop_of(2)]);
    world.settle();
    assert_eq!(world.kernel.routes.len(), 100);
    assert_eq!(world.kernel.target(prefix(60)), Some(to(&[3])));
}

#[test]
fn a_next_hop_that_comes_back_moves_routes_as_they_are_said() {
    let mut world = World::new(NextHopGroups::Auto);
    world.want_many(100, &to(&[1, 2]));
    world.settle();
    world.table.converged();
    world.table.lose(&[hop_of(1)]);
    world.table.lose_in_order(&[hop_of(1)]);
    world.want_many(100, &to(&[2]));
    world.settle();
    for number in 0..100 {
        world.want(number, &to(&[1, 2]));
        world.settle();
    }
    world.wait(300);
    assert!(world.all_do(&to(&[1, 2])));
    assert_eq!((world.kernel.groups.len(), world.kernel.objects.len()), (1, 2), "the old group is gone");
}

#[test]
fn a_link_that_flaps_costs_two_messages_and_no_route() {
    let mut world = World::new(NextHopGroups::Auto);
    world.want_many(1000, &to(&[1, 2]));
    world.settle();
    world.wait(300);
    for _ in 0..100 {
        world.flap_down(1);
        assert_eq!(world.settle(), 0, "the kernel has done it");
        assert_eq!(world.table.stats().installed, 1000);
        world.resync();
        assert_eq!(world.settle(), 0);
        world.flap_up(1);
        assert_eq!(world.settle(), 2);
        assert!(world.all_do(&to(&[1, 2])));
    }
    assert_eq!(world.table.stats().drift_groups, 0);
}

#[test]
fn when_both_links_are_down_the_routes_return_with_them() {
    let mut world = World::new(NextHopGroups::Auto);
    world.want_many(100, &to(&[1, 2]));
    world.settle();
    world.flap_down(1);
    world.flap_down(2);
    world.settle();
    world.flap_up(2);
    world.flap_up(1);
    world.settle();
    world.wait(60_000);
    assert!(world.all_do(&to(&[1, 2])));
    assert_eq!(world.kernel.routes.len(), 100);
    assert_eq!(world.on_groups(), 100);
}

#[test]
fn a_stolen_group_is_made_again_and_counted() {
    let mut world = World::new(NextHopGroups::Auto);
    world.want_many(100, &to(&[1, 2]));
    world.settle();
    let group = *world.kernel.groups.keys().next().unwrap();
    world.steal(group);
    assert_eq!(world.kernel.routes.len(), 0);
    world.settle();
    assert!(world.all_do(&to(&[1, 2])));
    let stats = world.table.stats();
    assert_eq!((stats.drift_deleted, stats.repairs), (100, 100));
    assert_eq!((stats.drift_groups, stats.group_repairs), (1, 1));
}

#[test]
fn a_stolen_member_is_put_back_by_two_messages() {
    let mut world = World::new(NextHopGroups::Auto);
    world.want_many(100, &to(&[1, 2]));
    world.settle();
    world.wait(300);
    let object = *world.kernel.objects.keys().next().unwrap();
    world.steal(object);
    assert_eq!(world.settle(), 2);
    assert!(world.all_do(&to(&[1, 2])));
    assert_eq!(world.table.stats().group_repairs, 1);
}

#[test]
fn a_flush_of_all_nexthops_is_made_good() {
    let mut world = World::new(NextHopGroups::Auto);
    world.want_many(100, &to(&[1, 2]));
    world.settle();
    let all: Vec<u32> = world.kernel.next_hops().iter().map(|found| found.id).collect();
    all.into_iter().for_each(|id| world.steal(id));
    world.settle();
    assert!(world.all_do(&to(&[1, 2])));
    assert_eq!(world.kernel.routes.len(), 100);
}

#[test]
fn a_restart_rewrites_nothing_that_is_right() {
    let mut world = World::new(NextHopGroups::Auto);
    world.want_many(100, &to(&[1, 2]));
    (100..200).for_each(|number| world.want(number, &to(&[2, 3])));
    world.settle();
    world.wait(300);
    // One group has shrunk, and that was right.
    world.table.lose(&[hop_of(3)]);
    world.table.lose_in_order(&[hop_of(3)]);
    world.settle();
    world.restart(NextHopGroups::Auto);
    assert_eq!(world.table.stats().leftovers, 200);
    for number in 0..200 {
        world.want(number, &if number < 100 { to(&[1, 2]) } else { to(&[2]) });
        assert_eq!(world.settle(), 0);
    }
    world.table.converged();
    assert_eq!(world.wait(300), 0);
    assert_eq!(world.table.stats().installed, 200);
}

#[test]
fn a_run_that_wants_no_groups_leaves_none() {
    let mut world = World::new(NextHopGroups::Always);
    world.want_many(10, &to(&[1, 2]));
    world.settle();
    world.restart(NextHopGroups::Never);
    world.want_many(10, &to(&[1, 2]));
    assert_eq!(world.settle(), 0, "not before everybody has had their say");
    world.table.converged();
    world.wait(300);
    world.wait(300);
    assert!(world.all_do(&to(&[1, 2])));
    assert_eq!((world.on_groups(), world.kernel.next_hops().len()), (0, 0));
}

#[test]
fn a_kernel_without_nexthop_objects_gets_routes_that_name_them() {
    let mut world = World::new(NextHopGroups::Always);
    world.kernel.without_groups = true;
    world.want_many(100, &to(&[1, 2]));
    world.settle();
    assert!(world.all_do(&to(&[1, 2])));
    assert_eq!(world.kernel.routes.len(), 100);
    assert!(world.table.stats().no_groups);
}

#[test]
fn a_next_hop_the_kernel_refuses_is_done_without_and_tried_again() {
    let mut world = World::new(NextHopGroups::Always);
    // Nobody has told us.
    world.kernel.down.push(1);
    world.want_many(100, &to(&[1, 2]));
    world.settle();
    assert!(world.all_do(&to(&[2])));
    world.kernel.down.clear();
    world.wait(300);
    assert!(world.all_do(&to(&[1, 2])));
    assert_eq!(world.kernel.routes.len(), 100);
}

#[test]
fn numbers_of_others_are_left_alone() {
    let mut world = World::new(NextHopGroups::Always);
    let foreign = |id| KernelNextHop { id, protocol: 98, kind: NextHopKind::Single(hop_of(9)) };
    world.table.learn_next_hops(&[foreign(179_000_000), foreign(7)]);
    world.kernel.objects.insert(179_000_000, hop_of(9));
    // And one nobody has told us of.
    world.kernel.objects.insert(179_000_001, hop_of(9));
    world.want_many(10, &to(&[1, 2]));
    world.settle();
    assert!(world.all_do(&to(&[1, 2])));
    world.table.converged();
    (0..10).for_each(|number| world.table.unwant(prefix(number)));
    world.settle();
    let left: Vec<u32> = world.kernel.objects.keys().copied().collect();
    assert_eq!((left, world.kernel.groups.len()), (vec![179_000_000, 179_000_001], 0));
}

#[test]
fn ipv6_routes_hang_on_groups_of_ipv6_only() {
    let mut world = World::new(NextHopGroups::Always);
    let v6 = |number: u8| NextHop::via_interface(format!("fe80::{number}").parse().unwrap(), number.into());
    let target = Target::Forward(NextHopSet::new([v6(1), v6(2)]).unwrap());
    world.table.want(&FibRoute { prefix: "2001:db8::/32".parse().unwrap(), target: target.clone() });
    world.want(1, &target);
    world.settle();
    assert_eq!((world.on_groups(), world.kernel.groups.len()), (2, 1));
}

/// A small generator, so that a failure can be told by its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn target(&mut self) -> Target {
        let sets: [&[u8]; 6] = [&[1], &[2], &[1, 2], &[1, 3], &[2, 3], &[1, 2, 3]];
        to(sets[self.roll(6) as usize])
    }
}

fn stir(world: &mut World, dice: &mut Dice, wishes: &mut BTreeMap<u32, Target>) {
    match dice.roll(10) {
        0..4 => {
            let (target, from) = (dice.target(), dice.roll(60) as u32);
            for number in from..from + dice.roll(40) as u32 {
                world.want(number, &target);
                wishes.insert(number, target.clone());
            }
        }
        4 => {
            let number = dice.roll(100) as u32;
            world.table.unwant(prefix(number));
            wishes.remove(&number);
        }
        5 => {
            let all = world.kernel.next_hops();
            if !all.is_empty() {
                world.steal(all[dice.roll(all.len() as u64) as usize].id);
            }
        }
        6 => {
            let index = 1 + dice.roll(3) as u32;
            if world.kernel.down.contains(&index) { world.flap_up(index) } else { world.flap_down(index) }
        }
        7 => {
            let lost = [hop_of(1 + dice.roll(3) as u8)];
            world.table.lose(&lost);
            world.settle();
            world.table.lose_in_order(&lost);
            if dice.roll(2) == 0 {
                world.table.settle();
            }
        }
        8 => world.resync(),
        _ => world.now += Duration::from_millis(dice.roll(1000)),
    }
    if dice.roll(3) == 0 {
        world.settle();
    }
}

#[test]
fn whatever_happens_to_groups_the_kernel_ends_as_wanted() {
    for seed in 1..300 {
        for mode in [NextHopGroups::Auto, NextHopGroups::Always] {
            let mut dice = Dice(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
            let mut world = World::new(mode);
            let mut wishes = BTreeMap::new();
            for _ in 0..100 {
                stir(&mut world, &mut dice, &mut wishes);
            }
            world.settle();
            for index in world.kernel.down.clone() {
                world.flap_up(index);
            }
            world.table.settle();
            world.resync();
            world.table.converged();
            for _ in 0..5 {
                world.wait(60_000);
            }
            assert_eq!(world.kernel.routes.len(), wishes.len(), "seed {seed}");
            for (number, target) in &wishes {
                assert_eq!(world.kernel.target(prefix(*number)).as_ref(), Some(target), "seed {seed}");
            }
            let stats = world.table.stats();
            assert_eq!((stats.installed, stats.dirty), (wishes.len(), 0), "seed {seed}");
            assert_eq!(stats.groups, world.kernel.groups.len(), "seed {seed}");
            assert_eq!(stats.next_hops, world.kernel.objects.len(), "seed {seed}");
            for id in world.kernel.groups.keys() {
                let used = world.kernel.routes.values().any(|way| *way == Way::Group(*id));
                assert!(used, "seed {seed}: a group nothing hangs on");
            }
            assert_eq!(world.table.routes(&Filter::All).len(), wishes.len(), "seed {seed}");
            assert!(world.table.plan(world.now, 100).is_empty());
        }
    }
}
