//! What servers did wrong in the field, and what must not come of it.

use std::time::{Duration, Instant};

use cluster::Kind;
use podbgpd::kube::Pace;
use serde_json::json;
use support::apiserver::{CALICO, CALICO_GROUPS, Instead, Seen, StreamingLists};

use crate::follower::{Follower, all, pace};
use crate::following::{Ours, Server};
use crate::node;

fn with_nodes(test: &str, count: usize) -> Ours {
    let ours = Ours::start(test);
    ours.server.put_all((0..count).map(|number| node(&format!("node-{number:04}"), &[])));
    ours
}

fn follow(ours: &Ours, pace: Pace) -> Follower {
    Follower::start(&ours.kubeconfig(), pace, &[all(Kind::Node)])
}

fn lists(seen: &Seen) -> bool {
    seen.path == "/api/v1/nodes" && seen.is_list()
}

fn streaming_lists_fall_back(test: &str, how: StreamingLists) {
    let ours = with_nodes(test, 25);
    ours.server.fault(|faults| faults.streaming_lists = how);
    let mut follower = follow(&ours, Pace { page: 10, ..pace() });
    follower.until("all nodes", |f| f.has_told("end Node") && f.nodes().len() == 25);
    let pages = ours.server.count(|seen| lists(seen) && !seen.is_watch());
    assert_eq!(pages, 3, "25 nodes in pages of 10");
    assert_eq!(
        ours.server.count(|seen| seen.query.contains("sendInitialEvents")),
        1,
        "asked once, refused once"
    );
    ours.server.put(node("another", &[]));
    follower.until("what comes after", |f| f.nodes().contains(&"another".to_owned()));
    assert!(follower.failures.is_empty(), "{:?}", follower.failures);
}

#[test]
fn a_server_that_refuses_streaming_lists_is_listed_in_pages() {
    streaming_lists_fall_back("refused", StreamingLists::Refused);
}

#[test]
fn a_server_that_breaks_off_streaming_lists_is_listed_in_pages() {
    streaming_lists_fall_back("break-off", StreamingLists::BreakOff);
}

#[test]
fn a_server_that_does_not_understand_streaming_lists_is_listed_in_pages() {
    streaming_lists_fall_back("not-understood", StreamingLists::NotUnderstood);
}

#[test]
fn a_server_that_sends_all_at_once_instead_of_a_page_is_understood() {
    let ours = with_nodes("no-limit", 25);
    ours.server.fault(|faults| {
        (faults.streaming_lists, faults.ignores_limit) = (StreamingLists::Refused, true);
        faults.slow = Some((701, Duration::from_millis(1)));
    });
    let mut follower = follow(&ours, Pace { page: 10, ..pace() });
    follower.until("all nodes", |f| f.has_told("end Node"));
    assert_eq!(follower.nodes().len(), 25);
    assert_eq!(ours.server.count(|seen| lists(seen) && !seen.is_watch()), 1);
}

#[test]
fn a_version_that_is_forgotten_is_listed_anew_without_a_gap() {
    let ours = with_nodes("gone", 3);
    let mut follower = follow(&ours, pace());
    follower.until("the list", |f| f.has_told("end Node"));
    // While nobody is connected a node goes and everything about it is forgotten.
    ours.server.fault(|faults| {
        faults.instead.push(Instead { times: 2, ..Instead::always("/nodes", 500, "Internal") })
    });
    ours.server.disconnect();
    ours.server.delete("v1", "Node", "node-0001");
    ours.server.expire();
    follower.until("the second list", |f| f.count("end Node") == 2);
    assert_eq!(follower.nodes(), ["node-0000", "node-0002"]);
    assert!(!follower.has_told("delete node-0001"), "no event told it, the list did");
}

#[test]
fn a_page_that_is_forgotten_begins_the_list_anew() {
    let ours = with_nodes("page-gone", 25);
    ours.server.fault(|faults| {
        faults.streaming_lists = StreamingLists::Refused;
        faults.slow = Some((2000, Duration::from_millis(5)));
    });
    let mut follower = follow(&ours, Pace { page: 10, ..pace() });
    follower.until("the first page", |f| f.has_told("apply node-0009"));
    ours.server.expire();
    follower.until("all nodes", |f| f.has_told("end Node"));
    assert_eq!(follower.nodes().len(), 25);
}

