//! MRT (RFC 6396, RFC 8050) as `bgpdump` reads it, and captures as `tcpdump` does.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use lab::speakers::podbgp;
use support::{eventually, requires};

use crate::onlooker::{ACCEPTED, PATIENCE, REFUSED, Watched, peer_asn};
use crate::pair::OUR_V4;

fn text(output: Output) -> Result<String> {
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ended with {}: {errors}", output.status);
    String::from_utf8(output.stdout).context("not UTF-8")
}

/// Reads a file into lines of `TABLE_DUMP2|time|B|peer|asn|prefix|path|…`.
fn bgpdump(file: &Path) -> Result<String> {
    text(Command::new("bgpdump").arg("-m").arg(file).stdin(Stdio::null()).output()?)
}

#[test]
fn a_dump_of_all_tables_names_each_route_and_its_peer() {
    requires!(&["bgpdump"]);
    let watched = Watched::start("");
    let file = watched.rack.directory("ours").join("rib.mrt");
    eventually(PATIENCE, "the routes in a dump", || {
        watched.daemon.command(&["dump", "mrt", &file.display().to_string()]);
        let dump = bgpdump(&file)?;
        let line = |prefix: &str| {
            let field = format!("|{prefix}|");
            dump.lines().find(|line| line.contains(&field)).with_context(|| format!("no {prefix} in {dump}"))
        };
        for prefix in [ACCEPTED, REFUSED] {
            let (line, asn) = (line(prefix)?, peer_asn());
            ensure!(line.starts_with("TABLE_DUMP2|"), "{line}");
            ensure!(
                line.contains(&format!("|B|10.9.0.2|{asn}|{prefix}|{asn} 64999|IGP|10.9.0.2|")),
                "{line}"
            );
        }
        ensure!(line(OUR_V4)?.contains("|B|0.0.0.0|"), "{dump}");
        Ok(())
    });
}

#[test]
fn every_message_and_change_of_state_is_in_a_file() {
    requires!(&["bgpdump"]);
    let watched = Watched::start("[mrt]\ndirectory = \"DIR/mrt\"\n");
    let directory = watched.rack.directory("ours").join("mrt");
    eventually(PATIENCE, "the messages in a file", || {
        let mut files: Vec<_> =
            fs::read_dir(&directory)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        ensure!(files.len() == 1, "{files:?}");
        let dump = bgpdump(&files.remove(0))?;
        let asn = peer_asn();
        for wanted in
            [format!("|A|10.9.0.2|{asn}|{ACCEPTED}|{asn} 64999|"), format!("|STATE|10.9.0.2|{asn}|5|6")]
        {
            ensure!(dump.contains(&wanted), "no {wanted} in {dump}");
        }
        Ok(())
    });
    let mrt = watched.daemon.status().expect("an answer").mrt.expect("there are files");
    assert_eq!(mrt.dropped, 0, "{mrt:?}");
}

#[test]
fn a_capture_is_what_tcpdump_reads() {
    requires!(&["tcpdump"]);
    let mut watched = Watched::start("");
    let file = watched.rack.directory("ours").join("capture.pcap");
    let mut command = podbgp::bgpctl(&watched.rack.directory("ours")).expect("there is a bgpctl");
    command.args(["capture", "--peer", "peer0", "--count", "4", "--seconds", "60", "-w"]).arg(&file);
    let mut bgpctl = command.spawn().expect("bgpctl starts");
    // The first message that is announced may be before the capture has begun, and what is captured first may be of
    // the beginning of the session.
    let mut third = 0;
    eventually(PATIENCE, "a message to be captured", || {
        third += 1;
        watched.announce(&[&format!("10.70.{third}.0/24")]);
        bgpctl.try_wait()?.context("nothing yet")
    });
    let shown = text(Command::new("tcpdump").args(["-n", "-v", "-r"]).arg(&file).output().expect("tcpdump"));
    let shown = shown.expect("tcpdump reads it");
    for wanted in ["Update Message (2)", "10.70.", "64999", "10.9.0.1.179", "(correct)"] {
        assert!(shown.contains(wanted), "no {wanted} in {shown}");
    }
    assert!(!shown.contains("bad cksum"), "{shown}");
}

#[test]
fn a_capture_without_a_file_is_a_line_for_each_message() {
    requires!(&[]);
    let mut watched = Watched::start("");
    let mut command = podbgp::bgpctl(&watched.rack.directory("ours")).expect("there is a bgpctl");
    command.args(["capture", "--peer", "peer0", "--count", "4", "--seconds", "60"]).stdout(Stdio::piped());
    let mut bgpctl = command.spawn().expect("bgpctl starts");
    let mut third = 0;
    eventually(PATIENCE, "a message to be captured", || {
        third += 1;
        watched.announce(&[&format!("10.70.{third}.0/24")]);
        bgpctl.try_wait()?.context("nothing yet")
    });
    let line = text(bgpctl.wait_with_output().expect("bgpctl ends")).expect("it was fine");
    assert!(line.contains(" < ") && line.contains("UPDATE announces 10.70."), "{line}");
}
