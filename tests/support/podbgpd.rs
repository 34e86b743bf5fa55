//! `podbgpd` under test, seen only through `bgpctl -o json`, its log and the kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use anyhow::{Context, Result, bail, ensure};
use control::{AdvertisedView, PeerState, PeerView, ReloadView, RouteView, StatusView};
use ipnet::IpNet;
use lab::net::Namespace;
use lab::process::Process;
use lab::speakers::podbgp::{self, Programs};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{SOON, eventually};

/// A running daemon with its file and its socket.
#[derive(Debug)]
pub struct Podbgpd {
    namespace: Namespace,
    directory: PathBuf,
    process: Process,
}

impl Podbgpd {
    /// Starts it on this configuration, without the `[control]` table and the state directory, which are added; waits
    /// until it answers.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn start(namespace: &Namespace, directory: PathBuf, config: &str) -> Self {
        Self::start_with(namespace, directory, config, &[])
    }

    /// As [`Podbgpd::start`], with more in its environment until it is started again.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn start_with(
        namespace: &Namespace,
        directory: PathBuf,
        config: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        podbgp::use_programs(Programs { podbgpd: binary("podbgpd"), bgpctl: binary("bgpctl") });
        write_config(&directory, config);
        let process = launch(namespace, &directory, environment);
        let daemon = Self { namespace: namespace.clone(), directory, process };
        daemon.ready()
    }

    /// As [`Podbgpd::start`], by a program that becomes the daemon, given as the words of its command line.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn start_through(namespace: &Namespace, directory: PathBuf, config: &str, wrapper: &[&str]) -> Self {
        podbgp::use_programs(Programs { podbgpd: binary("podbgpd"), bgpctl: binary("bgpctl") });
        write_config(&directory, config);
        let inner = podbgp::podbgpd(&directory).expect("there is a podbgpd");
        let (program, arguments) = wrapper.split_first().expect("a program");
        let mut command = Command::new(program);
        command.args(arguments).arg(inner.get_program()).args(inner.get_args());
        let process = start(namespace, &directory, command);
        Self { namespace: namespace.clone(), directory, process }.ready()
    }

    /// Starts it again after [`Podbgpd::kill`] or [`Podbgpd::stop`], on the configuration it had.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn start_again(self) -> Self {
        let process = launch(&self.namespace, &self.directory, &[]);
        Self { process, ..self }.ready()
    }

    /// As [`Podbgpd::start_again`], with another executable and more arguments.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn start_again_as(self, program: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.arg("--config").arg(self.directory.join("podbgpd.toml")).args(arguments);
        let process = start(&self.namespace, &self.directory, command);
        Self { process, ..self }.ready()
    }

    fn ready(mut self) -> Self {
        eventually(SOON, "podbgpd to answer", || {
            self.process.expect_alive()?;
            self.status()
        });
        self
    }

    /// Kills it as the kernel would when memory is short.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Panics
    /// When it does not.
    pub fn stop(&mut self) {
        let status = self.process.stop(SOON).expect("podbgpd ends when asked to");
        assert!(status.success(), "podbgpd ended with {status}");
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it does not, or not well.
    pub fn await_end(&mut self) {
        let status = self.process.wait(SOON).expect("podbgpd ends");
        assert!(status.success(), "podbgpd ended with {status}");
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it has ended.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal).expect("podbgpd runs");
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Everything it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.output()
    }

    /// Puts another configuration in place of the one it has; it does not know until it reloads.
    pub fn configure(&self, config: &str) {
        write_config(&self.directory, config);
    }

    /// Asks it to read its file again.
    ///
    /// # Panics
    /// When there is no answer.
    #[must_use]
    pub fn reload(&self) -> ReloadView {
        let output = self.bgpctl(&["reload"]);
        parse(&output).and_then(|view| Ok(serde_json::from_value(view)?)).expect("an answer to reload")
    }

    /// Asks for `show status`.
    ///
    /// # Errors
    /// There is no answer.
    pub fn status(&self) -> Result<StatusView> {
        self.ask(&["show", "status"])
    }

    /// Asks for `show peers`.
    ///
    /// # Errors
    /// There is no answer.
    pub fn peers(&self) -> Result<Vec<PeerView>> {
        self.ask(&["show", "peers"])
    }

    /// Finds one of the peers.
    ///
    /// # Errors
    /// There is no such peer, or no answer.
    pub fn peer(&self, name: &str) -> Result<PeerView> {
        let peers = self.peers()?;
        peers.into_iter().find(|peer| peer.name == name).with_context(|| format!("no peer {name}"))
    }

    /// Finds a peer whose session is up.
    ///
    /// # Errors
    /// It is not up: the text says what went wrong last.
    pub fn established(&self, name: &str) -> Result<PeerView> {
        let peer = self.peer(name)?;
        ensure!(
            peer.state == PeerState::Established,
            "{name} is {}: {}",
            peer.state.name(),
            peer.last_error.as_ref().map_or("no error yet", |error| &error.text)
        );
        Ok(peer)
    }

    /// Waits for a session.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn await_established(&self, name: &str) -> PeerView {
        eventually(SOON, &format!("the session with {name}"), || self.established(name))
    }

    /// Asks for `show routes`.
    ///
    /// # Errors
    /// There is no answer.
    pub fn routes(&self) -> Result<Vec<RouteView>> {
        self.ask(&["show", "routes"])
    }

    /// Finds the route to one prefix.
    ///
    /// # Errors
    /// There is none.
    pub fn route(&self, prefix: IpNet) -> Result<RouteView> {
        let routes = self.routes()?;
        routes
            .into_iter()
            .find(|route| route.prefix == prefix)
            .with_context(|| format!("no route to {prefix}"))
    }

    /// Asks for everything about the route to one prefix, with who was told of it and why not.
    ///
    /// # Errors
    /// There is none.
    pub fn explained(&self, prefix: IpNet) -> Result<RouteView> {
        let routes: Vec<RouteView> = self.ask(&["show", "routes", &prefix.to_string()])?;
        routes.into_iter().next().with_context(|| format!("no route to {prefix}"))
    }

    /// Asks what a peer was told.
    ///
    /// # Errors
    /// There is no answer.
    pub fn advertised(&self, peer: &str) -> Result<Vec<AdvertisedView>> {
        self.ask(&["show", "routes", "--peer", peer, "--advertised"])
    }

    /// Asks what a peer announced and policy refused.
    ///
    /// # Errors
    /// There is no answer.
    pub fn rejected(&self, peer: &str) -> Result<Vec<RouteView>> {
        self.ask(&["show", "routes", "--peer", peer, "--rejected"])
    }

    /// Does `bgpctl peer NAME ACTION`.
    ///
    /// # Panics
    /// When it is refused.
    pub fn peer_action(&self, name: &str, action: &[&str]) {
        self.command(&[&["peer", name], action].concat());
    }

    /// Has `bgpctl` do something.
    ///
    /// # Panics
    /// When it is refused.
    pub fn command(&self, arguments: &[&str]) {
        let output = self.bgpctl(arguments);
        assert!(output.status.success(), "bgpctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, arguments: &[&str]) -> Result<T> {
        let answer = parse(&self.bgpctl(arguments))?;
        serde_json::from_value(answer).with_context(|| format!("bgpctl {arguments:?}"))
    }

    /// Runs `bgpctl -o json` against it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn bgpctl(&self, arguments: &[&str]) -> Output {
        let mut command = podbgp::bgpctl(&self.directory).expect("there is a bgpctl");
        command.args(["-o", "json"]).args(arguments).output().expect("bgpctl starts")
    }
}

