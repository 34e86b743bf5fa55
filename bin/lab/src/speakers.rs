//! BGP speakers, ours and other people's: their configuration, their start and what they say of themselves.
//!
//! One file per program knows its dialect; everything outside speaks [`SpeakerConfig`] and [`LearnedRoute`].

mod bird;
mod config;
mod exabgp;
mod frr;
mod gobgp;
mod openbgpd;
pub mod podbgp;

pub use config::{Bfd, Communities, GracefulRestart, Neighbor, SpeakerConfig};
pub use exabgp::Exabgp;

use std::fs;
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
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
    /// OpenBGPD.
    Openbgpd,
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
            Self::Openbgpd => "OpenBGPD",
            Self::Podbgp => "podbgp",
        }
    }

    /// The Debian package that brings it.
    #[must_use]
    pub fn package(self) -> &'static str {
        match self {
            Self::Bird => "bird2",
            Self::Frr => "frr",
            Self::Gobgp => "gobgpd",
            Self::Openbgpd => "openbgpd",
            Self::Podbgp => "podbgp",
        }
    }

    /// What must be installed, by name or path.
    #[must_use]
    pub fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Bird => &["bird", "birdc"],
            Self::Frr => &[frr::ZEBRA, frr::BGPD, "vtysh"],
            Self::Gobgp => &["gobgpd", "gobgp"],
            Self::Openbgpd => &[openbgpd::BGPD, openbgpd::BGPCTL],
            Self::Podbgp => &[],
        }
    }

    /// Checks that its programs are here.
    ///
    /// # Errors
    /// One is missing; the text names the package to install.
    pub fn installed(self) -> Result<()> {
        self.programs().iter().try_for_each(|program| {
            find_program(program).map(drop).with_context(|| {
                let (name, package) = (self.name(), self.package());
                format!("{name} needs {program}, which is not installed: apt-get install {package}")
            })
        })
    }

    fn dialect(self) -> &'static dyn Dialect {
        match self {
            Self::Bird => &bird::Bird,
            Self::Frr => &frr::Frr,
            Self::Gobgp => &gobgp::Gobgp,
            Self::Openbgpd => &openbgpd::Openbgpd,
            Self::Podbgp => &podbgp::Podbgp,
        }
    }
}

/// How one program is told what to do, and asked what it knows.
trait Dialect {
    /// Writes its files and starts it.
    fn start(&self, speaker: &mut Speaker) -> Result<()>;

    /// The peers it has an Established session with.
    fn established(&self, speaker: &Speaker) -> Result<Vec<IpAddr>>;

    /// Every path it has learned by BGP and may use, or those to one prefix.
    fn routes(&self, speaker: &Speaker, only: Option<IpNet>) -> Result<Vec<LearnedRoute>>;

    /// Tells it of prefixes that came to, or went from, what it originates; the configuration has them already.
    fn originate(&self, speaker: &Speaker, _announced: &[IpNet], _withdrawn: &[IpNet]) -> Result<()> {
        bail!("{} is not told here what else to announce", speaker.kind.name())
    }

    /// Ends the session with a peer for good, telling why.
    fn shut_down(&self, speaker: &Speaker, _peer: IpAddr, _message: &str) -> Result<()> {
        bail!("{} is not told here to end a session", speaker.kind.name())
    }

    /// Ends the session with a peer by a NOTIFICATION, to begin another.
    fn reset(&self, speaker: &Speaker, _peer: IpAddr) -> Result<()> {
        bail!("{} is not told here to reset a session", speaker.kind.name())
    }

    /// Sends a peer ROUTE-REFRESH for all that the session carries.
    fn refresh(&self, speaker: &Speaker, _peer: IpAddr) -> Result<()> {
        bail!("{} has no command that sends ROUTE-REFRESH", speaker.kind.name())
    }

    /// Finds its BFD session with a peer, when that is up.
    fn bfd(&self, speaker: &Speaker, _peer: IpAddr) -> Result<BfdSession> {
        bail!("{} has no BFD here", speaker.kind.name())
    }

    /// Tells of a peer's graceful restart.
    fn graceful_restart(&self, speaker: &Speaker, _peer: IpAddr) -> Result<String> {
        bail!("{} is not asked here about graceful restart", speaker.kind.name())
    }

    /// Has its BFD say AdminDown to every peer.
    fn shut_bfd_down(&self, speaker: &Speaker) -> Result<()> {
        bail!("{} has no BFD here", speaker.kind.name())
    }
}

/// A BFD session that is up, as a speaker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BfdSession {
    /// The interval it sends at, in milliseconds.
    pub transmit: u64,
    /// How long the peer may be silent, in milliseconds.
    pub detection_time: u64,
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
    /// What it carries.
    pub communities: Communities,
    /// The other attributes, in the speaker's words; not every speaker tells.
    pub other: String,
}

impl LearnedRoute {
    fn to(prefix: IpNet) -> Self {
        let (as_path, communities, other) = Default::default();
        Self { prefix, next_hop: None, as_path, communities, other }
    }
}

