//! A node with two TORs, one of which fails while traffic flows: how long packets are lost, and how many netlink
//! requests the node's daemon makes of it.

use std::net::Ipv4Addr;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ipnet::{IpNet, Ipv4Net};
use lab::net::{Namespace, NextHop};
use lab::speakers::{Bfd, Communities, Kind, Neighbor, Speaker, SpeakerConfig, output_of};
use lab::wait::wait_until;
use nix::sys::signal::Signal;

use crate::rack::{Rack, Transport, UPLINK, link, our_address, their_address};
use crate::requests::Requests;
use crate::session::OUR_ASN;
use crate::traffic::{Loss, Traffic};
use crate::{Podbgpd, Session, config};

/// What the TORs announce is in here; the destination of the traffic has all of it.
const DESTINATIONS: &str = "64.0.0.0/8";
/// Packets a second.
const RATE: u32 = 10_000;
/// How many of the prefixes get traffic.
const SPREAD: usize = 64;
/// How long loading the table may take.
const LOADED: Duration = Duration::from_secs(120);
/// Traffic before the failure, all of which must arrive.
const BEFORE: Duration = Duration::from_millis(500);
/// Nothing lost and nothing written for so long: it is over.
const QUIET: Duration = Duration::from_millis(1500);
/// What is not over by then will not be.
const LONGEST: Duration = Duration::from_secs(30);
/// How long after the kernel told of a request we may hear of it.
const HEARING: Duration = Duration::from_millis(1);
/// How often a run is tried that a busy machine disturbed before anything failed.
const TRIES: usize = 5;
/// BFD: three packets of so many milliseconds.
const BFD_INTERVAL: u16 = 50;

/// The daemon of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Ours.
    Podbgpd,
    /// BIRD 2.
    Bird,
    /// FRR.
    Frr,
}

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The far end of the link to a TOR is set down: the node loses its carrier.
    CarrierLost,
    /// The node's end of the link is set down.
    LinkSetDown,
    /// The TOR forwards no more and its programs are frozen; the link stays up.
    Silence,
    /// The TOR forwards no more and its BGP is killed; its kernel closes the connection.
    SessionCloses,
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::CarrierLost, Self::LinkSetDown, Self::Silence, Self::SessionCloses];

    /// As a table names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CarrierLost => "carrier lost",
            Self::LinkSetDown => "link set down",
            Self::Silence => "BFD silence",
            Self::SessionCloses => "TCP closes",
        }
    }
}

/// What a failure cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Packets sent since the failure.
    pub sent: usize,
    /// Packets lost of those.
    pub lost: usize,
    /// From the failure to the last packet lost.
    pub last_lost: Duration,
    /// From the failure to the first request the daemon made; none if it made none.
    pub first_request: Option<Duration>,
    /// Requests heard of up to a millisecond after the last packet lost: the ear may be that slow.
    pub requests_until_right: usize,
    /// Requests made in all, until the daemon was at rest.
    pub requests: usize,
    /// As many by `podbgpd`'s own count.
    pub own_count: Option<u64>,
}

/// Has one of two TORs fail that announce so many prefixes each.
///
/// `fib` is lines for the `[fib]` table of `podbgpd`.
///
/// # Errors
/// Something did not start, the routes did not come, traffic was lost before anything failed, or the loss does not
/// end.
pub fn fail_over(subject: Subject, failure: Failure, prefixes: usize, fib: &str) -> Result<Cost> {
    let mut outcome = attempt(subject, failure, prefixes, fib);
    for _ in 1..TRIES {
        if !outcome.as_ref().is_err_and(|error| error.is::<Disturbed>()) {
            break;
        }
        outcome = attempt(subject, failure, prefixes, fib);
    }
    outcome.with_context(|| format!("{subject:?}, {prefixes} prefixes, {}", failure.name()))
}

/// The machine was too busy to tell.
#[derive(Debug)]
struct Disturbed(String);

impl std::fmt::Display for Disturbed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "disturbed before anything failed: {}", self.0)
    }
}

impl std::error::Error for Disturbed {}

