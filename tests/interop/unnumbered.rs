//! Peers at the other end of a link, by link-local addresses alone: router advertisements (RFC 4861) lead to the
//! peer, and IPv4 goes over IPv6 next hops (RFC 8950). Two switches have the same address on their links.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::net::{KernelRoute, Namespace};
use lab::probe::ping;
use lab::speakers::{Kind, Neighbor, Speaker, SpeakerConfig};
use support::rack::UPLINK;
use support::session::OUR_ASN;
use support::{Podbgpd, Rack, SOON, config, eventually, kernel};

use crate::pair::{OUR_V4, OUR_V6, net};

/// The link-local address of every switch, and that of the node on every link.
const THEIRS: &str = "fe80::1";
const OURS: &str = "fe80::ff";
/// What is behind every switch, and behind us.
const THEIR_BLOCKS: [&str; 2] = ["10.50.1.0/24", "fd50:1::/64"];
const THEIR_PODS: [&str; 2] = ["10.50.1.1", "fd50:1::1"];
const OUR_PODS: [&str; 2] = ["10.20.30.65", "fd00:20:30:40::1"];

/// A node and its switches. No interface has an address but a link-local one.
struct Links {
    daemon: Podbgpd,
    switches: Vec<Speaker>,
    theirs: Vec<Namespace>,
    // Last: what runs in it goes first.
    rack: Rack,
}

impl Links {
    fn start(kind: Kind, switches: u8, peer: impl Fn(u8) -> String, lines: &str) -> Self {
        let rack = Rack::new(0);
        give(&rack.ours, "lo", &OUR_PODS.map(host)).expect("our pods' addresses");
        let mut text = config::node(&format!("blocks = [\"{OUR_V4}\", \"{OUR_V6}\"]")) + lines;
        let mut theirs = Vec::new();
        for number in 0..switches {
            let link = support::rack::link(number.into());
            let namespace = Namespace::new(&link).expect("a namespace");
            rack.ours.connect(&link, &namespace, UPLINK).expect("a cable");
            only_address(&rack.ours, &link, OURS).expect("our address");
            only_address(&namespace, UPLINK, THEIRS).expect("their address");
            give(&namespace, "lo", &THEIR_PODS.map(host)).expect("their pods' addresses");
            text += &format!(
                "\n[[peer]]\nname = \"{link}\"\nasn = {}\n{}\nhold-time = 9\nconnect-retry = 1\nimport = \"all\"\n",
                asn(number),
                peer(number)
            );
            theirs.push(namespace);
        }
        let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &text);
        let speakers = (0..).zip(&theirs).map(|(number, namespace)| {
            let directory = rack.directory(&support::rack::link(number.into()));
            Speaker::start(kind, namespace, &told(number), &directory).expect("the switch starts")
        });
        let switches = speakers.collect();
        Self { daemon, switches, theirs, rack }
    }

    fn await_sessions(&self) {
        for number in 0..self.switches.len() {
            self.daemon.await_established(&support::rack::link(number));
        }
    }

    /// Waits for routes in both kernels, and for packets to make it there and back.
    fn await_pings(&self) {
        for (block, pod) in THEIR_BLOCKS.iter().zip(THEIR_PODS) {
            eventually(SOON, &format!("{block} here"), || kernel::our_route(&self.rack.ours, net(block)));
            let pod: IpAddr = pod.parse().expect("an address");
            eventually(SOON, &format!("a reply of {pod}"), || {
                ping(&self.rack.ours, pod, Duration::from_secs(1))
            });
        }
        // The same address is behind every switch: with several, the reply may go to another one.
        let [theirs] = &self.theirs[..] else { return };
        for pod in OUR_PODS {
            let pod: IpAddr = pod.parse().expect("an address");
            eventually(SOON, &format!("a reply of {pod}"), || ping(theirs, pod, Duration::from_secs(1)));
        }
    }

    /// Waits until the traffic to what is behind the switches is shared among these links.
    fn await_ways(&self, links: &[&str]) -> [KernelRoute; 2] {
        THEIR_BLOCKS.map(|block| {
            eventually(SOON, &format!("{block} over {links:?}"), || {
                let route = kernel::our_route(&self.rack.ours, net(block))?;
                let mut over = Vec::new();
                for next_hop in &route.next_hops {
                    ensure!(next_hop.gateway == Some(THEIRS.parse()?), "{route:?}");
                    over.push(next_hop.link.as_deref().context("a link")?);
                }
                over.sort_unstable();
                ensure!(over == links, "{route:?}");
                Ok(route)
            })
        })
    }
}

