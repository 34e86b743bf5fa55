//! `[node]`, `[fib]`, `[decision]`, `[control]` and `[metrics]`: what there is one of.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use bgp::{Asn, BgpId};
use ipnet::IpNet;
use sha2::{Digest, Sha256};

use super::facts::Facts;
use super::reader::{Table, Value};
use crate::intent::{Decision, Fib, Kubernetes, NextHopGroups, Node, Weights};

/// The AS of nodes of a cluster where neither the file nor an object says another, as in Calico.
const DEFAULT_CLUSTER_AS: u32 = 64_512;

/// The longest path of a unix socket (`sun_path` less its final zero).
const MAX_SOCKET_PATH: usize = 107;
/// The most next hops the kernel takes in one route.
const MAX_PATHS: u16 = 256;
/// The longest name of a node or a peer.
const MAX_NAME: usize = 64;

/// Protocol numbers other daemons mark their routes with (`/etc/iproute2/rt_protos`).
const TAKEN_PROTOCOLS: [(u8, &str); 15] = [
    (8, "gated"),
    (9, "router advertisements"),
    (10, "MRT"),
    (11, "Zebra"),
    (12, "BIRD"),
    (13, "DECnet"),
    (14, "XORP"),
    (16, "DHCP clients"),
    (18, "keepalived"),
    (42, "babeld"),
    (186, "FRR's BGP"),
    (187, "FRR's IS-IS"),
    (188, "FRR's OSPF"),
    (189, "FRR's RIP"),
    (192, "FRR's EIGRP"),
];

/// What is known of the node while its peers are read; each part only if it was read without a mistake.
#[derive(Default)]
pub(super) struct Known {
    /// Our AS.
    pub(super) asn: Option<Asn>,
    /// Our identifier.
    pub(super) router_id: Option<BgpId>,
    /// Where we listen.
    pub(super) listen: BTreeSet<SocketAddr>,
    /// Whether external peers without policy exchange nothing.
    pub(super) require_policy: bool,
}

/// Reads `[node]`. In a cluster it need not be there: the objects say who the node is, or the defaults are those of a
/// cluster.
pub(super) fn read(
    root: &mut Table<'_>,
    facts: &Facts,
    cluster: Option<&Kubernetes>,
) -> (Option<Node>, Known) {
    let table = match cluster {
        Some(_) => root.table_or_none("node"),
        None => {
            if root.entry("node").is_none() {
                root.missing("node", "add a table [node] with at least asn = 64512");
            }
            root.table("node")
        }
    };
    let Some(mut table) = table else { return (None, Known::default()) };
    let name = node_name(&mut table, facts, cluster);
    let written = match cluster {
        Some(_) => table.optional("asn", asn),
        None => table.required("asn", "64512", asn),
    };
    // What peers are judged by is only what is sure: the objects may say otherwise.
    let asn = written.or(cluster.map(|_| Asn(DEFAULT_CLUSTER_AS)));
    let router_id = router_id(&mut table, facts, cluster);
    let cluster_id = match table.entry("cluster-id") {
        Some(value) => cluster_id(&value),
        None => router_id.map(BgpId::to_ipv4),
    };
    let listen = match table.entry("listen") {
        Some(value) => listen(&value),
        None => Some(
            ["0.0.0.0", "::"].iter().filter_map(|ip| Some(SocketAddr::new(ip.parse().ok()?, 179))).collect(),
        ),
    };
    let blocks = match table.entry("blocks") {
        Some(value) => blocks(&value),
        None => Some(BTreeSet::new()),
    };
    let require_policy = table.optional("require-policy", Value::flag).unwrap_or(false);
    let announce_fqdn = table.optional("announce-fqdn", Value::flag).unwrap_or(true);
    let announce_version = table.optional("announce-version", Value::flag).unwrap_or(false);
    table.finish();
    let known = Known { asn: written, router_id, listen: listen.clone().unwrap_or_default(), require_policy };
    let node = || {
        Some(Node {
            name: name?,
            asn: asn?,
            router_id: router_id?,
            cluster_id: cluster_id?,
            listen: listen?,
            blocks: blocks?,
            require_policy,
            announce_fqdn,
            announce_version,
        })
    };
    (node(), known)
}

