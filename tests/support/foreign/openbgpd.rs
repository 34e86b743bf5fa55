//! OpenBGPD: three processes, of which the parent is ours to start and the session engine speaks.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use lab::net::Namespace;
use lab::process::Process;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{Family, Foreign, OUR_ASN, Path, Session, Site, as_path};

/// `bgpctl` is also the name of our own tool.
const BGPCTL: &str = "/usr/sbin/bgpctl";

pub(super) struct Openbgpd {
    site: Site,
    process: Process,
}

impl Openbgpd {
    pub(super) fn start(namespace: Namespace, directory: PathBuf, session: Session) -> Result<Self> {
        let site = Site { namespace, directory, session };
        // The directory its children confine themselves to.
        fs::create_dir_all("/run/openbgpd")?;
        write_config(&site)?;
        let mut command = Command::new("/usr/sbin/bgpd");
        command.args(["-d", "-v", "-f", &site.file("bgpd.conf")]);
        let process = Process::start(&site.namespace, "openbgpd", command, &site.directory)?;
        Ok(Self { site, process })
    }

    fn bgpctl(&self, arguments: &[&str]) -> Result<String> {
        let socket = self.site.file("bgpd.sock");
        let arguments: Vec<_> = ["-s", &socket].iter().chain(arguments).copied().collect();
        self.site.ask(BGPCTL, &arguments)
    }

    fn json(&self, arguments: &[&str]) -> Result<Value> {
        let arguments: Vec<_> = ["-j"].iter().chain(arguments).copied().collect();
        let text = self.bgpctl(&arguments)?;
        serde_json::from_str(&text).with_context(|| format!("bgpctl {arguments:?}: {text}"))
    }

    fn reconfigure(&self) -> Result<()> {
        write_config(&self.site)?;
        self.bgpctl(&["reload"]).map(drop)
    }

    fn remote(&self) -> String {
        self.site.session.remote().to_string()
    }

    fn children(&self) -> Vec<Pid> {
        let id = self.process.id();
        let list = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        list.split_whitespace().filter_map(|child| child.parse().ok()).map(Pid::from_raw).collect()
    }
}

impl Drop for Openbgpd {
    fn drop(&mut self) {
        // Frozen children would not see that their parent is gone.
        for child in self.children() {
            let _ = kill(child, Signal::SIGKILL);
        }
    }
}

impl Foreign for Openbgpd {
    fn established(&self) -> Result<()> {
        let answer = self.json(&["show", "neighbor", &self.remote()])?;
        let state = &answer["neighbors"][0]["state"];
        ensure!(state == "Established", "OpenBGPD says {state}");
        Ok(())
    }

    fn received(&self, prefix: IpNet) -> Result<Path> {
        let answer =
            self.json(&["show", "rib", "detail", "neighbor", &self.remote(), &prefix.to_string()])?;
        let route =
            answer["rib"].as_array().and_then(|routes| routes.iter().find(|route| route["valid"] == true));
        let route = route.with_context(|| format!("OpenBGPD has no valid {prefix}: {answer}"))?;
        let list = |key: &str| -> Vec<String> {
            let values = route[key].as_array().into_iter().flatten();
            values.filter_map(|value| value.as_str()).map(|value| value.replace(' ', ":")).collect()
        };
        Ok(Path {
            as_path: as_path(route["aspath"].as_str().unwrap_or_default()),
            next_hop: route["exit_nexthop"].as_str().unwrap_or_default().to_owned(),
            communities: list("communities"),
            extended_communities: list("extended_communities"),
            large_communities: list("large_communities"),
            other: String::new(),
        })
    }

    fn received_count(&self) -> Result<usize> {
        let answer = self.json(&["show", "rib", "neighbor", &self.remote()])?;
        Ok(answer["rib"].as_array().map_or(0, Vec::len))
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
        self.bgpctl(&["neighbor", &self.remote(), "down", message]).map(drop)
    }

    fn ask_again(&mut self) -> Result<()> {
        self.bgpctl(&["neighbor", &self.remote(), "refresh"]).map(drop)
    }

    fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    fn freeze(&mut self) -> Result<()> {
        for child in self.children() {
            kill(child, Signal::SIGSTOP)?;
        }
        Ok(())
    }
}

fn write_config(site: &Site) -> Result<()> {
    let path = site.file("bgpd.conf");
    fs::write(&path, config(&site.session, &site.file("bgpd.sock")))?;
    // It refuses a file that others may read: there may be a key in it.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

fn config(session: &Session, socket: &str) -> String {
    let mut text = format!(
        "AS {asn}\nrouter-id {id}\nfib-update no\nsocket \"{socket}\"\nlisten on {local}\nconnect-retry 1\n",
        asn = session.asn,
        id = session.router_id,
        local = session.local(),
    );
    for prefix in &session.announces {
        let _ = writeln!(
            text,
            "network {prefix} set {{ community 65001:11 ext-community rt 65001:5 \
             large-community 4200000001:3:4 }}"
        );
    }
    let _ = writeln!(
        text,
        "neighbor {} {{\nremote-as {OUR_ASN}\nlocal-address {}\nholdtime {}\nholdtime min 3",
        session.remote(),
        session.local(),
        session.hold_time
    );
    for (family, name) in [(Family::V4, "IPv4"), (Family::V6, "IPv6")] {
        let safi = if session.carries(family) { "unicast" } else { "none" };
        let _ = writeln!(text, "announce {name} {safi}");
    }
    if let Some(password) = &session.password {
        let _ = writeln!(text, "tcp md5sig password {password}");
    }
    if session.ttl_security {
        text.push_str("ttl-security yes\n");
    }
    if session.passive {
        text.push_str("passive\n");
    }
    text.push_str("}\nallow from any\nallow to any\n");
    text
}
