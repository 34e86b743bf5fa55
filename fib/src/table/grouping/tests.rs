//! The table against a kernel that has groups and treats them as Linux does.

mod walk;
mod world;

use self::world::{World, hop_of, prefix, to};
use super::super::NextHopKind;
use super::*;
use crate::route::FibRoute;

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
    world.table.want(&FibRoute {
        metric: None,
        prefix: "2001:db8::/32".parse().unwrap(),
        target: target.clone(),
    });
    world.want(1, &target);
    world.settle();
    assert_eq!((world.on_groups(), world.kernel.groups.len()), (2, 1));
}