/// Finds one of the programs under test. Cargo builds them beside the tests of this package.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    // A test is in target/PROFILE/deps, a program in target/PROFILE.
    let beside =
        test.ancestors().skip(1).take(2).map(|directory| directory.join(format!("{name}-under-test")));
    beside
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{name} is not built beside {}", test.display()))
}

/// Compiles the daemon once more, differently (`tests/another-build`), and returns the program.
///
/// # Panics
/// When it cannot be compiled.
#[must_use]
pub fn another_build() -> PathBuf {
    // The tests of one process share it; Cargo itself lets several processes wait for each other.
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("another-build");
        let output = Command::new(&script).output().expect("there is a shell");
        let path = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
        PathBuf::from(path.trim())
    });
    BUILT.clone()
}

fn launch(namespace: &Namespace, directory: &Path, environment: &[(&str, &str)]) -> Process {
    let mut command = podbgp::podbgpd(directory).expect("there is a podbgpd");
    command.args(["--log-level", "debug"]).envs(environment.iter().copied());
    start(namespace, directory, command)
}

fn start(namespace: &Namespace, directory: &Path, mut command: Command) -> Process {
    command.env("NO_COLOR", "1");
    Process::start(namespace, "podbgpd", command, directory).expect("podbgpd starts")
}

fn write_config(directory: &Path, config: &str) {
    let mut text = format!("{config}\n[control]\nsocket = \"{}\"\n", podbgp::socket(directory).display());
    if !config.contains("[graceful-restart]") {
        text.push_str("[graceful-restart]\n");
    }
    // One daemon must not take another's snapshot for its own.
    let table = format!("[graceful-restart]\nstate-directory = \"{}\"", podbgp::state(directory).display());
    let text = text.replacen("[graceful-restart]", &table, 1);
    fs::write(directory.join("podbgpd.toml"), text).expect("the configuration is written");
}

/// Reads what `bgpctl` printed. Exit code 2 says degraded, which an answer may be.
fn parse(output: &Output) -> Result<Value> {
    if output.stdout.is_empty() {
        bail!("bgpctl ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("not JSON: {}", String::from_utf8_lossy(&output.stdout)))
}
