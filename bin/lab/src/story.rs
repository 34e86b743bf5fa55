//! The main job, shown in steps on a rack, every claim checked.

mod failure;
mod keep;

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ipnet::IpNet;

use crate::net::{Namespace, Privilege};
use crate::probe::ping;
use crate::rack::plan::{NodeId, TorId};
use crate::rack::{Node, Rack};
use crate::screen::{Screen, seconds};
use crate::speakers::{Kind, Speaker, output_of};
use crate::wait::wait_until;

/// How long a step may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to show.
#[derive(Clone, Copy, Debug)]
pub struct Story {
    /// Who plays the TORs.
    pub tor: Kind,
    /// Whether the rack stays up at the end, until somebody ends the lab.
    pub keep: bool,
}

impl Story {
    /// Tells it; returns whether every check passed.
    ///
    /// # Errors
    /// The rack cannot be built here, or fell apart.
    pub fn tell(self, privilege: Privilege, directory: &Path) -> Result<bool> {
        let mut screen = Screen::default();
        self.introduce(&screen, privilege);
        let rack = self.build(&mut screen, directory)?;
        if let Some(mut rack) = rack {
            if self.converge(&mut screen, &mut rack)? {
                failure::tell(&mut screen, &mut rack)?;
            } else {
                show_last_words(&screen, &rack);
            }
            let passed = screen.verdict();
            if self.keep {
                keep::look_around(&screen, &rack, privilege);
            }
            return Ok(passed);
        }
        Ok(screen.verdict())
    }

    fn introduce(self, screen: &Screen, privilege: Privilege) {
        let how = match privilege {
            Privilege::Root => "as root",
            Privilege::UserNamespace => "in a user namespace",
        };
        screen.line(format!(
            "podbgp lab: a rack in a box, in network namespaces of this machine ({how})\n\n{}",
            drawing(self.tor.name())
        ));
    }

    /// Steps 1 and 2: cables, then programs.
    fn build(self, screen: &mut Screen, directory: &Path) -> Result<Option<Rack>> {
        screen.step("Build the rack");
        let start = Instant::now();
        let mut rack = Rack::build(self.tor, Kind::Podbgp, directory)?;
        screen.check(true, "8 network namespaces, 8 cables, 4 pods", &seconds(start.elapsed()));

        screen.step("Start the speakers");
        for router in rack.routers_mut() {
            let start = Instant::now();
            let started = router.start().map(|()| ((), start.elapsed()));
            let what = match router.speaker() {
                Ok(speaker) => format!("{}: {}", router.namespace.name(), processes(speaker)),
                Err(_) => router.namespace.name().to_owned(),
            };
            if screen.outcome(&what, started).is_none() {
                return Ok(None);
            }
        }
        if self.tor == Kind::Gobgp {
            screen.note("GoBGP writes no kernel routes: the lab copies its best paths to the TORs' kernels.");
        }
        Ok(Some(rack))
    }

    /// Steps 3 to 5: sessions, routes, pings. False ends the story: nothing after it would make sense.
    fn converge(self, screen: &mut Screen, rack: &mut Rack) -> Result<bool> {
        screen.step("Sessions come up");
        let up = wait_until(PATIENCE, "all sessions", || {
            screen.waiting("waiting for the sessions");
            established_with(rack, &TorId::BOTH)
        });
        let settled = screen.outcome("every node has a session per family with each TOR", up).is_some();
        let node = &rack.nodes[0];
        show_peers(screen, node);
        if !settled {
            return Ok(false);
        }

        screen.step("Blocks are advertised, ECMP routes appear in each kernel");
        for node in &rack.nodes {
            for block in node.id.other().blocks() {
                let both = wait_until(PATIENCE, "both TORs as next hops", || {
                    reached_through(node, block, &TorId::BOTH)
                });
                let what = format!("{}: {block} through tor-a and tor-b", node.id.name());
                if screen.outcome(&what, both).is_none() {
                    return Ok(false);
                }
            }
        }
        if let Ok(routes) = node.router.speaker()?.bgpctl(&["show", "routes"]) {
            screen.typed(&format!("bgpctl show routes          # on {}", node.id.name()), &routes);
        }
        show_kernel(screen, node)?;

        screen.step("Pods on different nodes ping each other through the TORs");
        Ok(ping_everyone(screen, rack))
    }
}

fn drawing(tor: &str) -> String {
    let line = |node: NodeId| {
        let [v4, v6] = node.blocks();
        format!("{} AS {}  pods in {v4} and {v6}", node.name(), node.asn())
    };
    format!(
        "     tor-a AS {}     tor-b AS {}     {tor}, hold time {} s\n          │    ╲      ╱    │\n          │       ╳        │          \
         a cable and its own subnets each\n          │    ╱      ╲    │\n     node-a            node-b\n       {}\n       {}",
        TorId::A.asn(),
        TorId::B.asn(),
        crate::rack::HOLD_TIME,
        line(NodeId::A),
        line(NodeId::B)
    )
}

