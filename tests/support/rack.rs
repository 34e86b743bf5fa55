//! Our namespace in the middle and a cable to each peer's.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use lab::net::Namespace;

/// A namespace for `podbgpd`, one for each peer, and a directory for their files.
///
/// Peer *i* is on link `peer<i>` of ours: 10.9.*i*.1/24 and fd09:*i*::1/64 here, …2 there.
#[derive(Debug)]
pub struct Rack {
    /// Where `podbgpd` runs.
    pub ours: Namespace,
    /// Where the peers run.
    pub theirs: Vec<Namespace>,
    directory: PathBuf,
}

/// The link of every peer's namespace that leads to ours.
pub const UPLINK: &str = "uplink";

/// Which protocol carries a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP over IPv4.
    V4,
    /// TCP over IPv6.
    V6,
}

impl Rack {
    /// Builds it.
    ///
    /// # Panics
    /// When the kernel refuses; see [`crate::missing`].
    #[must_use]
    pub fn new(peers: usize) -> Self {
        let ours = Namespace::new("ours").expect("a namespace");
        let theirs = (0..peers)
            .map(|peer| {
                let theirs = Namespace::new(&format!("peer{peer}")).expect("a namespace");
                let link = link(peer);
                ours.connect(&link, &theirs, UPLINK).expect("a cable");
                for (namespace, link, end) in
                    [(&ours, link.as_str(), our_address as End), (&theirs, UPLINK, their_address)]
                {
                    let v4 = format!("{}/24", end(peer, Transport::V4)).parse().expect("a prefix");
                    let v6 = format!("{}/64", end(peer, Transport::V6)).parse().expect("a prefix");
                    namespace.add_address(link, v4).expect("an address");
                    namespace.add_address(link, v6).expect("an address");
                }
                theirs
            })
            .collect();
        Self { ours, theirs, directory: fresh_directory() }
    }

    /// Returns a directory of this name for one program's files.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn directory(&self, name: &str) -> PathBuf {
        let directory = self.directory.join(name);
        fs::create_dir_all(&directory).expect("a directory");
        directory
    }
}

impl Drop for Rack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What the programs wrote is the evidence.
            show_logs(&self.directory);
        }
        // It is in the temporary directory: nothing is lost when this fails.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

type End = fn(usize, Transport) -> IpAddr;

/// Our address on the link to a peer.
#[must_use]
pub fn our_address(peer: usize, transport: Transport) -> IpAddr {
    address(peer, transport, 1)
}

/// A peer's address on the link to us.
#[must_use]
pub fn their_address(peer: usize, transport: Transport) -> IpAddr {
    address(peer, transport, 2)
}

/// The link to a peer, in our namespace.
#[must_use]
pub fn link(peer: usize) -> String {
    format!("peer{peer}")
}

fn address(peer: usize, transport: Transport, host: u8) -> IpAddr {
    let link = u8::try_from(peer).expect("a handful of peers");
    match transport {
        Transport::V4 => Ipv4Addr::new(10, 9, link, host).into(),
        Transport::V6 => Ipv6Addr::new(0xfd09, link.into(), 0, 0, 0, 0, 0, host.into()).into(),
    }
}

fn fresh_directory() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("podbgp-tests-{}-{number}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory");
    directory
}

/// Prints the ends of the logs in the folders of a directory.
#[expect(clippy::print_stderr, reason = "the test runner shows it when the test fails")]
pub fn show_logs(directory: &Path) {
    let Ok(programs) = fs::read_dir(directory) else { return };
    for file in programs.flatten().filter_map(|program| fs::read_dir(program.path()).ok()).flatten().flatten()
    {
        if file.path().extension().is_some_and(|extension| extension == "log") {
            let text = fs::read(file.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<_> = text.lines().collect();
            let last = &lines[lines.len().saturating_sub(60)..];
            eprintln!("--- {}\n{}", file.path().display(), last.join("\n"));
        }
    }
}
