//! FRRouting: `bgpd` and the `zebra` that tells it about interfaces, without `watchfrr`.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use lab::net::Namespace;
use lab::process::Process;
use nix::unistd::{User, chown};
use serde_json::Value;

use super::{BfdPeer, Family, Foreign, OUR_ASN, Path, Session, Site, as_path};

pub(super) struct Frr {
    site: Site,
    bgpd: Process,
    bfdd: Option<Process>,
    // bgpd takes no IPv6 next hop of ours without it.
    _zebra: Process,
}

impl Frr {
    pub(super) fn start(namespace: Namespace, directory: PathBuf, session: Session) -> Result<Self> {
        let site = Site { namespace, directory, session };
        fs::write(site.file("zebra.conf"), "log stdout\n")?;
        fs::write(site.file("bgpd.conf"), config(&site.session))?;
        let user = User::from_name("frr")?.context("there is no user frr")?;
        chown(&site.directory, Some(user.uid), Some(user.gid))?;
        let zebra = daemon(&site, "zebra")?;
        let bfdd = match site.session.bfd {
            Some(interval) => {
                fs::write(site.file("bfdd.conf"), bfd_config(interval))?;
                Some(daemon(&site, "bfdd")?)
            }
            None => None,
        };
        let bgpd = daemon(&site, "bgpd")?;
        Ok(Self { site, bgpd, bfdd, _zebra: zebra })
    }

    fn vtysh(&self, commands: &[&str]) -> Result<String> {
        self.ask("bgpd", commands)
    }

    fn ask(&self, daemon: &str, commands: &[&str]) -> Result<String> {
        let directory = self.site.directory.to_string_lossy().into_owned();
        let mut arguments = vec!["--vty_socket", &directory, "-d", daemon];
        arguments.extend(commands.iter().flat_map(|command| ["-c", command]));
        self.site.ask("vtysh", &arguments)
    }

    fn json(&self, command: &str) -> Result<Value> {
        let text = self.vtysh(&[command])?;
        serde_json::from_str(&text).with_context(|| format!("{command}: {text}"))
    }

    fn networks(&self, prefixes: &[IpNet], no: &str) -> Result<()> {
        for prefix in prefixes {
            let router = format!("router bgp {}", self.site.session.asn);
            let family = format!("address-family {} unicast", family(prefix));
            let network = format!("{no}network {prefix}");
            self.vtysh(&["configure terminal", &router, &family, &network])?;
        }
        Ok(())
    }
}

impl Foreign for Frr {
    fn established(&self) -> Result<()> {
        let remote = self.site.session.remote().to_string();
        let neighbor = self.json(&format!("show bgp neighbors {remote} json"))?;
        let state = &neighbor[&remote]["bgpState"];
        ensure!(state == "Established", "FRR says {state}, {}", neighbor[&remote]["lastResetDueTo"]);
        Ok(())
    }

    fn received(&self, prefix: IpNet) -> Result<Path> {
        let answer = self.json(&format!("show bgp {} unicast {prefix} json", family(&prefix)))?;
        let paths = answer["paths"].as_array().map(Vec::as_slice).unwrap_or_default();
        let path = paths.iter().find(|path| path["peer"]["type"] == "external" && path["valid"] == true);
        let path = path.with_context(|| format!("FRR has no valid {prefix}: {answer}"))?;
        Ok(Path {
            as_path: as_path(path["aspath"]["string"].as_str().unwrap_or_default()),
            next_hop: path["nexthops"][0]["ip"].as_str().unwrap_or_default().to_owned(),
            communities: words(&path["community"]["string"]),
            extended_communities: words(
                &path["extendedCommunity"]["string"].as_str().unwrap_or_default().to_lowercase().into(),
            ),
            large_communities: words(&path["largeCommunity"]["string"]),
            other: String::new(),
        })
    }

    fn received_count(&self) -> Result<usize> {
        let remote = self.site.session.remote().to_string();
        let mut count = 0;
        for name in ["ipv4", "ipv6"] {
            let answer = self.json(&format!("show bgp {name} unicast json"))?;
            let routes = answer["routes"].as_object().into_iter().flat_map(|routes| routes.values());
            let ours = |path: &&Value| path["peerId"] == remote.as_str() && path["valid"] == true;
            count += routes.filter_map(Value::as_array).flatten().filter(ours).count();
        }
        Ok(count)
    }

    fn announce(&mut self, prefixes: &[IpNet]) -> Result<()> {
        self.networks(prefixes, "")
    }

    fn withdraw(&mut self, prefixes: &[IpNet]) -> Result<()> {
        self.networks(prefixes, "no ")
    }

    fn shut_down(&mut self, message: &str) -> Result<()> {
        let router = format!("router bgp {}", self.site.session.asn);
        let shutdown = format!("neighbor {} shutdown message {message}", self.site.session.remote());
        self.vtysh(&["configure terminal", &router, &shutdown]).map(drop)
    }

    fn ask_again(&mut self) -> Result<()> {
        let remote = self.site.session.remote();
        for (family, name) in [(Family::V4, "ipv4"), (Family::V6, "ipv6")] {
            if self.site.session.carries(family) {
                self.vtysh(&[&format!("clear bgp {name} {remote} soft in")])?;
            }
        }
        Ok(())
    }

