//! OpenBGPD: three processes, of which the parent is ours to start and the session engine speaks.

use std::fmt::Write;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use serde_json::Value;

use super::{Communities, Dialect, LearnedRoute, Neighbor, Speaker, as_path, command};

pub(super) const BGPD: &str = "/usr/sbin/bgpd";
/// By its path: our own tool has the same name.
pub(super) const BGPCTL: &str = "/usr/sbin/bgpctl";

pub(super) struct Openbgpd;

impl Dialect for Openbgpd {
    fn start(&self, speaker: &mut Speaker) -> Result<()> {
        ensure!(speaker.config.transit, "the lab has OpenBGPD pass on whatever it learns");
        ensure!(!speaker.config.install, "OpenBGPD 7.7 writes no kernel routes on Linux");
        // The directory its children confine themselves to.
        fs::create_dir_all("/run/openbgpd")?;
        let file = write_configuration(speaker)?;
        let mut command = command(BGPD)?;
        command.args(["-d", "-v", "-f"]).arg(file);
        speaker.launch_listening("openbgpd", command, &speaker.directory.join("bgpd.sock"))
    }

    fn established(&self, speaker: &Speaker) -> Result<Vec<IpAddr>> {
        let answer = ask(speaker, &["show", "neighbor"])?;
        let neighbors = answer["neighbors"].as_array().into_iter().flatten();
        let established = neighbors.filter(|neighbor| neighbor["state"] == "Established");
        Ok(established.filter_map(|neighbor| neighbor["remote_addr"].as_str()?.parse().ok()).collect())
    }

    fn routes(&self, speaker: &Speaker, only: Option<IpNet>) -> Result<Vec<LearnedRoute>> {
        let prefix = only.map(|prefix| prefix.to_string());
        let mut routes = Vec::new();
        for neighbor in &speaker.config.neighbors {
            let peer = neighbor.address.to_string();
            let question = ["show", "rib", "detail", "neighbor", &peer];
            let question: Vec<_> = question.into_iter().chain(prefix.as_deref()).collect();
            let answer = ask(speaker, &question)?;
            for route in answer["rib"].as_array().into_iter().flatten() {
                if route["valid"] == true {
                    routes.push(learned_route(route)?);
                }
            }
        }
        Ok(routes)
    }

    fn originate(&self, speaker: &Speaker, _: &[IpNet], _: &[IpNet]) -> Result<()> {
        write_configuration(speaker)?;
        bgpctl(speaker, &["reload"]).map(drop)
    }

    fn shut_down(&self, speaker: &Speaker, peer: IpAddr, message: &str) -> Result<()> {
        bgpctl(speaker, &["neighbor", &peer.to_string(), "down", message]).map(drop)
    }

    fn refresh(&self, speaker: &Speaker, peer: IpAddr) -> Result<()> {
        bgpctl(speaker, &["neighbor", &peer.to_string(), "refresh"]).map(drop)
    }
}

fn write_configuration(speaker: &Speaker) -> Result<PathBuf> {
    let path = speaker.write("bgpd.conf", &configuration(speaker))?;
    // It refuses a file that others may read: there may be a key in it.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(path)
}

fn configuration(speaker: &Speaker) -> String {
    let config = &speaker.config;
    let mut text = format!(
        "AS {}\nrouter-id {}\nfib-update no\nsocket \"{}\"\nconnect-retry 1\n",
        config.asn,
        config.router_id,
        speaker.directory.join("bgpd.sock").display()
    );
    for local in config.neighbors.iter().filter_map(|neighbor| neighbor.local_address) {
        let _ = writeln!(text, "listen on {local}");
    }
    let communities = set(&config.communities);
    for prefix in &config.announce {
        let _ = writeln!(text, "network {prefix}{communities}");
    }
    for neighbor in &config.neighbors {
        write_neighbor(&mut text, neighbor);
    }
    text.push_str("allow from any\nallow to any\n");
    text
}

fn write_neighbor(text: &mut String, neighbor: &Neighbor) {
    let _ = writeln!(
        text,
        "neighbor {} {{\nremote-as {}\nholdtime {}\nholdtime min 3",
        neighbor.address, neighbor.asn, neighbor.hold_time
    );
    if let Some(local) = neighbor.local_address {
        let _ = writeln!(text, "local-address {local}");
    }
    for (family, wanted) in [("IPv4", neighbor.ipv4), ("IPv6", neighbor.ipv6)] {
        let _ = writeln!(text, "announce {family} {}", if wanted { "unicast" } else { "none" });
    }
    if let Some(password) = &neighbor.password {
        let _ = writeln!(text, "tcp md5sig password {password}");
    }
    if neighbor.ttl_security {
        text.push_str("ttl-security yes\n");
    }
    if neighbor.passive {
        text.push_str("passive\n");
    }
    text.push_str("}\n");
}

/// The clause that gives a network these.
fn set(communities: &Communities) -> String {
    let mut text = String::new();
    let lists = [
        ("community", &communities.standard),
        ("ext-community", &communities.extended),
        ("large-community", &communities.large),
    ];
    for (what, values) in lists {
        for value in values {
            let value = if what == "ext-community" { value.replacen(':', " ", 1) } else { value.clone() };
            let _ = write!(text, "{what} {value} ");
        }
    }
    if text.is_empty() { text } else { format!(" set {{ {text}}}") }
}

fn learned_route(route: &Value) -> Result<LearnedRoute> {
    let text = |key: &str| route[key].as_str().unwrap_or_default();
    let list = |key: &str| -> Vec<String> {
        let values = route[key].as_array().into_iter().flatten();
        values.filter_map(Value::as_str).map(|value| value.replace(' ', ":")).collect()
    };
    let prefix = text("prefix");
    let prefix = prefix.parse().with_context(|| format!("OpenBGPD told of the prefix {prefix}"))?;
    Ok(LearnedRoute {
        next_hop: text("exit_nexthop").parse().ok(),
        as_path: as_path(text("aspath")),
        communities: Communities {
            standard: list("communities"),
            extended: list("extended_communities"),
            large: list("large_communities"),
        },
        ..LearnedRoute::to(prefix)
    })
}

fn ask(speaker: &Speaker, question: &[&str]) -> Result<Value> {
    let answer = bgpctl(speaker, &[&["-j"], question].concat())?;
    serde_json::from_str(&answer).with_context(|| format!("OpenBGPD answered {question:?} with: {answer}"))
}

fn bgpctl(speaker: &Speaker, arguments: &[&str]) -> Result<String> {
    let mut command = command(BGPCTL)?;
    command.arg("-s").arg(speaker.directory.join("bgpd.sock")).args(arguments);
    speaker.ask(command)
}