fn attempt(subject: Subject, failure: Failure, prefixes: usize, fib: &str) -> Result<Cost> {
    let mut site = Site::build(subject, prefixes, fib)?;
    let spread = site.prefixes.iter().step_by((prefixes / SPREAD).max(1)).take(SPREAD);
    let destinations = spread.filter_map(|prefix| prefix.hosts().next()).collect();
    let traffic = Traffic::start(&site.pod, &site.far, destinations, RATE)?;
    sleep(Duration::from_millis(300));
    let before = Instant::now();
    sleep(BEFORE + Duration::from_millis(350));
    let undisturbed = traffic.loss_since(before);
    if undisturbed.lost > 0 || undisturbed.sent < RATE as usize / 10 {
        return Err(Disturbed(format!("{} packets of {}", undisturbed.lost, undisturbed.sent)).into());
    }
    let requests = Requests::watch(&site.rack.ours)?;
    let own = site.node.messages();
    let start = Instant::now();
    site.fail(failure)?;
    let loss = aftermath(&traffic, &requests, start)?;
    let heard: Vec<_> = requests.heard()?.into_iter().filter(|moment| *moment >= start).collect();
    let after = |moment: Option<Instant>| moment.map(|moment| moment.duration_since(start));
    let right = loss.last.unwrap_or(start) + HEARING;
    Ok(Cost {
        sent: loss.sent,
        lost: loss.lost,
        last_lost: after(loss.last).unwrap_or_default(),
        first_request: after(heard.first().copied()),
        requests_until_right: heard.iter().filter(|moment| **moment <= right).count(),
        requests: heard.len(),
        own_count: own.zip(site.node.messages()).map(|(before, after)| after - before),
    })
}

/// Waits until nothing has been lost or written for a while.
fn aftermath(traffic: &Traffic, requests: &Requests, start: Instant) -> Result<Loss> {
    loop {
        sleep(Duration::from_millis(100));
        let loss = traffic.loss_since(start);
        let last = [loss.last, requests.heard()?.last().copied(), Some(start)];
        let last = last.into_iter().flatten().max().unwrap_or(start);
        if last.elapsed() > QUIET {
            return Ok(loss);
        }
        if start.elapsed() > LONGEST {
            bail!("packets are lost or routes written after {} s: {loss:?}", LONGEST.as_secs());
        }
    }
}

/// A pod, its node, two TORs, and what is behind them.
struct Site {
    node: Node,
    tors: Vec<Speaker>,
    prefixes: Vec<Ipv4Net>,
    pod: Namespace,
    far: Namespace,
    // Last: what runs in it goes first.
    rack: Rack,
}

enum Node {
    Ours(Podbgpd),
    Theirs { _running: Speaker },
}

impl Node {
    /// The netlink messages it says it has sent, if it counts them.
    fn messages(&self) -> Option<u64> {
        match self {
            Self::Ours(daemon) => daemon.status().ok().map(|status| status.fib.messages),
            Self::Theirs { .. } => None,
        }
    }
}

impl Site {
    fn build(subject: Subject, count: usize, fib: &str) -> Result<Self> {
        let rack = Rack::new(2);
        let prefixes = announced(count)?;
        let (pod, far) = wire(&rack)?;
        let sessions = [0, 1].map(|index| tor(index, &prefixes));
        let node = match subject {
            Subject::Podbgpd => {
                let peers = sessions.iter().map(|session| {
                    config::peer(session, &format!("bfd = {{ interval = {BFD_INTERVAL}, multiplier = 3 }}"))
                });
                let text = config::node("") + &format!("[fib]\n{fib}\n") + &peers.collect::<String>();
                Node::Ours(Podbgpd::start(&rack.ours, rack.directory("ours"), &text))
            }
            Subject::Bird => Node::Theirs { _running: foreign(Kind::Bird, &rack, &sessions)? },
            Subject::Frr => Node::Theirs { _running: foreign(Kind::Frr, &rack, &sessions)? },
        };
        let tors = sessions.iter().map(|session| session.start(Kind::Bird, &rack)).collect();
        let site = Self { node, tors, prefixes, pod, far, rack };
        wait_until(LOADED, "both ways for every prefix", || site.expect_both_ways())?;
        wait_until(LOADED, "BFD with both TORs", || {
            (0..)
                .zip(&site.tors)
                .try_for_each(|(index, tor)| tor.bfd(our_address(index, Transport::V4)).map(drop))
        })?;
        Ok(site)
    }

