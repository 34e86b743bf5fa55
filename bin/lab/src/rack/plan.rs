//! Who is called what and lives where. Pure arithmetic, so that one look tells every address.
//!
//! Each cable between a TOR and a node is a subnet of its own; there is none between the TORs, so a packet that
//! goes up to one TOR comes down from the same.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// One of the two TORs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TorId {
    /// The first.
    A = 1,
    /// The second.
    B = 2,
}

/// One of the two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeId {
    /// The first.
    A = 1,
    /// The second.
    B = 2,
}

impl TorId {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// Its name, and that of the nodes' links to it.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["tor-a", "tor-b"][self as usize - 1]
    }

    /// Its AS: each its own, as RFC 7938 §5.2.1 has it.
    #[must_use]
    pub fn asn(self) -> u32 {
        65000 + self as u32
    }

    /// Its BGP Identifier.
    #[must_use]
    pub fn router_id(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 203, 255, self as u8)
    }

    /// The subnets of its cable to a node with the TOR's own address in each, IPv4 first.
    #[must_use]
    pub fn addresses(self, node: NodeId) -> [IpNet; 2] {
        cable(self, node, 0)
    }
}

impl NodeId {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// Its name, and that of the TORs' links to it.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["node-a", "node-b"][self as usize - 1]
    }

    /// Its AS, private like every node's.
    #[must_use]
    pub fn asn(self) -> u32 {
        64511 + self as u32
    }

    /// Its BGP Identifier.
    #[must_use]
    pub fn router_id(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 203, 0, self as u8)
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// The subnets of its cable to a TOR with the node's own address in each, IPv4 first.
    #[must_use]
    pub fn addresses(self, tor: TorId) -> [IpNet; 2] {
        cable(tor, self, 1)
    }

    /// The addresses its pods get: `10.20.30.64/26` or `.128/26`, and as many of IPv6.
    #[must_use]
    pub fn blocks(self) -> [IpNet; 2] {
        let pods = 64 * self as u8;
        let v6 = Ipv6Addr::new(0xfd00, 0x20, 0x30, 0x40 * self as u16, 0, 0, 0, 0);
        [net(Ipv4Addr::new(10, 20, 30, pods), 26), net(v6, 122)]
    }

    /// The addresses of its first or second pod, IPv4 first.
    #[must_use]
    pub fn pod(self, number: u8) -> [IpAddr; 2] {
        let last = 64 * self as u8 + number;
        let v6 = Ipv6Addr::new(0xfd00, 0x20, 0x30, 0x40 * self as u16, 0, 0, 0, number.into());
        [Ipv4Addr::new(10, 20, 30, last).into(), v6.into()]
    }

    /// What its first or second pod is called.
    #[must_use]
    pub fn pod_name(self, number: u8) -> String {
        format!("pod-{}{number}", ["a", "b"][self as usize - 1])
    }
}

/// `10.203.TOR.x/31` with the TOR's end even, and `fd00:203:TOR:NODE::/64` with the TOR's end ::1.
fn cable(tor: TorId, node: NodeId, end: u8) -> [IpNet; 2] {
    let v4 = Ipv4Addr::new(10, 203, tor as u8, 2 * (node as u8 - 1) + end);
    let v6 = Ipv6Addr::new(0xfd00, 0x203, tor as u16, node as u16, 0, 0, 0, u16::from(end) + 1);
    [net(v4, 31), net(v6, 64)]
}

/// The lengths above fit their families.
fn net(address: impl Into<IpAddr>, length: u8) -> IpNet {
    match address.into() {
        IpAddr::V4(address) => IpNet::V4(Ipv4Net::new_assert(address, length)),
        IpAddr::V6(address) => IpNet::V6(Ipv6Net::new_assert(address, length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cable_has_a_subnet_of_its_own() {
        assert_eq!(
            TorId::B.addresses(NodeId::A).map(|net| net.to_string()),
            ["10.203.2.0/31", "fd00:203:2:1::1/64"]
        );
        assert_eq!(
            NodeId::B.addresses(TorId::B).map(|net| net.to_string()),
            ["10.203.2.3/31", "fd00:203:2:2::2/64"]
        );
    }

    #[test]
    fn pods_live_in_their_nodes_blocks() {
        for node in NodeId::BOTH {
            for number in [1, 2] {
                for (block, pod) in node.blocks().iter().zip(node.pod(number)) {
                    assert!(block.contains(&pod), "{pod} is not in {block}");
                }
            }
        }
        assert_eq!(NodeId::B.blocks().map(|net| net.to_string()), ["10.20.30.128/26", "fd00:20:30:80::/122"]);
    }
}