/// The table of what is not passed on, unless that is the one of our routes.
const TRANSIT_TABLE: u32 = 179;

/// Reads `[fib]`.
pub(super) fn fib(table: Option<Table<'_>>) -> Option<Fib> {
    let defaults = Fib {
        install: true,
        protocol: 179,
        metric: 20,
        table: 254,
        max_paths: 16,
        next_hop_groups: NextHopGroups::Auto,
        weights: Weights::None,
        transit_table: TRANSIT_TABLE,
    };
    let Some(mut table) = table else { return Some(defaults) };
    let routes = table.optional("table", routing_table).unwrap_or(defaults.table);
    let transit = table.optional("transit-table", |value| transit_table(value, routes));
    let fib = Fib {
        install: table.optional("install", Value::flag).unwrap_or(defaults.install),
        protocol: table.optional("protocol", protocol).unwrap_or(defaults.protocol),
        metric: table.optional("metric", metric).unwrap_or(defaults.metric),
        table: routes,
        max_paths: table
            .optional("max-paths", |value| value.number(1..=MAX_PATHS))
            .unwrap_or(defaults.max_paths),
        next_hop_groups: table
            .optional("next-hop-groups", next_hop_groups)
            .unwrap_or(defaults.next_hop_groups),
        weights: table.optional("weights", weights).unwrap_or(defaults.weights),
        transit_table: transit.unwrap_or_else(|| TRANSIT_TABLE + u32::from(routes == TRANSIT_TABLE)),
    };
    table.finish();
    Some(fib)
}

fn weights(value: &Value<'_>) -> Option<Weights> {
    value.choice(&[("none", Weights::None), ("link-bandwidth", Weights::LinkBandwidth)])
}

fn next_hop_groups(value: &Value<'_>) -> Option<NextHopGroups> {
    let choices = [NextHopGroups::Auto, NextHopGroups::Always, NextHopGroups::Never];
    let words = choices.map(|choice| choice.to_string());
    let named: Vec<_> = words.iter().map(String::as_str).zip(choices).collect();
    value.choice(&named)
}

/// Reads `[decision]`.
pub(super) fn decision(table: Option<Table<'_>>) -> Option<Decision> {
    let defaults = Decision { multipath_relax: true, always_compare_med: false };
    let Some(mut table) = table else { return Some(defaults) };
    let decision = Decision {
        multipath_relax: table.optional("multipath-relax", Value::flag).unwrap_or(defaults.multipath_relax),
        always_compare_med: table
            .optional("always-compare-med", Value::flag)
            .unwrap_or(defaults.always_compare_med),
    };
    table.finish();
    Some(decision)
}

/// Reads `[control]`.
pub(super) fn control_socket(table: Option<Table<'_>>) -> Option<PathBuf> {
    let default = PathBuf::from("/run/podbgp/podbgpd.sock");
    let Some(mut table) = table else { return Some(default) };
    let socket = table.optional("socket", socket_path).unwrap_or(default);
    table.finish();
    Some(socket)
}

/// Reads `[metrics]`.
pub(super) fn metrics(table: Option<Table<'_>>, node: &Known) -> Option<SocketAddr> {
    let mut table = table?;
    let listen = table.required("listen", "\"127.0.0.1:9179\"", |value| {
        let address = socket_address(value)?;
        if node.listen.contains(&address) {
            return value.refuse("is where BGP listens", "choose another port, such as 9179");
        }
        Some(address)
    });
    table.finish();
    listen
}

/// Reads the name of a node or a peer: something to type on a command line.
pub(super) fn name(value: &Value<'_>) -> Option<String> {
    let name = value.text()?;
    if !is_name(name) {
        return value.refuse(
            "is not a name",
            format!("write 1 to {MAX_NAME} letters, digits, or any of - _ . : and no spaces"),
        );
    }
    Some(name.to_owned())
}

/// Tells whether a text is something to type on a command line.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(plain)
}

