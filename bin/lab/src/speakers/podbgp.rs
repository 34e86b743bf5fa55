//! Our own speaker, in either role.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use serde_json::Value;

use super::{Communities, Dialect, LearnedRoute, Speaker, as_path, run_to_end};

/// How wide `bgpctl` may print: a hundred columns less an indent.
const COLUMNS: &str = "95";
/// Where the daemon answers, in the speaker's directory.
const SOCKET: &str = "podbgpd.sock";

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

pub(super) struct Podbgp;

impl Dialect for Podbgp {
    fn start(&self, speaker: &mut Speaker) -> Result<()> {
        ensure!(speaker.config.communities == Communities::default(), "the lab gives podbgp no communities");
        let file = speaker.write("podbgpd.toml", &configuration(speaker)?)?;
        let mut command = Programs::command("podbgpd")?;
        command.arg("--config").arg(file);
        speaker.launch_listening("podbgpd", command, SOCKET)
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
         [control]\nsocket = \"{}\"\n",
        speaker.namespace.name(),
        config.asn,
        config.router_id,
        config.install,
        speaker.directory.join(SOCKET).display()
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
        let mut command = Programs::command("bgpctl")?;
        command.arg("--socket").arg(self.directory.join(SOCKET)).args(arguments);
        command.env("COLUMNS", COLUMNS);
        let output = run_to_end(&self.namespace, command)?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(matches!(output.status.code(), Some(0 | 2)), "bgpctl: {}", complaint.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
