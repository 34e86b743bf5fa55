//! `[[peer]]`: whom to speak with, and how.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use bgp::fsm::PeerAs;
use bgp::{Family, FamilySet, HoldTime, Role};
use rib::NextHopMode;
use rib::own_as::Shown;

use super::add_path;
use super::bfd;
use super::graceful::MAX_RESTART_TIME;
use super::node::{Known, asn, name};
use super::password;
use super::place;
use super::policy::Policies;
use super::reader::{Table, Value};
use super::tcp_ao;
use super::template::Templates;
use crate::intent::{Export, Import, PeerIntent, RestartRole, local_as};

/// The longest description (RFC 9003 allows as much in a shutdown message).
const MAX_DESCRIPTION: usize = 255;

/// What surrounds the peers in the file and on the machine.
pub(super) struct Around<'a, 't> {
    /// The folder paths are relative to.
    pub(super) directory: &'a Path,
    /// What is known of the node.
    pub(super) node: &'a Known,
    /// The policies of the file.
    pub(super) policies: &'a Policies<'a>,
    /// The templates of the file.
    pub(super) templates: &'a Templates<'t>,
}

/// Where names and addresses were first used, to find those used twice.
#[derive(Default)]
struct Taken {
    names: BTreeMap<String, Range<usize>>,
    spots: place::Taken,
}

/// Reads all peers, of which there may be none where they come from `elsewhere`. `None` only after a mistake was noted.
pub(super) fn read<'a>(
    root: &mut Table<'a>,
    around: &Around<'_, 'a>,
    elsewhere: bool,
) -> Option<BTreeMap<String, PeerIntent>> {
    around.templates.tables().for_each(|table| template(table, around));
    let Some(list) = root.entry("peer") else {
        if root.entry("listen-range").is_some() || elsewhere {
            return Some(BTreeMap::new());
        }
        root.odd("peer", "there are no peers", "add a table [[peer]] with name, address and asn");
        return Some(BTreeMap::new());
    };
    if list.is_table() {
        return list.refuse("is one table, expected a list of them", "write [[peer]] with two brackets");
    }
    let items = list.items()?;
    let mut taken = Taken::default();
    let peers: Vec<Option<PeerIntent>> =
        items.iter().map(|item| peer(item.table()?, around, &mut taken)).collect();
    peers.into_iter().map(|peer| peer.map(|peer| (peer.name.clone(), peer))).collect()
}

/// Reads one peer to its end, whatever is wrong with it. `None` only after a mistake was noted.
fn peer<'a>(mut table: Table<'a>, around: &Around<'_, 'a>, taken: &mut Taken) -> Option<PeerIntent> {
    let name = table.required("name", "\"tor-a\"", |value| unique_name(value, taken));
    let spot = place::read(&mut table, around.node, &mut taken.spots);
    around.templates.apply(&mut table);
    let remote_asn = table.required("asn", "65001", peer_as);
    // What the rest is judged by when one of the three is wrong; no such peer leaves this function.
    let mut peer = PeerIntent::new(
        name.clone().unwrap_or_default(),
        spot.as_ref().map_or(Ipv6Addr::UNSPECIFIED.into(), |spot| spot.address),
        remote_asn.unwrap_or(PeerAs::External),
    );
    let located = spot.is_some();
    peer.interface = spot.and_then(|spot| spot.interface);
    dialling(&mut table, &mut peer, around.node);
    session(&mut table, &mut peer, around);
    routes(&mut table, &mut peer, around, remote_asn);
    table.finish();
    (name.is_some() && located && remote_asn.is_some()).then_some(peer)
}

/// Reads a template by itself: whatever is wrong with it is wrong even if nobody uses it.
fn template(mut table: Table<'_>, around: &Around<'_, '_>) {
    let asn = table.optional("asn", peer_as);
    let mut peer =
        PeerIntent::new(String::new(), Ipv6Addr::UNSPECIFIED.into(), asn.unwrap_or(PeerAs::External));
    dialling(&mut table, &mut peer, around.node);
    session(&mut table, &mut peer, around);
    routes(&mut table, &mut peer, around, asn);
    table.finish();
}

