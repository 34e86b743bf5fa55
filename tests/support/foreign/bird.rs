//! BIRD 2.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use ipnet::IpNet;
use lab::net::Namespace;
use lab::process::Process;

use super::{BfdPeer, Family, Foreign, OUR_ASN, Path, Session, Site, as_path};

pub(super) struct Bird {
    site: Site,
    process: Process,
}

impl Bird {
    pub(super) fn start(namespace: Namespace, directory: PathBuf, session: Session) -> Result<Self> {
        let site = Site { namespace, directory, session };
        fs::write(site.file("bird.conf"), config(&site.session))?;
        let mut command = Command::new("bird");
        command.args(["-f", "-c", &site.file("bird.conf"), "-s", &site.file("bird.ctl")]);
        let process = Process::start(&site.namespace, "bird", command, &site.directory)?;
        Ok(Self { site, process })
    }

    fn birdc(&self, arguments: &[&str]) -> Result<String> {
        let socket = self.site.file("bird.ctl");
        let arguments: Vec<_> = ["-r", "-s", &socket].iter().chain(arguments).copied().collect();
        self.site.ask("birdc", &arguments)
    }

    /// As [`Bird::birdc`], with the right to change things.
    fn command(&self, arguments: &[&str]) -> Result<String> {
        let socket = self.site.file("bird.ctl");
        let arguments: Vec<_> = ["-s", &socket].iter().chain(arguments).copied().collect();
        self.site.ask("birdc", &arguments)
    }

    fn reconfigure(&self) -> Result<()> {
        fs::write(self.site.file("bird.conf"), config(&self.site.session))?;
        let answer = self.command(&["configure"])?;
        ensure!(answer.contains("Reconfigur"), "{answer}");
        Ok(())
    }
}

impl Foreign for Bird {
    fn established(&self) -> Result<()> {
        let answer = self.birdc(&["show", "protocols", "uplink"])?;
        ensure!(answer.contains("Established"), "{answer}");
        Ok(())
    }

    fn received(&self, prefix: IpNet) -> Result<Path> {
        let answer = self.birdc(&["show", "route", &prefix.to_string(), "protocol", "uplink", "all"])?;
        if !answer.contains("BGP.as_path") {
            bail!("BIRD has no {prefix}: {answer}");
        }
        Ok(path(&answer))
    }

    fn received_count(&self) -> Result<usize> {
        let answer = self.birdc(&["show", "route", "protocol", "uplink", "count"])?;
        let counts = answer.lines().filter(|line| line.contains(" in table "));
        counts
            .map(|line| line.split(' ').next().unwrap_or_default().parse::<usize>().context(line.to_owned()))
            .sum()
    }

    fn announce(&mut self, prefixes: &[IpNet]) -> Result<()> {
        self.site.session.announces.extend(prefixes);
        self.reconfigure()
    }

    fn withdraw(&mut self, prefixes: &[IpNet]) -> Result<()> {
        self.site.session.announces.retain(|prefix| !prefixes.contains(prefix));
        self.reconfigure()
    }

    fn shut_down(&mut self, message: &str) -> Result<()> {
        self.command(&["disable", "uplink", &format!("\"{message}\"")]).map(drop)
    }

    fn ask_again(&mut self) -> Result<()> {
        self.command(&["reload", "in", "uplink"]).map(drop)
    }

    fn bfd(&self) -> Result<BfdPeer> {
        let answer = self.birdc(&["show", "bfd", "sessions"])?;
        let remote = self.site.session.remote().to_string();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let row = answer.lines().map(words).find(|words| words.first() == Some(&remote));
        let row = row.with_context(|| format!("no BFD session: {answer}"))?;
        // IP address, interface, state, since, interval, timeout.
        let [_, _, state, _, interval, timeout] = &row[..] else { bail!("BIRD says {answer}") };
        ensure!(state == "Up", "BIRD says {answer}");
        let millis = |seconds: &str| seconds.parse::<f64>().map(|seconds| (seconds * 1000.0).round() as u64);
        Ok(BfdPeer { transmit: millis(interval)?, detection_time: millis(timeout)? })
    }