#[test]
fn a_list_that_is_cut_short_is_not_taken_for_the_whole() {
    let ours = with_nodes("cut", 25);
    let mut follower = follow(&ours, pace());
    follower.until("the list", |f| f.has_told("end Node"));
    ours.server.fault(|faults| {
        (faults.streaming_lists, faults.cut_lists) = (StreamingLists::Refused, Some(900));
    });
    ours.server.expire();
    ours.server.disconnect();
    follower.until("an attempt", |f| f.count("begin Node") >= 4);
    assert_eq!((follower.nodes().len(), follower.count("end Node")), (25, 1));
    ours.server.fault(|faults| faults.cut_lists = None);
    follower.until("a whole list", |f| f.count("end Node") == 2);
    assert_eq!(follower.nodes().len(), 25);
}

#[test]
fn a_connection_that_breaks_is_made_again_where_it_was() {
    let ours = with_nodes("disconnect", 3);
    let mut follower = follow(&ours, pace());
    follower.until("the list", |f| f.has_told("end Node"));
    for round in 0..3 {
        ours.server.disconnect();
        ours.server.put(node(&format!("round-{round}"), &[]));
        follower.until("what came meanwhile", |f| f.has_told(&format!("apply round-{round}")));
    }
    assert_eq!(ours.server.count(lists), 1, "a watch goes on from the version it knows");
}

#[test]
fn an_outage_is_silence_and_ends_with_what_changed() {
    let mut ours = with_nodes("outage", 3);
    let mut follower = follow(&ours, pace());
    follower.until("the list", |f| !f.in_touch.is_empty());
    let told = follower.told.len();
    ours.server.stop();
    follower.until("the loss", |f| f.in_touch.is_empty());
    follower.listen(Duration::from_millis(500));
    assert_eq!(follower.told.len(), told, "an outage says nothing: {:?}", follower.told);
    ours.server.delete("v1", "Node", "node-0000");
    ours.server.restart();
    follower.until("what changed", |f| f.nodes().len() == 2 && !f.in_touch.is_empty());
}

#[test]
fn attempts_grow_rarer_while_the_server_only_fails() {
    let ours = with_nodes("storm", 1);
    for status in [500, 503] {
        ours.server.fault(|faults| faults.instead = vec![Instead::always("/nodes", status, "Internal")]);
        let mut follower = follow(&ours, Pace { last_retry: Duration::from_secs(10), ..pace() });
        let before = ours.server.count(|_| true);
        follower.listen(Duration::from_secs(2));
        // 20, 40, … milliseconds add up to 2.5 seconds after seven, halved by jitter after eight.
        let asked = ours.server.count(|_| true) - before;
        assert!((4..=9).contains(&asked), "{asked} attempts in two seconds");
        ours.server.fault(|faults| faults.instead.clear());
        follower.until("the list", |f| f.has_told("end Node"));
    }
}

#[test]
fn a_server_that_names_a_time_is_left_alone_until_then() {
    let ours = with_nodes("busy", 1);
    let busy =
        Instead { retry_after: Some(1), times: 1, ..Instead::always("/nodes", 429, "TooManyRequests") };
    ours.server.fault(|faults| faults.instead.push(busy));
    let start = Instant::now();
    let mut follower = follow(&ours, pace());
    follower.until("the list", |f| f.has_told("end Node"));
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(ours.server.count(lists), 2);
}

#[test]
fn a_connection_that_died_in_silence_is_noticed() {
    let ours = with_nodes("half-open", 1);
    let pace = Pace { watch: Duration::from_secs(1), grace: Duration::from_millis(200), ..pace() };
    let mut follower = follow(&ours, pace);
    follower.until("the list", |f| f.has_told("end Node"));
    ours.server.fault(|faults| faults.frozen = true);
    ours.server.put(node("unheard", &[]));
    follower.until("the loss", |f| f.failures.iter().any(|failure| failure.contains("silent")));
    ours.server.fault(|faults| faults.frozen = false);
    follower.until("what came meanwhile", |f| f.has_told("apply unheard"));
}

