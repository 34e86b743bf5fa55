//! What `BGPConfiguration` says for this node, with Calico's defaults where it says nothing.

use std::collections::BTreeMap;

use bgp::{Asn, Family};
use ipnet::IpNet;
use rib::policy::Glob;

use super::read::{self, AnyCommunity};
use super::report::Report;
use crate::event::Kind;
use crate::object::Key;
use crate::object::calico::bgp_configuration::ServiceRange;
use crate::object::calico::{BgpConfigurationSpec, SecretKeyRef};
use crate::prefix;
use crate::prefix::shown;
use crate::store::Objects;

/// The metric of an ordinary route, unless told otherwise.
const NORMAL: u32 = 1024;
/// LOCAL_PREF is this less the metric it stands for.
pub(super) const TOP: u32 = 0x7FFF_FFFF;
/// The port of BGP.
pub(super) const PORT: u16 = 179;
/// How many seconds Calico's nodes ask each other to wait, unless told otherwise.
pub(super) const RESTART_TIME: u16 = 120;

/// What holds on this node.
#[derive(Debug)]
pub(super) struct Configuration<'a> {
    /// Whether nodes without a cluster id are all peers of each other.
    pub(super) mesh: bool,
    /// The AS of nodes that have none of their own, if anything is said.
    pub(super) asn: Option<Asn>,
    /// Ranges of Service addresses.
    pub(super) cluster_ips: Vec<IpNet>,
    pub(super) external_ips: Vec<IpNet>,
    pub(super) load_balancer_ips: Vec<IpNet>,
    /// Whether ranges of load balancers are announced as such.
    pub(super) aggregation: bool,
    /// What routes inside a block get on their way out.
    pub(super) advertisements: Vec<Advertisement>,
    /// The password of the mesh.
    pub(super) mesh_password: Option<&'a SecretKeyRef>,
    /// How many seconds nodes of the mesh are asked to wait.
    pub(super) mesh_restart_time: u16,
    /// Whether we listen at the node's own addresses only.
    pub(super) bind_to_node: bool,
    /// Whether a port to listen on, or addresses, are given at all.
    pub(super) says_where_to_listen: bool,
    /// Interfaces whose own prefixes are not announced.
    pub(super) ignored_interfaces: Vec<Glob>,
    /// Where workloads find us.
    pub(super) workload_addresses: Vec<std::net::IpAddr>,
    /// Whether BGP writes the routes of pools without encapsulation.
    pub(super) programs_plain: bool,
    /// Whether BGP writes the routes of pools with IPIP.
    pub(super) programs_ipip: bool,
    /// The metrics of ordinary routes, by family.
    normal: [u32; 2],
    /// The ports nodes listen on, by name; the empty name is for all others.
    ports: BTreeMap<&'a str, u16>,
}

/// Communities for what is inside a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Advertisement {
    pub(super) within: IpNet,
    pub(super) communities: Vec<AnyCommunity>,
}

