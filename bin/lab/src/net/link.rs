//! Links, addresses and routes, by netlink.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use futures_util::TryStreamExt;
use ipnet::IpNet;
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder, RouteNextHopBuilder};

use super::{KernelRoute, Namespace, NextHop};

impl Namespace {
    /// Lays a cable: `link` here, `peer_link` there, both up.
    ///
    /// # Errors
    /// The kernel's, with the names of both ends.
    pub fn connect(&self, link: &str, peer: &Self, peer_link: &str) -> Result<()> {
        let far_end = LinkUnspec::new_with_name(peer_link).setns_by_fd(peer.as_fd().as_raw_fd());
        let mut far_end = far_end.build();
        far_end.header.index = unused_index();
        let cable = LinkMessageBuilder::<LinkVeth>::new(link, peer_link);
        let mut cable = cable.set_info_data(InfoData::Veth(InfoVeth::Peer(far_end))).build();
        cable.header.index = unused_index();
        self.netlink(async |handle| Ok(handle.link().add(cable).execute().await?)).with_context(|| {
            format!("cannot connect {link} of {} to {peer_link} of {}", self.name(), peer.name())
        })?;
        self.set_up(link)?;
        peer.set_up(peer_link)
    }

    /// Gives a link an address, e.g. `10.0.0.1/31`.
    ///
    /// # Errors
    /// No such link, or the address is there already.
    pub fn add_address(&self, link: &str, address: IpNet) -> Result<()> {
        self.netlink(async |handle| {
            let index = index_of(&handle, link).await?;
            Ok(handle.address().add(index, address.addr(), address.prefix_len()).execute().await?)
        })
        .with_context(|| format!("cannot add {address} to {link} of {}", self.name()))
    }

    /// Sets a link up.
    ///
    /// # Errors
    /// No such link.
    pub fn set_up(&self, link: &str) -> Result<()> {
        self.change(link, "up", LinkMessageBuilder::up)
    }

    /// Sets a link down: the far end loses its carrier.
    ///
    /// # Errors
    /// No such link.
    pub fn set_down(&self, link: &str) -> Result<()> {
        self.change(link, "down", LinkMessageBuilder::down)
    }

    fn change(
        &self,
        link: &str,
        what: &str,
        change: impl FnOnce(LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec> + Send,
    ) -> Result<()> {
        self.netlink(async |handle| {
            let message = change(LinkUnspec::new_with_index(index_of(&handle, link).await?)).build();
            Ok(handle.link().set(message).execute().await?)
        })
        .with_context(|| format!("cannot set {link} of {} {what}", self.name()))
    }

    /// Whether the link is up and its far end too.
    ///
    /// # Errors
    /// No such link.
    pub fn has_carrier(&self, link: &str) -> Result<bool> {
        self.netlink(async |handle| {
            Ok(link_named(&handle, link).await?.header.flags.contains(LinkFlags::LowerUp))
        })
        .with_context(|| format!("cannot look at {link} of {}", self.name()))
    }

    /// Adds a static route through one next hop or several of equal cost.
    ///
    /// # Errors
    /// No next hop given, an unknown link, or the kernel's refusal.
    pub fn add_route(&self, destination: IpNet, next_hops: &[NextHop]) -> Result<()> {
        self.netlink(async |handle| {
            let message = route_message(&handle, destination, next_hops).await?;
            Ok(handle.route().add(message).execute().await?)
        })
        .with_context(|| format!("cannot add the route to {destination} in {}", self.name()))
    }

    /// Removes the main table's first route to a destination, whoever owns it.
    ///
    /// # Errors
    /// There is none.
    pub fn remove_route(&self, destination: IpNet) -> Result<()> {
        self.netlink(async |handle| {
            let message = unspecific(destination, RouteType::Unspec);
            Ok(handle.route().del(message).execute().await?)
        })
        .with_context(|| format!("cannot remove the route to {destination} in {}", self.name()))
    }

    /// Lists the main table of both families, IPv4 first, as the kernel orders it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn routes(&self) -> Result<Vec<KernelRoute>> {
        self.netlink(async |handle| {
            let mut links = BTreeMap::new();
            let mut dump = handle.link().get().execute();
            while let Some(link) = dump.try_next().await? {
                links.insert(link.header.index, name_of(&link));
            }
            let mut routes = Vec::new();
            for request in [
                RouteMessageBuilder::<Ipv4Addr>::new().build(),
                RouteMessageBuilder::<Ipv6Addr>::new().build(),
            ] {
                let mut dump = handle.route().get(request).execute();
                while let Some(message) = dump.try_next().await? {
                    routes.extend(KernelRoute::from_message(&message, &links));
                }
            }
            Ok(routes)
        })
        .with_context(|| format!("cannot list the routes of {}", self.name()))
    }