    /// Checks that the kernel sends every prefix to both TORs.
    fn expect_both_ways(&self) -> Result<()> {
        let routes = self.rack.ours.routes()?;
        let learned = routes.iter().filter(|route| route.next_hops.len() == 2).count();
        if learned < self.prefixes.len() {
            // The dump itself takes its time.
            sleep(Duration::from_millis(100));
        }
        ensure!(
            learned == self.prefixes.len(),
            "{learned} routes of {} have two next hops",
            self.prefixes.len()
        );
        Ok(())
    }

    fn fail(&mut self, failure: Failure) -> Result<()> {
        let broken = &self.rack.theirs[0];
        match failure {
            Failure::CarrierLost => broken.set_down(UPLINK),
            Failure::LinkSetDown => self.rack.ours.set_down(&link(0)),
            Failure::Silence => {
                broken.set_sysctl("ipv4/ip_forward", "0")?;
                self.tors[0].signal(Signal::SIGSTOP)
            }
            Failure::SessionCloses => {
                broken.set_sysctl("ipv4/ip_forward", "0")?;
                self.tors[0].kill();
                Ok(())
            }
        }
    }
}

/// So many prefixes of length 24.
fn announced(count: usize) -> Result<Vec<Ipv4Net>> {
    let all: Ipv4Net = DESTINATIONS.parse()?;
    let prefixes: Vec<_> = all.subnets(24)?.take(count).collect();
    ensure!(prefixes.len() == count, "{count} prefixes are too many");
    Ok(prefixes)
}

/// Lays the cables to pod and destination; returns these two.
fn wire(rack: &Rack) -> Result<(Namespace, Namespace)> {
    let (pod, far) = (Namespace::new("pod")?, Namespace::new("far")?);
    rack.ours.forward()?;
    rack.ours.connect("pod", &pod, "eth0")?;
    rack.ours.add_address("pod", "10.8.0.1/24".parse()?)?;
    pod.add_address("eth0", "10.8.0.2/24".parse()?)?;
    pod.add_route("0.0.0.0/0".parse()?, &[NextHop::via(Ipv4Addr::new(10, 8, 0, 1))])?;
    for (index, tor) in (1..).zip(&rack.theirs) {
        let port = format!("tor{index}");
        tor.forward()?;
        tor.connect("far", &far, &port)?;
        tor.add_address("far", format!("10.8.{index}.1/24").parse()?)?;
        far.add_address(&port, format!("10.8.{index}.2/24").parse()?)?;
        tor.add_route(DESTINATIONS.parse()?, &[NextHop::via(Ipv4Addr::new(10, 8, index, 2))])?;
    }
    let mut command = Command::new("ip");
    command.args(["route", "add", "local", DESTINATIONS, "dev", "lo"]);
    output_of(&far, command)?;
    Ok((pod, far))
}

fn tor(index: usize, prefixes: &[Ipv4Net]) -> Session {
    let session = Session::new(index).announcing(prefixes.iter().copied().map(IpNet::from));
    let mut session = session.with(|us| {
        us.ipv6 = false;
        us.bfd = Some(Bfd { interval: BFD_INTERVAL, key: None });
    });
    session.config.communities = Communities::default();
    session
}

/// Starts somebody else's daemon on the node.
fn foreign(kind: Kind, rack: &Rack, tors: &[Session]) -> Result<Speaker> {
    let neighbors = tors.iter().map(|tor| Neighbor {
        local_address: Some(our_address(tor.index, Transport::V4)),
        bfd: Some(Bfd { interval: BFD_INTERVAL, key: None }),
        ..Neighbor::new(their_address(tor.index, Transport::V4), tor.config.asn)
    });
    let node = SpeakerConfig {
        neighbors: neighbors.collect(),
        install: true,
        ..SpeakerConfig::new(OUR_ASN, Ipv4Addr::new(10, 9, 255, 1))
    };
    Speaker::start(kind, &rack.ours, &node, &rack.directory("ours"))
}
