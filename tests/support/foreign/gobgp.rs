//! GoBGP. Its announcements are not in its file: they are made through its command line once it answers.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use lab::net::Namespace;
use lab::process::Process;
use serde_json::Value;

use super::{Family, Foreign, OUR_ASN, Path, Session, Site};

pub(super) struct Gobgp {
    site: Site,
    process: Process,
}

impl Gobgp {
    pub(super) fn start(namespace: Namespace, directory: PathBuf, session: Session) -> Result<Self> {
        let site = Site { namespace, directory, session };
        fs::write(site.file("gobgpd.toml"), config(&site.session))?;
        let mut command = Command::new("gobgpd");
        command.args([
            "-p",
            "--pprof-disable",
            "--api-hosts=127.0.0.1:50051",
            "-f",
            &site.file("gobgpd.toml"),
        ]);
        let process = Process::start(&site.namespace, "gobgpd", command, &site.directory)?;
        let daemon = Self { site, process };
        lab::wait::wait_until(crate::SOON, "gobgpd to answer", || daemon.site.ask("gobgp", &["global"]))?;
        daemon.change("add", &daemon.site.session.announces)?;
        Ok(daemon)
    }

    fn json(&self, arguments: &[&str]) -> Result<Value> {
        let arguments: Vec<_> = ["-j"].iter().chain(arguments).copied().collect();
        let text = self.site.ask("gobgp", &arguments)?;
        serde_json::from_str(&text).with_context(|| format!("gobgp {arguments:?}: {text}"))
    }

    fn change(&self, verb: &str, prefixes: &[IpNet]) -> Result<()> {
        for prefix in prefixes {
            let (family, name) = family(prefix);
            let (text, next_hop) = (prefix.to_string(), self.site.session.next_hop(family).to_string());
            let mut arguments = vec!["global", "rib", verb, "-a", name, &text];
            if verb == "add" {
                arguments.extend(["nexthop", &next_hop, "community", "65001:11", "rt", "65001:5"]);
                arguments.extend(["large-community", "4200000001:3:4"]);
            }
            self.site.ask("gobgp", &arguments)?;
        }
        Ok(())
    }

    fn remote(&self) -> String {
        self.site.session.remote().to_string()
    }

    /// The paths learned from us, by prefix.
    fn learned(&self, name: &str) -> Result<Vec<(String, Value)>> {
        let table = self.json(&["global", "rib", "-a", name])?;
        let remote = self.remote();
        let learned = table.as_object().into_iter().flatten().flat_map(|(prefix, paths)| {
            let paths = paths.as_array().cloned().unwrap_or_default();
            paths.into_iter().map(|path| (prefix.clone(), path))
        });
        Ok(learned.filter(|(_, path)| path["neighbor-ip"] == remote.as_str()).collect())
    }
}

impl Foreign for Gobgp {
    fn established(&self) -> Result<()> {
        let neighbors = self.json(&["neighbor"])?;
        let state = &neighbors[0]["state"]["session_state"];
        // 6 is Established in its API.
        ensure!(state == 6, "GoBGP says session_state {state}");
        Ok(())
    }

    fn received(&self, prefix: IpNet) -> Result<Path> {
        let (_, name) = family(&prefix);
        let learned = self.learned(name)?;
        let found = learned.into_iter().find(|(key, _)| *key == prefix.to_string());
        let (_, route) = found.with_context(|| format!("GoBGP has no {prefix}"))?;
        let mut path = Path::default();
        for attribute in route["attrs"].as_array().into_iter().flatten() {
            read_attribute(&mut path, attribute);
        }
        Ok(path)
    }

    fn received_count(&self) -> Result<usize> {
        Ok(self.learned("ipv4")?.len() + self.learned("ipv6")?.len())
    }

    fn announce(&mut self, prefixes: &[IpNet]) -> Result<()> {
        self.change("add", prefixes)
    }

    fn withdraw(&mut self, prefixes: &[IpNet]) -> Result<()> {
        self.change("del", prefixes)
    }

    fn shut_down(&mut self, message: &str) -> Result<()> {
        let remote = self.remote();
        self.site.ask("gobgp", &["neighbor", &remote, "shutdown", "--reason", message]).map(drop)
    }

    fn ask_again(&mut self) -> Result<()> {
        let remote = self.remote();
        self.site.ask("gobgp", &["neighbor", &remote, "softresetin"]).map(drop)
    }

    fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn config(session: &Session) -> String {
    let (local, remote) = (session.local(), session.remote());
    let mut text = format!(
        "[global.config]\nas = {asn}\nrouter-id = \"{id}\"\nlocal-address-list = [\"{local}\"]\n\
         [[neighbors]]\n[neighbors.config]\nneighbor-address = \"{remote}\"\npeer-as = {OUR_ASN}\n",
        asn = session.asn,
        id = session.router_id,
    );
    if let Some(password) = &session.password {
        let _ = writeln!(text, "auth-password = \"{password}\"");
    }
    let _ = writeln!(
        text,
        "[neighbors.transport.config]\nlocal-address = \"{local}\"\npassive-mode = {}\n\
         [neighbors.timers.config]\nhold-time = {}\nkeepalive-interval = {}\nconnect-retry = 1\n\
         idle-hold-time-after-reset = 1",
        session.passive,
        session.hold_time,
        session.hold_time / 3
    );
    if session.ttl_security {
        text.push_str("[neighbors.ttl-security.config]\nenabled = true\nttl-min = 255\n");
    }
    for (family, name) in [(Family::V4, "ipv4"), (Family::V6, "ipv6")] {
        if session.carries(family) {
            let _ = writeln!(
                text,
                "[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"{name}-unicast\""
            );
        }
    }
    text
}

/// Reads one element of a route's `attrs`; `type` is the attribute's code.
fn read_attribute(path: &mut Path, attribute: &Value) {
    let list = |key: &str| attribute[key].as_array().cloned().unwrap_or_default();
    match attribute["type"].as_u64().unwrap_or_default() {
        2 => {
            let asns = list("as_paths")
                .into_iter()
                .flat_map(|segment| segment["asns"].as_array().cloned().unwrap_or_default());
            path.as_path = asns.filter_map(|asn| u32::try_from(asn.as_u64()?).ok()).collect();
        }
        3 | 14 => attribute["nexthop"].as_str().unwrap_or_default().clone_into(&mut path.next_hop),
        8 => {
            let values = list("communities").into_iter().filter_map(|value| value.as_u64());
            path.communities = values.map(|value| format!("{}:{}", value >> 16, value & 0xffff)).collect();
        }
        16 => {
            let targets = list("value").into_iter().filter(|value| value["subtype"] == 2);
            path.extended_communities =
                targets.map(|value| format!("rt:{}", value["value"].as_str().unwrap_or_default())).collect();
        }
        32 => {
            let values = list("value").into_iter();
            path.large_communities = values
                .map(|value| format!("{}:{}:{}", value["ASN"], value["LocalData1"], value["LocalData2"]))
                .collect();
        }
        _ => {
            let _ = writeln!(path.other, "{attribute}");
        }
    }
}

fn family(prefix: &IpNet) -> (Family, &'static str) {
    match prefix {
        IpNet::V4(_) => (Family::V4, "ipv4"),
        IpNet::V6(_) => (Family::V6, "ipv6"),
    }
}
