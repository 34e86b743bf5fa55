//! Our own speaker, in either role.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use serde_json::Value;

use super::{Communities, Dialect, LearnedRoute, Speaker, as_path, run_to_end};

/// How wide `bgpctl` may print: a hundred columns less an indent.
const COLUMNS: &str = "95";
/// Where our daemon and our command are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The daemon.
    pub podbgpd: PathBuf,
    /// The command that asks it.
    pub bgpctl: PathBuf,
}

static PROGRAMS: OnceLock<Programs> = OnceLock::new();

/// Says once where they are. Without it the running program is both, and takes `podbgpd` or `bgpctl` as its first
/// argument.
pub fn use_programs(programs: Programs) {
    PROGRAMS.get_or_init(|| programs);
}

/// The command that runs the daemon on `podbgpd.toml` in a directory.
///
/// # Errors
/// There is no such program.
pub fn podbgpd(directory: &Path) -> Result<Command> {
    let mut command = program("podbgpd", |programs| &programs.podbgpd)?;
    command.arg("--config").arg(directory.join("podbgpd.toml"));
    Ok(command)
}

/// The command that asks the daemon which answers at [`socket`] in a directory.
///
/// # Errors
/// There is no such program.
pub fn bgpctl(directory: &Path) -> Result<Command> {
    let mut command = program("bgpctl", |programs| &programs.bgpctl)?;
    command.arg("--socket").arg(socket(directory));
    Ok(command)
}

/// Where the daemon of a directory answers, if its configuration says so.
#[must_use]
pub fn socket(directory: &Path) -> PathBuf {
    directory.join("podbgpd.sock")
}

/// Where the daemon of a directory remembers what a restart needs, if its configuration says so.
#[must_use]
pub fn state(directory: &Path) -> PathBuf {
    directory.join("state")
}

fn program(name: &str, path: impl FnOnce(&Programs) -> &PathBuf) -> Result<Command> {
    if let Some(programs) = PROGRAMS.get() {
        return Ok(Command::new(path(programs)));
    }
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(name);
    Ok(command)
}

pub(super) struct Podbgp;

impl Dialect for Podbgp {
    fn start(&self, speaker: &mut Speaker) -> Result<()> {
        ensure!(speaker.config.communities == Communities::default(), "the lab gives podbgp no communities");
        speaker.write("podbgpd.toml", &configuration(speaker)?)?;
        let command = podbgpd(&speaker.directory)?;
        speaker.launch_listening("podbgpd", command, &socket(&speaker.directory))
    }

    fn established(&self, speaker: &Speaker) -> Result<Vec<IpAddr>> {
        let answer = ask(speaker, &["show", "peers"])?;
        let peers = answer.as_array().into_iter().flatten();
        let established = peers.filter(|peer| peer["state"] == "established");
        Ok(established.filter_map(|peer| peer["address"].as_str()?.parse().ok()).collect())
    }

    fn routes(&self, speaker: &Speaker, only: Option<IpNet>) -> Result<Vec<LearnedRoute>> {
        let answer = ask(speaker, &["show", "routes"])?;
        let mut routes = Vec::new();
        for route in answer.as_array().into_iter().flatten() {
            let prefix = route["prefix"].as_str().unwrap_or_default();
            let prefix = prefix.parse().with_context(|| format!("podbgp told of the prefix {prefix:?}"))?;
            let candidates = route["candidates"].as_array().into_iter().flatten();
            let learned = candidates.filter(|path| !path["peer"].is_null());
            routes.extend(learned.map(|path| learned_route(prefix, &path["attributes"])));
        }
        routes.retain(|route| only.is_none_or(|prefix| prefix == route.prefix));
        Ok(routes)
    }
}

fn configuration(speaker: &Speaker) -> Result<String> {
    let config = &speaker.config;
    let blocks: Vec<_> = config.announce.iter().map(ToString::to_string).collect();
    let mut text = format!(
        "[node]\nname = \"{}\"\nasn = {}\nrouter-id = \"{}\"\nblocks = {blocks:?}\n\n[fib]\ninstall = {}\n\n\
         [control]\nsocket = \"{}\"\n\n[graceful-restart]\nstate-directory = \"{}\"\n",
        speaker.namespace.name(),
        config.asn,
        config.router_id,
        config.install,
        socket(&speaker.directory).display(),
        state(&speaker.directory).display()
    );
    for neighbor in &config.neighbors {
        let _ = writeln!(
            text,
            "\n[[peer]]\nname = \"{}\"\naddress = \"{}\"\nasn = {}\nhold-time = {}\npassive = {}\n\
             families = {:?}",
            neighbor.name,
            neighbor.address,
            neighbor.asn,
            neighbor.hold_time,
            neighbor.passive,
            neighbor.families()
        );
        if let Some(local) = neighbor.local_address {
            let _ = writeln!(text, "local-address = \"{local}\"");
        }
        if let Some(password) = &neighbor.password {
            let file = speaker.write(&format!("{}.password", neighbor.name), password)?;
            let _ = writeln!(text, "password-file = \"{}\"", file.display());
        }
        if let Some(bfd) = &neighbor.bfd {
            ensure!(bfd.key.is_none(), "the lab gives podbgp no BFD key");
            let _ = writeln!(text, "bfd = {{ interval = {}, multiplier = 3 }}", bfd.interval);
        }
        if neighbor.ttl_security {
            text.push_str("ttl-security = 1\n");
        }
        if config.transit {
            text.push_str("import = \"all\"\nexport = \"all\"\n");
        }
    }
    Ok(text)
}

fn learned_route(prefix: IpNet, attributes: &Value) -> LearnedRoute {
    let texts = |key: &str| -> Vec<String> {
        let list = attributes[key].as_array().into_iter().flatten();
        list.filter_map(|text| Some(text.as_str()?.to_owned())).collect()
    };
    LearnedRoute {
        next_hop: attributes["next_hop"].as_str().and_then(|hop| hop.parse().ok()),
        as_path: as_path(attributes["as_path"].as_str().unwrap_or_default()),
        communities: Communities {
            standard: texts("communities"),
            extended: texts("extended_communities"),
            large: texts("large_communities"),
        },
        ..LearnedRoute::to(prefix)
    }
}

fn ask(speaker: &Speaker, question: &[&str]) -> Result<Value> {
    let answer = speaker.bgpctl(&[&["-o", "json"], question].concat())?;
    serde_json::from_str(&answer).with_context(|| format!("bgpctl {} printed: {answer}", question.join(" ")))
}

impl Speaker {
    /// What `bgpctl` prints when asked about this speaker, which must be ours; at most 95 columns of text.
    ///
    /// # Errors
    /// The daemon does not answer. A degraded daemon (exit code 2) has answered.
    pub fn bgpctl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = bgpctl(&self.directory)?;
        command.args(arguments).env("COLUMNS", COLUMNS);
        let output = run_to_end(&self.namespace, command)?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(matches!(output.status.code(), Some(0 | 2)), "bgpctl: {}", complaint.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