/// A running speaker. Dropping it kills it.
#[derive(Debug)]
pub struct Speaker {
    kind: Kind,
    namespace: Namespace,
    directory: PathBuf,
    config: SpeakerConfig,
    processes: Vec<Process>,
    is_restart: bool,
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
        kind.installed()?;
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let mut speaker = Self {
            kind,
            namespace: namespace.clone(),
            directory: directory.to_owned(),
            config: config.clone(),
            processes: Vec::new(),
            is_restart: false,
            follower: None,
        };
        kind.dialect().start(&mut speaker)?;
        Ok(speaker)
    }

    /// Starts it again after [`Speaker::kill`], as one that restarts gracefully if it is told to do that at all.
    ///
    /// # Errors
    /// As [`Speaker::start`].
    pub fn start_again(&mut self) -> Result<()> {
        self.kill();
        self.processes.clear();
        self.is_restart = self.config.graceful_restart.is_some();
        self.kind.dialect().start(self)
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

    /// What it is told.
    #[must_use]
    pub fn config(&self) -> &SpeakerConfig {
        &self.config
    }

    /// What it is told when it is started next.
    pub fn config_mut(&mut self) -> &mut SpeakerConfig {
        &mut self.config
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
        self.kind.dialect().established(self)
    }

    /// Checks that it has an Established session with every neighbor.
    ///
    /// # Errors
    /// It has not, or does not answer.
    pub fn expect_established(&self) -> Result<()> {
        let established = self.established()?;
        let missing = self.config.neighbors.iter().find(|peer| !established.contains(&peer.address));
        missing.map_or(Ok(()), |peer| bail!("{} has no session with {}", self.kind.name(), peer.address))
    }

    /// Every path it has learned by BGP and may use.
    ///
    /// # Errors
    /// It does not answer.
    pub fn routes(&self) -> Result<Vec<LearnedRoute>> {
        self.kind.dialect().routes(self, None)
    }

    /// The first path it has learned to a prefix.
    ///
    /// # Errors
    /// There is none, or it does not answer.
    pub fn route(&self, prefix: IpNet) -> Result<LearnedRoute> {
        let routes = self.kind.dialect().routes(self, Some(prefix))?;
        let found = routes.into_iter().find(|route| route.prefix == prefix);
        found.with_context(|| format!("{} has learned no {prefix}", self.kind.name()))
    }

    /// Originates more prefixes.
    ///
    /// # Errors
    /// It refuses.
    pub fn announce(&mut self, prefixes: &[IpNet]) -> Result<()> {
        self.config.announce.extend(prefixes);
        self.kind.dialect().originate(self, prefixes, &[])
    }

    /// Originates these prefixes no longer.
    ///
    /// # Errors
    /// It refuses.
    pub fn withdraw(&mut self, prefixes: &[IpNet]) -> Result<()> {
        self.config.announce.retain(|prefix| !prefixes.contains(prefix));
        self.kind.dialect().originate(self, &[], prefixes)
    }

    /// Ends every session with Cease/Administrative Shutdown and a message (RFC 9003).
    ///
    /// # Errors
    /// It refuses.
    pub fn shut_down(&self, message: &str) -> Result<()> {
        let mut peers = self.config.neighbors.iter();
        peers.try_for_each(|peer| self.kind.dialect().shut_down(self, peer.address, message))
    }

    /// Ends every session with a NOTIFICATION, to begin another.
    ///
    /// # Errors
    /// It refuses.
    pub fn reset(&self) -> Result<()> {
        self.config.neighbors.iter().try_for_each(|peer| self.kind.dialect().reset(self, peer.address))
    }

    /// Asks every peer to send everything again (RFC 2918).
    ///
    /// # Errors
    /// It refuses.
    pub fn refresh(&self) -> Result<()> {
        self.config.neighbors.iter().try_for_each(|peer| self.kind.dialect().refresh(self, peer.address))
    }

    /// Finds its BFD session with a peer.
    ///
    /// # Errors
    /// It is not up; the text has the speaker's own account.
    pub fn bfd(&self, peer: IpAddr) -> Result<BfdSession> {
        self.kind.dialect().bfd(self, peer)
    }

    /// What it says of a peer's graceful restart, in its own words.
    ///
    /// # Errors
    /// It does not answer.
    pub fn graceful_restart(&self, peer: IpAddr) -> Result<String> {
        self.kind.dialect().graceful_restart(self, peer)
    }

    /// Has its BFD say AdminDown to every peer.
    ///
    /// # Errors
    /// It refuses.
    pub fn shut_bfd_down(&self) -> Result<()> {
        self.kind.dialect().shut_bfd_down(self)
    }

    /// Sends every process a signal, and their children.
    ///
    /// # Errors
    /// One has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.processes.iter().try_for_each(|process| process.signal_all(signal))
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

    /// As [`Speaker::launch`], for a program that is ready when it listens on a unix socket.
    fn launch_listening(&mut self, name: &str, command: Command, socket: &Path) -> Result<()> {
        self.launch(name, command, || UnixStream::connect(socket).map(drop).context("no answer yet"))
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

/// A command of an installed program.
fn command(program: &str) -> Result<Command> {
    Ok(Command::new(find_program(program)?))
}

/// Finds a program by its path or along `PATH` and the system directories.
///
/// # Errors
/// It is not there.
pub fn find_program(name: &str) -> Result<PathBuf> {
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

/// Whether a prefix belongs to the family of this name.
fn is_of(family: &str, prefix: &IpNet) -> bool {
    family_of(prefix) == family
}

/// The name of a prefix's family, as most programs write it.
fn family_of(prefix: &IpNet) -> &'static str {
    if prefix.addr().is_ipv4() { "ipv4" } else { "ipv6" }
}

/// Reads an AS_PATH of numbers and spaces, as programs print it.
fn as_path(text: &str) -> Vec<u32> {
    text.split_whitespace().filter_map(|asn| asn.parse().ok()).collect()
}

#[cfg(test)]
mod tests;