impl<'a> Configuration<'a> {
    /// Reads what holds on a node.
    pub(super) fn read(objects: &'a Objects, node: &str, report: &mut Report) -> Self {
        let unsaid = &UNSAID;
        let own = format!("node.{node}");
        let (mut global, mut ours) = ((Key::of("default"), unsaid), (Key::of(&own), unsaid));
        let mut ports = BTreeMap::new();
        for (key, object) in objects.bgp_configurations.iter() {
            let spec = &object.spec;
            let whose = match key.name.as_str() {
                "default" => "",
                name => match name.strip_prefix("node.") {
                    Some(name) => name,
                    None => continue,
                },
            };
            report.unknown(KIND, key, &spec.unknown);
            if let Some(port) = spec.listen_port {
                let port = u16::try_from(port).ok().filter(|port| *port != 0);
                let port = port.ok_or_else(|| "is no port, 1 to 65535".to_owned());
                if let Some(port) = report.take(KIND, key, "spec.listenPort", port) {
                    ports.insert(whose, port);
                }
            }
            if whose.is_empty() {
                global.1 = spec;
            } else if whose == node {
                ours.1 = spec;
            }
        }
        let tagging = if ours.1.prefix_advertisements.is_empty() { &global } else { &ours };
        let advertisements = advertisements(&tagging.0, tagging.1, report);
        let says_where_to_listen = !ports.is_empty();
        let mut read = Reader { key: &global.0, spec: global.1, report };
        let (programs_plain, programs_ipip) = read.programs();
        let bind_to_node = read.word("spec.bindMode", &global.1.bind_mode, ["None", "NodeIP"]) == 1;
        Self {
            mesh: global.1.node_to_node_mesh_enabled.unwrap_or(true),
            asn: read.asn(),
            cluster_ips: read.ranges("spec.serviceClusterIPs", &global.1.service_cluster_ips),
            external_ips: read.ranges("spec.serviceExternalIPs", &global.1.service_external_ips),
            load_balancer_ips: read
                .ranges("spec.serviceLoadBalancerIPs", &global.1.service_load_balancer_ips),
            aggregation: read.word(
                "spec.serviceLoadBalancerAggregation",
                &global.1.service_load_balancer_aggregation,
                ["Enabled", "Disabled"],
            ) == 0,
            advertisements,
            mesh_password: global.1.node_mesh_password.as_ref().and_then(|by| by.secret_key_ref.as_ref()),
            mesh_restart_time: read.mesh_restart_time(),
            bind_to_node,
            says_where_to_listen: says_where_to_listen || bind_to_node,
            ignored_interfaces: read.ignored_interfaces(),
            workload_addresses: read.workload_addresses(),
            programs_plain,
            programs_ipip,
            normal: read.normal(),
            ports,
        }
    }

    /// Returns the port a node listens on.
    pub(super) fn port(&self, node: &str) -> u16 {
        self.ports.get(node).or_else(|| self.ports.get("")).copied().unwrap_or(PORT)
    }

    /// Returns the metric of an ordinary route.
    pub(super) fn normal(&self, family: Family) -> u32 {
        let [ipv4, ipv6] = self.normal;
        if family == Family::Ipv4 { ipv4 } else { ipv6 }
    }
}

const KIND: Kind = Kind::BgpConfiguration;

/// A configuration that says nothing.
static UNSAID: BgpConfigurationSpec = BgpConfigurationSpec {
    log_severity_screen: String::new(),
    node_to_node_mesh_enabled: None,
    as_number: None,
    service_cluster_ips: Vec::new(),
    service_external_ips: Vec::new(),
    service_load_balancer_ips: Vec::new(),
    service_load_balancer_aggregation: String::new(),
    communities: Vec::new(),
    prefix_advertisements: Vec::new(),
    listen_port: None,
    node_mesh_password: None,
    node_mesh_max_restart_time: String::new(),
    bind_mode: String::new(),
    ignored_interfaces: Vec::new(),
    local_workload_peering_ipv4: String::new(),
    local_workload_peering_ipv6: String::new(),
    program_cluster_routes: String::new(),
    ipv4_normal_route_priority: None,
    ipv6_normal_route_priority: None,
    unknown: BTreeMap::new(),
};

/// Reads the fields of the configuration for all nodes.
struct Reader<'r> {
    key: &'r Key,
    spec: &'r BgpConfigurationSpec,
    report: &'r mut Report,
}