#[test]
fn a_watch_that_ends_in_its_time_is_begun_again_without_a_word() {
    let ours = with_nodes("timeout", 1);
    ours.server.fault(|faults| faults.bookmarks = Some(Duration::from_millis(300)));
    let mut follower = follow(&ours, Pace { watch: Duration::from_secs(1), ..pace() });
    follower.until("the list", |f| f.has_told("end Node"));
    // What happens elsewhere moves the version on; bookmarks tell, so that a forgotten past costs no list.
    ours.server
        .put(json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "x", "namespace": "y" } }));
    follower.listen(Duration::from_millis(700));
    ours.server.expire();
    follower.listen(Duration::from_secs(3));
    assert!(follower.failures.is_empty(), "{:?}", follower.failures);
    assert!(ours.server.count(|seen| seen.is_watch()) >= 3);
    assert!(ours.server.count(lists) <= 2, "bookmarks spare lists");
}

#[test]
fn a_slow_stream_is_put_together() {
    let ours = with_nodes("slow", 5);
    ours.server.fault(|faults| faults.slow = Some((7, Duration::from_millis(1))));
    let mut follower = follow(&ours, pace());
    follower.until("the list", |f| f.has_told("end Node"));
    assert_eq!(follower.nodes().len(), 5);
}

#[test]
fn an_object_that_cannot_be_read_costs_itself_only() {
    let ours = with_nodes("bad-object", 2);
    ours.server.put(json!({
        "apiVersion": "v1", "kind": "Node", "metadata": { "name": "node-0000a" }, "spec": { "taints": 7 },
    }));
    for how in [StreamingLists::Served, StreamingLists::Refused] {
        ours.server.fault(|faults| faults.streaming_lists = how);
        let mut follower = follow(&ours, pace());
        follower.until("the list", |f| f.has_told("end Node"));
        assert!(follower.has_told("unreadable node-0000a"), "{:?}", follower.told);
        assert_eq!(follower.nodes(), ["node-0000", "node-0001"]);
    }
}

#[test]
fn a_missing_permission_is_named() {
    let ours = with_nodes("forbidden", 1);
    ours.server.fault(|faults| faults.instead = vec![Instead::always("/nodes", 403, "Forbidden")]);
    let mut follower = follow(&ours, pace());
    follower.until("a failure", |f| !f.failures.is_empty());
    let failure = &follower.failures[0];
    assert!(failure.contains("get, list and watch `nodes` in API group \"\""), "{failure}");
    ours.server.fault(|faults| faults.instead.clear());
    follower.until("the list", |f| f.has_told("end Node"));
}

#[test]
fn a_server_that_has_been_set_back_is_listed_anew() {
    let ours = with_nodes("set-back", 3);
    let mut follower = follow(&ours, pace());
    follower.until("the list", |f| f.has_told("end Node"));
    ours.server.set_back();
    ours.server.disconnect();
    follower.until("another list", |f| f.count("end Node") == 2);
    assert_eq!(follower.nodes().len(), 3);
}

#[test]
fn calico_is_found_in_whichever_group_it_is_and_when_it_comes() {
    let pool = |group: &str| {
        json!({
            "apiVersion": group, "kind": "IPPool", "metadata": { "name": "pool" }, "spec": { "cidr": "10.0.0.0/16" },
        })
    };
    for group in CALICO_GROUPS {
        let ours = Ours::start(&group.replace('/', "-"));
        let mut follower = Follower::start(&ours.kubeconfig(), pace(), &[all(Kind::IpPool)]);
        follower.until("word that there is none", |f| f.has_told("absent IpPool"));
        ours.server.install(group, CALICO);
        ours.server.put(pool(group));
        follower.until("the pool", |f| f.has_told("end IpPool") && f.has_told("apply pool"));
        let paths = ours.server.requests();
        assert!(paths.iter().any(|seen| seen.path == format!("/apis/{group}/ippools") && seen.status == 200));
    }
}
