//! The FIB planner against a kernel made of a map: scripts with virtual time, and a long random walk.
//!
//! In a script, `>` lines are inputs, indented lines what must come of them, `at` moves the clock, `#` says
//! why. After each paragraph the table is planned and its writes carried out until it rests. `BLESS=1`
//! rewrites the expectations.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroU16;
use std::path::Path;
use std::time::{Duration, Instant};

use fib::{
    Action, Drift, FibRoute, FibSettings, Filter, KernelEvent, KernelRoute, NextHop, NextHopGroups,
    NextHopSet, Op, Outcome, RouteState, Table, Target, WriteError,
};
use ipnet::IpNet;

const OURS: u8 = 179;
const METRIC: u32 = 20;
const EEXIST: i32 = 17;
const ENOENT: i32 = 2;
const ESRCH: i32 = 3;
const ENETUNREACH: i32 = 101;

/// What Linux does, as far as it matters: a route is known by prefix and metric, not by its owner.
#[derive(Default)]
struct Kernel {
    routes: BTreeMap<(IpNet, u32), (u8, Target)>,
    refusing: BTreeSet<IpNet>,
}

impl Kernel {
    fn route(&self, prefix: IpNet, metric: u32) -> Option<KernelRoute> {
        let (protocol, target) = self.routes.get(&(prefix, metric))?;
        let (protocol, target) = (*protocol, Some(target.clone()));
        Some(KernelRoute { prefix, table: 254, protocol, metric, target, group: None })
    }

    fn set(&mut self, prefix: IpNet, metric: u32, protocol: u8, target: Target) -> KernelEvent {
        let replaced = self.routes.insert((prefix, metric), (protocol, target)).is_some();
        KernelEvent::Present { route: self.route(prefix, metric).expect("just inserted"), replaced }
    }

    fn delete(&mut self, prefix: IpNet, metric: u32) -> Option<KernelEvent> {
        let route = self.route(prefix, metric)?;
        self.routes.remove(&(prefix, metric));
        Some(KernelEvent::Gone(route))
    }

    fn write(&mut self, op: &Op) -> Outcome {
        let Op::Route(op) = op else { panic!("no groups are wanted here: {op}") };
        let refused = |errno, text: &str| Outcome::Refused(WriteError { errno, text: text.into() });
        let metric = if let Action::DeleteStray { metric } = op.action { metric } else { METRIC };
        let held = self.routes.get(&(op.prefix, metric)).map(|(protocol, _)| *protocol);
        let writes = matches!(op.action, Action::Add(_) | Action::Replace(_));
        if writes && self.refusing.contains(&op.prefix) {
            return refused(ENETUNREACH, "Nexthop has invalid gateway");
        }
        match (&op.action, held) {
            (Action::Add(_), Some(_)) => return refused(EEXIST, ""),
            (Action::Replace(_), None) => return refused(ENOENT, ""),
            (Action::Replace(_), Some(protocol)) => {
                assert_eq!(protocol, OURS, "a foreign route is clobbered")
            }
            (Action::Delete | Action::DeleteStray { .. }, Some(OURS)) => {}
            (Action::Delete | Action::DeleteStray { .. }, _) => return refused(ESRCH, ""),
            (Action::Add(_), None) => {}
        }
        match &op.action {
            Action::Add(target) | Action::Replace(target) => {
                self.routes.insert((op.prefix, metric), (OURS, target.clone()));
            }
            Action::Delete | Action::DeleteStray { .. } => {
                self.routes.remove(&(op.prefix, metric));
            }
        }
        Outcome::Confirmed
    }
}

/// Table and kernel together, and what was seen of them.
struct World {
    table: Table,
    kernel: Kernel,
    start: Instant,
    now: Instant,
    seen: Vec<String>,
}

impl World {
    fn new() -> Self {
        let next_hop_groups = NextHopGroups::Never;
        let settings = FibSettings {
            install: true,
            protocol: OURS,
            table: 254,
            metric: METRIC,
            next_hop_groups,
            transit_table: 179,
        };
        let now = Instant::now();
        let (table, kernel) = (Table::new(settings), Kernel::default());
        Self { table, kernel, start: now, now, seen: Vec::new() }
    }

    fn observe(&mut self, event: Option<KernelEvent>) {
        let drift = event.and_then(|event| self.table.observe(&event, self.now));
        self.report(drift);
    }

    fn report(&mut self, drifts: impl IntoIterator<Item = Drift>) {
        for drift in drifts {
            self.seen.push(match drift {
                Drift::Deleted(prefix) => format!("drift: {prefix} is missing"),
                Drift::Changed(prefix) => format!("drift: {prefix} is changed"),
            });
        }
    }

