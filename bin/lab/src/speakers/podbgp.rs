//! Our own speaker, in either role.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{LearnedRoute, Speaker, SpeakerConfig, run_to_end};

/// How wide `bgpctl` may print: a hundred columns less an indent.
const COLUMNS: &str = "95";

/// Where our daemon and our command are.
#[derive(Clone, Debug)]
pub enum Programs {
    /// In one program that takes `podbgpd` or `bgpctl` as its first argument.
    Inside(PathBuf),
    /// Two programs in a directory.
    Beside(PathBuf),
}

static PROGRAMS: OnceLock<Programs> = OnceLock::new();

/// Says once where `podbgpd` and `bgpctl` are; without it they are expected beside the running program, or one
/// directory up, where cargo puts them.
pub fn use_programs(programs: Programs) {
    PROGRAMS.get_or_init(|| programs);
}

impl Programs {
    fn command(name: &str) -> Result<Command> {
        match PROGRAMS.get() {
            Some(Self::Inside(program)) => {
                let mut command = Command::new(program);
                command.arg(name);
                Ok(command)
            }
            Some(Self::Beside(directory)) => Ok(Command::new(directory.join(name))),
            None => {
                let running = std::env::current_exe()?;
                let found = running.ancestors().skip(1).take(2).map(|directory| directory.join(name));
                let mut found = found.filter(|program| program.is_file());
                let program =
                    found.next().with_context(|| format!("{name} is not built: cargo build -p {name}"))?;
                Ok(Command::new(program))
            }
        }
    }
}

pub(super) fn start(speaker: &mut Speaker, config: &SpeakerConfig) -> Result<()> {
    let mut text = configuration(speaker, config);
    for neighbor in &config.neighbors {
        let _ = writeln!(
            text,
            "\n[[peer]]\nname = \"{}\"\naddress = \"{}\"\nasn = {}\nhold-time = {}\npassive = {}",
            neighbor.name, neighbor.address, neighbor.asn, neighbor.hold_time, neighbor.passive
        );
        if let Some(local) = neighbor.local_address {
            let _ = writeln!(text, "local-address = \"{local}\"");
        }
        if let Some(password) = &neighbor.password {
            let file = speaker.write(&format!("{}.password", neighbor.name), password)?;
            let _ = writeln!(text, "password-file = \"{}\"", file.display());
        }
        let families = [("ipv4", neighbor.ipv4), ("ipv6", neighbor.ipv6)];
        let families: Vec<_> = families.iter().filter(|(_, wanted)| *wanted).map(|(name, _)| name).collect();
        let _ = writeln!(text, "families = {families:?}");
        if config.transit {
            text.push_str("import = \"all\"\nexport = \"all\"\n");
        }
    }
    let file = speaker.write("podbgpd.toml", &text)?;
    let mut command = Programs::command("podbgpd")?;
    command.arg("--config").arg(file);
    let socket = speaker.directory.join("podbgpd.sock");
    let ready = move || std::os::unix::net::UnixStream::connect(&socket).map(drop).context("no answer yet");
    speaker.launch("podbgpd", command, ready)
}

fn configuration(speaker: &Speaker, config: &SpeakerConfig) -> String {
    let blocks: Vec<_> = config.announce.iter().map(ToString::to_string).collect();
    format!(
        "[node]\nname = \"{}\"\nasn = {}\nrouter-id = \"{}\"\nblocks = {blocks:?}\n\n[fib]\ninstall = {}\n\n\
         [control]\nsocket = \"{}\"\n",
        speaker.namespace.name(),
        config.asn,
        config.router_id,
        config.install,
        speaker.directory.join("podbgpd.sock").display()
    )
}

pub(super) fn established(speaker: &Speaker) -> Result<Vec<IpAddr>> {
    let answer = ask(speaker, &["show", "peers"])?;
    let peers = answer.as_array().into_iter().flatten();
    let established = peers.filter(|peer| peer["state"] == "established");
    Ok(established.filter_map(|peer| peer["address"].as_str()?.parse().ok()).collect())
}

pub(super) fn routes(speaker: &Speaker) -> Result<Vec<LearnedRoute>> {
    let answer = ask(speaker, &["show", "routes"])?;
    let mut routes = Vec::new();
    for route in answer.as_array().into_iter().flatten() {
        let prefix = route["prefix"].as_str().unwrap_or_default();
        let prefix = prefix.parse().with_context(|| format!("podbgp told of the prefix {prefix:?}"))?;
        let candidates = route["candidates"].as_array().into_iter().flatten();
        let learned = candidates.filter(|path| !path["peer"].is_null());
        routes.extend(learned.map(|path| learned_route(prefix, &path["attributes"])));
    }
    Ok(routes)
}

fn learned_route(prefix: ipnet::IpNet, attributes: &Value) -> LearnedRoute {
    let texts = |key: &str| -> Vec<String> {
        let list = attributes[key].as_array().into_iter().flatten();
        list.filter_map(|text| Some(text.as_str()?.to_owned())).collect()
    };
    let as_path = attributes["as_path"].as_str().unwrap_or_default();
    LearnedRoute {
        prefix,
        next_hop: attributes["next_hop"].as_str().and_then(|hop| hop.parse().ok()),
        as_path: as_path.split(' ').flat_map(str::parse).collect(),
        communities: [texts("communities"), texts("large_communities")].concat(),
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
        let mut command = Programs::command("bgpctl")?;
        command.arg("--socket").arg(self.directory.join("podbgpd.sock")).args(arguments);
        command.env("COLUMNS", COLUMNS);
        let output = run_to_end(&self.namespace, command)?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(matches!(output.status.code(), Some(0 | 2)), "bgpctl: {}", complaint.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