/// Reads how the peer is dialled, if it is.
fn dialling(table: &mut Table<'_>, peer: &mut PeerIntent, node: &Known) {
    let address = address(peer);
    peer.passive = passive(table, address, node);
    set(&mut peer.port, table.optional("port", |value| port(value, address, peer.passive, node)));
    set(&mut peer.connect_retry, table.optional("connect-retry", |value| connect_retry(value, peer.passive)));
}

/// Reads what makes the session.
pub(super) fn session(table: &mut Table<'_>, peer: &mut PeerIntent, around: &Around<'_, '_>) {
    let node = around.node;
    peer.description = table.optional("description", description);
    peer.local_asn = table.optional("local-asn", asn);
    let mode = table.optional("local-asn-mode", |value| local_asn_mode(value, peer.local_asn.is_some()));
    set(&mut peer.local_asn_mode, mode);
    set(&mut peer.allow_own_as, table.optional("allow-own-as", |value| value.number(0..=10)));
    peer.local_address = table.optional("local-address", |value| local_address(value, peer));
    set(&mut peer.hold_time, table.optional("hold-time", hold_time));
    peer.keepalive = table.optional("keepalive", |value| keepalive(value, peer.hold_time));
    peer.send_hold = PeerIntent::default_send_hold(peer.hold_time);
    set(&mut peer.send_hold, table.optional("send-hold-time", |value| send_hold(value, peer.hold_time)));
    set(&mut peer.families, table.optional("families", families));
    let ttl_security = table.entry("ttl-security");
    let is_internal = is_internal(Some(peer.asn), peer, node) == Some(true);
    let multihop = table.optional("multihop", |value| multihop(value, ttl_security.as_ref(), is_internal));
    set(&mut peer.multihop, multihop);
    peer.ttl_security = ttl_security.and_then(|value| value.number(1..=254));
    let is_on_link = peer.interface.is_some();
    set(&mut peer.bfd, table.optional("bfd", |value| bfd::peer(value, is_on_link, around.directory)));
    let restarts = table.optional("graceful-restart", |value| value.choice(&RestartRole::WORDS));
    set(&mut peer.graceful_restart, restarts);
    peer.restart_time = table.optional("restart-time", |value| value.number(1..=MAX_RESTART_TIME));
    peer.fast_failover = table.optional("fast-failover", Value::flag);
    peer.role = table.optional("role", |value| role(value, is_internal));
    set(&mut peer.role_strict, table.optional("role-strict", |value| role_strict(value, peer.role)));
    let password = table.entry("password-file");
    let keys = table.optional("tcp-ao", |value| tcp_ao::keys(value, password.as_ref(), around.directory));
    set(&mut peer.tcp_ao, keys);
    peer.password = password.and_then(|value| password::read(&value, around.directory));
    set(&mut peer.shutdown, table.optional("shutdown", Value::flag));
}

