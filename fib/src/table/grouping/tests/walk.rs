//! A long random walk.

use std::collections::BTreeMap;
use std::time::Duration;

use super::world::{Way, World, hop_of, prefix, to};
use crate::handle::Filter;
use crate::route::{NextHopGroups, Target};

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