fn processes(speaker: &Speaker) -> String {
    let processes =
        speaker.processes().iter().map(|process| format!("{} (pid {})", process.name(), process.id()));
    processes.collect::<Vec<_>>().join(", ")
}

/// Succeeds when every node has its sessions with these TORs and no other.
fn established_with(rack: &Rack, tors: &[TorId]) -> Result<()> {
    for node in &rack.nodes {
        let wanted: Vec<IpAddr> =
            tors.iter().flat_map(|tor| tor.addresses(node.id)).map(|address| address.addr()).collect();
        let mut established = node.router.speaker()?.established()?;
        established.sort_by_key(|address| wanted.iter().position(|wanted| wanted == address));
        ensure!(established == wanted, "{} has sessions with {established:?}", node.id.name());
    }
    Ok(())
}

/// Succeeds when the node's kernel sends to these TORs and no other.
fn reached_through(node: &Node, block: IpNet, tors: &[TorId]) -> Result<()> {
    let now = node.tors_towards(block)?;
    ensure!(now == tors, "{} reaches {block} through {now:?}", node.id.name());
    Ok(())
}

/// Succeeds when every node's kernel sends to these TORs and no other, for both families.
fn all_reached_through(rack: &Rack, tors: &[TorId]) -> Result<()> {
    rack.nodes.iter().try_for_each(|node| {
        node.id.other().blocks().into_iter().try_for_each(|block| reached_through(node, block, tors))
    })
}

fn show_peers(screen: &Screen, node: &Node) {
    match node.router.speaker().and_then(|speaker| speaker.bgpctl(&["show", "peers"])) {
        Ok(peers) => screen.typed(&format!("bgpctl show peers          # on {}", node.id.name()), &peers),
        Err(reason) => screen.note(format!("{reason:#}")),
    }
}

/// Shows the whole IPv4 table and the other node's block of IPv6.
fn show_kernel(screen: &Screen, node: &Node) -> Result<()> {
    let [_, far_v6] = node.id.other().blocks();
    show_ip_route(screen, node, "ip route", |destination| destination.addr().is_ipv4())?;
    show_ip_route(screen, node, &format!("ip -6 route show {far_v6}"), |destination| destination == far_v6)
}

/// Runs the real `ip`; where there is none, lists what it would.
fn show_ip_route(screen: &Screen, node: &Node, typed: &str, wanted: impl Fn(IpNet) -> bool) -> Result<()> {
    let namespace = &node.router.namespace;
    let mut ip = Command::new("ip");
    ip.args(typed.split(' ').skip(1));
    match output_of(namespace, ip) {
        Ok(routes) => screen.typed(&format!("{typed}          # on {}", node.id.name()), &routes),
        Err(_) => {
            let routes = namespace.routes()?;
            let listing: Vec<_> =
                routes.iter().filter(|route| wanted(route.destination)).map(ToString::to_string).collect();
            let typed =
                format!("{typed}          # on {}; ip is not installed, the lab lists it", node.id.name());
            screen.typed(&typed, &listing.join("\n"));
        }
    }
    Ok(())
}

fn ping_everyone(screen: &mut Screen, rack: &Rack) -> bool {
    let [here, there] = &rack.nodes;
    let mut all = true;
    for (from, to) in [(here, there), (there, here)] {
        for (sender, receiver) in [(0, 0), (1, 1)] {
            for address in to.pods[receiver].addresses {
                let namespace = &from.pods[sender].namespace;
                let what =
                    format!("{} pings {address} ({})", namespace.name(), to.pods[receiver].namespace.name());
                let answer = first_answer(namespace, address).map(|rtt| ((), rtt));
                all &= screen.outcome(&what, answer).is_some();
            }
        }
    }
    all
}

/// The TORs may still be writing their kernels: asks again until there is an answer.
fn first_answer(from: &Namespace, to: IpAddr) -> Result<Duration> {
    let asked =
        wait_until(Duration::from_secs(5), "an answer", || ping(from, to, Duration::from_millis(500)));
    asked.map(|(rtt, _)| rtt)
}

fn show_last_words(screen: &Screen, rack: &Rack) {
    for process in rack.routers().filter_map(|router| router.speaker().ok()).flat_map(Speaker::processes) {
        screen.note(format!("the last words of {} (pid {}):", process.name(), process.id()));
        screen.note(process.last_words());
    }
}