/// Reads an AS number, as a number or in asdot notation.
pub(super) fn asn(value: &Value<'_>) -> Option<Asn> {
    let asn = if value.is_number() {
        Asn(value.number(0..=u32::MAX)?)
    } else {
        value.parse("an AS number", "a number such as 64512, or \"1.10\" in asdot notation")?
    };
    match asn.0 {
        0 => value.refuse("AS 0 belongs to nobody (RFC 7607)", "private numbers are 64512 to 65534"),
        _ if asn == Asn::TRANS => value.refuse(
            "AS 23456 stands for numbers that do not fit (RFC 6793)",
            "private numbers are 64512 to 65534",
        ),
        65_535 | u32::MAX => value.refuse(
            "is reserved (RFC 7300)",
            "private numbers are 64512 to 65534 and 4200000000 to 4294967294",
        ),
        _ => Some(asn),
    }
}

fn node_name(table: &mut Table<'_>, facts: &Facts, cluster: Option<&Kubernetes>) -> Option<String> {
    let in_cluster = cluster.map(|cluster| cluster.node_name.as_str());
    match (table.entry("name"), in_cluster.or(facts.name())) {
        (Some(value), _) => name(&value),
        (None, Some(name)) => Some(name.to_owned()),
        (None, None) => {
            table.missing("name", "neither $NODENAME nor the host name is set: add name = \"node-a\"");
            None
        }
    }
}

fn router_id(table: &mut Table<'_>, facts: &Facts, cluster: Option<&Kubernetes>) -> Option<BgpId> {
    let from_name = || cluster.and_then(|cluster| router_id_of(&cluster.node_name));
    match (table.entry("router-id"), facts.global_ipv4().or_else(from_name)) {
        (Some(value), _) => {
            let address: Ipv4Addr =
                value.parse("a router id", "it as an IPv4 address, such as \"10.203.30.40\"")?;
            BgpId::new(address)
                .or_else(|| value.refuse("0.0.0.0 is not a router id (RFC 6286)", "any other will do"))
        }
        (None, Some(address)) => BgpId::new(address),
        (None, None) => {
            table.missing(
                "router-id",
                "this machine has no global IPv4 address to take it from: add router-id = \"10.203.30.40\"",
            );
            None
        }
    }
}

fn cluster_id(value: &Value<'_>) -> Option<Ipv4Addr> {
    let id: Ipv4Addr = value.parse("a cluster id", "it as an IPv4 address, such as \"10.203.30.40\"")?;
    if id.is_unspecified() {
        return value.refuse("0.0.0.0 is nobody's cluster", "any other will do");
    }
    Some(id)
}

/// Makes an identifier of a node's name, where no node has an IPv4 address and all have the same file: the first four
/// octets of its SHA-256, brought below 224, as Calico's `CALICO_ROUTER_ID=hash` does.
fn router_id_of(name: &str) -> Option<Ipv4Addr> {
    let digest = Sha256::digest(name);
    let [mut first, second, third, fourth] = *digest.first_chunk()?;
    if first > 223 {
        first -= 32;
    }
    Some(Ipv4Addr::new(first, second, third, fourth))
}

fn listen(value: &Value<'_>) -> Option<BTreeSet<SocketAddr>> {
    let mut addresses: BTreeSet<SocketAddr> = BTreeSet::new();
    for item in value.items()? {
        if let Some(address) = socket_address(&item)
            && !addresses.insert(address)
        {
            item.warn("is in the list twice", "once is enough");
        }
    }
    Some(addresses)
}

/// Reads an address with a port.
pub(super) fn socket_address(value: &Value<'_>) -> Option<SocketAddr> {
    let text = value.text()?;
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return value.refuse("has no port", format!("write \"{}\"", SocketAddr::new(ip, 179)));
    }
    let address: SocketAddr = value
        .parse("an address with a port", "\"127.0.0.1:179\" or \"[::1]:179\"; names are not looked up")?;
    if address.port() == 0 {
        return value.refuse("port 0 is no port", "BGP is at 179");
    }
    Some(address)
}

