//! `BGPPeer`s of this node.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU8;
use std::time::Duration;

use bgp::fsm::PeerAs;
use bgp::{Asn, Family, HoldTime};
use intent::{Export, Import, Intent, Kubernetes, PeerIntent, RestartRole, Secret};

use super::{own_labels, problem};
use crate::event::Kind;
use crate::object::Key;
use crate::object::podbgp::{
    AddressFamily, AsnWord, Bfd, ExportWord, GracefulRestart, ImportWord, Peer, PeerAsn, PeerSpec, SecretKey,
};
use crate::plan::Plan;
use crate::prefix::shown;
use crate::store::Objects;

/// The longest name of an interface (`IFNAMSIZ` without its zero).
const LONGEST_INTERFACE: usize = 15;

/// What is wrong with a peer: the field, and what to do.
type Wrong = (&'static str, String);

/// Adds the peers of this node, those that can be made.
pub(super) fn plan(objects: &Objects, settings: &Kubernetes, file: &Intent, plan: &mut Plan) {
    for peer in selected(objects).filter(|peer| !is_us(objects, peer)) {
        let made = make(peer, objects, settings, file);
        match made.and_then(|made| alone(made, plan, file)) {
            Ok(made) => {
                plan.peers.insert(made.name.clone(), made);
            }
            Err((field, why)) => plan.problems.push(problem(
                Kind::Peer,
                &peer.metadata,
                format!("spec.{field}"),
                format!("{why}; the peer is left out"),
            )),
        }
    }
}

/// Returns the peers meant for our node.
pub(super) fn selected(objects: &Objects) -> impl Iterator<Item = &Peer> {
    let labels = own_labels(objects);
    let meant = move |peer: &&Peer| labels.is_some_and(|labels| peer.spec.node_selector.matches(labels));
    objects.peers.iter().map(|(_, peer)| peer).filter(meant)
}

/// Tells whether a peer is this node itself, which a selector of all nodes means too.
fn is_us(objects: &Objects, peer: &Peer) -> bool {
    let addresses = objects.own_node().into_iter().flat_map(|node| &node.status.addresses);
    let mut addresses = addresses.filter_map(|address| address.address.parse::<IpAddr>().ok());
    peer.spec.address.is_some_and(|address| addresses.any(|own| own == address))
}

/// Refuses a peer where there is one.
fn alone(peer: PeerIntent, plan: &Plan, file: &Intent) -> Result<PeerIntent, Wrong> {
    if file.peers.contains_key(&peer.name) {
        return Err(("address", "the file has a peer of this name, which wins".to_owned()));
    }
    let there = |other: &&PeerIntent| {
        (other.address, other.interface.as_ref()) == (peer.address, peer.interface.as_ref())
    };
    if let Some(other) = file.peers.values().find(there) {
        return Err(("address", format!("the file's peer {} is there, which wins", other.name)));
    }
    match plan.peers.values().find(there) {
        Some(other) => Err(("address", format!("the peer {} is there, and comes first by name", other.name))),
        None => Ok(peer),
    }
}

fn make(peer: &Peer, objects: &Objects, settings: &Kubernetes, file: &Intent) -> Result<PeerIntent, Wrong> {
    let spec = &peer.spec;
    let (address, interface) = place(spec)?;
    let mut made = PeerIntent::new(peer.metadata.key.name.clone(), address, peer_as(spec.asn)?);
    made.interface = interface;
    made.description = spec.description.as_deref().map(line);
    made.port = match spec.port {
        Some(0) => return Err(("port", "0 is no port".to_owned())),
        port => port.unwrap_or(made.port),
    };
    made.local_asn = spec.local_asn.map(|number| asn("localASN", number)).transpose()?;
    made.local_address = spec.local_address.map(|local| local_address(local, address)).transpose()?;
    made.passive = spec.passive;
    made.families = spec.families.iter().map(|family| (*family).into()).collect();
    if spec.families.is_empty() {
        made.families = Family::ALL.into_iter().collect();
    }
    made.max_prefixes = match spec.max_prefixes {
        Some(0) => return Err(("maxPrefixes", "no session has none; leave it out for no limit".to_owned())),
        limit => limit,
    };
    made.shutdown = spec.shutdown;
    timers(spec, &mut made)?;
    distance(spec, &mut made)?;
    made.bfd = spec.bfd.map(|bfd| watched(bfd, &made)).transpose()?;
    let secret = spec.password_secret.as_ref();
    made.password = secret.map(|secret| password(secret, objects, settings)).transpose()?;
    let external = !file.is_internal(&made);
    routes(spec, file.node.require_policy && external, &mut made);
    Ok(made)
}

/// Reads where the peer is.
fn place(spec: &PeerSpec) -> Result<(IpAddr, Option<String>), Wrong> {
    let interface = spec.interface.as_deref().map(interface).transpose()?;
    let Some(address) = spec.address else {
        return match interface {
            Some(interface) => Ok((Ipv6Addr::UNSPECIFIED.into(), Some(interface))),
            None => {
                Err(("address", "there is neither address nor interface; say where the peer is".to_owned()))
            }
        };
    };
    let link_local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    if address.is_unspecified() || address.is_multicast() || address.to_canonical() != address {
        return Err(("address", format!("{address} is no address of one machine")));
    }
    match interface {
        None if link_local => Err(("interface", format!("{address} counts on one link only; say which"))),
        Some(_) if !link_local => {
            Err(("interface", format!("{address} is routed; only a link-local address has an interface")))
        }
        interface => Ok((address, interface)),
    }
}

fn interface(name: &str) -> Result<String, Wrong> {
    let odd = |c: char| c == '/' || c.is_whitespace() || c.is_control();
    if name.is_empty() || name.len() > LONGEST_INTERFACE || matches!(name, "." | "..") || name.contains(odd) {
        return Err(("interface", format!("{} is no name of an interface", shown(name))));
    }
    Ok(name.to_owned())
}

fn peer_as(said: PeerAsn) -> Result<PeerAs, Wrong> {
    match said {
        PeerAsn::Is(number) => asn("asn", number).map(PeerAs::Is),
        PeerAsn::Of(AsnWord::External) => Ok(PeerAs::External),
        PeerAsn::Of(AsnWord::Internal) => Ok(PeerAs::Internal),
    }
}

fn asn(field: &'static str, number: u32) -> Result<Asn, Wrong> {
    let asn = Asn(number);
    if asn.is_reserved() || matches!(number, 65_535 | u32::MAX) {
        return Err((field, format!("{number} is an AS number nobody has (RFC 7607, RFC 7300)")));
    }
    Ok(asn)
}

fn local_address(local: IpAddr, address: IpAddr) -> Result<IpAddr, Wrong> {
    if local.is_unspecified() || local.is_multicast() {
        return Err(("localAddress", format!("{local} is no address of this node")));
    }
    if !address.is_unspecified() && local.is_ipv4() != address.is_ipv4() {
        return Err(("localAddress", format!("{local} is not of the family of {address}")));
    }
    Ok(local)
}

fn timers(spec: &PeerSpec, made: &mut PeerIntent) -> Result<(), Wrong> {
    if let Some(seconds) = spec.hold_time_seconds {
        let none =
            || ("holdTimeSeconds", format!("{seconds} is no hold time; say 0, or 3 and more (RFC 4271)"));
        made.hold_time = HoldTime::new(seconds).ok_or_else(none)?;
        made.send_hold = PeerIntent::default_send_hold(made.hold_time);
    }
    made.keepalive = spec.keepalive_seconds.map(|seconds| Duration::from_secs(seconds.into()));
    let fits = |keepalive| made.hold_time.hold().is_some_and(|hold| keepalive < hold);
    if made.keepalive.is_some_and(|keepalive| keepalive.is_zero() || !fits(keepalive)) {
        let why = format!("it is not shorter than the hold time of {} seconds", made.hold_time.seconds());
        return Err(("keepaliveSeconds", why));
    }
    if let Some(seconds) = spec.connect_retry_seconds {
        if !(1..=3600).contains(&seconds) {
            return Err(("connectRetrySeconds", format!("{seconds} is not 1 to 3600")));
        }
        made.connect_retry = Duration::from_secs(seconds.into());
    }
    if let Some(seconds) = spec.restart_time_seconds.filter(|seconds| !(1..=4095).contains(seconds)) {
        return Err(("restartTimeSeconds", format!("{seconds} is not 1 to 4095 (RFC 4724)")));
    }
    made.restart_time = spec.restart_time_seconds;
    made.graceful_restart = match spec.graceful_restart {
        None | Some(GracefulRestart::Both) => RestartRole::Both,
        Some(GracefulRestart::Helper) => RestartRole::Helper,
        Some(GracefulRestart::Off) => RestartRole::Off,
    };
    Ok(())
}

/// Reads how far away the peer is.
fn distance(spec: &PeerSpec, made: &mut PeerIntent) -> Result<(), Wrong> {
    match (spec.ttl_security, spec.multihop) {
        (Some(_), Some(_)) => {
            return Err((
                "multihop",
                "ttlSecurity says the same more safely; leave one of them out".to_owned(),
            ));
        }
        (Some(hops @ (0 | 255)), None) => return Err(("ttlSecurity", format!("{hops} is not 1 to 254"))),
        (None, Some(0)) => return Err(("multihop", "0 is not 1 to 255".to_owned())),
        (hops, multihop) => {
            made.ttl_security = hops;
            made.multihop = multihop.unwrap_or(made.multihop);
        }
    }
    Ok(())
}

fn watched(bfd: Bfd, made: &PeerIntent) -> Result<intent::Bfd, Wrong> {
    if made.interface.is_some() {
        return Err((
            "bfd",
            "BFD needs an address that is not link-local; the session ends with its link".to_owned(),
        ));
    }
    let interval = |field, millis: Option<u32>| match millis {
        Some(millis) if !(10..=60_000).contains(&millis) => {
            Err((field, format!("{millis} is not 10 to 60000")))
        }
        millis => Ok(millis.map(|millis| Duration::from_millis(millis.into()))),
    };
    let multiplier = match bfd.multiplier.map(NonZeroU8::new) {
        Some(None) => return Err(("bfd.multiplier", "0 is not 1 to 255".to_owned())),
        multiplier => multiplier.flatten(),
    };
    Ok(intent::Bfd {
        min_tx: interval("bfd.minTxMilliseconds", bfd.min_tx_milliseconds)?,
        min_rx: interval("bfd.minRxMilliseconds", bfd.min_rx_milliseconds)?,
        multiplier,
        ..intent::Bfd::default()
    })
}

/// Looks up a password. A peer whose password is not known has no session, rather than one anybody can have.
fn password(named: &SecretKey, objects: &Objects, settings: &Kubernetes) -> Result<Secret, Wrong> {
    let key = Key { namespace: settings.namespace.clone(), name: named.name.clone() };
    let found = match objects.secrets.get(&key) {
        Some(secret) => secret.password(&named.key).map_err(|why| format!("Secret {key}: {why}")),
        None => Err(format!("there is no Secret {key}")),
    };
    found.map_err(|why| ("passwordSecret", format!("{why}, and without its password there is no session")))
}

fn routes(spec: &PeerSpec, require_policy: bool, made: &mut PeerIntent) {
    made.import = match spec.import {
        None if require_policy => Import::None,
        None | Some(ImportWord::Safe) => Import::Safe,
        Some(ImportWord::All) => Import::All,
        Some(ImportWord::None) => Import::None,
    };
    made.export = match spec.export {
        None if require_policy => Export::None,
        None | Some(ExportWord::Originated) => Export::Originated,
        Some(ExportWord::All) => Export::All,
        Some(ExportWord::None) => Export::None,
    };
}

/// Makes one line of a text, as long as a description may be (RFC 9003 allows as much).
fn line(text: &str) -> String {
    const LONGEST: usize = 255;
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.truncate(line.floor_char_boundary(LONGEST));
    line
}

impl From<AddressFamily> for Family {
    fn from(family: AddressFamily) -> Self {
        match family {
            AddressFamily::Ipv4 => Self::Ipv4,
            AddressFamily::Ipv6 => Self::Ipv6,
        }
    }
}