    fn resync(&mut self) {
        self.seen.push("resync".into());
        self.table.begin_resync();
        let keys: Vec<_> = self.kernel.routes.keys().copied().collect();
        for (prefix, metric) in keys {
            let route = self.kernel.route(prefix, metric).expect("keys come from the map");
            self.observe(Some(KernelEvent::Present { route, replaced: false }));
        }
        let missing = self.table.end_resync();
        self.report(missing);
    }

    /// Plans and writes until nothing is left to do now.
    fn settle(&mut self) {
        for _ in 0..20 {
            if self.table.is_suspicious() {
                self.resync();
            }
            let ops = self.table.plan(self.now, 100);
            if ops.is_empty() {
                return;
            }
            for op in ops {
                let outcome = self.kernel.write(&op);
                self.seen.push(match &outcome {
                    Outcome::Confirmed => op.to_string(),
                    Outcome::Refused(error) => format!("{op}: {error}"),
                    Outcome::Unknown => format!("{op}: unknown"),
                });
                self.table.done(&op, outcome, self.now);
            }
        }
        panic!("the table does not come to rest: {:#?}", self.seen);
    }

    fn input(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["want", prefix, target @ ..] => {
                self.table.want(&FibRoute {
                    metric: None,
                    prefix: prefix.parse().unwrap(),
                    target: target_of(target),
                });
            }
            ["unwant", prefix] => self.table.unwant(prefix.parse().unwrap()),
            ["converged"] => {
                let leftovers = self.table.converged();
                self.seen.push(format!("leftovers: {leftovers}"));
            }
            ["somebody", "sets", prefix, rest @ ..] => {
                let (protocol, rest) = option("proto", rest, u32::from(OURS));
                let (metric, rest) = option("metric", rest, METRIC);
                let protocol = u8::try_from(protocol).unwrap();
                let event = self.kernel.set(prefix.parse().unwrap(), metric, protocol, target_of(rest));
                self.observe(Some(event));
            }
            ["somebody", "deletes", prefix] => {
                let event = self.kernel.delete(prefix.parse().unwrap(), METRIC);
                self.observe(event);
            }
            ["kernel", "has", prefix, rest @ ..] => {
                let (metric, rest) = option("metric", rest, METRIC);
                self.kernel.set(prefix.parse().unwrap(), metric, OURS, target_of(rest));
            }
            ["kernel", "forgets", prefix] => {
                self.kernel.delete(prefix.parse().unwrap(), METRIC);
            }
            ["kernel", "refuses", prefix] => {
                self.kernel.refusing.insert(prefix.parse().unwrap());
            }
            ["kernel", "accepts", prefix] => {
                self.kernel.refusing.remove(&prefix.parse().unwrap());
            }
            ["surroundings", "change"] => {
                self.resync();
                self.table.retry_troubled();
            }
            ["resync"] => self.resync(),
            ["show"] => self.show(),
            _ => panic!("unknown input: {line}"),
        }
    }

    fn show(&mut self) {
        for route in self.table.routes(&Filter::All) {
            let prefix = route.prefix;
            self.seen.push(match route.state {
                RouteState::Installed => format!("{prefix} installed"),
                RouteState::Pending => format!("{prefix} pending"),
                RouteState::Adopted => format!("{prefix} adopted"),
                RouteState::Failed { error, since, retries } => {
                    let since = since.duration_since(self.start).as_millis();
                    format!("{prefix} failed since {since}ms, retries {retries}: {error}")
                }
                RouteState::Conflict { protocol, .. } => {
                    format!(
                        "{prefix} conflict with protocol {}",
                        protocol.map_or("?".into(), |p| p.to_string())
                    )
                }
            });
        }
        let stats = self.table.stats();
        self.seen.push(format!(
            "desired {} installed {} dirty {} leftovers {} repairs {}",
            stats.desired, stats.installed, stats.dirty, stats.leftovers, stats.repairs
        ));
    }
}

fn option<'a, 'b>(name: &str, words: &'a [&'b str], default: u32) -> (u32, &'a [&'b str]) {
    match words {
        [word, value, rest @ ..] if *word == name => (value.parse().unwrap(), rest),
        _ => (default, words),
    }
}

fn target_of(words: &[&str]) -> Target {
    if words == ["blackhole"] {
        return Target::Blackhole;
    }
    let text = words.join(" ");
    let next_hops = text.split(", ").map(|next_hop| {
        let mut made = NextHop { address: None, interface: None, weight: NonZeroU16::MIN, onlink: false };
        let mut words = next_hop.split(' ');
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            match name {
                "via" => made.address = Some(value.parse().unwrap()),
                "dev" => made.interface = Some(value.parse().unwrap()),
                "weight" => made.weight = value.parse().unwrap(),
                _ => panic!("unknown word in a next hop: {name}"),
            }
        }
        made
    });
    Target::Forward(NextHopSet::new(next_hops).unwrap())
}

