//! Other people's BGP speakers: their configuration, their start and what they say they have learned.
//!
//! One file per program knows its dialect; everything outside speaks [`SpeakerConfig`] and [`LearnedRoute`].

mod bird;
mod frr;
mod gobgp;
mod podbgp;

pub use podbgp::{Programs, use_programs};

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ipnet::IpNet;
use nix::sys::signal::Signal;

use crate::net::Namespace;
use crate::process::Process;
use crate::wait::wait_until;

/// A program that speaks BGP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// BIRD 2.
    Bird,
    /// FRR: zebra and bgpd.
    Frr,
    /// GoBGP.
    Gobgp,
    /// Our own, as a node or as a TOR.
    Podbgp,
}

impl Kind {
    /// As people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bird => "BIRD",
            Self::Frr => "FRR",
            Self::Gobgp => "GoBGP",
            Self::Podbgp => "podbgp",
        }
    }

    /// The Debian package that brings it.
    #[must_use]
    pub fn package(self) -> &'static str {
        match self {
            Self::Podbgp => "podbgp",
            Self::Bird => "bird2",
            Self::Frr => "frr",
            Self::Gobgp => "gobgpd",
        }
    }

    /// Where the programs are, the daemon first.
    ///
    /// # Errors
    /// One is missing; the text names the package to install.
    pub fn programs(self) -> Result<Vec<PathBuf>> {
        let names: &[&str] = match self {
            Self::Bird => &["bird", "birdc"],
            Self::Frr => &["/usr/lib/frr/zebra", "/usr/lib/frr/bgpd", "vtysh"],
            Self::Gobgp => &["gobgpd", "gobgp"],
            Self::Podbgp => &[],
        };
        names.iter().map(|name| find_program(name).with_context(|| self.how_to_install(name))).collect()
    }

    fn how_to_install(self, program: &str) -> String {
        format!("{} needs {program}, which is not installed: apt-get install {}", self.name(), self.package())
    }
}

/// What a speaker is told; the same for every program.
#[derive(Clone, Debug)]
pub struct SpeakerConfig {
    /// Its own AS.
    pub asn: u32,
    /// Its BGP Identifier.
    pub router_id: Ipv4Addr,
    /// Whom it talks to.
    pub neighbors: Vec<Neighbor>,
    /// What it originates.
    pub announce: Vec<IpNet>,
    /// Whether it writes what it learns to its kernel.
    pub install: bool,
    /// Whether it passes on what it learns, as a TOR does; a node announces only its own.
    pub transit: bool,
}

/// A peer as the speaker sees it.
#[derive(Clone, Debug)]
pub struct Neighbor {
    /// What we call it; only podbgp cares.
    pub name: String,
    /// The peer's address.
    pub address: IpAddr,
    /// Our end, when it matters.
    pub local_address: Option<IpAddr>,
    /// The peer's AS.
    pub asn: u32,
    /// TCP MD5 (RFC 2385).
    pub password: Option<String>,
    /// The hold time to offer, in seconds; a third of it is the keepalive interval.
    pub hold_time: u16,
    /// Never dials, only answers.
    pub passive: bool,
    /// Whether IPv4 unicast is negotiated.
    pub ipv4: bool,
    /// Whether IPv6 unicast is negotiated.
    pub ipv6: bool,
}

impl Neighbor {
    /// A peer for the family of its own address, with a hold time of nine seconds.
    #[must_use]
    pub fn new(address: impl Into<IpAddr>, asn: u32) -> Self {
        let address = address.into();
        Self {
            name: address.to_string(),
            address,
            local_address: None,
            asn,
            password: None,
            hold_time: 9,
            passive: false,
            ipv4: address.is_ipv4(),
            ipv6: address.is_ipv6(),
        }
    }
}

/// A route a speaker learned from a peer, as it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnedRoute {
    /// Where to.
    pub prefix: IpNet,
    /// The NEXT_HOP, global when there are two.
    pub next_hop: Option<IpAddr>,
    /// The AS_PATH, sequences only.
    pub as_path: Vec<u32>,
    /// Communities as `65001:7`, large ones as `65001:7:9`.
    pub communities: Vec<String>,
}

