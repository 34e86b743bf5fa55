//! FRR: zebra writes the kernel, bgpd speaks.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{LearnedRoute, Speaker, SpeakerConfig, find_program};

pub(super) fn start(speaker: &mut Speaker, programs: &[PathBuf], config: &SpeakerConfig) -> Result<()> {
    let zebra = speaker.write("zebra.conf", "log stdout\n")?;
    let bgpd = speaker.write("bgpd.conf", &configuration(config))?;
    // FRR insists on being in the group frrvty; in a user namespace there is only root. It is shown a group file
    // in which both are one, in a mount namespace that nobody else sees.
    let group = speaker.write("group", "root:x:0:\nfrrvty:x:0:\n")?;
    for (program, name, file) in [(&programs[0], "zebra", zebra), (&programs[1], "bgpd", bgpd)] {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc/group && exec \"$@\""]);
        command.arg(&group).arg(program);
        // Its own directory for every socket: several FRRs live on one machine.
        command.arg("-f").arg(file).arg("-z").arg(speaker.directory.join("zserv.api"));
        command.arg("--vty_socket").arg(&speaker.directory);
        command.arg("-i").arg(speaker.directory.join(format!("{name}.pid")));
        command.args(["-u", "root", "-g", "root", "-P", "0"]);
        if name == "bgpd" && !config.install {
            command.arg("--no_kernel");
        }
        let socket = speaker.directory.join(format!("{name}.vty"));
        let ready =
            move || std::os::unix::net::UnixStream::connect(&socket).map(drop).context("no answer yet");
        speaker.launch(name, command, ready)?;
    }
    Ok(())
}

fn configuration(config: &SpeakerConfig) -> String {
    let mut text = format!(
        "log stdout\nbgp as-path access-list originated permit ^$\nrouter bgp {}\n bgp router-id {}\n bgp log-neighbor-changes\n no bgp ebgp-requires-policy\n \
         no bgp default ipv4-unicast\n no bgp network import-check\n bgp bestpath as-path multipath-relax\n",
        config.asn, config.router_id
    );
    for neighbor in &config.neighbors {
        let address = neighbor.address;
        let hold = neighbor.hold_time;
        let _ = writeln!(text, " neighbor {address} remote-as {}", neighbor.asn);
        let _ = writeln!(text, " neighbor {address} timers {} {hold}", hold / 3);
        let _ = writeln!(text, " neighbor {address} timers connect 1");
        let _ = writeln!(text, " neighbor {address} advertisement-interval 0");
        if let Some(local) = neighbor.local_address {
            let _ = writeln!(text, " neighbor {address} update-source {local}");
        }
        if let Some(password) = &neighbor.password {
            let _ = writeln!(text, " neighbor {address} password {password}");
        }
        if neighbor.passive {
            let _ = writeln!(text, " neighbor {address} passive");
        }
    }
    for (family, is_ipv4) in [("ipv4", true), ("ipv6", false)] {
        let _ = writeln!(text, " address-family {family} unicast");
        for prefix in config.announce.iter().filter(|prefix| prefix.addr().is_ipv4() == is_ipv4) {
            let _ = writeln!(text, "  network {prefix}");
        }
        for neighbor in &config.neighbors {
            if if is_ipv4 { neighbor.ipv4 } else { neighbor.ipv6 } {
                let _ = writeln!(text, "  neighbor {} activate", neighbor.address);
                if !config.transit {
                    let _ = writeln!(text, "  neighbor {} filter-list originated out", neighbor.address);
                }
            }
        }
        text.push_str(" exit-address-family\n");
    }
    text
}

pub(super) fn established(speaker: &Speaker) -> Result<Vec<IpAddr>> {
    let answer = ask(speaker, "show bgp neighbors json")?;
    let neighbors = answer.as_object().into_iter().flatten();
    let established = neighbors.filter(|(_, neighbor)| neighbor["bgpState"] == "Established");
    Ok(established.flat_map(|(address, _)| address.parse()).collect())
}

pub(super) fn routes(speaker: &Speaker) -> Result<Vec<LearnedRoute>> {
    let mut routes = Vec::new();
    for family in ["ipv4", "ipv6"] {
        let answer = ask(speaker, &format!("show bgp {family} unicast json"))?;
        for prefix in answer["routes"].as_object().into_iter().flat_map(|routes| routes.keys()) {
            let detail = ask(speaker, &format!("show bgp {family} unicast {prefix} json"))?;
            let prefix = prefix.parse().with_context(|| format!("FRR told of the prefix {prefix}"))?;
            let paths = detail["paths"].as_array().into_iter().flatten();
            let learned = paths.filter(|path| path["sourced"] != true && path["local"] != true);
            routes.extend(learned.map(|path| LearnedRoute { prefix, ..learned_route(path, prefix) }));
        }
    }
    Ok(routes)
}

fn learned_route(path: &Value, prefix: ipnet::IpNet) -> LearnedRoute {
    let next_hops = path["nexthops"].as_array().into_iter().flatten();
    let next_hop = next_hops.filter(|hop| hop["scope"] != "link-local").find_map(|hop| hop["ip"].as_str());
    let as_path = path["aspath"]["string"].as_str().unwrap_or_default();
    let communities =
        ["community", "largeCommunity"].map(|key| path[key]["string"].as_str().unwrap_or_default());
    LearnedRoute {
        prefix,
        next_hop: next_hop.and_then(|hop| hop.parse().ok()),
        as_path: as_path.split(' ').flat_map(str::parse).collect(),
        communities: communities.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect(),
    }
}

fn ask(speaker: &Speaker, question: &str) -> Result<Value> {
    let mut command = Command::new(find_program("vtysh")?);
    command.arg("--vty_socket").arg(&speaker.directory).args(["-d", "bgpd", "-c", question]);
    let answer = speaker.ask(command)?;
    serde_json::from_str(&answer).with_context(|| format!("FRR answered '{question}' with: {answer}"))
}
