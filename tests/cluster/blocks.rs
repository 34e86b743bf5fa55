//! How soon the switch knows of a block.

use std::io::Write as _;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use lab::rack::plan::NodeId;
use support::{SOON, eventually, requires};

use crate::objects::{Source, affinity, affinity_name};
use crate::world::World;
use support::apiserver::CALICO_GROUPS;

/// How soon the switch must know of a new block, at the median.
const KNOWN: Duration = Duration::from_millis(50);
/// How many blocks come and go.
const ROUNDS: u8 = 25;

#[test]
fn blocks_of_either_source_reach_the_switch() {
    requires!(&["bird", "birdc"]);
    for source in Source::BOTH {
        let world = World::start(source, &[], "");
        for id in NodeId::BOTH {
            for block in id.blocks() {
                let towards = world.nodes_towards(block).unwrap();
                assert_eq!(towards, [id], "{source:?}: {block}");
            }
        }
    }
}

#[test]
fn a_new_block_affinity_is_known_to_the_switch_within_fifty_milliseconds() {
    requires!(&["bird", "birdc"]);
    let world = World::start(Source::Calico, &[], "");
    let (mut known, mut gone) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let block: IpNet = format!("10.20.{}.0/26", 100 + round).parse().unwrap();
        let start = Instant::now();
        world.server.put(affinity(NodeId::A, block));
        known.push(until(start, || world.route(block).is_ok(), block));
        let start = Instant::now();
        world.server.delete(CALICO_GROUPS[0], "BlockAffinity", &affinity_name(NodeId::A, block));
        gone.push(until(start, || world.no_route(block).is_ok(), block));
    }
    let median = report("a new block is in the switch's kernel", &mut known);
    report("a deleted one is gone from it", &mut gone);
    assert!(median <= KNOWN, "known after {median:?} at the median");
    // What was there all the time still is.
    for block in NodeId::A.blocks() {
        eventually(SOON, "the first blocks", || world.route(block));
    }
}

/// Looks as often as it can.
fn until(start: Instant, holds: impl Fn() -> bool, block: IpNet) -> Duration {
    while !holds() {
        assert!(start.elapsed() < SOON, "{block}");
        std::thread::sleep(Duration::from_micros(200));
    }
    start.elapsed()
}

/// Prints how long something took, and returns the median.
fn report(what: &str, times: &mut [Duration]) -> Duration {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    let line = format!(
        "MEASURED {what}: min {:.1?}, median {:.1?}, p90 {:.1?}, max {:.1?} ({} times)\n",
        at(0),
        at(50),
        at(90),
        at(100),
        times.len()
    );
    // Not through `println!`, which the test runner swallows when a test passes.
    let _ = std::io::stderr().write_all(line.as_bytes());
    at(50)
}
