//! GoBGP: it speaks but writes no kernel routes, so the lab carries its best paths to the kernel.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use serde_json::Value;

use super::{
    Dialect, GracefulRestart, LearnedRoute, Neighbor, Speaker, SpeakerConfig, command, family_of, output_of,
};
use crate::net::{Namespace, NextHop};

pub(super) struct Gobgp;

impl Dialect for Gobgp {
    fn start(&self, speaker: &mut Speaker) -> Result<()> {
        ensure!(speaker.config.transit, "GoBGP passes on whatever it learns");
        let file = speaker.write("gobgpd.toml", &configuration(&speaker.config, speaker.is_restart))?;
        let mut command = command("gobgpd")?;
        command.args(["-t", "toml", "--api-hosts", "127.0.0.1:50051", "--pprof-disable", "-f"]).arg(file);
        if speaker.is_restart {
            command.arg("--graceful-restart");
        }
        let namespace = speaker.namespace.clone();
        speaker.launch("gobgpd", command, move || ask(&namespace, &["global"]).map(drop))?;
        self.originate(speaker, &speaker.config.announce, &[])?;
        if speaker.is_restart {
            for neighbor in &speaker.config.neighbors {
                speaker.ask(gobgp(&["neighbor", &neighbor.address.to_string(), "enable"])?)?;
            }
        }
        if speaker.config.install {
            speaker.follower = Some(FibFollower::start(&speaker.namespace)?);
        }
        Ok(())
    }

    fn established(&self, speaker: &Speaker) -> Result<Vec<IpAddr>> {
        let answer = ask(&speaker.namespace, &["neighbor"])?;
        let neighbors = answer.as_array().into_iter().flatten().map(|neighbor| &neighbor["state"]);
        // 6 is Established in its API.
        let established = neighbors.filter(|state| state["session_state"] == 6);
        Ok(established.filter_map(|state| state["neighbor_address"].as_str()?.parse().ok()).collect())
    }

    fn routes(&self, speaker: &Speaker, only: Option<IpNet>) -> Result<Vec<LearnedRoute>> {
        let mut routes = learned(&speaker.namespace)?;
        routes.retain(|route| only.is_none_or(|prefix| prefix == route.prefix));
        Ok(routes)
    }

    // Its file cannot say what it announces.
    fn originate(&self, speaker: &Speaker, announced: &[IpNet], withdrawn: &[IpNet]) -> Result<()> {
        for prefix in announced {
            let mut command = rib("add", prefix)?;
            write_attributes(&mut command, prefix, &speaker.config);
            speaker.ask(command)?;
        }
        withdrawn.iter().try_for_each(|prefix| speaker.ask(rib("del", prefix)?).map(drop))
    }

    fn graceful_restart(&self, speaker: &Speaker, peer: IpAddr) -> Result<String> {
        speaker.ask(gobgp(&["neighbor", &peer.to_string()])?)
    }

    fn reset(&self, speaker: &Speaker, peer: IpAddr) -> Result<()> {
        speaker.ask(gobgp(&["neighbor", &peer.to_string(), "reset"])?).map(drop)
    }

    fn shut_down(&self, speaker: &Speaker, peer: IpAddr, message: &str) -> Result<()> {
        speaker.ask(gobgp(&["neighbor", &peer.to_string(), "shutdown", "--reason", message])?).map(drop)
    }
}

/// After a restart no session may begin before its routes are there: End-of-RIB would sweep them elsewhere.
fn configuration(config: &SpeakerConfig, is_restart: bool) -> String {
    let mut text = format!("[global.config]\nas = {}\nrouter-id = \"{}\"\n", config.asn, config.router_id);
    for neighbor in &config.neighbors {
        write_neighbor(&mut text, neighbor, config.graceful_restart.as_ref(), is_restart);
    }
    text
}

