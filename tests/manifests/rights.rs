//! The daemon does all its work with the rights its pod has.

use std::fs;
use std::process::Command;

use bgp::{AsPath, Asn, NextHop, PathAttributes};
use ipnet::IpNet;
use lab::net::RouteKind;
use support::puppet::Puppet;
use support::rack::{Transport, our_address, their_address};
use support::{Podbgpd, Rack, SOON, Session, config, eventually, kernel, requires};

use crate::pod;

const BLOCK: &str = "10.20.30.64/26";
const LEARNED: &str = "198.51.100.0/24";
/// Who nobody is.
const NOBODY: &str = "65534";

/// What of its user and its capabilities the kernel enforces.
#[derive(Debug, PartialEq, Eq)]
struct Enforced {
    user: String,
    effective: u64,
    bounding: u64,
    no_new_privileges: bool,
    root_is_writable: bool,
}

impl Enforced {
    fn of(daemon: &Podbgpd) -> Self {
        let read = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", daemon.id())).expect("it runs");
        let status = read("status");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a field of status");
            line.split_whitespace().next().expect("a value").to_owned()
        };
        let capabilities = |name: &str| u64::from_str_radix(&field(name), 16).expect("a mask");
        let mounts = read("mountinfo");
        // ID PARENT MAJOR:MINOR ROOT MOUNT-POINT OPTIONS ...
        let options = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            (words[4] == "/").then(|| words[5].split(',').any(|option| option == "rw"))
        };
        Self {
            user: field("Uid:"),
            effective: capabilities("CapEff:"),
            bounding: capabilities("CapBnd:"),
            no_new_privileges: field("NoNewPrivs:") == "1",
            root_is_writable: mounts.lines().filter_map(options).next_back().expect("a root"),
        }
    }
}

/// Returns the capabilities of the pod as `setpriv` writes them, and as the kernel does.
fn capabilities() -> (String, u64) {
    let added = pod::container().security_context.unwrap().capabilities.unwrap().add.unwrap();
    let words = added.iter().map(|name| format!(",+{}", name.to_lowercase())).collect::<String>();
    let bit = |name: &String| match name.as_str() {
        "NET_BIND_SERVICE" => 1 << 10,
        "NET_ADMIN" => 1 << 12,
        other => panic!("what bit is {other}?"),
    };
    (format!("-all{words}"), added.iter().map(bit).sum())
}

/// Has a daemon with these rights, on a root it cannot write to, talk to a peer, and come back.
fn works_as(user: &str, ambient: bool) {
    let rack = Rack::new(1);
    let directory = rack.directory("ours");
    let (words, mask) = capabilities();
    let owner = Command::new("chown").arg(user).arg(&directory).status().expect("chown starts");
    assert!(owner.success());

    // The folder of the test stands for the volumes of the pod.
    let folder = directory.display().to_string();
    let mounts = format!("mount --bind {folder} {folder} && mount -o remount,bind,ro / && exec \"$@\"");
    let (bounding, inherited) = (format!("--bounding-set={words}"), format!("--inh-caps={words}"));
    let ambient_set = format!("--ambient-caps={words}");
    let mut wrapper = vec!["unshare", "--mount", "sh", "-c", &mounts, "sh"];
    wrapper.extend([
        "setpriv",
        "--no-new-privs",
        "--clear-groups",
        "--reuid",
        user,
        "--regid",
        user,
        &bounding,
    ]);
    match ambient {
        true => wrapper.extend([inherited.as_str(), ambient_set.as_str()]),
        false => wrapper.push("--inh-caps=-all"),
    }
    let session = Session::new(0).with(|us| us.ipv6 = false);
    let text = config::node(&format!("blocks = [\"{BLOCK}\"]")) + &config::peer(&session, "passive = true");
    let mut daemon = Podbgpd::start_through(&rack.ours, directory.clone(), &text, &wrapper);
    let expected = Enforced {
        user: user.to_owned(),
        effective: mask,
        bounding: mask,
        no_new_privileges: true,
        root_is_writable: false,
    };
    assert_eq!(Enforced::of(&daemon), expected);

    // Port 179, a route of ours, a route of the peer's.
    let mut peer = eventually(SOON, "the daemon to listen", || {
        Puppet::dial(&rack.theirs[0], our_address(0, Transport::V4)).map(drop)?;
        Ok(Puppet::connect(&rack.theirs[0], our_address(0, Transport::V4), session.config.asn, 0))
    });
    daemon.await_established("peer0");
    let learned: IpNet = LEARNED.parse().unwrap();
    let attributes = PathAttributes {
        as_path: AsPath::sequence([Asn(session.config.asn)]),
        ..PathAttributes::originated(NextHop::from(their_address(0, Transport::V4)))
    };
    peer.announce(&attributes, &[learned]).expect("the peer announces");
    let block = eventually(SOON, "the block", || kernel::our_route(&rack.ours, BLOCK.parse().unwrap()));
    assert_eq!(block.kind, RouteKind::Blackhole);
    eventually(SOON, "the learned route", || kernel::our_route(&rack.ours, learned));
    daemon.stop();
    let state = directory.join("state");
    let has_files = fs::read_dir(&state).is_ok_and(|mut entries| entries.next().is_some());
    assert!(has_files, "a restart comes back from what is in {}", state.display());
}

#[test]
fn root_with_nothing_but_the_capabilities_of_the_pod_does_all_the_work() {
    requires!(&["setpriv", "unshare"]);
    works_as("0", false);
}

#[test]
fn nobody_with_the_same_capabilities_does_too() {
    requires!(&["setpriv", "unshare"]);
    works_as(NOBODY, true);
}
