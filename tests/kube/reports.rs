//! What the API server is told of a node.

use std::time::{Duration, Instant};

use control::{PeerView, StatusView};
use podbgpd::intent::{Kubernetes, StatusReport};
use podbgpd::kube::{Api, Reporter};
use podbgpd::report::{Happening, Report};
use serde_json::{Value, json};
use support::SOON;
use support::apiserver::{ApiServer, Instead, Seen};
use tokio::sync::oneshot;

use crate::following::{Ours, Server as _};
use crate::node;

const ANSWER: Duration = Duration::from_secs(2);
const TAINT: &str = "podbgp.io/starting";

/// A node that reports, and the server it reports to.
struct Reporting {
    ours: Ours,
    reporter: Reporter,
    /// Ends the reporter's thread when dropped.
    _running: oneshot::Sender<()>,
}

impl Reporting {
    fn start(test: &str, status: StatusReport, startup_taint: Option<&str>) -> Self {
        let ours = Ours::start(test);
        ours.server.install("podbgp.io/v1alpha1", &["bgpnodestatuses"]);
        ours.server.install("events.k8s.io/v1", &["events"]);
        Self::at(ours, status, startup_taint)
    }

    fn at(ours: Ours, status: StatusReport, startup_taint: Option<&str>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let startup_taint = startup_taint.map(str::to_owned);
        let settings = Kubernetes { status, startup_taint, ..Kubernetes::new("node-a".to_owned()) };
        let handle = runtime.handle().clone();
        let (running, end) = oneshot::channel::<()>();
        std::thread::spawn(move || runtime.block_on(end));
        let inside = handle.enter();
        let api = Api::new(Some(ours.kubeconfig()), ANSWER);
        let reporter = Reporter::spawn(api.into(), &settings);
        drop(inside);
        Self { ours, reporter, _running: running }
    }

    fn server(&self) -> &ApiServer {
        &self.ours.server
    }

    fn until(&self, what: &str, so: impl Fn(&ApiServer) -> bool) {
        let start = Instant::now();
        while !so(self.server()) {
            assert!(start.elapsed() < SOON, "waited for {what}: {:#?}", self.server().requests());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn node(&self) -> Value {
        self.server().get("v1", "Node", "node-a").expect("the node is there")
    }

    fn condition(&self) -> Value {
        let node = self.node();
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|one| one["type"] == "podbgp.io/Ready").unwrap_or_default()
    }
}

fn status(ready: bool) -> StatusView {
    let golden = match ready {
        true => include_str!("../../bin/control/golden/status_ok.json"),
        false => include_str!("../../bin/control/golden/status_starting.json"),
    };
    serde_json::from_str(golden).expect("the golden file is a view")
}

fn report(ready: bool, tainted: Option<bool>) -> Report {
    let peers: Vec<PeerView> =
        serde_json::from_str(include_str!("../../bin/control/golden/peers.json")).expect("a view");
    Report::of(&status(ready), &peers, tainted, 1_795_197_600)
}

fn tainted(taints: Value) -> Value {
    let mut node = node("node-a", &["10.20.30.64/26"]);
    node["spec"]["taints"] = taints;
    node
}

fn writes(seen: &Seen) -> bool {
    seen.method == "PATCH" && seen.path.ends_with("/status")
}

fn taint_patches(seen: &Seen) -> bool {
    seen.method == "PATCH" && seen.path == "/api/v1/nodes/node-a"
}

#[test]
fn a_condition_is_written_beside_those_of_others() {
    let reporting = Reporting::start("condition", StatusReport::Condition, None);
    let mut node = node("node-a", &[]);
    node["status"] =
        json!({ "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady" }] });
    reporting.server().put(node);
    reporting.reporter.tell(report(false, None));
    reporting.until("the condition", |_| reporting.condition()["status"] == "False");
    assert_eq!(reporting.condition()["reason"], "Drain");
    let node = reporting.node();
    assert_eq!(node["status"]["conditions"].as_array().map(Vec::len), Some(2));
    assert_eq!(node["status"]["conditions"][0]["reason"], "KubeletReady");
    assert_eq!(reporting.reporter.view().to, "condition");
}

#[test]
fn what_flaps_is_written_as_it_stands_and_not_each_time() {
    let reporting = Reporting::start("flaps", StatusReport::Condition, None);
    reporting.server().put(node("node-a", &[]));
    reporting.reporter.tell(report(false, None));
    reporting.until("the first", |server| server.count(writes) == 1);
    for round in 0..20 {
        reporting.reporter.tell(report(round % 2 == 0, None));
        std::thread::sleep(Duration::from_millis(50));
    }
    reporting.reporter.tell(report(true, None));
    assert_eq!(reporting.server().count(writes), 1, "at most every five seconds");
    reporting.until("the second", |_| reporting.condition()["status"] == "True");
    let at: Vec<Instant> =
        reporting.server().requests().iter().filter(|seen| writes(seen)).map(|seen| seen.at).collect();
    assert_eq!(at.len(), 2);
    assert!(at[1] - at[0] >= Duration::from_millis(4_900), "{:?}", at[1] - at[0]);
    // The same once more is no news.
    reporting.reporter.tell(report(true, None));
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(reporting.server().count(writes), 2);
}

