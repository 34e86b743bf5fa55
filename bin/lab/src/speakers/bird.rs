//! BIRD 2.

use std::fmt::Write;
use std::net::IpAddr;

use anyhow::{Context, Result, bail, ensure};
use ipnet::IpNet;

use super::{
    Bfd, BfdSession, Communities, Dialect, GracefulRestart, LearnedRoute, Neighbor, Speaker, SpeakerConfig,
    as_path, command, is_of,
};

pub(super) struct Bird;

impl Dialect for Bird {
    fn start(&self, speaker: &mut Speaker) -> Result<()> {
        let file = speaker.write("bird.conf", &configuration(&speaker.config))?;
        let mut command = command("bird")?;
        command.arg("-f").arg("-c").arg(file).arg("-s").arg(speaker.directory.join("bird.ctl"));
        command.arg("-P").arg(speaker.directory.join("bird.pid"));
        if speaker.is_restart {
            command.arg("-R");
        }
        speaker.launch_listening("bird", command, &speaker.directory.join("bird.ctl"))
    }

    fn established(&self, speaker: &Speaker) -> Result<Vec<IpAddr>> {
        Ok(parse_established(&ask(speaker, &["show", "protocols", "all"])?))
    }

    fn routes(&self, speaker: &Speaker, only: Option<IpNet>) -> Result<Vec<LearnedRoute>> {
        let prefix = only.map(|prefix| prefix.to_string());
        let question: Vec<_> =
            ["show", "route"].into_iter().chain(prefix.as_deref()).chain(["all"]).collect();
        Ok(parse_routes(&ask(speaker, &question)?))
    }

    fn originate(&self, speaker: &Speaker, _: &[IpNet], _: &[IpNet]) -> Result<()> {
        speaker.write("bird.conf", &configuration(&speaker.config))?;
        let answer = ask(speaker, &["configure"])?;
        ensure!(answer.contains("Reconfigur"), "{answer}");
        Ok(())
    }

    fn shut_down(&self, speaker: &Speaker, peer: IpAddr, message: &str) -> Result<()> {
        ask(speaker, &["disable", &protocol(speaker, peer)?, &format!("\"{message}\"")]).map(drop)
    }

    fn refresh(&self, speaker: &Speaker, peer: IpAddr) -> Result<()> {
        ask(speaker, &["reload", "in", &protocol(speaker, peer)?]).map(drop)
    }

    fn graceful_restart(&self, speaker: &Speaker, peer: IpAddr) -> Result<String> {
        ask(speaker, &["show", "protocols", "all", &protocol(speaker, peer)?])
    }

    fn bfd(&self, speaker: &Speaker, peer: IpAddr) -> Result<BfdSession> {
        let answer = ask(speaker, &["show", "bfd", "sessions"])?;
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let peer = peer.to_string();
        let row = answer.lines().map(words).find(|words| words.first() == Some(&peer));
        let row = row.with_context(|| format!("no BFD session: {answer}"))?;
        // IP address, interface, state, since, interval, timeout.
        let [_, _, state, _, interval, timeout] = &row[..] else { bail!("BIRD says {answer}") };
        ensure!(state == "Up", "BIRD says {answer}");
        let millis = |seconds: &str| seconds.parse::<f64>().map(|seconds| (seconds * 1000.0).round() as u64);
        Ok(BfdSession { transmit: millis(interval)?, detection_time: millis(timeout)? })
    }
}

fn configuration(config: &SpeakerConfig) -> String {
    let mut text =
        format!("log stderr all;\nrouter id {};\nprotocol device {{ scan time 1; }}\n", config.router_id);
    let communities = added(&config.communities);
    for family in ["ipv4", "ipv6"] {
        if config.install {
            let _ = writeln!(
                text,
                "protocol kernel kernel_{family} {{\n  merge paths on;\n  \
                 {family} {{ import none; export where source = RTS_BGP; }};\n}}"
            );
        }
        let _ = writeln!(text, "protocol static originated_{family} {{\n  {family};");
        for prefix in config.announce.iter().filter(|prefix| is_of(family, prefix)) {
            let _ = writeln!(text, "  route {prefix} blackhole {{ {communities} }};");
        }
        text.push_str("}\n");
    }
    // It has one BFD for all.
    if let Some(bfd) = config.neighbors.iter().find_map(|neighbor| neighbor.bfd.as_ref()) {
        write_bfd(&mut text, bfd);
    }
    for (number, neighbor) in config.neighbors.iter().enumerate() {
        write_neighbor(&mut text, number, config, neighbor);
    }
    text
}

fn write_bfd(text: &mut String, bfd: &Bfd) {
    let timers = format!("interval {} ms; multiplier 3;", bfd.interval);
    let key = bfd.key.as_ref().map_or_else(String::new, |key| {
        format!(" authentication meticulous keyed sha1; password \"{key}\" {{ id 7; }};")
    });
    let _ = writeln!(
        text,
        "protocol bfd watch {{ interface \"*\" {{ {timers}{key} }}; multihop {{ {timers} }}; }}"
    );
}

