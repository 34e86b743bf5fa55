//! GoBGP: it speaks but writes no kernel routes, so the lab carries its best paths to the kernel.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use serde_json::Value;

use super::{LearnedRoute, Speaker, SpeakerConfig, find_program, output_of};
use crate::net::{Namespace, NextHop};

pub(super) fn start(speaker: &mut Speaker, programs: &[PathBuf], config: &SpeakerConfig) -> Result<()> {
    ensure!(config.transit, "GoBGP passes on whatever it learns");
    let file = speaker.write("gobgpd.toml", &configuration(config))?;
    let mut command = Command::new(&programs[0]);
    command.arg("-t").arg("toml").arg("-f").arg(file).args([
        "--api-hosts",
        "127.0.0.1:50051",
        "--pprof-disable",
    ]);
    let namespace = speaker.namespace.clone();
    speaker.launch("gobgpd", command, move || ask(&namespace, &["global"]).map(drop))?;
    for prefix in &config.announce {
        let family = if prefix.addr().is_ipv4() { "ipv4" } else { "ipv6" };
        output_of(&speaker.namespace, gobgp(&["global", "rib", "add", &prefix.to_string(), "-a", family])?)?;
    }
    if config.install {
        speaker.follower = Some(FibFollower::start(&speaker.namespace)?);
    }
    Ok(())
}

fn configuration(config: &SpeakerConfig) -> String {
    let mut text = format!("[global.config]\nas = {}\nrouter-id = \"{}\"\n", config.asn, config.router_id);
    for neighbor in &config.neighbors {
        let hold = neighbor.hold_time;
        let _ = writeln!(
            text,
            "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{}\"\npeer-as = {}",
            neighbor.address, neighbor.asn
        );
        if let Some(password) = &neighbor.password {
            let _ = writeln!(text, "auth-password = \"{password}\"");
        }
        let _ = writeln!(
            text,
            "[neighbors.timers.config]\nhold-time = {hold}\nkeepalive-interval = {}\nconnect-retry = 1\n\
             idle-hold-time-after-reset = 1",
            hold / 3
        );
        let _ = writeln!(text, "[neighbors.transport.config]\npassive-mode = {}", neighbor.passive);
        if let Some(local) = neighbor.local_address {
            let _ = writeln!(text, "local-address = \"{local}\"");
        }
        for (family, wanted) in [("ipv4", neighbor.ipv4), ("ipv6", neighbor.ipv6)] {
            if wanted {
                let _ = writeln!(
                    text,
                    "[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"{family}-unicast\""
                );
            }
        }
    }
    text
}

pub(super) fn established(speaker: &Speaker) -> Result<Vec<IpAddr>> {
    let answer = ask(&speaker.namespace, &["neighbor"])?;
    let neighbors = answer.as_array().into_iter().flatten().map(|neighbor| &neighbor["state"]);
    // 6 is Established in its API.
    let established = neighbors.filter(|state| state["session_state"] == 6);
    Ok(established.filter_map(|state| state["neighbor_address"].as_str()?.parse().ok()).collect())
}

pub(super) fn routes(speaker: &Speaker) -> Result<Vec<LearnedRoute>> {
    learned(&speaker.namespace)
}

fn learned(namespace: &Namespace) -> Result<Vec<LearnedRoute>> {
    let mut routes = Vec::new();
    for family in ["ipv4", "ipv6"] {
        let answer = ask(namespace, &["global", "rib", "-a", family])?;
        let destinations = answer.as_object().into_iter().flatten();
        for (prefix, paths) in destinations {
            let prefix = prefix.parse().with_context(|| format!("GoBGP told of the prefix {prefix}"))?;
            routes.extend(paths.as_array().into_iter().flatten().map(|path| learned_route(prefix, path)));
        }
    }
    // What it originates has an unspecified next hop.
    routes.retain(|route| route.next_hop.is_some_and(|hop| !hop.is_unspecified()));
    Ok(routes)
}