/// Plays a script and returns it with what really came of its inputs.
fn play(script: &str) -> String {
    let mut world = World::new();
    let mut played = Vec::new();
    for paragraph in script.trim_end().split("\n\n") {
        let mut lines = Vec::new();
        for line in paragraph.lines().filter(|line| !line.starts_with("    ")) {
            lines.push(line.to_string());
            if let Some(input) = line.strip_prefix("> ") {
                world.input(input);
            } else if let Some(pause) = line.strip_prefix("at +") {
                let milliseconds = pause.strip_suffix("ms").expect("times are given in ms").parse().unwrap();
                world.now += Duration::from_millis(milliseconds);
            } else {
                assert!(line.starts_with('#'), "neither input nor time nor comment: {line}");
            }
        }
        world.settle();
        lines.extend(world.seen.drain(..).map(|seen| format!("    {seen}")));
        played.push(lines.join("\n"));
    }
    played.join("\n\n") + "\n"
}

#[test]
fn the_scripts_play_as_written() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/fib");
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let script = fs::read_to_string(&path).unwrap();
        let played = play(&script);
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, played).unwrap();
        } else {
            assert_eq!(played, script, "{}", path.display());
        }
        count += 1;
    }
    assert!(count >= 7, "the scripts are there");
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

    fn prefix(&mut self) -> IpNet {
        let number = self.roll(6);
        if self.roll(2) == 0 { format!("10.{number}.0.0/16") } else { format!("fd00:{number}::/32") }
            .parse()
            .unwrap()
    }

    fn target(&mut self) -> Target {
        match self.roll(4) {
            0 => Target::Blackhole,
            1 => target_of(&["via", "10.255.0.1"]),
            2 => target_of(&["via", "10.255.0.2,", "via", "10.255.0.1"]),
            _ => target_of(&["via", "10.255.0.1", "dev", "3"]),
        }
    }
}

fn stir(world: &mut World, dice: &mut Dice, wishes: &mut BTreeMap<IpNet, Target>) {
    let (prefix, target) = (dice.prefix(), dice.target());
    match dice.roll(11) {
        0..3 => {
            wishes.insert(prefix, target.clone());
            world.table.want(&FibRoute { metric: None, prefix, target });
        }
        3 => {
            wishes.remove(&prefix);
            world.table.unwant(prefix);
        }
        4 => {
            let event = world.kernel.set(prefix, METRIC, OURS, target);
            world.observe(Some(event));
        }
        5 => {
            let event = world.kernel.set(prefix, METRIC, 98, target);
            world.observe(Some(event));
        }
        6 => {
            let event = world.kernel.delete(prefix, METRIC);
            world.observe(event);
        }
        7 => {
            // Nobody is told; a link event makes the loop look.
            if world.kernel.route(prefix, METRIC).is_some_and(|route| route.protocol == OURS) {
                world.kernel.delete(prefix, METRIC);
                world.resync();
            }
        }
        8 => {
            world.kernel.refusing.insert(prefix);
        }
        9 => world.kernel.refusing.clear(),
        _ => world.now += Duration::from_millis(dice.roll(1000)),
    }
    if dice.roll(3) == 0 {
        world.settle();
    }
}

#[test]
fn whatever_happens_behind_our_back_the_kernel_ends_as_wanted() {
    for seed in 1..400 {
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
        let mut world = World::new();
        let mut wishes = BTreeMap::new();
        for _ in 0..120 {
            stir(&mut world, &mut dice, &mut wishes);
        }
        world.settle();
        // Everybody else leaves, time passes.
        let foreign: Vec<(IpNet, u32)> =
            world.kernel.routes.iter().filter(|(_, route)| route.0 != OURS).map(|(key, _)| *key).collect();
        for (prefix, metric) in foreign {
            let event = world.kernel.delete(prefix, metric);
            world.observe(event);
        }
        world.kernel.refusing.clear();
        world.input("converged");
        world.settle();
        world.now += Duration::from_secs(60);
        world.settle();

        let installed: BTreeSet<IpNet> = world.kernel.routes.keys().map(|(prefix, _)| *prefix).collect();
        assert_eq!(installed, wishes.keys().copied().collect(), "seed {seed}: {:#?}", world.seen);
        for ((prefix, _), (_, target)) in &world.kernel.routes {
            assert!(wishes[prefix].is_met_by(target), "seed {seed}: {prefix}");
        }
        let stats = world.table.stats();
        assert_eq!((stats.installed, stats.dirty), (wishes.len(), 0), "seed {seed}");
        assert!(world.table.plan(world.now, 100).is_empty());
    }
}
