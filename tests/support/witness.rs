//! Somebody else's word on what happens to the routes of a kernel.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use lab::net::Namespace;
use lab::process::Process;

use crate::{SOON, eventually};

/// `ip monitor route`, which hears of every route the kernel deletes one by one. A route that is replaced is not
/// deleted.
///
/// What goes with its nexthop object, its link or its table goes without a word: presence is another question.
#[derive(Debug)]
pub struct Witness {
    process: Process,
}

impl Witness {
    /// What must be installed.
    pub const PROGRAMS: &[&str] = &["ip", "stdbuf"];

    /// Starts it, and waits until it really listens.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn start(namespace: &Namespace, directory: &Path) -> Self {
        // Line by line: what it prints is read while it runs. Room for a table that changes at once.
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "ip", "-rcvbuf", "67108864", "monitor", "route"]);
        let process = Process::start(namespace, "witness", command, directory).expect("ip starts");
        // A route the kernel has already would be no news: every probe is another one.
        let mut probes = 1..=254;
        eventually(SOON, "the witness", || {
            let probe = format!("192.0.2.{}/32", probes.next().context("no more probes")?);
            namespace.run(|| Command::new("ip").args(["route", "add", "blackhole", &probe]).status())?;
            ensure!(process.output().contains("192.0.2."), "it is silent");
            Ok(())
        });
        Self { process }
    }

    /// The prefixes whose routes were deleted since it listens.
    ///
    /// # Errors
    /// It missed something: the kernel changed too much at once.
    pub fn deleted(&self) -> Result<BTreeSet<IpNet>> {
        let output = self.process.output();
        ensure!(!output.contains("No buffer space"), "the witness has lost events");
        let deleted = output.lines().filter_map(|line| line.strip_prefix("Deleted "));
        Ok(deleted.filter_map(destination).collect())
    }
}

/// The destination of a route as `ip` prints it: after a word for its kind, and without length for a single
/// address. A default route is not told apart by family, and not looked for.
fn destination(route: &str) -> Option<IpNet> {
    const KINDS: [&str; 6] = ["anycast", "blackhole", "broadcast", "local", "multicast", "unreachable"];
    let word = route.split(' ').find(|word| !KINDS.contains(word))?;
    word.parse().ok().or_else(|| Some(IpNet::from(word.parse::<IpAddr>().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_read_whatever_stands_around_it() {
        let net = |text: &str| text.parse().ok();
        assert_eq!(destination("10.1.0.0/24 via 10.0.0.1 dev port proto 179"), net("10.1.0.0/24"));
        assert_eq!(destination("blackhole 192.0.2.1"), net("192.0.2.1/32"));
        assert_eq!(destination("fd50:1::/64 dev port metric 20 pref medium"), net("fd50:1::/64"));
        assert_eq!(destination("default via 10.0.0.1 dev port"), None);
    }
}
