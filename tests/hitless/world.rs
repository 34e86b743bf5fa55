//! The rack, the two daemons under test and what their kernels must hold.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use control::BfdState;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use lab::net::{KernelRoute, Namespace, Witness};
use lab::probe::Report;
use lab::rack::plan::{NodeId, TorId};
use lab::rack::{Node, Rack};
use lab::speakers::{Bfd, GracefulRestart, Kind};
use support::{Podbgpd, eventually, kernel};

use crate::flood::Flood;

/// Routes each switch announces, four of IPv4 for one of IPv6.
const ROUTES: u16 = 5_000;
/// Long enough for everything to come up on a machine that has other things to do.
const WHILE: Duration = Duration::from_secs(60);
/// How often the kernel is asked what it holds.
const PAUSE: Duration = Duration::from_millis(100);
/// What may still go wrong after all is well again.
const AFTERMATH: Duration = Duration::from_secs(1);

/// A rack in which everything runs. The first node's daemon is the one that things happen to.
pub(crate) struct World {
    pub(crate) kind: Kind,
    pub(crate) flood: Flood,
    daemons: [Option<Podbgpd>; 2],
    pub(crate) rack: Rack,
    // Last: it is removed when all is over.
    directory: Directory,
}

/// What is to be told apart from the usual.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// The interval of BFD between nodes and switches.
    pub(crate) bfd: Option<u16>,
    /// More lines of the nodes' files.
    pub(crate) lines: &'static str,
}

impl World {
    /// Starts it, and waits until every route is where it belongs and packets flow.
    pub(crate) fn start(kind: Kind, options: Options) -> Self {
        let directory = Directory::new();
        let mut rack = Rack::build(kind, Kind::Podbgp, &directory.0).expect("a rack");
        for tor in &mut rack.tors {
            let config = tor.router.config_mut();
            config.announce = learned();
            config.graceful_restart = Some(GracefulRestart::within(60));
            for neighbor in &mut config.neighbors {
                neighbor.hold_time = 30;
                neighbor.bfd = options.bfd.map(|interval| Bfd { interval, key: None });
            }
            tor.router.start().expect("a switch");
        }
        let daemons = NodeId::BOTH.map(|id| {
            let node = &rack.nodes[id as usize - 1];
            let place = directory.0.join(place(id));
            std::fs::create_dir_all(&place).expect("a directory");
            Some(Podbgpd::start(&node.router.namespace, place, &configuration(id, options)))
        });
        for node in &rack.nodes {
            eventually(WHILE, "the routes in the kernel", || whole(node));
        }
        // The switches install in their own time.
        for tor in &rack.tors {
            eventually(WHILE, "the pods in the switch's kernel", || {
                let routes = tor.router.namespace.routes()?;
                let blocks = NodeId::BOTH.into_iter().flat_map(NodeId::blocks);
                let missing: Vec<_> =
                    blocks.filter(|block| routes.iter().all(|route| route.destination != *block)).collect();
                ensure!(missing.is_empty(), "{} has no {missing:?}", tor.id.name());
                Ok(())
            });
        }
        let flood = Flood::start(&rack);
        let world = Self { kind, flood, daemons, rack, directory };
        world.await_calm();
        world
    }

    /// The first packets wait for neighbours to be resolved; after that none may be lost.
    fn await_calm(&self) {
        eventually(WHILE, "a calm flood", || {
            let mark = self.flood.mark();
            std::thread::sleep(Duration::from_millis(300));
            let reports = self.flood.since(mark);
            ensure!(reports.iter().all(|report| report.lost == 0), "{} {}", reports[0], reports[1]);
            Ok(())
        });
    }

    /// The daemon of the first node.
    pub(crate) fn daemon(&self) -> &Podbgpd {
        self.daemons[0].as_ref().expect("it is only away while it is changed")
    }

    /// Takes the first node's daemon and puts another in its place.
    pub(crate) fn change_daemon(&mut self, change: impl FnOnce(Podbgpd) -> Podbgpd) {
        let [first, _] = &mut self.daemons;
        *first = first.take().map(change);
    }

    /// Where the first node's daemon keeps what a restart has to remember.
    pub(crate) fn state(&self) -> PathBuf {
        self.directory.0.join(place(NodeId::A)).join("state")
    }

    /// The kernel of the first node.
    pub(crate) fn node(&self) -> &Node {
        &self.rack.nodes[0]
    }