/// Reads what may come in and go out.
///
/// Of a template the AS may not be known yet: what depends on it is judged where the template is used.
pub(super) fn routes(
    table: &mut Table<'_>,
    peer: &mut PeerIntent,
    around: &Around<'_, '_>,
    asn: Option<PeerAs>,
) {
    let policies = around.policies;
    let is_internal = is_internal(asn, peer, around.node);
    if around.node.require_policy && is_internal != Some(true) {
        (peer.import, peer.export) = (Import::None, Export::None);
    }
    set(&mut peer.import, table.optional("import", |value| import(value, policies)));
    set(&mut peer.export, table.optional("export", |value| export(value, policies)));
    peer.link_bandwidth = table.optional("link-bandwidth", link_bandwidth);
    peer.aigp = table.optional("aigp", Value::flag);
    set(&mut peer.graceful_shutdown, table.optional("graceful-shutdown", Value::flag));
    set(&mut peer.blackhole, table.optional("blackhole", Value::flag));
    peer.max_prefixes = table.optional("max-prefixes", |value| value.number(1..=u32::MAX));
    let limited = peer.max_prefixes.is_some();
    peer.max_prefixes_warning =
        table.optional("max-prefixes-warning", |value| of_limit(value, limited)?.number(1..=100));
    let restart =
        table.optional("max-prefixes-restart", |value| of_limit(value, limited)?.number(1..=u16::MAX));
    peer.max_prefixes_restart = restart.map(|seconds| Duration::from_secs(seconds.into()));
    let import = &peer.import;
    let ipv4 = table.optional("max-length-ipv4", |value| max_length(value, Family::Ipv4, import));
    let ipv6 = table.optional("max-length-ipv6", |value| max_length(value, Family::Ipv6, import));
    set(&mut peer.max_length_ipv4, ipv4);
    set(&mut peer.max_length_ipv6, ipv6);
    set(&mut peer.client, table.optional("client", |value| client(value, is_internal, &peer.export)));
    set(&mut peer.next_hop, table.optional("next-hop", |value| next_hop(value, is_internal)));
    set(&mut peer.add_path, table.optional("add-path", |value| add_path::read(value, families)));
}

/// Puts a value in the place of the default, if the file has one.
fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// Reads which AS the peer may say it is.
pub(super) fn peer_as(value: &Value<'_>) -> Option<PeerAs> {
    let numeric = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    if value.is_number() || value.text().is_none_or(numeric) {
        return asn(value).map(PeerAs::Is);
    }
    value.choice(&[("external", PeerAs::External), ("internal", PeerAs::Internal)])
}

fn local_asn_mode(value: &Value<'_>, masked: bool) -> Option<Shown> {
    if !masked {
        value.warn("has no effect without local-asn", "it says how much of both numbers the paths show");
    }
    value.choice(&local_as::MODES)
}

/// Returns a value that says more about the limit, if there is one.
fn of_limit<'a, 'b>(value: &'b Value<'a>, limited: bool) -> Option<&'b Value<'a>> {
    if !limited {
        return value.refuse("says more about max-prefixes, which is missing", "add max-prefixes = 1000");
    }
    Some(value)
}

fn unique_name(value: &Value<'_>, taken: &mut Taken) -> Option<String> {
    let name = name(value)?;
    match taken.names.get(&name) {
        Some(first) => value.refuse_beside(
            format!("another peer is called {name:?}"),
            "give each peer a name of its own",
            first.clone(),
            "first defined here",
        ),
        None => {
            taken.names.insert(name.clone(), value.span());
            Some(name)
        }
    }
}

fn port(value: &Value<'_>, address: Option<IpAddr>, passive: bool, node: &Known) -> Option<u16> {
    let port = value.number(1..=u16::MAX)?;
    if passive {
        value.warn("a passive peer is never dialled", "leave port out, or passive");
    }
    if address.is_some_and(|address| node.listen.contains(&SocketAddr::new(address, port))) {
        return value.refuse("is where this node itself listens", "write address and port of the peer");
    }
    Some(port)
}

fn passive(table: &mut Table<'_>, address: Option<IpAddr>, node: &Known) -> bool {
    let Some(value) = table.entry("passive") else { return false };
    let passive = value.flag().unwrap_or_default();
    let same_family =
        |listen: &SocketAddr| address.is_none_or(|address| address.is_ipv4() == listen.is_ipv4());
    if passive && !node.listen.iter().any(same_family) {
        value.refuse::<()>(
            "this node does not listen for the peer's connection",
            "add an address of the same family to node.listen, or leave passive out",
        );
    }
    passive
}

fn connect_retry(value: &Value<'_>, passive: bool) -> Option<Duration> {
    if passive {
        value.warn("a passive peer is never dialled", "leave connect-retry out, or passive");
    }
    value.number(1..=3600_u16).map(|seconds| Duration::from_secs(seconds.into()))
}

