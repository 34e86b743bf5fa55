//! Nothing is said to peers while the API server is away, whatever restarts meanwhile.

use std::time::Duration;

use anyhow::ensure;
use lab::rack::plan::NodeId;
use support::{SOON, eventually, requires, throughout};

use crate::objects::{Source, affinity};
use crate::world::World;

/// How long the API server is away in every run; in the long one it is a minute.
const SHORT: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(60);

#[test]
fn an_outage_and_a_relist_send_nothing() {
    requires!(&["bird", "birdc"]);
    for source in Source::BOTH {
        an_outage_sends_nothing(source, SHORT);
    }
}

#[test]
#[ignore = "takes three minutes; cargo test -p podbgp-tests --test cluster -- --ignored"]
fn an_outage_of_a_minute_and_a_relist_send_nothing() {
    requires!(&["bird", "birdc"]);
    for source in Source::BOTH {
        an_outage_sends_nothing(source, LONG);
    }
}

fn an_outage_sends_nothing(source: Source, length: Duration) {
    let mut world = World::start(source, &[], "");
    let before = eventually(SOON, "the counters to rest", || {
        let first = world.updates()?;
        std::thread::sleep(Duration::from_secs(1));
        ensure!(world.updates()? == first, "somebody is still talking");
        Ok(first)
    });
    world.server.stop();
    throughout(length, "nothing to be said", || {
        let now = world.updates()?;
        ensure!(now == before, "{now:?} after {before:?}");
        Ok(())
    });
    // All it remembers of its history is gone, so that every watch begins with a list.
    world.server.expire();
    world.server.restart();
    let lists =
        || world.server.count(|seen| seen.path == "/api/v1/nodes" && seen.is_list() && seen.status == 200);
    eventually(Duration::from_secs(60), "both nodes to list again", || {
        ensure!(lists() >= 4, "{} lists", lists());
        Ok(())
    });
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(world.updates().unwrap(), before, "{source:?}: in the outage and after it");

    // They are listening again: what comes now is told.
    if source == Source::Calico {
        let block = "10.20.77.0/26".parse().unwrap();
        world.server.put(affinity(NodeId::B, block));
        eventually(SOON, "a block from after the outage", || world.route(block));
    }
}

#[test]
fn a_daemon_that_restarts_meanwhile_says_what_it_said_before() {
    requires!(&["bird", "birdc"]);
    for source in Source::BOTH {
        let mut world = World::start(source, &[], "");
        let before = world.advertised(NodeId::A).unwrap();
        assert!(before.len() >= 2, "{before:?}");
        // It writes down what it knows a moment after it learns of it.
        std::thread::sleep(Duration::from_secs(3));
        world.server.stop();
        let [mut first, second] = world.daemons;
        first.stop();
        world.daemons = [first.start_again(), second];
        eventually(SOON, "the same to be advertised", || {
            let now = world.advertised(NodeId::A)?;
            ensure!(now == before, "{source:?}: {now:?}, before it was {before:?}");
            Ok(())
        });
        for block in NodeId::A.blocks() {
            eventually(SOON, "the switch to know the blocks", || world.route(block));
        }
    }
}