fn write_neighbor(
    text: &mut String,
    neighbor: &Neighbor,
    restart: Option<&GracefulRestart>,
    is_disabled: bool,
) {
    let hold = neighbor.hold_time;
    let _ = writeln!(
        text,
        "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{}\"\npeer-as = {}\nadmin-down = {is_disabled}",
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
    if neighbor.ttl_security {
        text.push_str("[neighbors.ttl-security.config]\nenabled = true\nttl-min = 255\n");
    }
    if let Some(restart) = restart {
        let _ = writeln!(
            text,
            "[neighbors.graceful-restart.config]\nenabled = true\nrestart-time = {}\n\
             deferral-time = {}\nnotification-enabled = {}\nlong-lived-enabled = {}",
            restart.restart_time,
            restart.restart_time,
            restart.notification,
            restart.long_lived.is_some()
        );
    }
    for family in neighbor.families() {
        let _ = writeln!(
            text,
            "[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"{family}-unicast\""
        );
        if restart.is_some() {
            text.push_str("[neighbors.afi-safis.mp-graceful-restart.config]\nenabled = true\n");
        }
        if let Some(time) = restart.and_then(|restart| restart.long_lived) {
            let _ = writeln!(
                text,
                "[neighbors.afi-safis.long-lived-graceful-restart.config]\nenabled = true\n\
                 restart-time = {time}"
            );
        }
    }
}

/// The words that say what a route of ours carries.
fn write_attributes(command: &mut Command, prefix: &IpNet, config: &SpeakerConfig) {
    if let (IpNet::V6(_), Some(hop)) = (prefix, config.ipv6_next_hop) {
        command.arg("nexthop").arg(hop.to_string());
    }
    let communities = &config.communities;
    for (what, values) in [("community", &communities.standard), ("large-community", &communities.large)] {
        if !values.is_empty() {
            command.arg(what).arg(values.join(","));
        }
    }
    for (what, value) in communities.extended.iter().filter_map(|value| value.split_once(':')) {
        command.args([what, value]);
    }
}

fn learned(namespace: &Namespace) -> Result<Vec<LearnedRoute>> {
    let mut routes = Vec::new();
    for family in ["ipv4", "ipv6"] {
        let answer = ask(namespace, &["global", "rib", "-a", family])?;
        for (prefix, paths) in answer.as_object().into_iter().flatten() {
            let prefix = prefix.parse().with_context(|| format!("GoBGP told of the prefix {prefix}"))?;
            let learned = paths.as_array().into_iter().flatten().filter(|path| is_learned(path));
            routes.extend(learned.map(|path| learned_route(prefix, path)));
        }
    }
    Ok(routes)
}

/// What it originates has no neighbor.
fn is_learned(path: &Value) -> bool {
    path["neighbor-ip"].as_str().is_some_and(|neighbor| neighbor.parse::<IpAddr>().is_ok())
}

/// Reads a path; attributes carry their code (RFC 4271 §5, 1997, 4360, 4760, 8092) as `type`.
fn learned_route(prefix: IpNet, path: &Value) -> LearnedRoute {
    let mut route = LearnedRoute::to(prefix);
    for attribute in path["attrs"].as_array().into_iter().flatten() {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default().into_iter();
        let number = |value: Value| u32::try_from(value.as_u64()?).ok();
        match attribute["type"].as_u64() {
            Some(2) => {
                let segments = list(&attribute["as_paths"]);
                route.as_path =
                    segments.flat_map(|segment| list(&segment["asns"])).filter_map(number).collect();
            }
            Some(3 | 14) => {
                route.next_hop = attribute["nexthop"].as_str().and_then(|hop| hop.parse().ok());
            }
            Some(8) => {
                let values = list(&attribute["communities"]).filter_map(number);
                route.communities.standard =
                    values.map(|value| format!("{}:{}", value >> 16, value & 0xffff)).collect();
            }
            Some(16) => {
                let targets = list(&attribute["value"]).filter(|value| value["subtype"] == 2);
                route.communities.extended =
                    targets.filter_map(|value| Some(format!("rt:{}", value["value"].as_str()?))).collect();
            }
            Some(32) => {
                let values = list(&attribute["value"]);
                route.communities.large = values
                    .map(|value| format!("{}:{}:{}", value["ASN"], value["LocalData1"], value["LocalData2"]))
                    .collect();
            }
            _ => {
                let _ = writeln!(route.other, "{attribute}");
            }
        }
    }
    route
}

fn gobgp(arguments: &[&str]) -> Result<Command> {
    let mut command = command("gobgp")?;
    command.args(arguments);
    Ok(command)
}

fn rib(verb: &str, prefix: &IpNet) -> Result<Command> {
    gobgp(&["global", "rib", verb, "-a", family_of(prefix), &prefix.to_string()])
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
