//! Reports of the golden views, and the schema they have to fit.

use super::*;

const NOW: u64 = 1_795_197_600;

fn status(name: &str) -> StatusView {
    let text = match name {
        "ok" => include_str!("../../../control/golden/status_ok.json"),
        "starting" => include_str!("../../../control/golden/status_starting.json"),
        _ => include_str!("../../../control/golden/status_degraded.json"),
    };
    serde_json::from_str(text).unwrap()
}

fn peers() -> Vec<PeerView> {
    serde_json::from_str(include_str!("../../../control/golden/peers.json")).unwrap()
}

fn report(name: &str) -> Report {
    Report::of(&status(name), &peers(), None, NOW)
}

#[test]
fn a_condition_says_why_in_a_word_and_in_sentences() {
    let words = |name| {
        let report = report(name);
        (report.ready, report.reason, report.message)
    };
    assert_eq!(words("ok"), (true, "Ready".into(), "sessions are up, and everything has been said".into()));
    let (ready, reason, message) = words("starting");
    assert_eq!((ready, reason.as_str()), (false, "Drain"));
    assert!(message.starts_with("the node is drained; no session is up yet"), "{message}");
    let (ready, reason, message) = words("degraded");
    assert_eq!((ready, reason.as_str()), (true, "PeerDown"));
    assert!(message.contains("hold timer expired"), "{message}");
}

#[test]
fn a_condition_is_one_of_ours_among_those_of_the_node() {
    let patch = report("starting").condition_patch(&rfc3339(NOW - 60), NOW);
    let conditions = patch["status"]["conditions"].as_array().unwrap();
    assert_eq!(conditions.len(), 1);
    assert_eq!(conditions[0]["type"], "podbgp.io/Ready");
    assert_eq!(conditions[0]["status"], "False");
    assert_eq!(conditions[0]["lastTransitionTime"], "2026-11-20T17:59:00Z");
    assert_eq!(conditions[0]["lastHeartbeatTime"], "2026-11-20T18:00:00Z");
}

#[test]
fn a_report_is_the_same_while_nothing_happens() {
    let before = report("degraded");
    let mut later = peers();
    later.iter_mut().for_each(|peer| peer.state_seconds += 4);
    // Five seconds by the clock, four by the daemon's ages.
    let after = Report::of(&status("degraded"), &later, None, NOW + 5);
    assert_ne!(after, before);
    assert_eq!(after.clone().steadied(Some(&before)), before);
    later[0].state_seconds = 0;
    let flapped = Report::of(&status("degraded"), &later, None, NOW + 5).steadied(Some(&before));
    assert_ne!(flapped, before, "a session that is new is news");
}

#[test]
fn a_status_says_what_is_held_stale_and_double_and_removes_what_is_over() {
    let patch = report("degraded").status_patch(NOW);
    let status = &patch["status"];
    assert!(
        status["held"]["change"].as_str().unwrap().starts_with("withdraw 2 of 2 IPv4 pod blocks"),
        "{status}"
    );
    assert_eq!(status["staleSince"], "2026-11-20T17:55:00Z");
    assert_eq!(status["duplicates"], json!(["10.20.30.64/26 from tor-a"]));
    assert_eq!(status["blocks"].as_array().unwrap().len(), 3, "a block is named once: {status}");
    assert_eq!(status["problemCount"], 2);
    let patch = report("ok").status_patch(NOW);
    assert_eq!((&patch["status"]["held"], &patch["status"]["staleSince"]), (&Value::Null, &Value::Null));
}

#[test]
fn an_error_is_told_while_it_lasts() {
    let report = report("ok");
    let of = |name: &str| report.peers.iter().find(|peer| peer.name == name).unwrap();
    assert_eq!((of("tor-a").state, of("tor-a").last_error.as_deref()), ("established", None));
    assert!(of("tor-b").last_error.is_some());
}

#[test]
fn an_event_is_about_our_node_in_the_namespace_of_such() {
    let event = Happening::held("withdraw everything").event("node-a", 1_795_197_600_000_042);
    assert_eq!(event["metadata"]["namespace"], "default");
    assert_eq!(event["regarding"]["name"], "node-a");
    assert_eq!(event["eventTime"], "2026-11-20T18:00:00.000042Z");
    assert_eq!((&event["type"], &event["reason"]), (&json!("Warning"), &json!("ChangeHeld")));
    let other = Happening::released("approved").event("node-a", 1_795_197_600_000_043);
    assert_ne!(event["metadata"]["name"], other["metadata"]["name"]);
    for field in ["reportingController", "reportingInstance", "action", "note"] {
        assert!(event[field].as_str().is_some_and(|text| !text.is_empty()), "{field} is required");
    }
}