impl Reader<'_> {
    fn take<T>(&mut self, field: &str, read: Result<T, String>) -> Option<T> {
        self.report.take(KIND, self.key, field, read)
    }

    /// Returns which of some words a field is; the first where it is none.
    fn word<const N: usize>(&mut self, field: &str, text: &str, words: [&str; N]) -> usize {
        let place = words.iter().position(|word| *word == text);
        if place.is_none() && !text.is_empty() {
            let problem =
                format!("{} is none of {}; it counts as {}", shown(text), words.join(", "), words[0]);
            self.report.add(KIND, self.key, field, problem);
        }
        place.unwrap_or(0)
    }

    fn asn(&mut self) -> Option<Asn> {
        let number = self.spec.as_number.as_ref()?;
        self.take("spec.asNumber", number.asn())
    }

    fn ranges(&mut self, field: &str, ranges: &[ServiceRange]) -> Vec<IpNet> {
        let said = ranges.iter().filter(|range| !range.cidr.is_empty());
        said.filter_map(|range| self.take(field, prefix::block(&range.cidr))).collect()
    }

    fn mesh_restart_time(&mut self) -> u16 {
        let text = &self.spec.node_mesh_max_restart_time;
        let said = !text.is_empty();
        let time = said.then(|| read::seconds_within(text, 1, 4095));
        let time = time.and_then(|time| self.take("spec.nodeMeshMaxRestartTime", time));
        time.unwrap_or(RESTART_TIME)
    }

    fn ignored_interfaces(&mut self) -> Vec<Glob> {
        let globs = self.spec.ignored_interfaces.iter();
        globs
            .filter_map(|text| {
                let glob =
                    text.parse::<Glob>().map_err(|_| format!("{} is no name of interfaces", shown(text)));
                self.take("spec.ignoredInterfaces", glob)
            })
            .collect()
    }

    fn workload_addresses(&mut self) -> Vec<std::net::IpAddr> {
        [
            ("spec.localWorkloadPeeringIPV4", &self.spec.local_workload_peering_ipv4),
            ("spec.localWorkloadPeeringIPV6", &self.spec.local_workload_peering_ipv6),
        ]
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .filter_map(|(field, text)| self.take(field, read::address(text)))
        .collect()
    }

    /// Returns whether BGP writes routes of pools without encapsulation, and of those with IPIP.
    fn programs(&mut self) -> (bool, bool) {
        let words = ["EnabledNoEncapOnly", "EnabledIPIPOnly", "Enabled", "Disabled"];
        match self.word("spec.programClusterRoutes", &self.spec.program_cluster_routes.clone(), words) {
            1 => (false, true),
            2 => (true, true),
            3 => (false, false),
            _ => (true, false),
        }
    }

    fn normal(&mut self) -> [u32; 2] {
        [
            ("spec.ipv4NormalRoutePriority", self.spec.ipv4_normal_route_priority),
            ("spec.ipv6NormalRoutePriority", self.spec.ipv6_normal_route_priority),
        ]
        .map(|(field, priority)| {
            let priority = priority.map(metric);
            priority.and_then(|priority| self.take(field, priority)).unwrap_or(NORMAL)
        })
    }
}

/// Reads a priority: the metric of a route.
pub(super) fn metric(priority: i64) -> Result<u32, String> {
    let metric = u32::try_from(priority).ok().filter(|metric| (1..TOP).contains(metric));
    metric.ok_or_else(|| format!("{priority} is no priority, 1 to {}", TOP - 1))
}

fn advertisements(key: &Key, spec: &BgpConfigurationSpec, report: &mut Report) -> Vec<Advertisement> {
    let mut names = BTreeMap::new();
    for (index, named) in spec.communities.iter().enumerate() {
        let field = format!("spec.communities[{index}].value");
        if let Some(community) = report.take(KIND, key, &field, read::community(&named.value)) {
            names.insert(named.name.as_str(), community);
        }
    }
    let mut all = Vec::new();
    for (index, one) in spec.prefix_advertisements.iter().enumerate() {
        let field = |name: &str| format!("spec.prefixAdvertisements[{index}].{name}");
        let mut communities = Vec::new();
        for text in &one.communities {
            let community = names.get(text.as_str()).copied().map_or_else(|| read::community(text), Ok);
            let community = community.map_err(|problem| format!("{problem}, and none has that name"));
            communities.extend(report.take(KIND, key, &field("communities"), community));
        }
        if let Some(within) = report.take(KIND, key, &field("cidr"), read::prefix(&one.cidr)) {
            all.push(Advertisement { within, communities });
        }
    }
    all
}
