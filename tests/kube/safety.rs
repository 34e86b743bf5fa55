//! What a cluster may not do in a hurry, and what it is told, with the daemon as it is.

use std::time::Duration;

use anyhow::{Result, ensure};
use control::{ApprovedView, ClusterView, WatchState};
use serde_json::{Value, json};
use support::{SOON, eventually, requires};

use crate::daemon::{NODE, World};
use crate::node;

const BLOCKS: [&str; 3] = ["10.20.30.64/26", "10.20.31.0/26", "10.20.32.0/26"];
const TAINT: &str = "podbgp.io/starting";

fn cluster(world: &World) -> Result<ClusterView> {
    Ok(serde_json::from_slice(&world.daemon().bgpctl(&["show", "cluster"]).stdout)?)
}

fn held(world: &World) -> ClusterView {
    eventually(SOON, "a change to be held", || {
        let view = cluster(world)?;
        ensure!(view.held.is_some(), "{view:?}");
        Ok(view)
    })
}

fn reasons(world: &World) -> Vec<String> {
    let status = world.daemon().status().expect("an answer");
    status.reasons.into_iter().map(|reason| reason.code).collect()
}

#[test]
fn a_wiped_cluster_is_held_over_a_restart_until_it_is_approved() {
    requires!(&[]);
    let mut world = World::start("peers = \"none\"\nmax-withdraw = 50", |server| {
        server.put(node(NODE, &BLOCKS));
    });
    world.advertises(&BLOCKS);
    let written = world.state("objects");
    eventually(SOON, "the objects to be written down", || Ok(std::fs::metadata(&written)?));

    world.server.put(node(NODE, &[]));
    let view = held(&world);
    assert!(view.blocks.iter().all(|block| block.held), "{view:?}");
    assert_eq!(view.held.expect("it is held").remaining_seconds, None);
    assert!(reasons(&world).contains(&"change_held".to_owned()), "{:?}", reasons(&world));
    // Longer than it takes to write objects down.
    std::thread::sleep(Duration::from_secs(4));
    world.advertises(&BLOCKS);

    world.restart();
    let view = held(&world);
    assert_eq!(view.originated.blocks, 3, "{view:?}");
    world.advertises(&BLOCKS);

    let output = world.daemon().bgpctl(&["approve"]);
    let view: ApprovedView = serde_json::from_slice(&output.stdout).expect("an answer");
    assert_eq!((view.approved.prefixes.len(), view.held), (3, None));
    world.advertises(&[]);
    let again = world.daemon().bgpctl(&["approve"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing is held"));
}

#[test]
fn what_is_added_to_a_held_change_goes_through_and_time_approves() {
    requires!(&[]);
    let world = World::start("peers = \"none\"\nhold = 3", |server| {
        server.put(node(NODE, &BLOCKS));
    });
    world.advertises(&BLOCKS);
    world.server.put(node(NODE, &["10.20.40.0/26"]));
    let view = held(&world);
    assert!(view.held.and_then(|held| held.remaining_seconds).is_some_and(|left| left <= 3.0));
    world.advertises(&[BLOCKS[0], BLOCKS[1], BLOCKS[2], "10.20.40.0/26"]);
    world.advertises(&["10.20.40.0/26"]);
    assert_eq!(cluster(&world).expect("an answer").held, None);
}

#[test]
fn a_block_that_another_node_has_is_not_held() {
    requires!(&[]);
    let world = World::start("peers = \"none\"", |server| {
        server.put(node(NODE, &BLOCKS));
    });
    world.advertises(&BLOCKS);
    world.server.put(node(NODE, &[]));
    held(&world);
    world.server.put(node("another", &[BLOCKS[1]]));
    world.advertises(&[BLOCKS[0], BLOCKS[2]]);
}

#[test]
fn a_node_is_ready_and_its_startup_taint_off_when_everything_has_been_said() {
    requires!(&[]);
    let theirs = json!({ "key": "dedicated", "value": "gpu", "effect": "NoSchedule" });
    let tainted = || {
        let mut node = node(NODE, &BLOCKS);
        node["spec"]["taints"] = json!([theirs, { "key": TAINT, "effect": "NoSchedule" }]);
        node["spec"]["unschedulable"] = true.into();
        node
    };
    let lines = format!("peers = \"none\"\nstartup-taint = \"{TAINT}:NoSchedule\"");
    let mut world = World::start(&lines, |server| {
        server.install("events.k8s.io/v1", &["events"]);
        server.put(tainted());
    });
    let object = |world: &World| world.server.get("v1", "Node", NODE).expect("the node is there");
    let condition = |world: &World| -> Value {
        let node = object(world);
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|one| one["type"] == "podbgp.io/Ready").unwrap_or_default()
    };
    world.advertises(&BLOCKS);
    eventually(SOON, "the condition", || {
        ensure!(condition(&world)["status"] == "False", "{}", condition(&world));
        Ok(())
    });
    assert_eq!(object(&world)["spec"]["taints"].as_array().map(Vec::len), Some(2), "no End-of-RIB came yet");

    world.end_of_rib();
    eventually(SOON, "the taint to go", || {
        ensure!(object(&world)["spec"]["taints"] == json!([theirs]), "{}", object(&world));
        Ok(())
    });
    eventually(SOON, "the condition", || {
        ensure!(condition(&world)["status"] == "True", "{}", condition(&world));
        Ok(())
    });
    assert_eq!(object(&world)["spec"]["unschedulable"], true, "a cordon is somebody's wish");
    let events = world.server.all("events.k8s.io/v1", "Event");
    let reasons: Vec<_> = events.iter().filter_map(|event| event["reason"].as_str()).collect();
    assert!(reasons.contains(&"SessionUp") && reasons.contains(&"StartupTaintRemoved"), "{reasons:?}");
    let latency = cluster(&world).expect("an answer").latency;
    assert_eq!(latency.count, 0, "what was there at the start is no change");
    world.server.put(node(NODE, &[BLOCKS[0], BLOCKS[1], BLOCKS[2], "10.20.33.0/26"]));
    eventually(SOON, "a measured change", || {
        let latency = cluster(&world)?.latency;
        ensure!(latency.count == 1, "{latency:?}");
        Ok(())
    });
}

#[test]
fn a_server_that_is_away_is_missed_and_nothing_else() {
    requires!(&[]);
    let mut world = World::start("peers = \"none\"", |server| {
        server.put(node(NODE, &BLOCKS));
    });
    world.advertises(&BLOCKS);
    let fresh = cluster(&world).expect("an answer");
    assert_eq!((fresh.stale_since, fresh.from_snapshot), (None, false));
    assert_eq!(fresh.blocks_from.as_deref(), Some("node"));
    world.server.stop();
    eventually(SOON, "the silence to be noticed", || {
        let view = cluster(&world)?;
        ensure!(view.stale_since.is_some(), "{view:?}");
        ensure!(view.watches.iter().any(|watch| watch.state == WatchState::Lost), "{view:?}");
        Ok(())
    });
    assert_eq!(world.daemon().bgpctl(&["show", "cluster"]).status.code(), Some(2));
    world.advertises(&BLOCKS);
    world.server.restart();
    eventually(SOON, "everything to be heard again", || {
        let view = cluster(&world)?;
        ensure!(view.stale_since.is_none(), "{view:?}");
        Ok(())
    });
    assert_eq!(world.daemon().bgpctl(&["show", "cluster"]).status.code(), Some(0));
}