fn write_neighbor(text: &mut String, number: usize, config: &SpeakerConfig, neighbor: &Neighbor) {
    let asn = config.asn;
    let exported = if config.transit { "all" } else { "where source = RTS_STATIC" };
    let link = neighbor.link.as_ref().map(|link| format!("%{link}")).unwrap_or_default();
    let local = neighbor.local_address.map(|address| address.to_string()).unwrap_or_default();
    let _ = writeln!(
        text,
        "protocol bgp peer{number} {{\n  local {local} as {asn};\n  neighbor {}{link} as {};\n  \
         hold time {};\n  connect delay time 1;\n  connect retry time 1;\n  error wait time 1, 2;\n  \
         enable extended messages on;",
        neighbor.address, neighbor.asn, neighbor.hold_time
    );
    if neighbor.passive {
        text.push_str("  passive on;\n");
    }
    if neighbor.ttl_security {
        text.push_str("  ttl security on;\n");
    }
    if neighbor.multihop {
        text.push_str("  multihop 2;\n");
    }
    if neighbor.client {
        text.push_str("  rr client;\n");
    }
    if let Some((role, strict)) = neighbor.role {
        let strict = if strict { "on" } else { "off" };
        let _ = writeln!(text, "  local role {role};\n  require roles {strict};");
    }
    if neighbor.bfd.is_some() {
        text.push_str("  bfd on;\n");
    }
    if let Some(password) = &neighbor.password {
        let _ = writeln!(text, "  password \"{password}\";");
    }
    if let Some(restart) = &config.graceful_restart {
        write_graceful_restart(text, restart);
    }
    for family in neighbor.families() {
        let next_hop = match (family, neighbor.address, config.ipv6_next_hop) {
            ("ipv6", IpAddr::V4(_), Some(hop)) => format!("next hop address {hop};"),
            ("ipv4", IpAddr::V6(_), _) => "extended next hop on;".to_owned(),
            _ => String::new(),
        };
        let paths = if neighbor.add_path { "add paths on;" } else { "" };
        let cost = if neighbor.aigp { "aigp on;" } else { "" };
        let _ = writeln!(text, "  {family} {{ import all; export {exported}; {next_hop} {paths} {cost} }};");
    }
    text.push_str("}\n");
}

/// BIRD 2.0 has not heard of RFC 8538.
fn write_graceful_restart(text: &mut String, restart: &GracefulRestart) {
    let _ = writeln!(text, "  graceful restart on;\n  graceful restart time {};", restart.restart_time);
    if let Some(time) = restart.long_lived {
        let _ = writeln!(text, "  long lived graceful restart on;\n  long lived stale time {time};");
    }
}

/// The statements that add these to a route.
fn added(communities: &Communities) -> String {
    let lists = [
        ("bgp_community", &communities.standard),
        ("bgp_ext_community", &communities.extended),
        ("bgp_large_community", &communities.large),
    ];
    let each = lists.iter().flat_map(|(list, values)| values.iter().map(move |value| (list, value)));
    each.map(|(list, value)| format!("{list}.add(({})); ", value.replace(':', ","))).collect()
}

/// What our configuration calls the session with a peer.
fn protocol(speaker: &Speaker, peer: IpAddr) -> Result<String> {
    let number = speaker.config.neighbors.iter().position(|neighbor| neighbor.address == peer);
    Ok(format!("peer{}", number.with_context(|| format!("{peer} is no neighbor"))?))
}

fn ask(speaker: &Speaker, question: &[&str]) -> Result<String> {
    let mut command = command("birdc")?;
    command.arg("-s").arg(speaker.directory.join("bird.ctl")).args(question);
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
            routes.extend(prefix.map(LearnedRoute::to));
        }
        let Some(route) = routes.last_mut().filter(|_| is_bgp) else { continue };
        match key {
            "BGP.as_path" => route.as_path = as_path(value),
            "BGP.next_hop" => route.next_hop = value.split(' ').next().and_then(|hop| hop.parse().ok()),
            "BGP.originator_id" => route.originator_id = value.parse().ok(),
            "BGP.cluster_list" => {
                route.cluster_list = value.split_whitespace().flat_map(str::parse).collect();
            }
            "BGP.community" => route.communities.standard = communities(value),
            "BGP.ext_community" => route.communities.extended = communities(value),
            "BGP.large_community" => route.communities.large = communities(value),
            _ => {
                let _ = writeln!(route.other, "{key}: {value}");
            }
        }
    }
    routes
}

/// `(65001,7) (65001,8)` or `(65001, 7, 9)`.
fn communities(text: &str) -> Vec<String> {
    let each = text.split(')').filter_map(|one| one.split_once('('));
    each.map(|(_, one)| one.replace(' ', "").replace(',', ":")).collect()
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
        assert_eq!(routes[0].communities.standard, ["65001:7", "65001:8"]);
        assert_eq!(routes[0].communities.large, ["65001:7:9"]);
    }
}