/// The peer's address is learned from its router advertisements, and it learns ours from our own.
pub(crate) fn rfc4861_and_rfc8950_an_unnumbered_switch_is_found_and_carries_both_families(kind: Kind) {
    let links = Links::start(kind, 1, |_| "interface = \"peer0\"".to_owned(), "");
    links.await_sessions();
    let peer = links.daemon.peer("peer0").expect("an answer");
    assert_eq!((peer.address.to_string().as_str(), peer.interface.as_deref()), (THEIRS, Some("peer0")));
    links.await_pings();
    links.await_ways(&["peer0"]);
}

/// Nothing is learned: both files name the other's address.
pub(crate) fn rfc8950_a_link_local_address_with_its_link_carries_both_families(kind: Kind) {
    let links = Links::start(kind, 1, |_| format!("address = \"{THEIRS}%peer0\""), "");
    links.await_sessions();
    links.await_pings();
    links.await_ways(&["peer0"]);
}

/// Inline in the route, and by a nexthop group; and one link's loss leaves the other.
pub(crate) fn rfc8950_two_switches_with_one_address_share_the_traffic(kind: Kind) {
    for groups in ["never", "always"] {
        let fib = format!("\n[fib]\nnext-hop-groups = \"{groups}\"\n");
        let peer = |number| match kind {
            Kind::Frr => format!("interface = \"peer{number}\""),
            _ => format!("address = \"{THEIRS}%peer{number}\""),
        };
        let links = Links::start(kind, 2, peer, &fib);
        links.await_sessions();
        links.await_ways(&["peer0", "peer1"]);
        links.await_pings();
        links.rack.ours.set_down("peer0").expect("the link goes down");
        links.await_ways(&["peer1"]);
        let peer = links.daemon.peer("peer1").expect("an answer");
        assert_eq!((peer.state, peer.flaps), (control::PeerState::Established, 0));
    }
}

/// What a switch is told.
fn told(number: u8) -> SpeakerConfig {
    let ours: IpAddr = OURS.parse().expect("an address");
    let us =
        Neighbor { link: Some(UPLINK.to_owned()), ipv4: true, ipv6: true, ..Neighbor::new(ours, OUR_ASN) };
    SpeakerConfig {
        neighbors: vec![us],
        announce: THEIR_BLOCKS.map(net).to_vec(),
        install: true,
        ..SpeakerConfig::new(asn(number), [10, 9, number, 2].into())
    }
}

fn asn(number: u8) -> u32 {
    4_200_000_001 + u32::from(number)
}

fn host(address: &str) -> ipnet::IpNet {
    address.parse::<IpAddr>().expect("an address").into()
}

fn give(namespace: &Namespace, link: &str, addresses: &[ipnet::IpNet]) -> Result<()> {
    addresses.iter().try_for_each(|&address| namespace.add_address(link, address))
}

/// Takes away the link-local address the kernel makes, and gives another.
fn only_address(namespace: &Namespace, link: &str, address: &str) -> Result<()> {
    namespace.set_sysctl(&format!("ipv6/conf/{link}/addr_gen_mode"), "1")?;
    namespace.set_down(link)?;
    namespace.set_up(link)?;
    namespace.add_address(link, net(&format!("{address}/64")))
}