fn hold_time(value: &Value<'_>) -> Option<HoldTime> {
    let seconds = value.number(0..=u16::MAX)?;
    if seconds == 0 {
        value.warn(
            "without hold time a dead peer is noticed only when its link goes down",
            "9 is a good value on a data centre link",
        );
    }
    HoldTime::new(seconds).or_else(|| {
        value.refuse(
            format!("{seconds} is no hold time (RFC 4271 §4.2)"),
            "write 3 or more seconds, such as 9, or 0 for none",
        )
    })
}

fn keepalive(value: &Value<'_>, hold_time: HoldTime) -> Option<Duration> {
    let seconds = value.number(1..=u16::MAX)?;
    let Some(hold) = hold_time.hold() else {
        return value
            .refuse("there are no KEEPALIVEs without hold time (RFC 4271 §4.4)", "leave one of them out");
    };
    let keepalive = Duration::from_secs(seconds.into());
    if keepalive >= hold {
        return value.refuse(
            format!("the peer gives up after {} seconds of silence", hold.as_secs()),
            "write a third of the hold time or less, or leave it out",
        );
    }
    Some(keepalive)
}

/// Reads the send hold time; the inner `None` is a peer that may refuse to read forever.
fn send_hold(value: &Value<'_>, hold_time: HoldTime) -> Option<Option<Duration>> {
    match value.number(0..=u16::MAX)? {
        0 => Some(None),
        seconds if seconds <= hold_time.seconds() => value.refuse(
            format!("is not longer than the hold time of {} seconds (RFC 9687)", hold_time.seconds()),
            "write more than the hold time, or 0 for none",
        ),
        seconds => Some(Some(Duration::from_secs(seconds.into()))),
    }
}

fn families(value: &Value<'_>) -> Option<FamilySet> {
    let words = Family::ALL.map(|family| (family.to_string(), family));
    let words: Vec<(&str, Family)> = words.iter().map(|(word, family)| (word.as_str(), *family)).collect();
    let items = value.items()?;
    if items.is_empty() {
        return value.refuse("a session without families carries no routes", "write [\"ipv4\", \"ipv6\"]");
    }
    Some(items.iter().filter_map(|item| item.choice(&words)).collect())
}

fn local_address(value: &Value<'_>, peer: &PeerIntent) -> Option<IpAddr> {
    let local: IpAddr = value.parse("an IP address", "an address of this node, such as \"10.203.30.40\"")?;
    if local.is_unspecified() || local.is_multicast() {
        return value.refuse("is no address of this node", "leave it out to let the kernel choose");
    }
    let address = peer.address;
    if peer.interface.is_some() {
        value.refuse("the address on the link is the interface's link-local one", "leave it out")
    } else if address == local {
        value.refuse("is the address of the peer", "write one of this node")
    } else if !address.is_unspecified() && address.is_ipv4() != local.is_ipv4() {
        value.refuse(
            format!("is not of the same family as the peer's address {address}"),
            "write an address of this node of that family",
        )
    } else {
        Some(local)
    }
}

fn multihop(value: &Value<'_>, ttl_security: Option<&Value<'_>>, is_internal: bool) -> Option<u8> {
    if let Some(other) = ttl_security {
        return value.refuse_beside(
            "does not go with ttl-security, which says the same more safely",
            "leave one of them out",
            other.span(),
            "ttl-security is here",
        );
    }
    if is_internal {
        value.warn("a peer in our own AS may be any number of hops away", "leave multihop out");
    }
    value.number(1..=u8::MAX)
}

fn role(value: &Value<'_>, is_internal: bool) -> Option<Role> {
    let role = value.choice(&Role::WORDS)?;
    if is_internal {
        return value
            .refuse("the peer is in our own AS, and roles are between ASes (RFC 9234)", "leave role out");
    }
    Some(role)
}

