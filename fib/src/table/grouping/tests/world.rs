//! Linux, as far as routes and nexthop objects go, and the table beside it.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use crate::error::WriteError;
use crate::plan::{Action, Member, NextHopOp, Op, RouteOp};
use crate::route::{FibRoute, FibSettings, NextHop, NextHopGroups, NextHopSet, Target};
use crate::table::{KernelEvent, KernelNextHop, KernelRoute, NextHopEvent, NextHopKind, Outcome, Table};

const OURS: u8 = 179;
const METRIC: u32 = 20;

/// What a route does: what it says itself, or the number of a group.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Way {
    Own(Target),
    Group(u32),
}

/// Linux, as far as routes and nexthop objects go: ours and nobody else's.
#[derive(Default)]
pub(super) struct Kernel {
    pub(super) routes: BTreeMap<IpNet, Way>,
    pub(super) objects: BTreeMap<u32, NextHop>,
    pub(super) groups: BTreeMap<u32, Vec<(u32, NonZeroU16)>>,
    pub(super) down: Vec<u32>,
    pub(super) without_groups: bool,
}

impl Kernel {
    pub(super) fn write(&mut self, op: &Op) -> Outcome {
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

    pub(super) fn write_route(&mut self, op: &RouteOp) -> Result<(), (i32, &'static str)> {
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

    pub(super) fn write_next_hop(&mut self, op: &NextHopOp) -> Result<(), (i32, &'static str)> {
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
    pub(super) fn delete(&mut self, id: u32) {
        self.groups.remove(&id);
        self.objects.remove(&id);
        for shares in self.groups.values_mut() {
            shares.retain(|(member, _)| *member != id);
        }
        self.groups.retain(|_, shares| !shares.is_empty());
        self.routes.retain(|_, way| !matches!(way, Way::Group(id) if !self.groups.contains_key(id)));
    }

    pub(super) fn set_down(&mut self, index: u32) {
        self.down.push(index);
        let over = |(id, hop): (&u32, &NextHop)| (hop.interface == Some(index)).then_some(*id);
        let flushed: Vec<u32> = self.objects.iter().filter_map(over).collect();
        flushed.into_iter().for_each(|id| self.delete(id));
    }

    pub(super) fn is_down(&self, next_hop: &NextHop) -> bool {
        next_hop.interface.is_some_and(|index| self.down.contains(&index))
    }

    pub(super) fn target(&self, prefix: IpNet) -> Option<Target> {
        match self.routes.get(&prefix)? {
            Way::Own(target) => Some(target.clone()),
            Way::Group(id) => {
                let hop = |(id, weight): &(u32, _)| NextHop { weight: *weight, ..self.objects[id] };
                NextHopSet::new(self.groups[id].iter().map(hop)).map(Target::Forward)
            }
        }
    }

    pub(super) fn next_hops(&self) -> Vec<KernelNextHop> {
        let found = |id: &u32, kind| KernelNextHop { id: *id, protocol: OURS, kind };
        let objects = self.objects.iter().map(|(id, hop)| found(id, NextHopKind::Single(*hop)));
        objects.chain(self.groups.iter().map(|(id, of)| found(id, NextHopKind::Group(of.clone())))).collect()
    }
}

pub(super) struct World {
    pub(super) table: Table,
    pub(super) kernel: Kernel,
    pub(super) now: Instant,
    pub(super) messages: usize,
}

impl World {
    pub(super) fn new(next_hop_groups: NextHopGroups) -> Self {
        let settings = FibSettings { next_hop_groups, ..FibSettings::default() };
        let (table, kernel) = (Table::new(settings), Kernel::default());
        Self { table, kernel, now: Instant::now(), messages: 0 }
    }

    /// Starts anew over the kernel as it is.
    pub(super) fn restart(&mut self, next_hop_groups: NextHopGroups) {
        self.table = Table::new(FibSettings { next_hop_groups, ..FibSettings::default() });
        for index in self.kernel.down.clone() {
            self.table.interface(index, false);
        }
        self.resync();
    }

    pub(super) fn resync(&mut self) {
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

    pub(super) fn want(&mut self, number: u32, target: &Target) {
        self.table.want(&FibRoute { metric: None, prefix: prefix(number), target: target.clone() });
    }

    pub(super) fn want_many(&mut self, count: u32, target: &Target) {
        (0..count).for_each(|number| self.want(number, target));
    }

    /// Writes until nothing is left to do; returns how many messages that took.
    pub(super) fn settle(&mut self) -> usize {
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

    pub(super) fn wait(&mut self, milliseconds: u64) -> usize {
        self.now += Duration::from_millis(milliseconds);
        // The first plan only notes what there is to do.
        self.settle() + self.settle()
    }

    /// Somebody deletes an object or a group, and the kernel says so.
    pub(super) fn steal(&mut self, id: u32) {
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

    pub(super) fn flap_down(&mut self, index: u32) {
        self.kernel.set_down(index);
        self.table.interface(index, false);
    }

    pub(super) fn flap_up(&mut self, index: u32) {
        self.kernel.down.retain(|down| *down != index);
        self.table.interface(index, true);
        self.table.retry_troubled();
    }

    pub(super) fn on_groups(&self) -> usize {
        self.kernel.routes.values().filter(|way| matches!(way, Way::Group(_))).count()
    }

    pub(super) fn all_do(&self, target: &Target) -> bool {
        self.kernel.routes.keys().all(|prefix| self.kernel.target(*prefix).as_ref() == Some(target))
    }
}

pub(super) fn prefix(number: u32) -> IpNet {
    ipnet::Ipv4Net::new((0x1400_0000 + (number << 8)).into(), 24).unwrap().into()
}

pub(super) fn hop_of(number: u8) -> NextHop {
    NextHop::via_interface([10, 0, number, 2].into(), number.into())
}

/// Next hops by their numbers, which are those of their interfaces.
pub(super) fn to(numbers: &[u8]) -> Target {
    Target::Forward(NextHopSet::new(numbers.iter().copied().map(hop_of)).unwrap())
}
