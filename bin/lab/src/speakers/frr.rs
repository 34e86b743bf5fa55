//! FRR: zebra writes the kernel, bgpd speaks.

use std::fmt::Write;
use std::net::IpAddr;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use serde_json::{Deserializer, Value};

use super::{
    Bfd, BfdSession, Communities, Dialect, GracefulRestart, LearnedRoute, Neighbor, Speaker, SpeakerConfig,
    as_path, command, family_of, is_of,
};

pub(super) const ZEBRA: &str = "/usr/lib/frr/zebra";
pub(super) const BGPD: &str = "/usr/lib/frr/bgpd";
const BFDD: &str = "/usr/lib/frr/bfdd";

pub(super) struct Frr;

impl Dialect for Frr {
    fn start(&self, speaker: &mut Speaker) -> Result<()> {
        let zebra = speaker.write("zebra.conf", "log stdout\n")?;
        let bgpd = speaker.write("bgpd.conf", &configuration(&speaker.config))?;
        let mut daemons = vec![(ZEBRA, "zebra", zebra)];
        if let Some(bfd) = speaker.config.neighbors.iter().find_map(|neighbor| neighbor.bfd.as_ref()) {
            daemons.push((BFDD, "bfdd", speaker.write("bfdd.conf", &bfd_configuration(bfd))?));
        }
        daemons.push((BGPD, "bgpd", bgpd));
        // FRR insists on being in the group frrvty; in a user namespace there is only root. It is shown a group
        // file in which both are one, in a mount namespace that nobody else sees.
        let group = speaker.write("group", "root:x:0:\nfrrvty:x:0:\n")?;
        for (program, name, file) in daemons {
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc/group && exec \"$@\""]);
            command.arg(&group).arg(program);
            // Its own directory for every socket: several FRRs live on one machine.
            command.arg("-f").arg(file).arg("-z").arg(speaker.directory.join("zserv.api"));
            command.arg("--vty_socket").arg(&speaker.directory);
            command.arg("-i").arg(speaker.directory.join(format!("{name}.pid")));
            command.args(["-u", "root", "-g", "root", "-P", "0"]);
            if name == "bgpd" && !speaker.config.install {
                command.arg("--no_kernel");
            }
            if let ("zebra", Some(restart)) = (name, &speaker.config.graceful_restart) {
                // Until then it leaves the kernel as it found it.
                command.arg("-K").arg(restart.restart_time.to_string());
            }
            if name == "zebra" {
                // By default a changed IPv6 route is deleted and added again: whatever comes in between is lost.
                command.arg("--v6-rr-semantics");
            }
            if name == "bfdd" {
                command.arg("--bfdctl").arg(speaker.directory.join("bfdd.sock"));
            }
            speaker.launch_listening(name, command, &speaker.directory.join(format!("{name}.vty")))?;
        }
        Ok(())
    }

    fn established(&self, speaker: &Speaker) -> Result<Vec<IpAddr>> {
        let answers = ask(speaker, &["show bgp neighbors json".to_owned()])?;
        let neighbors = answers.iter().filter_map(Value::as_object).flatten();
        let established = neighbors.filter(|(_, neighbor)| neighbor["bgpState"] == "Established");
        Ok(established.flat_map(|(address, _)| address.parse()).collect())
    }

    fn routes(&self, speaker: &Speaker, only: Option<IpNet>) -> Result<Vec<LearnedRoute>> {
        let mut questions = Vec::new();
        match only {
            Some(prefix) => questions.push(format!("show bgp {} unicast {prefix} json", family_of(&prefix))),
            None => {
                for family in ["ipv4", "ipv6"] {
                    // Only a question about one prefix is answered with every attribute.
                    let answers = ask(speaker, &[format!("show bgp {family} unicast json")])?;
                    let prefixes = answers.iter().filter_map(|answer| answer["routes"].as_object());
                    let prefixes = prefixes.flat_map(|routes| routes.keys());
                    questions
                        .extend(prefixes.map(|prefix| format!("show bgp {family} unicast {prefix} json")));
                }
            }
        }
        if questions.is_empty() {
            return Ok(Vec::new());
        }
        let mut routes = Vec::new();
        for answer in ask(speaker, &questions)? {
            let Some(prefix) = answer["prefix"].as_str() else { continue };
            let prefix = prefix.parse().with_context(|| format!("FRR told of the prefix {prefix}"))?;
            let paths = answer["paths"].as_array().into_iter().flatten();
            let learned = paths.filter(|path| path["sourced"] != true && path["valid"] == true);
            routes.extend(learned.map(|path| learned_route(prefix, path)));
        }
        Ok(routes)
    }

    fn originate(&self, speaker: &Speaker, announced: &[IpNet], withdrawn: &[IpNet]) -> Result<()> {
        let announced = announced.iter().map(|prefix| (prefix, network(&speaker.config, prefix)));
        let withdrawn = withdrawn.iter().map(|prefix| (prefix, format!("no network {prefix}")));
        for (prefix, change) in announced.chain(withdrawn) {
            let family = format!("address-family {} unicast", family_of(prefix));
            configure(speaker, &[&family, &change])?;
        }
        Ok(())
    }

    fn shut_down(&self, speaker: &Speaker, peer: IpAddr, message: &str) -> Result<()> {
        configure(speaker, &[&format!("neighbor {peer} shutdown message {message}")])
    }

    fn reset(&self, speaker: &Speaker, peer: IpAddr) -> Result<()> {
        vtysh(speaker, &[format!("clear bgp {peer}")]).map(drop)
    }

    fn refresh(&self, speaker: &Speaker, peer: IpAddr) -> Result<()> {
        let neighbor = speaker.config.neighbors.iter().find(|neighbor| neighbor.address == peer);
        let mut families = neighbor.map(Neighbor::families).unwrap_or_default().into_iter();
        families
            .try_for_each(|family| vtysh(speaker, &[format!("clear bgp {family} {peer} soft in")]).map(drop))
    }

    fn graceful_restart(&self, speaker: &Speaker, peer: IpAddr) -> Result<String> {
        let family = if peer.is_ipv4() { "ipv4" } else { "ipv6" };
        vtysh(speaker, &[format!("show bgp {family} neighbors {peer} graceful-restart")])
    }

    fn bfd(&self, speaker: &Speaker, peer: IpAddr) -> Result<BfdSession> {
        let answer = vtysh_of(speaker, "bfdd", &["show bfd peers json".to_owned()])?;
        let peers: Value = serde_json::from_str(&answer).with_context(|| answer.clone())?;
        let is_it = |entry: &&Value| entry["peer"] == peer.to_string().as_str();
        let peer = peers.as_array().and_then(|peers| peers.iter().find(is_it));
        let peer = peer.with_context(|| format!("no BFD session: {answer}"))?;
        ensure!(peer["status"] == "up", "FRR says {peer}");
        let number = |key: &str| peer[key].as_u64().with_context(|| format!("no {key}: {peer}"));
        Ok(BfdSession {
            transmit: number("transmit-interval")?.max(number("remote-receive-interval")?),
            detection_time: number("remote-detect-multiplier")?
                * number("receive-interval")?.max(number("remote-transmit-interval")?),
        })
    }

    fn shut_bfd_down(&self, speaker: &Speaker) -> Result<()> {
        let lines = ["configure terminal", "bfd", "profile watched", "shutdown"];
        vtysh_of(speaker, "bfdd", &lines.map(str::to_owned)).map(drop)
    }
}