    /// Waits until the first node has every session, and its kernel all and only what is right.
    pub(crate) fn await_whole(&self) {
        eventually(WHILE, "every session", || {
            peers().iter().try_for_each(|peer| self.daemon().established(peer).map(drop))
        });
        eventually(WHILE, "the kernel to be right", || {
            let fib = self.daemon().status()?.fib;
            ensure!(fib.leftovers == 0, "{fib:?}");
            whole(self.node())
        });
    }

    /// Waits until every BFD session of both nodes is up at its fast intervals, and nothing has failed for a while.
    pub(crate) fn await_bfd(&self) {
        eventually(WHILE, "BFD", || {
            let failures = || TorId::BOTH.map(|tor| self.bfd_failures(tor));
            let before = failures();
            // Up is agreed on before the intervals are.
            std::thread::sleep(Duration::from_secs(1));
            ensure!(failures() == before, "it flaps");
            for (daemon, node) in self.daemons.iter().flatten().zip(&self.rack.nodes) {
                for peer in peers() {
                    let bfd = daemon.established(&peer)?.bfd.context("no BFD")?;
                    let remote = bfd.remote.as_ref().is_some_and(|remote| remote.min_tx_seconds < 1.0);
                    ensure!(bfd.state == BfdState::Up && remote, "{bfd:?}");
                }
                whole(node)?;
            }
            Ok(())
        });
    }

    /// Counts how often the nodes' BFD has taken a switch for dead.
    pub(crate) fn bfd_failures(&self, tor: TorId) -> u64 {
        let peers = self.daemons.iter().flatten().flat_map(|daemon| daemon.peers().expect("an answer"));
        let of_tor = peers.filter(|peer| peers_of(tor).contains(&peer.name));
        of_tor.filter_map(|peer| Some(peer.bfd?.failures)).sum()
    }

    /// Waits until the first node's kernel sends nothing through a switch any more.
    pub(crate) fn await_gone(&self, tor: TorId) {
        eventually(WHILE, "the switch to be given up", || {
            let routes = kernel::our_routes(&self.node().router.namespace)?;
            let uses = |route: &&KernelRoute| {
                route.next_hops.iter().any(|hop| hop.link.as_deref() == Some(tor.name()))
            };
            let left = routes.iter().filter(uses).count();
            ensure!(left == 0, "{left} routes through {}", tor.name());
            Ok(())
        });
    }

    /// Disturbs it while packets flow and two witnesses watch the first node's kernel; no packet and no route may
    /// be lost.
    pub(crate) fn without_loss(&mut self, what: &str, disturb: impl FnOnce(&mut Self)) {
        let reports = self.witnessed(what, disturb);
        for report in &reports {
            assert_eq!(report.lost, 0, "{what} behind {:?}: {report}", self.kind);
        }
    }

    /// Disturbs it while packets flow and two witnesses watch the first node's kernel, where every destination must
    /// stay reachable; the account of the packets.
    pub(crate) fn witnessed(&mut self, what: &str, disturb: impl FnOnce(&mut Self)) -> [Report; 2] {
        let namespace = self.node().router.namespace.clone();
        let witness = Witness::start(&namespace).expect("a witness");
        let valid: BTreeSet<_> = destinations(NodeId::A).collect();
        let over = AtomicBool::new(false);
        let mark = self.flood.mark();
        let start = Instant::now();
        let looks = std::thread::scope(|scope| {
            let presence = scope.spawn(|| always_there(&namespace, &valid, &over));
            // However it ends: the other thread must not wait for ever.
            let end = End(&over);
            disturb(self);
            std::thread::sleep(AFTERMATH);
            drop(end);
            presence.join().expect("the looks at the kernel")
        });
        let took = start.elapsed();
        let reports = self.flood.since(mark);
        tell(&format!(
            "{what} behind {:?}: IPv4 {}; IPv6 {}; {} ms, {looks} looks at the kernel",
            self.kind,
            reports[0],
            reports[1],
            took.as_millis()
        ));
        let deleted = witness.deleted().expect("a whole account");
        let lost: Vec<_> = deleted.intersection(&valid).take(5).collect();
        assert!(lost.is_empty(), "{what}: the kernel deleted {lost:?} and perhaps more");
        reports
    }
}

