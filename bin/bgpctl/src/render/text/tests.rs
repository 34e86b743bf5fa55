//! Each view of `bin/control/golden`, rendered at 80 and 120 columns, wide, and in colour, against `bgpctl/expected`.
//! `BLESS=1 cargo test -p bgpctl` rewrites the expectations.

use std::path::Path;

use control::{RouteQuery, RouteTable, Selection};
use serde::de::DeserializeOwned;

use super::*;

fn golden(name: &str) -> String {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../control/golden").join(name).with_extension("json");
    std::fs::read_to_string(path).expect("the golden file is there")
}

fn view<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&golden(name)).expect("the golden file is the view's JSON")
}

fn columns(width: usize) -> Screen {
    Screen { width: Some(width), colours: false, wide: false }
}

const WIDE: Screen = Screen { width: None, colours: false, wide: true };

/// Compares what `render` makes with the expectation called `name`.
fn expect(name: &str, rendered: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("expected").join(name).with_extension("txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        return std::fs::write(path, rendered).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(rendered, expected, "{name} differs; BLESS=1 takes it over");
}

/// Renders at every width, and checks that nothing is wider than the screen.
fn at_every_width(name: &str, render: impl Fn(&Screen) -> String) {
    for width in [80, 120] {
        let rendered = render(&columns(width));
        expect(&format!("{name}-{width}"), &rendered);
        for line in rendered.lines() {
            assert!(line.chars().count() <= width, "{name} is wider than {width}: {line}");
            assert_eq!(line, line.trim_end());
        }
    }
}

fn routes_of(name: &str, table: RouteTable, selection: Selection, screen: &Screen) -> String {
    let query = RouteQuery { table, selection, ..RouteQuery::default() };
    routes(&query, golden(name).as_bytes(), screen).expect("the golden file is the view's JSON")
}

#[test]
fn history_is_in_the_order_of_time() {
    at_every_width("history", |screen| history(&view("history"), screen));
}

#[test]
fn peers_are_a_line_each() {
    at_every_width("peers", |screen| peers(&view::<Vec<_>>("peers"), screen));
    expect("peers-wide", &peers(&view::<Vec<_>>("peers"), &WIDE));
}

#[test]
fn a_peer_in_full_has_timers_counters_rejects_and_capabilities() {
    let all: Vec<control::PeerView> = view("peers");
    for one in &all {
        at_every_width(&format!("peer-{}", one.name), |screen| peer(one, screen));
    }
}

#[test]
fn routes_show_next_hops_source_age_and_kernel() {
    let loc = RouteTable::default;
    at_every_width("routes", |screen| routes_of("routes", loc(), Selection::All, screen));
    expect("routes-wide", &routes_of("routes", loc(), Selection::All, &WIDE));
}

#[test]
fn a_prefix_shows_every_candidate_with_its_reason() {
    let selection = Selection::Address("10.1.2.3".parse().unwrap());
    expect("route-explained", &routes_of("routes", RouteTable::default(), selection, &columns(80)));
}

#[test]
fn the_tables_of_a_peer_and_of_the_kernel_line_up() {
    let peer = || "tor-a".to_owned();
    let received = || RouteTable::Received { peer: peer() };
    at_every_width("received", |screen| routes_of("routes", received(), Selection::All, screen));
    let advertised = || RouteTable::Advertised { peer: peer() };
    at_every_width("advertised", |screen| routes_of("advertised", advertised(), Selection::All, screen));
    at_every_width("kernel", |screen| routes_of("kernel_routes", RouteTable::Kernel, Selection::All, screen));
}

#[test]
fn no_route_is_said_in_words() {
    let query =
        RouteQuery { selection: Selection::Address("10.1.2.3".parse().unwrap()), ..RouteQuery::default() };
    assert_eq!(routes(&query, b"[]", &columns(80)).unwrap(), "no route to 10.1.2.3\n");
}

#[test]
fn status_is_a_verdict_in_a_line_and_the_facts() {
    for name in ["status_ok", "status_degraded", "status_starting"] {
        at_every_width(name, |screen| status(&view(name), screen));
    }
}

#[test]
fn the_cluster_says_how_fresh_it_is_and_what_is_held() {
    for name in ["cluster", "cluster_starting"] {
        at_every_width(name, |screen| cluster(&view(name), screen));
    }
    at_every_width("approved", |screen| approved(&view("approved"), screen));
}

#[test]
fn a_cluster_in_touch_is_fine_in_a_word() {
    let fresh = control::ClusterView {
        stale_since: None,
        stale_seconds: None,
        from_snapshot: false,
        held: None,
        problem_count: 0,
        problems: vec![],
        ..view("cluster")
    };
    let rendered = cluster(&fresh, &columns(80));
    assert_eq!(rendered.lines().next(), Some("OK: in touch"));
    let held = control::ClusterView { held: view::<control::ClusterView>("cluster").held, ..fresh };
    assert_eq!(cluster(&held, &columns(80)).lines().next(), Some("HELD: a change is held"));
}

#[test]
fn a_reload_says_what_changed_or_every_mistake() {
    at_every_width("reload", |screen| reload(&view("reload"), screen));
    at_every_width("reload_degraded", |screen| reload(&view("reload_degraded"), screen));
    at_every_width("reload_refused", |screen| reload(&view("reload_refused"), screen));
    at_every_width("drain", |screen| drains(&view("drain"), screen));
    expect("action", &action(&view("action"), &columns(80)));
}

#[test]
fn a_trial_says_the_verdict_the_rule_and_every_change() {
    at_every_width("policy_test", |screen| policy_test(&view("policy_test"), screen));
    expect("policy_test_rejected", &policy_test(&view("policy_test_rejected"), &columns(80)));
}

#[test]
fn colours_change_no_column() {
    let coloured = peers(&view::<Vec<_>>("peers"), &Screen { colours: true, ..columns(80) });
    expect("peers-colours", &coloured);
    let mut bare = String::new();
    let mut parts = coloured.split('\u{1b}');
    bare.push_str(parts.next().unwrap());
    for part in parts {
        bare.push_str(part.split_once('m').expect("an escape code ends").1);
    }
    assert_eq!(bare, peers(&view::<Vec<_>>("peers"), &columns(80)));
}

#[test]
fn a_peer_cannot_write_on_the_terminal() {
    let mut all: Vec<control::PeerView> = view("peers");
    all[1].last_error.as_mut().unwrap().text = "bye\u{1b}[2J\ntor-z  10.0.0.9  fine\u{9b}0m".into();
    let rendered = peers(&all, &Screen { colours: false, ..WIDE });
    assert_eq!(rendered.lines().count(), 1 + all.len());
    assert!(
        !rendered.contains(|character: char| character.is_control() && character != '\n'),
        "{rendered:?}"
    );
}