#[test]
fn a_restart_does_not_count_as_a_transition() {
    let reporting = Reporting::start("transition", StatusReport::Condition, None);
    let mut node = node("node-a", &[]);
    let since = "2026-11-01T00:00:00Z";
    node["status"] = json!({ "conditions": [{ "type": "podbgp.io/Ready", "status": "True", "lastTransitionTime": since }] });
    reporting.server().put(node);
    reporting.reporter.tell(report(true, None));
    reporting.until("the condition", |_| reporting.condition()["reason"] == "Ready");
    assert_eq!(reporting.condition()["lastTransitionTime"], since);
}

#[test]
fn a_status_object_is_made_once_and_goes_with_its_node() {
    let reporting = Reporting::start("resource", StatusReport::Resource, None);
    let mut node = node("node-a", &[]);
    node["metadata"]["uid"] = "8c5f".into();
    reporting.server().put(node);
    reporting.reporter.tell(report(true, None));
    let object = || reporting.server().get("podbgp.io/v1alpha1", "BGPNodeStatus", "node-a");
    reporting.until("the status", |_| object().is_some_and(|object| object["status"]["ready"] == true));
    let made = object().expect("it is there");
    assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], "8c5f");
    assert_eq!(made["status"]["peers"].as_array().map(Vec::len), Some(3));
    reporting.reporter.tell(report(false, None));
    reporting.until("the next", |_| object().is_some_and(|object| object["status"]["ready"] == false));
    assert_eq!(reporting.server().count(|seen| seen.method == "POST"), 1);
    assert_eq!(reporting.condition(), Value::Null, "one place is enough");
}

#[test]
fn the_startup_taint_goes_once_the_node_is_ready_and_no_other_does() {
    let reporting = Reporting::start("taint", StatusReport::Condition, Some(TAINT));
    let theirs = json!({ "key": "dedicated", "value": "gpu", "effect": "NoSchedule" });
    reporting.server().put(tainted(json!([theirs, { "key": TAINT, "effect": "NoSchedule" }])));
    reporting.reporter.tell(report(false, Some(true)));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(reporting.server().count(taint_patches), 0, "not before it is ready");
    reporting.reporter.tell(report(true, Some(true)));
    reporting.until("the taint to go", |_| reporting.node()["spec"]["taints"] == json!([theirs]));
    reporting.reporter.tell(report(true, Some(false)));
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(reporting.server().count(taint_patches), 1, "once");
    let events = reporting.server().all("events.k8s.io/v1", "Event");
    assert_eq!(events[0]["reason"], "StartupTaintRemoved");
    assert_eq!(reporting.reporter.view().taints_removed, 1);
}

#[test]
fn a_node_without_the_taint_is_asked_for_and_not_written() {
    let reporting = Reporting::start("no-taint", StatusReport::None, Some(TAINT));
    reporting.server().put(tainted(json!([{ "key": "dedicated", "effect": "NoSchedule" }])));
    reporting.reporter.tell(report(true, None));
    reporting.until("the question", |server| server.count(|seen| seen.path == "/api/v1/nodes/node-a") == 1);
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(reporting.server().count(|seen| seen.path == "/api/v1/nodes/node-a"), 1);
}

#[test]
fn a_taint_that_comes_back_goes_again_and_failures_are_tried_again() {
    let reporting = Reporting::start("taint-again", StatusReport::None, Some(TAINT));
    let fault = Instead { times: 1, ..Instead::always("/nodes/node-a", 500, "Internal") };
    reporting.server().fault(|faults| faults.instead.push(fault));
    reporting.server().put(tainted(json!([{ "key": TAINT, "effect": "NoSchedule" }])));
    reporting.reporter.tell(report(true, Some(true)));
    let bare = || reporting.node()["spec"]["taints"] == json!([]);
    reporting.until("the second attempt", |_| bare());
    reporting.reporter.tell(report(true, Some(false)));
    reporting.server().put(tainted(json!([{ "key": TAINT, "effect": "NoExecute" }])));
    reporting.reporter.tell(report(true, Some(true)));
    reporting.until("the taint to go again", |_| bare());
}

#[test]
fn a_server_that_is_away_is_written_to_when_it_is_back() {
    let mut reporting = Reporting::start("away", StatusReport::Condition, None);
    reporting.server().put(node("node-a", &[]));
    reporting.ours.server.stop();
    reporting.reporter.tell(report(true, None));
    let start = Instant::now();
    while reporting.reporter.view().failures == 0 {
        assert!(start.elapsed() < SOON, "an attempt fails");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(reporting.reporter.view().last_error.is_some());
    reporting.ours.server.restart();
    reporting.until("the condition", |_| reporting.condition()["status"] == "True");
    assert_eq!(reporting.reporter.view().last_error, None);
}

#[test]
fn events_are_written_up_to_a_budget_and_the_rest_is_counted() {
    let reporting = Reporting::start("events", StatusReport::Condition, None);
    for number in 0..15 {
        reporting.reporter.happened(Happening::held(&format!("do this {number}")));
        std::thread::sleep(Duration::from_millis(20));
    }
    reporting.until("ten events", |server| server.all("events.k8s.io/v1", "Event").len() == 10);
    let start = Instant::now();
    while reporting.reporter.view().events_dropped < 5 {
        assert!(start.elapsed() < SOON, "{:?}", reporting.reporter.view());
        std::thread::sleep(Duration::from_millis(20));
    }
    let event = reporting.server().all("events.k8s.io/v1", "Event").remove(0);
    assert_eq!(event["regarding"]["name"], "node-a");
    assert_eq!((event["type"].as_str(), event["reason"].as_str()), (Some("Warning"), Some("ChangeHeld")));
    assert_eq!(reporting.reporter.view().events, 10);
}