    fn shut_bfd_down(&mut self) -> Result<()> {
        self.command(&["disable", "watch"]).map(drop)
    }

    fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn config(session: &Session) -> String {
    let mut text = format!("log stderr all;\nrouter id {};\nprotocol device {{}}\n", session.router_id);
    for (family, name) in [(Family::V4, "ipv4"), (Family::V6, "ipv6")] {
        let _ = writeln!(text, "protocol static static_{name} {{ {name};");
        for prefix in
            session.announces.iter().filter(|prefix| matches!(prefix, IpNet::V4(_)) == (family == Family::V4))
        {
            let _ = writeln!(
                text,
                "route {prefix} blackhole {{ bgp_community.add((65001,11)); \
                 bgp_ext_community.add((rt,65001,5)); bgp_large_community.add((4200000001,3,4)); }};"
            );
        }
        text.push_str("}\n");
    }
    if let Some(interval) = session.bfd {
        let key = session.bfd_key.as_ref().map_or_else(String::new, |key| {
            format!("authentication meticulous keyed sha1; password \"{key}\" {{ id 7; }}; ")
        });
        let _ = writeln!(
            text,
            "protocol bfd watch {{ interface \"*\" {{ interval {interval} ms; multiplier 3; {key}}}; \
             multihop {{ interval {interval} ms; multiplier 3; }}; }}"
        );
    }
    let _ = writeln!(
        text,
        "protocol bgp uplink {{\nlocal {} as {};\nneighbor {} as {OUR_ASN};\nhold time {};\n\
         connect retry time 1;\nconnect delay time 1;\nerror wait time 1,2;\nenable extended messages on;",
        session.local(),
        session.asn,
        session.remote(),
        session.hold_time
    );
    if let Some(password) = &session.password {
        let _ = writeln!(text, "password \"{password}\";");
    }
    if session.ttl_security {
        text.push_str("ttl security on;\n");
    }
    if session.multihop {
        text.push_str("multihop 2;\n");
    }
    if session.bfd.is_some() {
        text.push_str("bfd on;\n");
    }
    if session.passive {
        text.push_str("passive on;\n");
    }
    let extended = if session.extended_next_hop { "extended next hop on; " } else { "" };
    for (family, name, extra) in [(Family::V4, "ipv4", extended), (Family::V6, "ipv6", "")] {
        if session.carries(family) {
            let next_hop = if session.extended_next_hop { session.local() } else { session.next_hop(family) };
            let _ = writeln!(
                text,
                "{name} {{ import all; export where source = RTS_STATIC; next hop address {next_hop}; {extra}}};"
            );
        }
    }
    text.push_str("}\n");
    text
}

fn path(answer: &str) -> Path {
    let mut path = Path::default();
    for line in answer.lines() {
        let Some((name, value)) = line.trim().strip_prefix("BGP.").and_then(|line| line.split_once(": "))
        else {
            // An attribute it does not know has its flags before the colon.
            continue;
        };
        match name {
            "as_path" => path.as_path = as_path(value),
            "next_hop" => path.next_hop = value.split(' ').next().unwrap_or_default().to_owned(),
            "community" => path.communities = communities(value),
            "ext_community" => path.extended_communities = communities(value),
            "large_community" => path.large_communities = communities(value),
            _ => {
                let _ = writeln!(path.other, "{name}: {value}");
            }
        }
    }
    path
}

/// Reads `(65001,11) (65001,12)`.
fn communities(text: &str) -> Vec<String> {
    let each = text.split(')').map(|one| one.trim().trim_start_matches('(')).filter(|one| !one.is_empty());
    each.map(|one| one.replace(' ', "").replace(',', ":")).collect()
}
