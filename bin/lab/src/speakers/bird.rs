//! BIRD 2.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{LearnedRoute, Neighbor, Speaker, SpeakerConfig, find_program};

pub(super) fn start(speaker: &mut Speaker, programs: &[PathBuf], config: &SpeakerConfig) -> Result<()> {
    let file = speaker.write("bird.conf", &configuration(config))?;
    let socket = speaker.directory.join("bird.ctl");
    let mut command = Command::new(&programs[0]);
    command.arg("-f").arg("-c").arg(file).arg("-s").arg(&socket);
    command.arg("-P").arg(speaker.directory.join("bird.pid"));
    let ready = move || std::os::unix::net::UnixStream::connect(&socket).map(drop).context("no answer yet");
    speaker.launch("bird", command, ready)
}

fn configuration(config: &SpeakerConfig) -> String {
    let mut text =
        format!("log stderr all;\nrouter id {};\nprotocol device {{ scan time 1; }}\n", config.router_id);
    for (family, is_ipv4) in [("ipv4", true), ("ipv6", false)] {
        if config.install {
            let _ = writeln!(
                text,
                "protocol kernel kernel_{family} {{\n  merge paths on;\n  \
                 {family} {{ import none; export where source = RTS_BGP; }};\n}}"
            );
        }
        let _ = writeln!(text, "protocol static originated_{family} {{\n  {family};");
        for prefix in config.announce.iter().filter(|prefix| prefix.addr().is_ipv4() == is_ipv4) {
            let _ = writeln!(text, "  route {prefix} blackhole;");
        }
        text.push_str("}\n");
    }
    for (number, neighbor) in config.neighbors.iter().enumerate() {
        write_neighbor(&mut text, number, config, neighbor);
    }
    text
}

fn write_neighbor(text: &mut String, number: usize, config: &SpeakerConfig, neighbor: &Neighbor) {
    let asn = config.asn;
    let exported = if config.transit { "RTS_BGP, RTS_STATIC" } else { "RTS_STATIC" };
    let local = neighbor.local_address.map(|address| address.to_string()).unwrap_or_default();
    let _ = writeln!(
        text,
        "protocol bgp peer{number} {{\n  local {local} as {asn};\n  neighbor {} as {};\n  \
         hold time {};\n  connect delay time 1;\n  connect retry time 1;\n  error wait time 1, 2;",
        neighbor.address, neighbor.asn, neighbor.hold_time
    );
    if neighbor.passive {
        text.push_str("  passive on;\n");
    }
    if let Some(password) = &neighbor.password {
        let _ = writeln!(text, "  password \"{password}\";");
    }
    for (family, wanted) in [("ipv4", neighbor.ipv4), ("ipv6", neighbor.ipv6)] {
        if wanted {
            let _ = writeln!(text, "  {family} {{ import all; export where source ~ [ {exported} ]; }};");
        }
    }
    text.push_str("}\n");
}

pub(super) fn established(speaker: &Speaker) -> Result<Vec<IpAddr>> {
    Ok(parse_established(&ask(speaker, "show protocols all")?))
}

pub(super) fn routes(speaker: &Speaker) -> Result<Vec<LearnedRoute>> {
    Ok(parse_routes(&ask(speaker, "show route all")?))
}

fn ask(speaker: &Speaker, question: &str) -> Result<String> {
    let mut command = Command::new(find_program("birdc")?);
    command.arg("-s").arg(speaker.directory.join("bird.ctl")).args(question.split(' '));
    speaker.ask(command)
}

fn parse_established(text: &str) -> Vec<IpAddr> {
    let mut peers = Vec::new();
    let mut is_established = false;
    for line in text.lines().map(str::trim) {
        if let Some(state) = line.strip_prefix("BGP state:") {
            is_established = state.trim() == "Established";
        } else if is_established && let Some(address) = line.strip_prefix("Neighbor address:") {
            peers.extend(address.trim().parse::<IpAddr>());
        }
    }
    peers
}

/// Reads `show route all`: a line per route (its prefix only on the first of several), attributes indented below.
fn parse_routes(text: &str) -> Vec<LearnedRoute> {
    let mut routes: Vec<LearnedRoute> = Vec::new();
    let mut prefix = None;
    let mut is_bgp = false;
    for line in text.lines() {
        if !line.starts_with('\t') {
            let first = line.split_whitespace().next().unwrap_or_default();
            prefix = first.parse().ok().or(prefix);
            is_bgp = false;
            continue;
        }
        let (key, value) = line.trim().split_once(':').unwrap_or((line.trim(), ""));
        let value = value.trim();
        if (key, value.starts_with("BGP")) == ("Type", true) {
            is_bgp = true;
            routes.extend(prefix.map(|prefix| LearnedRoute {
                prefix,
                next_hop: None,
                as_path: Vec::new(),
                communities: Vec::new(),
            }));
        }
        let Some(route) = routes.last_mut().filter(|_| is_bgp) else { continue };
        match key {
            "BGP.as_path" => route.as_path = value.split(' ').flat_map(str::parse).collect(),
            "BGP.next_hop" => route.next_hop = value.split(' ').next().and_then(|hop| hop.parse().ok()),
            "BGP.community" | "BGP.large_community" => route.communities.extend(communities(value)),
            _ => {}
        }
    }
    routes
}

/// `(65001,7) (65001,8)` or `(65001, 7, 9)`.
fn communities(text: &str) -> impl Iterator<Item = String> {
    text.split(')').filter_map(|one| Some(one.split_once('(')?.1.replace(", ", ":").replace(',', ":")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_established_peers_count() {
        let text = "peer0      BGP        ---        up     10:00:00.000  Established\n  BGP state:          Established\n    Neighbor address: 10.0.0.1\n    Neighbor AS:      64512\npeer1      BGP        ---        start  10:00:00.000  Active\n  BGP state:          Active\n    Neighbor address: 10.0.0.3\n";
        assert_eq!(parse_established(text), ["10.0.0.1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn a_route_is_read_with_its_attributes() {
        let text = "BIRD 2.0.12 ready.\nTable master4:\n10.1.0.0/24          unicast [peer0 10:00:00.000] * (100) [AS64513i]\n\tvia 10.0.0.1 on port\n\tType: BGP univ\n\tBGP.origin: IGP\n\tBGP.as_path: 64512 64513\n\tBGP.next_hop: 10.0.0.1\n\tBGP.community: (65001,7) (65001,8)\n\tBGP.large_community: (65001, 7, 9)\n10.2.0.0/24          blackhole [originated_ipv4 10:00:00.000] * (200)\n\tType: static univ\n";
        let routes = parse_routes(text);
        assert_eq!(routes.len(), 1);
        assert_eq!(routes[0].prefix, "10.1.0.0/24".parse().unwrap());
        assert_eq!(routes[0].as_path, [64512, 64513]);
        assert_eq!(routes[0].next_hop, Some("10.0.0.1".parse().unwrap()));
        assert_eq!(routes[0].communities, ["65001:7", "65001:8", "65001:7:9"]);
    }
}