/// A running speaker. Dropping it kills it.
#[derive(Debug)]
pub struct Speaker {
    kind: Kind,
    namespace: Namespace,
    directory: PathBuf,
    processes: Vec<Process>,
    follower: Option<gobgp::FibFollower>,
}

impl Speaker {
    /// Writes the configuration to `directory` and starts the program with it. Its first sessions take a while.
    ///
    /// # Errors
    /// It is not installed, or refuses to start; the text has its last words.
    pub fn start(
        kind: Kind,
        namespace: &Namespace,
        config: &SpeakerConfig,
        directory: &Path,
    ) -> Result<Self> {
        let programs = kind.programs()?;
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let mut speaker = Self {
            kind,
            namespace: namespace.clone(),
            directory: directory.to_owned(),
            processes: Vec::new(),
            follower: None,
        };
        match kind {
            Kind::Bird => bird::start(&mut speaker, &programs, config)?,
            Kind::Frr => frr::start(&mut speaker, &programs, config)?,
            Kind::Gobgp => gobgp::start(&mut speaker, &programs, config)?,
            Kind::Podbgp => podbgp::start(&mut speaker, config)?,
        }
        Ok(speaker)
    }

    /// Which program it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where its configuration, its logs and its sockets are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its processes.
    #[must_use]
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// The peers it has an Established session with.
    ///
    /// # Errors
    /// It does not answer.
    pub fn established(&self) -> Result<Vec<IpAddr>> {
        match self.kind {
            Kind::Bird => bird::established(self),
            Kind::Frr => frr::established(self),
            Kind::Gobgp => gobgp::established(self),
            Kind::Podbgp => podbgp::established(self),
        }
    }

    /// Every path it has learned by BGP.
    ///
    /// # Errors
    /// It does not answer.
    pub fn routes(&self) -> Result<Vec<LearnedRoute>> {
        match self.kind {
            Kind::Bird => bird::routes(self),
            Kind::Frr => frr::routes(self),
            Kind::Gobgp => gobgp::routes(self),
            Kind::Podbgp => podbgp::routes(self),
        }
    }

    /// Sends every process a signal.
    ///
    /// # Errors
    /// One has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.processes.iter().try_for_each(|process| process.signal(signal))
    }

    /// Kills it as a power failure would.
    pub fn kill(&mut self) {
        self.follower = None;
        self.processes.iter_mut().for_each(Process::kill);
    }

    /// Starts a program of this speaker's and waits until `ready` says so.
    fn launch(&mut self, name: &str, command: Command, ready: impl Fn() -> Result<()>) -> Result<()> {
        let mut process = Process::start(&self.namespace, name, command, &self.directory)?;
        let started = wait_until(Duration::from_secs(10), &format!("{name} to start"), || {
            // A program that ended will not get ready: its last words are the better reason.
            process.expect_alive()?;
            ready()
        });
        self.processes.push(process);
        started.map(drop)
    }

    /// Writes a file into the speaker's directory and returns its path.
    fn write(&self, file: &str, text: &str) -> Result<PathBuf> {
        let path = self.directory.join(file);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Runs one of the speaker's query programs in its namespace and returns what it prints.
    fn ask(&self, command: Command) -> Result<String> {
        output_of(&self.namespace, command)
    }
}

/// Runs a program to its end inside a namespace and returns what it prints.
///
/// # Errors
/// It cannot be started or fails; the text has what it said.
pub fn output_of(namespace: &Namespace, command: Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = run_to_end(namespace, command)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} failed: {} {}", text.trim(), complaint.trim());
    Ok(text)
}

fn run_to_end(namespace: &Namespace, mut command: Command) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = namespace.spawn(command).with_context(|| format!("cannot start {program}"))?;
    Ok(child.wait_with_output()?)
}

/// Finds a program by its path or along `PATH` and the system directories.
fn find_program(name: &str) -> Result<PathBuf> {
    if name.starts_with('/') {
        ensure!(Path::new(name).exists(), "{name} does not exist");
        return Ok(name.into());
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let directories = path.split(':').chain(["/usr/sbin", "/sbin", "/usr/local/sbin"]);
    let found = directories.map(|directory| Path::new(directory).join(name)).find(|path| path.is_file());
    match found {
        Some(path) => Ok(path),
        None => bail!("{name} is not in PATH"),
    }
}

#[cfg(test)]
mod tests;
