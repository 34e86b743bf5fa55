//! What the machine says of itself where the file says nothing.

use std::net::{IpAddr, Ipv4Addr};

use crate::addresses;

/// What defaults are taken from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What Kubernetes calls the node (`$NODENAME`, or `$NODE_NAME`).
    pub node_name: Option<String>,
    /// The namespace a pod runs in (`$NAMESPACE`).
    pub namespace: Option<String>,
    /// What the kernel calls the machine.
    pub host_name: Option<String>,
    /// The addresses of the machine, in the order of its interfaces.
    pub addresses: Vec<IpAddr>,
}

impl Facts {
    /// Asks the environment and the kernel. What they do not tell stays empty.
    #[must_use]
    pub fn gather() -> Self {
        let addresses = addresses::all().into_iter().flatten().map(|entry| entry.address);
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            node_name: variable("NODENAME").or_else(|| variable("NODE_NAME")),
            namespace: variable("NAMESPACE"),
            host_name: nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()),
            addresses: addresses.collect(),
        }
    }

    /// Returns the name of the node.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.node_name.as_deref().or(self.host_name.as_deref())
    }

    /// Returns the first IPv4 address that others could reach.
    #[must_use]
    pub fn global_ipv4(&self) -> Option<Ipv4Addr> {
        let ipv4 = self.addresses.iter().filter_map(|address| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        });
        ipv4.into_iter().find(|&address| addresses::is_global_v4(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_link_local_addresses_are_not_global() {
        let addresses = ["127.0.0.1", "169.254.7.7", "::1", "10.0.0.7", "10.0.0.8"];
        let facts = Facts {
            addresses: addresses.map(|address| address.parse().unwrap()).to_vec(),
            ..Facts::default()
        };
        assert_eq!(facts.global_ipv4(), Some(Ipv4Addr::new(10, 0, 0, 7)));
    }

    #[test]
    fn the_cluster_names_the_node_before_the_kernel_does() {
        let facts = |node: Option<&str>| Facts {
            node_name: node.map(str::to_owned),
            host_name: Some("host".to_owned()),
            ..Facts::default()
        };
        assert_eq!(facts(Some("node")).name(), Some("node"));
        assert_eq!(facts(None).name(), Some("host"));
    }

    #[test]
    fn this_machine_has_a_loopback_address_and_a_name() {
        let facts = Facts::gather();
        assert!(facts.addresses.iter().any(IpAddr::is_loopback));
        assert!(facts.host_name.is_some());
    }
}