fn role_strict(value: &Value<'_>, role: Option<Role>) -> Option<bool> {
    let strict = value.flag()?;
    if strict && role.is_none() {
        return value.refuse(
            "there is no role to be strict about",
            "add what we are to the peer, such as role = \"customer\"",
        );
    }
    Some(strict)
}

fn description(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    if text.len() > MAX_DESCRIPTION || text.chars().any(char::is_control) {
        return value
            .refuse("is not a line of text", format!("write at most {MAX_DESCRIPTION} octets in one line"));
    }
    Some(text.to_owned())
}

/// Returns where the peer is; what is wrong, or not known yet, fits everything.
fn address(peer: &PeerIntent) -> Option<IpAddr> {
    Some(peer.address).filter(|address| !address.is_unspecified())
}

/// Tells whether a peer of that AS is in our own, if both are known.
fn is_internal(asn: Option<PeerAs>, peer: &PeerIntent, node: &Known) -> Option<bool> {
    Some(asn?.is_internal(peer.local_asn.or(node.asn)?))
}

fn client(value: &Value<'_>, is_internal: Option<bool>, export: &Export) -> Option<bool> {
    let client = value.flag()?;
    if client && is_internal == Some(false) {
        value.warn(
            "has no effect: a client is in our own AS, and this peer is not (RFC 4456)",
            "leave client out, or correct the AS",
        );
    } else if client && is_internal.is_some() && *export == Export::Originated {
        value.warn(
            "nothing is reflected to a client with export = \"originated\"",
            "write export = \"all\" beside it, or a policy",
        );
    }
    Some(client)
}

fn next_hop(value: &Value<'_>, is_internal: Option<bool>) -> Option<NextHopMode> {
    let modes = [NextHopMode::Auto, NextHopMode::Own, NextHopMode::Keep];
    let words = modes.map(|mode| mode.to_string());
    let named: Vec<_> = words.iter().map(String::as_str).zip(modes).collect();
    let mode = value.choice(&named)?;
    match (mode, is_internal) {
        (NextHopMode::Own, Some(false)) => {
            value.warn("an external peer is told of us as next hop anyway", "leave next-hop out");
        }
        (NextHopMode::Keep, Some(true)) => {
            value.warn("an internal peer is told of next hops as they came anyway", "leave next-hop out");
        }
        _ => {}
    }
    Some(mode)
}

fn max_length(value: &Value<'_>, family: Family, import: &Import) -> Option<u8> {
    if !matches!(import, Import::Safe | Import::Guarded(_)) {
        value.warn(format!("has no effect with import = \"{import}\""), "it is a limit of the safe import");
    }
    value.number(0..=family.bits())
}

fn import(value: &Value<'_>, policies: &Policies<'_>) -> Option<Import> {
    if let Some(policy) = policies.behind("safe", value) {
        return policy.map(Import::Guarded);
    }
    policies.choose(
        value,
        &[("safe", Import::Safe), ("all", Import::All), ("none", Import::None)],
        Import::Policy,
    )
}

fn export(value: &Value<'_>, policies: &Policies<'_>) -> Option<Export> {
    policies.choose(
        value,
        &[("originated", Export::Originated), ("all", Export::All), ("none", Export::None)],
        Export::Policy,
    )
}

/// Reads a bandwidth as octets a second: a number of them, or of bits with their unit.
fn link_bandwidth(value: &Value<'_>) -> Option<u64> {
    if value.is_number() {
        return value.number(1..=1_000_000_000_000_000);
    }
    let text = value.text()?;
    let units = [("Gbit", 1_000_000_000), ("Mbit", 1_000_000), ("kbit", 1000)];
    let read = |(unit, bits): (&str, u64)| {
        let number: u32 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        Some(u64::from(number) * bits / 8).filter(|octets| *octets > 0)
    };
    units.into_iter().find_map(read).or_else(|| {
        value.refuse("is no bandwidth", "write \"25Gbit\", \"500Mbit\", or a number of octets a second")
    })
}