/// Reads a path; attributes carry their code (RFC 4271 §5, 1997, 4760, 8092) as `type`.
fn learned_route(prefix: IpNet, path: &Value) -> LearnedRoute {
    let mut route = LearnedRoute { prefix, next_hop: None, as_path: Vec::new(), communities: Vec::new() };
    for attribute in path["attrs"].as_array().into_iter().flatten() {
        let numbers = |value: &Value| -> Vec<u32> {
            let list = value.as_array().into_iter().flatten();
            list.filter_map(|number| u32::try_from(number.as_u64()?).ok()).collect()
        };
        match attribute["type"].as_u64() {
            Some(2) => {
                let segments = attribute["as_paths"].as_array().into_iter().flatten();
                route.as_path = segments.flat_map(|segment| numbers(&segment["asns"])).collect();
            }
            Some(3 | 14) => {
                route.next_hop = attribute["nexthop"].as_str().and_then(|hop| hop.parse().ok());
            }
            Some(8) => {
                let values = numbers(&attribute["communities"]).into_iter();
                route.communities.extend(values.map(|value| format!("{}:{}", value >> 16, value & 0xffff)));
            }
            Some(32) => {
                let values = attribute["value"].as_array().into_iter().flatten();
                route.communities.extend(values.map(|value| {
                    format!("{}:{}:{}", value["ASN"], value["LocalData1"], value["LocalData2"])
                }));
            }
            _ => {}
        }
    }
    route
}

fn gobgp(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(find_program("gobgp")?);
    command.args(arguments);
    Ok(command)
}

fn ask(namespace: &Namespace, arguments: &[&str]) -> Result<Value> {
    let mut command = gobgp(arguments)?;
    command.arg("-j");
    let answer = output_of(namespace, command)?;
    serde_json::from_str(&answer)
        .with_context(|| format!("GoBGP answered '{}' with: {answer}", arguments.join(" ")))
}

/// Copies GoBGP's best paths to the kernel whenever one changes. Dropping it stops that; the routes stay.
#[derive(Debug)]
pub(super) struct FibFollower {
    monitors: Vec<Child>,
}

impl FibFollower {
    fn start(namespace: &Namespace) -> Result<Self> {
        let (changed, changes) = std::sync::mpsc::channel();
        let mut monitors = Vec::new();
        for family in ["ipv4", "ipv6"] {
            let mut command = gobgp(&["monitor", "global", "rib", "-a", family, "-j", "--current"])?;
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut monitor = namespace.spawn(command).context("cannot start gobgp monitor")?;
            let output = monitor.stdout.take();
            monitors.push(monitor);
            let changed = changed.clone();
            std::thread::spawn(move || {
                let lines = output.map(BufReader::new).into_iter().flat_map(BufRead::lines);
                lines.take_while(Result::is_ok).try_for_each(|_| changed.send(()))
            });
        }
        let namespace = namespace.clone();
        std::thread::spawn(move || {
            let mut installed = BTreeMap::new();
            while changes.recv().is_ok() {
                while changes.try_recv().is_ok() {}
                // GoBGP gone or a link down under us: the next change, or the next GoBGP, mends it.
                let _ = learned(&namespace).map(|routes| copy(&namespace, &mut installed, &routes));
            }
        });
        Ok(Self { monitors })
    }
}

impl Drop for FibFollower {
    fn drop(&mut self) {
        for monitor in &mut self.monitors {
            // It may have ended with GoBGP.
            let _ = monitor.kill();
            let _ = monitor.wait();
        }
    }
}

/// Makes the kernel agree: the first path of each prefix is the best.
fn copy(namespace: &Namespace, installed: &mut BTreeMap<IpNet, IpAddr>, routes: &[LearnedRoute]) {
    let mut wanted = BTreeMap::new();
    for route in routes {
        if let Some(next_hop) = route.next_hop {
            wanted.entry(route.prefix).or_insert(next_hop);
        }
    }
    let outdated: Vec<_> = installed
        .iter()
        .filter(|(prefix, hop)| wanted.get(*prefix) != Some(*hop))
        .map(|(prefix, _)| *prefix)
        .collect();
    for prefix in outdated {
        installed.remove(&prefix);
        let _ = namespace.remove_route(prefix);
    }
    wanted.retain(|prefix, _| !installed.contains_key(prefix));
    for (prefix, hop) in wanted {
        // Left by the GoBGP before this one, perhaps through a link that has gone.
        let _ = namespace.remove_route(prefix);
        if namespace.add_route(prefix, &[NextHop::via(hop)]).is_ok() {
            installed.insert(prefix, hop);
        }
    }
}