    fn bfd(&self) -> Result<BfdPeer> {
        let answer = self.ask("bfdd", &["show bfd peers json"])?;
        let peers: Value = serde_json::from_str(&answer).with_context(|| answer.clone())?;
        let remote = self.site.session.remote().to_string();
        let peer =
            peers.as_array().and_then(|peers| peers.iter().find(|peer| peer["peer"] == remote.as_str()));
        let peer = peer.with_context(|| format!("no BFD session: {answer}"))?;
        ensure!(peer["status"] == "up", "FRR says {peer}");
        let number = |key: &str| peer[key].as_u64().with_context(|| format!("no {key}: {peer}"));
        Ok(BfdPeer {
            transmit: number("transmit-interval")?.max(number("remote-receive-interval")?),
            detection_time: number("remote-detect-multiplier")?
                * number("receive-interval")?.max(number("remote-transmit-interval")?),
        })
    }

    fn shut_bfd_down(&mut self) -> Result<()> {
        self.ask("bfdd", &["configure terminal", "bfd", "profile watched", "shutdown"]).map(drop)
    }

    fn bfd_process(&mut self) -> &mut Process {
        self.bfdd.as_mut().unwrap_or(&mut self.bgpd)
    }

    fn process(&mut self) -> &mut Process {
        &mut self.bgpd
    }
}

fn daemon(site: &Site, name: &str) -> Result<Process> {
    let directory = site.directory.to_string_lossy().into_owned();
    let mut command = Command::new(format!("/usr/lib/frr/{name}"));
    command.args(["-f", &site.file(&format!("{name}.conf")), "-i", &site.file(&format!("{name}.pid"))]);
    if name == "bfdd" {
        command.args(["--bfdctl", &site.file("bfdd.sock")]);
    }
    command.args(["-z", &site.file("zserv.api"), "--vty_socket", &directory, "-P", "0", "--log", "stdout"]);
    let process = Process::start(&site.namespace, name, command, &site.directory)?;
    let socket = site.directory.join(format!("{name}.vty"));
    lab::wait::wait_until(crate::SOON, &format!("{name} to listen"), || {
        ensure!(socket.exists(), "{}", process.last_words());
        Ok(())
    })?;
    Ok(process)
}

fn config(session: &Session) -> String {
    let remote = session.remote();
    let mut text = format!(
        "log stdout\nrouter bgp {asn}\n bgp router-id {id}\n no bgp ebgp-requires-policy\n \
         no bgp default ipv4-unicast\n no bgp network import-check\n neighbor {remote} remote-as {OUR_ASN}\n \
         neighbor {remote} timers {keepalive} {hold}\n neighbor {remote} timers connect 1\n \
         neighbor {remote} advertisement-interval 0\n",
        asn = session.asn,
        id = session.router_id,
        keepalive = session.hold_time / 3,
        hold = session.hold_time,
    );
    if let Some(password) = &session.password {
        let _ = writeln!(text, " neighbor {remote} password {password}");
    }
    if session.ttl_security {
        let _ = writeln!(text, " neighbor {remote} ttl-security hops 1");
    }
    if session.multihop {
        let _ = writeln!(text, " neighbor {remote} ebgp-multihop 2");
    }
    if session.bfd.is_some() {
        let _ = writeln!(
            text,
            " neighbor {remote} bfd\n neighbor {remote} bfd profile watched\n \
             neighbor {remote} bfd check-control-plane-failure"
        );
    }
    if session.passive {
        let _ = writeln!(text, " neighbor {remote} passive");
    }
    if session.extended_next_hop {
        let _ = writeln!(text, " neighbor {remote} capability extended-nexthop");
    }
    for (carried, name) in [(Family::V4, "ipv4"), (Family::V6, "ipv6")] {
        if !session.carries(carried) {
            continue;
        }
        let _ = writeln!(
            text,
            " address-family {name} unicast\n  neighbor {remote} activate\n  neighbor {remote} route-map MARK out"
        );
        for prefix in session.announces.iter().filter(|prefix| family(prefix) == name) {
            let _ = writeln!(text, "  network {prefix}");
        }
        text.push_str(" exit-address-family\n");
    }
    // A route map would be applied five seconds late by default.
    text.push_str(
        "route-map MARK permit 10\n set community 65001:11\n set extcommunity rt 65001:5\n \
         set large-community 4200000001:3:4\nexit\nbgp route-map delay-timer 0\n",
    );
    text
}

fn bfd_config(interval: u16) -> String {
    format!(
        "log stdout\nbfd\n profile watched\n  detect-multiplier 3\n  transmit-interval {interval}\n  \
         receive-interval {interval}\n exit\nexit\n"
    )
}

fn family(prefix: &IpNet) -> &'static str {
    match prefix {
        IpNet::V4(_) => "ipv4",
        IpNet::V6(_) => "ipv6",
    }
}

fn words(text: &Value) -> Vec<String> {
    text.as_str().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}