fn configuration(config: &SpeakerConfig) -> String {
    let mut text = String::from("log stdout\nbgp as-path access-list originated permit ^$\n");
    write_communities(&mut text, &config.communities);
    let _ = writeln!(
        text,
        "router bgp {}\n bgp router-id {}\n bgp log-neighbor-changes\n no bgp ebgp-requires-policy\n \
         no bgp default ipv4-unicast\n no bgp network import-check\n bgp bestpath as-path multipath-relax",
        config.asn, config.router_id
    );
    if config.install && config.transit {
        // It invites traffic before its kernel knows the way, unless told otherwise.
        text.push_str(" bgp suppress-fib-pending\n");
    }
    if let Some(restart) = &config.graceful_restart {
        write_graceful_restart(&mut text, restart);
    }
    for neighbor in &config.neighbors {
        write_neighbor(&mut text, neighbor);
    }
    for family in ["ipv4", "ipv6"] {
        let _ = writeln!(text, " address-family {family} unicast");
        for prefix in config.announce.iter().filter(|prefix| is_of(family, prefix)) {
            let _ = writeln!(text, "  {}", network(config, prefix));
        }
        for neighbor in config.neighbors.iter().filter(|neighbor| neighbor.families().contains(&family)) {
            let _ = writeln!(text, "  neighbor {} activate", name(neighbor));
            if neighbor.client {
                let _ = writeln!(text, "  neighbor {} route-reflector-client", name(neighbor));
            }
            if neighbor.add_path {
                let _ = writeln!(text, "  neighbor {} addpath-tx-all-paths", name(neighbor));
            }
            if !config.transit {
                let _ = writeln!(text, "  neighbor {} filter-list originated out", name(neighbor));
            }
        }
        text.push_str(" exit-address-family\n");
    }
    text
}

fn bfd_configuration(bfd: &Bfd) -> String {
    let interval = bfd.interval;
    format!(
        "log stdout\nbfd\n profile watched\n  detect-multiplier 3\n  transmit-interval {interval}\n  \
         receive-interval {interval}\n exit\nexit\n"
    )
}