    /// Runs a conversation with the kernel's routing inside the namespace.
    fn netlink<T: Send>(&self, talk: impl AsyncFnOnce(Handle) -> Result<T> + Send) -> Result<T> {
        self.run(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
            runtime.block_on(async {
                let (connection, handle, _) = rtnetlink::new_connection()?;
                tokio::spawn(connection);
                talk(handle).await
            })
        })
    }
}

/// An index no other link of ours has, in whatever namespace.
///
/// Chosen by the kernel the two ends of a cable often get the same one. It then takes the end for a link that
/// stands on no other and tells of its carrier only once a second, counted over all namespaces: a rack in a box
/// would react slower than a real one.
fn unused_index() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(2);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

async fn link_named(handle: &Handle, name: &str) -> Result<LinkMessage> {
    let mut answer = handle.link().get().match_name(name.to_owned()).execute();
    answer.try_next().await?.with_context(|| format!("no link {name}"))
}

async fn index_of(handle: &Handle, name: &str) -> Result<u32> {
    Ok(link_named(handle, name).await?.header.index)
}

fn name_of(link: &LinkMessage) -> String {
    let name = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    });
    name.unwrap_or_else(|| format!("if{}", link.header.index))
}

/// A route message that says the destination and the kind and leaves the rest open.
fn unspecific(destination: IpNet, kind: RouteType) -> RouteMessage {
    let length = destination.prefix_len();
    let mut message = match destination.network() {
        IpAddr::V4(network) => {
            RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(network, length).build()
        }
        IpAddr::V6(network) => {
            RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(network, length).build()
        }
    };
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Unspec;
    message.header.scope = RouteScope::NoWhere;
    message.header.kind = kind;
    message
}

async fn route_message(handle: &Handle, destination: IpNet, next_hops: &[NextHop]) -> Result<RouteMessage> {
    ensure!(!next_hops.is_empty(), "a route needs a next hop");
    let mut hops = Vec::new();
    for next_hop in next_hops {
        let mut hop = match destination {
            IpNet::V4(_) => RouteNextHopBuilder::new_ipv4(),
            IpNet::V6(_) => RouteNextHopBuilder::new_ipv6(),
        };
        if let Some(link) = &next_hop.link {
            hop = hop.interface(index_of(handle, link).await?);
        }
        if let Some(gateway) = next_hop.gateway {
            hop = hop.via(gateway)?;
        }
        hops.push(hop.build());
    }
    let through_link_only = next_hops.iter().all(|hop| hop.gateway.is_none());
    let mut message = unspecific(destination, RouteType::Unicast);
    message.header.protocol = RouteProtocol::Static;
    message.header.scope = if through_link_only { RouteScope::Link } else { RouteScope::Universe };
    match &mut hops[..] {
        // Alone it is told without a list: IPv6 takes no list of links.
        [hop] => {
            if hop.interface_index != 0 {
                message.attributes.push(RouteAttribute::Oif(hop.interface_index));
            }
            message.attributes.append(&mut hop.attributes);
        }
        _ => message.attributes.push(RouteAttribute::MultiPath(hops)),
    }
    Ok(message)
}