/// The folder of a node's daemon.
fn place(id: NodeId) -> String {
    format!("{}-daemon", id.name())
}

/// Says that it is over when it goes.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Looks again and again whether all is there; how often it looked.
///
/// A route that goes with its nexthop object goes without a word: only looking finds it missing.
fn always_there(namespace: &Namespace, valid: &BTreeSet<IpNet>, over: &AtomicBool) -> usize {
    let mut looks = 0;
    while !over.load(Ordering::Relaxed) {
        let routes = kernel::our_routes(namespace).expect("the kernel answers");
        let there: BTreeSet<_> = routes.iter().map(|route| route.destination).collect();
        let missing: Vec<_> = valid.difference(&there).take(5).collect();
        assert!(missing.is_empty(), "the kernel has no {missing:?} and perhaps more after {looks} looks");
        looks += 1;
        std::thread::sleep(PAUSE);
    }
    looks
}

/// Checks that the kernel has every destination, through both switches where they lead there, and nothing else.
fn whole(node: &Node) -> Result<()> {
    let routes = kernel::our_routes(&node.router.namespace)?;
    let wanted: BTreeSet<_> = destinations(node.id).collect();
    let there: BTreeSet<_> = routes.iter().map(|route| route.destination).collect();
    ensure!(wanted == there, "{} of {} destinations", wanted.intersection(&there).count(), wanted.len());
    let own = node.id.blocks();
    let both = |route: &&KernelRoute| route.next_hops.len() == TorId::BOTH.len();
    let shared = routes.iter().filter(both).count();
    ensure!(shared + own.len() == wanted.len(), "{shared} through both switches");
    Ok(())
}

/// What the kernel of a node must have from us: what the switches announce, the other node's blocks, and its own.
fn destinations(node: NodeId) -> impl Iterator<Item = IpNet> {
    learned().into_iter().chain(node.other().blocks()).chain(node.blocks())
}

/// What each switch announces.
fn learned() -> Vec<IpNet> {
    let v6 = ROUTES / 5;
    let v4 = (0..ROUTES - v6).map(|index| {
        let start = u32::from(Ipv4Addr::new(10, 64, 0, 0)) + (u32::from(index) << 8);
        IpNet::V4(Ipv4Net::new_assert(start.into(), 24))
    });
    let v6 = (0..v6)
        .map(|index| IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfd50, index, 0, 0, 0, 0, 0, 0), 64)));
    v4.chain(v6).collect()
}

/// The names of a node's peers, one per switch and family.
fn peers() -> Vec<String> {
    TorId::BOTH.iter().flat_map(|tor| peers_of(*tor)).collect()
}

/// The names of a switch's two sessions.
pub(crate) fn peers_of(tor: TorId) -> [String; 2] {
    ["v4", "v6"].map(|family| format!("{}-{family}", tor.name()))
}

/// The file of a node.
pub(crate) fn configuration(id: NodeId, options: Options) -> String {
    let blocks: Vec<_> = id.blocks().iter().map(ToString::to_string).collect();
    let mut text = format!(
        "[node]\nname = \"{}\"\nasn = {}\nrouter-id = \"{}\"\nblocks = {blocks:?}\n",
        id.name(),
        id.asn(),
        id.router_id()
    );
    for tor in TorId::BOTH {
        // The addresses of the switch's end of the cable.
        for (name, address) in peers_of(tor).iter().zip(tor.addresses(id)) {
            let family = if address.addr().is_ipv4() { "ipv4" } else { "ipv6" };
            let _ = write!(
                text,
                "\n[[peer]]\nname = \"{name}\"\naddress = \"{}\"\nasn = {}\nhold-time = 30\n\
                 connect-retry = 1\nfamilies = [\"{family}\"]\n",
                address.addr(),
                tor.asn()
            );
            if let Some(interval) = options.bfd {
                let _ = writeln!(text, "bfd = {{ interval = {interval}, multiplier = 3 }}");
            }
        }
    }
    text + options.lines
}

/// A directory of a world's own.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        use std::sync::atomic::AtomicUsize;
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("podbgp-hitless-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What the programs wrote is the evidence.
            support::rack::show_logs(&self.0);
        }
        // It is in the temporary directory: nothing is lost when this fails.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[expect(clippy::print_stderr, reason = "a figure worth seeing")]
fn tell(figure: &str) {
    eprintln!("hitless: {figure}");
}