fn write_neighbor(text: &mut String, neighbor: &Neighbor) {
    let address = name(neighbor);
    let hold = neighbor.hold_time;
    let _ = match &neighbor.link {
        Some(link) => writeln!(text, " neighbor {link} interface remote-as external"),
        None => writeln!(text, " neighbor {address} remote-as {}", neighbor.asn),
    };
    let _ = writeln!(text, " neighbor {address} timers {} {hold}", hold / 3);
    let _ = writeln!(text, " neighbor {address} timers connect 1");
    let _ = writeln!(text, " neighbor {address} advertisement-interval 0");
    if let Some(local) = neighbor.local_address {
        let _ = writeln!(text, " neighbor {address} update-source {local}");
    }
    if let Some(password) = &neighbor.password {
        let _ = writeln!(text, " neighbor {address} password {password}");
    }
    if neighbor.ttl_security {
        let _ = writeln!(text, " neighbor {address} ttl-security hops 1");
    }
    if neighbor.multihop {
        let _ = writeln!(text, " neighbor {address} ebgp-multihop 2");
    }
    if let Some((role, strict)) = neighbor.role {
        let strict = if strict { " strict-mode" } else { "" };
        let _ = writeln!(text, " neighbor {address} local-role {role}{strict}");
    }
    if neighbor.bfd.is_some() {
        let _ = writeln!(text, " neighbor {address} bfd\n neighbor {address} bfd profile watched");
        let _ = writeln!(text, " neighbor {address} bfd check-control-plane-failure");
    }
    if neighbor.passive {
        let _ = writeln!(text, " neighbor {address} passive");
    }
    // With the capability, FRR 8.4 takes the peer for one on a link-local address, and its BFD hears nothing of it.
    if neighbor.ipv4 && neighbor.address.is_ipv6() && neighbor.bfd.is_none() {
        let _ = writeln!(text, " neighbor {address} capability extended-nexthop");
    }
}

/// What FRR calls a neighbor: by its link, if its address is to be learned.
fn name(neighbor: &Neighbor) -> String {
    neighbor.link.clone().unwrap_or_else(|| neighbor.address.to_string())
}

fn write_graceful_restart(text: &mut String, restart: &GracefulRestart) {
    let _ = writeln!(
        text,
        " bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n \
         bgp graceful-restart restart-time {}",
        restart.restart_time
    );
    if let Some(time) = restart.long_lived {
        let _ = writeln!(text, " bgp long-lived-graceful-restart stale-time {time}");
    }
    if restart.notification {
        // What an operator resets is a Hard Reset otherwise.
        text.push_str(" bgp graceful-restart notification\n no bgp hard-administrative-reset\n");
    }
}

/// Writes the route map that every originated network goes through.
fn write_communities(text: &mut String, communities: &Communities) {
    // It would be applied five seconds late by default.
    text.push_str("bgp route-map delay-timer 0\nroute-map originated permit 10\n");
    let extended = communities.extended.iter().map(|value| value.replacen(':', " ", 1));
    for (what, values) in [
        ("community", communities.standard.clone()),
        ("extcommunity", extended.collect()),
        ("large-community", communities.large.clone()),
    ] {
        if !values.is_empty() {
            let _ = writeln!(text, " set {what} {}", values.join(" "));
        }
    }
    text.push_str("exit\n");
}

fn network(config: &SpeakerConfig, prefix: &IpNet) -> String {
    match config.communities == Communities::default() {
        true => format!("network {prefix}"),
        false => format!("network {prefix} route-map originated"),
    }
}

fn learned_route(prefix: IpNet, path: &Value) -> LearnedRoute {
    let next_hops = path["nexthops"].as_array().into_iter().flatten();
    let next_hop = next_hops.filter(|hop| hop["scope"] != "link-local").find_map(|hop| hop["ip"].as_str());
    let text = |key: &str| path[key]["string"].as_str().unwrap_or_default();
    let clusters = path["clusterList"]["list"].as_array().into_iter().flatten();
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    LearnedRoute {
        next_hop: next_hop.and_then(|hop| hop.parse().ok()),
        as_path: as_path(text("aspath")),
        originator_id: path["originatorId"].as_str().and_then(|id| id.parse().ok()),
        cluster_list: clusters.filter_map(|id| id.as_str()?.parse().ok()).collect(),
        communities: Communities {
            standard: words(text("community")),
            extended: words(&text("extendedCommunity").to_lowercase()),
            large: words(text("largeCommunity")),
        },
        ..LearnedRoute::to(prefix)
    }
}

/// Does something in the configuration of the router, as an operator would.
fn configure(speaker: &Speaker, lines: &[&str]) -> Result<()> {
    let mut commands = vec!["configure terminal".to_owned(), format!("router bgp {}", speaker.config.asn)];
    commands.extend(lines.iter().map(ToString::to_string));
    vtysh(speaker, &commands).map(drop)
}

/// Asks questions whose answers are JSON, all at once.
fn ask(speaker: &Speaker, questions: &[String]) -> Result<Vec<Value>> {
    let answer = vtysh(speaker, questions)?;
    let answers = Deserializer::from_str(&answer).into_iter().collect::<Result<_, _>>();
    answers.with_context(|| format!("FRR answered {questions:?} with: {answer}"))
}

fn vtysh(speaker: &Speaker, commands: &[String]) -> Result<String> {
    vtysh_of(speaker, "bgpd", commands)
}

fn vtysh_of(speaker: &Speaker, daemon: &str, commands: &[String]) -> Result<String> {
    let mut command = command("vtysh")?;
    command.arg("--vty_socket").arg(&speaker.directory).args(["-d", daemon]);
    command.args(commands.iter().flat_map(|line| ["-c", line]));
    speaker.ask(command)
}
