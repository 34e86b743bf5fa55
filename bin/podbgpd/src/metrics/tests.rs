use std::collections::{BTreeMap, BTreeSet};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::*;
use crate::control::ControlRequest;

const DEGRADED: &str = include_str!("../../../control/golden/status_degraded.json");
const STARTING: &str = include_str!("../../../control/golden/status_starting.json");
const PEERS: &str = include_str!("../../../control/golden/peers.json");

fn status(golden: &str) -> StatusView {
    serde_json::from_str(golden).expect("the golden file is a view")
}

fn peers() -> Vec<PeerView> {
    serde_json::from_str(PEERS).expect("the golden file is a view")
}

/// Reads a page of OpenMetrics strictly: every sample belongs to the metric announced above it, and occurs once.
fn parse(page: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut metric = (String::new(), String::new());
    let body = page.strip_suffix("# EOF\n").expect("a page ends with # EOF");
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            match (words.next(), words.next(), words.next()) {
                (Some("HELP"), Some(name), Some(help)) => {
                    assert!(help.ends_with('.') && !name.is_empty(), "{line}");
                }
                (Some("TYPE"), Some(name), Some(kind @ ("gauge" | "counter" | "histogram"))) => {
                    metric = (name.to_owned(), kind.to_owned());
                }
                (Some("UNIT"), Some(name), Some(unit)) => assert!(name.ends_with(unit), "{line}"),
                _ => panic!("no comment of OpenMetrics: {line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
        let name = series.split('{').next().expect("a sample has a name");
        let suffixes: &[&str] = match metric.1.as_str() {
            "counter" => &["_total"],
            "histogram" => &["_sum", "_count", "_bucket"],
            _ => &[""],
        };
        let fits = |suffix: &&str| name.strip_suffix(*suffix) == Some(metric.0.as_str());
        assert!(suffixes.iter().any(fits), "{line}");
        let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        assert!(samples.insert(series.to_owned(), value).is_none(), "twice: {line}");
    }
    samples
}

#[test]
fn every_metric_of_the_table_is_there_and_no_other() {
    let table: BTreeSet<&str> = include_str!("../metrics.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `podbgp_"))
        .map(|row| row.split('`').next().expect("a name ends"))
        .collect();
    let samples = parse(&render(status(DEGRADED), peers()));
    let names: BTreeSet<&str> = samples
        .keys()
        .map(|series| series.split('{').next().expect("a sample has a name"))
        .map(|name| name.strip_prefix("podbgp_").expect("our metrics have our name"))
        .map(|name| {
            ["_sum", "_count", "_bucket"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
        })
        .collect();
    assert_eq!(names, table);
}

#[test]
fn samples_say_what_the_views_say() {
    let samples = parse(&render(status(DEGRADED), peers()));
    for (series, value) in [
        (r#"podbgp_build_info{version="0.1.0"}"#, 1.0),
        ("podbgp_healthy", 0.0),
        ("podbgp_ready", 1.0),
        ("podbgp_uptime_seconds", 93784.0),
        (r#"podbgp_peer_up{peer="tor-a"}"#, 1.0),
        (r#"podbgp_peer_up{peer="tor-b"}"#, 0.0),
        (r#"podbgp_peer_state{peer="tor-b",state="active"}"#, 1.0),
        (r#"podbgp_peer_state{peer="tor-b",state="idle"}"#, 0.0),
        (r#"podbgp_peer_drain_stage{peer="tor-b",stage="announced"}"#, 1.0),
        (r#"podbgp_peer_drain_stage{peer="tor-b",stage="off"}"#, 0.0),
        (r#"podbgp_drain_stage{stage="off"}"#, 1.0),
        (r#"podbgp_peer_flaps_total{peer="tor-b"}"#, 3.0),
        (r#"podbgp_peer_rtt_seconds{peer="tor-a"}"#, 0.000412),
        (r#"podbgp_bfd_up{peer="tor-a"}"#, 1.0),
        (r#"podbgp_bfd_detection_time_seconds{peer="tor-a"}"#, 0.9),
        (r#"podbgp_bfd_failures_total{peer="tor-b"}"#, 3.0),
        (r#"podbgp_bfd_packets_total{peer="tor-a",direction="received"}"#, 30412.0),
        (r#"podbgp_bfd_discarded_packets_total{reason="hop_limit"}"#, 12.0),
        ("podbgp_bfd_send_failures_total", 4.0),
        (r#"podbgp_peer_messages_total{peer="tor-a",direction="received",type="update"}"#, 412.0),
        (r#"podbgp_peer_prefixes{peer="tor-a",family="ipv4",kind="accepted"}"#, 1203.0),
        (r#"podbgp_peer_rejected_prefixes{peer="tor-a",family="ipv4",reason="own_block"}"#, 1.0),
        (r#"podbgp_routes{family="ipv6",kind="prefixes"}"#, 602.0),
        (r#"podbgp_fib_routes{kind="failed"}"#, 1.0),
        ("podbgp_fib_repairs_total", 2.0),
        ("podbgp_fib_messages_total", 1807.0),
        (r#"podbgp_duplicate_block{prefix="10.20.30.64/26",peer="tor-a"}"#, 1.0),
        ("podbgp_cluster_stale", 1.0),
        ("podbgp_cluster_stale_seconds", 300.0),
        (r#"podbgp_cluster_watch_up{kind="Service",scope="all"}"#, 0.0),
        (r#"podbgp_cluster_watch_losses_total{kind="Service",scope="all"}"#, 2.0),
        (r#"podbgp_cluster_update_latency_seconds_bucket{le="0.0025"}"#, 321.0),
        (r#"podbgp_cluster_update_latency_seconds_bucket{le="+Inf"}"#, 412.0),
        ("podbgp_cluster_update_latency_seconds_sum", 1.625),
        (r#"podbgp_cluster_objects{kind="Node"}"#, 5000.0),
        (r#"podbgp_cluster_originated{kind="services"}"#, 12.0),
        ("podbgp_cluster_change_held", 1.0),
        ("podbgp_cluster_change_held_seconds", 120.0),
        (r#"podbgp_cluster_reports_total{result="failure"}"#, 2.0),
        (r#"podbgp_config_reloads_total{result="failure"}"#, 1.0),
        ("podbgp_config_last_reload_successful", 0.0),
        (r#"podbgp_bmp_connected{station="192.0.2.1:11019"}"#, 0.0),
        (r#"podbgp_bmp_lost_connections_total{station="192.0.2.1:11019"}"#, 2.0),
        (r#"podbgp_bmp_messages_total{station="192.0.2.1:11019"}"#, 40123.0),
        (r#"podbgp_mrt_records_total{result="dropped"}"#, 3.0),
    ] {
        assert_eq!(samples.get(series), Some(&value), "{series}");
    }
}

#[test]
fn a_name_with_quotes_breaks_no_line() {
    let mut all = peers();
    all[0].name = "a\"b\\c\nd".into();
    let samples = parse(&render(status(DEGRADED), all));
    assert!(samples.contains_key(r#"podbgp_peer_up{peer="a\"b\\c\nd"}"#), "{samples:?}");
}

/// Asks a server whose owner has this status, or is deaf.
async fn ask(path: &str, status: Option<StatusView>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
    let address = listener.local_addr().expect("it has an address");
    let (requests, mut inbox) = mpsc::channel::<ControlRequest>(1);
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, Owner::new(requests)));
    tasks.spawn(async move {
        let mut unanswered = Vec::new();
        while let Some(ControlRequest { request, reply }) = inbox.recv().await {
            let Some(status) = &status else {
                unanswered.push(reply);
                continue;
            };
            let _ = reply.send(Ok(match request {
                Request::Peers => Response::Peers(peers()),
                _ => Response::Status(Box::new(status.clone())),
            }));
        }
    });
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("the server reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the server answers");
    answer
}

#[tokio::test]
async fn metrics_are_served_as_openmetrics() {
    let answer = ask("/metrics", Some(status(DEGRADED))).await;
    let (head, page) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("application/openmetrics-text"), "{head}");
    assert!(!parse(page).is_empty());
}

#[tokio::test]
async fn a_starting_node_is_alive_but_not_ready() {
    assert!(ask("/healthz", Some(status(STARTING))).await.starts_with("HTTP/1.1 200 "));
    let answer = ask("/readyz", Some(status(STARTING))).await;
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("no_session: no session is up yet"),
        "{answer}"
    );
    assert!(ask("/readyz", Some(status(DEGRADED))).await.starts_with("HTTP/1.1 200 "));
    assert!(ask("/", Some(status(DEGRADED))).await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_hangs_is_not_alive() {
    assert!(ask("/healthz", None).await.starts_with("HTTP/1.1 503 "));
}