fn blocks(value: &Value<'_>) -> Option<BTreeSet<IpNet>> {
    let mut blocks: Vec<(IpNet, Value<'_>)> = Vec::new();
    for item in value.items()? {
        let Some(block) = prefix(&item) else { continue };
        if !is_routable(&block) {
            item.refuse::<()>(
                format!("{block} is no block of pod addresses"),
                "write unicast prefixes that are not loopback or link-local, and no default route",
            );
        }
        match blocks.iter().find(|(other, _)| other.contains(&block) || block.contains(other)) {
            Some((other, place)) => {
                let problem = if *other == block {
                    format!("{block} is in the list twice")
                } else {
                    format!("{block} overlaps {other}")
                };
                item.refuse_beside::<()>(
                    problem,
                    "leave one of them out",
                    place.span(),
                    "first written here",
                );
            }
            None => blocks.push((block, item)),
        }
    }
    Some(blocks.into_iter().map(|(block, _)| block).collect())
}

/// Reads a prefix whose host bits are clear.
pub(super) fn prefix(value: &Value<'_>) -> Option<IpNet> {
    let prefix: IpNet = match value.text()?.parse::<IpAddr>() {
        Ok(address) => {
            let prefix = IpNet::from(address);
            return value.refuse("has no prefix length", format!("write \"{prefix}\" if it is one address"));
        }
        Err(_) => {
            value.parse("a prefix", "a prefix such as \"10.20.30.64/26\" or \"fd00:20:30:40::/122\"")?
        }
    };
    if prefix != prefix.trunc() {
        return value.refuse(
            format!("{prefix} has bits set after the first {}", prefix.prefix_len()),
            format!("write \"{}\"", prefix.trunc()),
        );
    }
    Some(prefix)
}

/// Tells whether packets to a prefix can arrive from another machine.
pub(super) fn is_routable(prefix: &IpNet) -> bool {
    prefix.prefix_len() > 0
        && match prefix {
            IpNet::V4(prefix) => {
                let address = prefix.network();
                let first = address.octets().first().copied().unwrap_or_default();
                first != 0 && first != 127 && first < 224 && !address.is_link_local()
            }
            IpNet::V6(prefix) => {
                let address = prefix.network();
                !(address.is_multicast()
                    || address.is_unicast_link_local()
                    || address.is_loopback()
                    || address.is_unspecified())
            }
        }
}

fn protocol(value: &Value<'_>) -> Option<u8> {
    let number = value.number(0..=u8::MAX)?;
    if number < 5 {
        return value.refuse(
            format!("{number} marks routes of the kernel, of administrators or of nobody"),
            "choose a number nobody else on this machine uses, such as 179",
        );
    }
    if let Some((_, owner)) = TAKEN_PROTOCOLS.iter().find(|(taken, _)| *taken == number) {
        value.warn(
            format!("{number} marks routes of {owner}"),
            "if it runs on this machine, each would delete the other's routes; 179 is free",
        );
    }
    Some(number)
}

fn metric(value: &Value<'_>) -> Option<u32> {
    match value.number(0..=u32::MAX)? {
        0 => value.refuse(
            "0 is not the same for both families: the kernel makes it 1024 for IPv6",
            "write a number from 1 up, such as 20",
        ),
        metric => Some(metric),
    }
}

fn routing_table(value: &Value<'_>) -> Option<u32> {
    match value.number(0..=u32::MAX)? {
        0 => value.refuse("0 is no table", "254 is the main table"),
        255 => value.refuse("255 is the kernel's table of local addresses", "254 is the main table"),
        table => Some(table),
    }
}

fn transit_table(value: &Value<'_>, routes: u32) -> Option<u32> {
    match value.number(0..=u32::MAX)? {
        0 | 253..=255 => value.refuse("is one of the kernel's own tables", "write a number nobody else uses"),
        table if table == routes => value.refuse("is the table of our routes", "write another number"),
        table => Some(table),
    }
}

fn socket_path(value: &Value<'_>) -> Option<PathBuf> {
    let path = value.text()?;
    if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
        return value
            .refuse("is not the full path of a socket", "write one such as \"/run/podbgp/podbgpd.sock\"");
    }
    if path.len() > MAX_SOCKET_PATH {
        return value.refuse(
            format!("is {} octets long", path.len()),
            format!("the path of a unix socket has at most {MAX_SOCKET_PATH}"),
        );
    }
    Some(PathBuf::from(path))
}
