//! BMP (RFC 7854, RFC 8671, RFC 9069) to `pmbmpd` of pmacct.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bgp::notification::Cease;
use bgp::{Message, Notification};
use lab::process::Process;
use serde_json::Value;
use support::{SOON, eventually, requires};

use crate::onlooker::{ACCEPTED, PATIENCE, REFUSED, Watched};
use crate::pair::OUR_V4;

const STATION: &str = "
[[bmp]]
address = \"127.0.0.1:1790\"
views = [\"adj-rib-in-pre-policy\", \"adj-rib-in-post-policy\", \"loc-rib\", \"adj-rib-out-post-policy\"]
statistics-interval = 1
";

/// A station that writes what it is told into a file, a line of JSON for each message.
struct Station {
    process: Process,
    log: PathBuf,
}

impl Station {
    fn start(watched: &Watched) -> Self {
        let directory = watched.rack.directory("station");
        let (config, log) = (directory.join("pmbmpd.conf"), directory.join("bmp.json"));
        let text = format!(
            "daemonize: false\nbmp_daemon_ip: 127.0.0.1\nbmp_daemon_port: 1790\n\
             bmp_daemon_msglog_output: json\nbmp_daemon_msglog_file: {}\n",
            log.display()
        );
        fs::write(&config, text).expect("the configuration is written");
        let mut command = Command::new("/usr/sbin/pmbmpd");
        command.arg("-f").arg(&config);
        let process =
            Process::start(&watched.rack.ours, "pmbmpd", command, &directory).expect("pmbmpd starts");
        Self { process, log }
    }

    /// Everything it was told so far.
    fn told(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits for a message with these fields, and returns it.
    fn await_told(&self, what: &str, fields: &[(&str, &str)]) -> Value {
        eventually(PATIENCE, what, || self.find(fields))
    }

    fn find(&self, fields: &[(&str, &str)]) -> Result<Value> {
        let told = self.told();
        let fits = |message: &&Value| fields.iter().all(|(key, value)| field(message, key) == *value);
        let found = told.iter().rev().find(fits).cloned();
        found.with_context(|| format!("no {fields:?} among {} messages: {:?}", told.len(), told.last()))
    }
}

/// Returns a field as text, whether it is a number or not.
fn field(message: &Value, key: &str) -> String {
    match &message[key] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A route in one of the views.
fn route<'a>(prefix: &'a str, log_type: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![("bmp_msg_type", "route_monitor"), ("ip_prefix", prefix), ("log_type", log_type)];
    fields.extend_from_slice(more);
    fields
}

const PRE_POLICY: &[(&str, &str)] = &[("is_in", "1"), ("is_post", "0")];
const POST_POLICY: &[(&str, &str)] = &[("is_in", "1"), ("is_post", "1")];
const LOC_RIB: &[(&str, &str)] = &[("is_loc", "1")];
const ADJ_RIB_OUT: &[(&str, &str)] = &[("is_out", "1"), ("is_post", "1")];

#[test]
fn a_station_that_comes_late_gets_every_view_and_then_the_changes() {
    requires!(&["pmbmpd"]);
    let mut watched = Watched::start(STATION);
    let station = Station::start(&watched);
    station.await_told("the initiation", &[("bmp_msg_type", "init")]);
    station.await_told("the peer", &[("bmp_msg_type", "peer_up"), ("peer_ip", "10.9.0.2")]);
    for prefix in [ACCEPTED, REFUSED] {
        station.await_told("Adj-RIB-In as received", &route(prefix, "update", PRE_POLICY));
    }
    let accepted = station.await_told("Adj-RIB-In after import", &route(ACCEPTED, "update", POST_POLICY));
    assert!(field(&accepted, "as_path").contains("64999"), "{accepted}");
    station.await_told("Loc-RIB", &route(ACCEPTED, "update", LOC_RIB));
    station.await_told("our block in Loc-RIB", &route(OUR_V4, "update", LOC_RIB));
    station.await_told("Adj-RIB-Out", &route(OUR_V4, "update", ADJ_RIB_OUT));
    station.await_told("counters", &[("bmp_msg_type", "stats"), ("peer_ip", "10.9.0.2")]);
    assert!(station.find(&route(REFUSED, "update", POST_POLICY)).is_err(), "import refused it");
    assert!(station.find(&route(REFUSED, "update", LOC_RIB)).is_err(), "import refused it");

    watched.announce(&["10.50.2.0/24"]);
    station.await_told("a new route", &route("10.50.2.0/24", "update", PRE_POLICY));
    station.await_told("a new best path", &route("10.50.2.0/24", "update", LOC_RIB));

    watched
        .peer
        .say(&Message::Notification(Notification::shutdown(Cease::AdministrativeShutdown, "")))
        .unwrap();
    let down = [("bmp_msg_type", "peer_down"), ("peer_ip", "10.9.0.2"), ("reason_type", "3")];
    station.await_told("the peer's own NOTIFICATION", &down);
    station.await_told("the loss in Loc-RIB", &route(ACCEPTED, "withdraw", LOC_RIB));

    watched.peer = Watched::connect(&watched.rack);
    watched.announce(&["10.50.3.0/24"]);
    station.await_told("the next session", &route("10.50.3.0/24", "update", PRE_POLICY));
    watched.daemon.peer_action("peer0", &["down"]);
    let down = [("bmp_msg_type", "peer_down"), ("peer_ip", "10.9.0.2"), ("reason_type", "1")];
    station.await_told("our NOTIFICATION", &down);
}

#[test]
fn a_station_that_dies_is_found_again_and_told_everything_anew() {
    requires!(&["pmbmpd"]);
    let watched = Watched::start(STATION);
    let mut station = Station::start(&watched);
    station.await_told("Loc-RIB", &route(ACCEPTED, "update", LOC_RIB));
    station.process.kill();
    eventually(SOON, "the loss to be seen", || {
        let status = watched.daemon.status()?;
        ensure!(status.stations[0].lost == 1, "{:?}", status.stations);
        Ok(())
    });
    fs::remove_file(&station.log).expect("its log");
    let station = Station::start(&watched);
    station.await_told("Loc-RIB again", &route(ACCEPTED, "update", LOC_RIB));
    let status = watched.daemon.status().expect("an answer");
    assert!(status.stations[0].connected, "{:?}", status.stations);
}

/// Routing goes on, and memory does not grow, beside a station that takes the connection and nothing else.
#[test]
fn a_station_that_reads_nothing_holds_up_nobody() {
    requires!(&[]);
    let mut watched = Watched::start(STATION);
    let listener = watched.rack.ours.run(|| std::net::TcpListener::bind("127.0.0.1:1790")).expect("a port");
    eventually(SOON, "the connection", || {
        let status = watched.daemon.status()?;
        ensure!(status.stations[0].connected, "{:?}", status.stations);
        Ok(())
    });
    // Far more than the buffers of both kernels and of the queue.
    for third in 0..=255_u8 {
        let prefixes: Vec<String> = (0..=255).map(|fourth| format!("10.60.{third}.{fourth}/32")).collect();
        let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
        watched.announce(&prefixes);
    }
    eventually(PATIENCE, "every route", || {
        let received = watched.daemon.peer("peer0")?.families[0].received;
        ensure!(received >= 256 * 256, "{received} routes");
        Ok(())
    });
    drop(listener);
}
