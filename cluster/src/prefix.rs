//! Blocks and addresses as objects write them.

use std::net::IpAddr;

use ipnet::IpNet;

/// Reads a block. Host bits are cleared: the objects of a cluster are written by programs that mean the block.
///
/// # Errors
/// It is no block, or none anybody can route; says so without what became of it.
pub(crate) fn block(text: &str) -> Result<IpNet, String> {
    let prefix: IpNet = text.trim().parse().map_err(|_| match text.is_empty() {
        true => "it is empty, and should be a block such as 10.244.3.0/24".to_owned(),
        false => format!("{} is no block such as 10.244.3.0/24", shown(text)),
    })?;
    let prefix = prefix.trunc();
    if prefix.prefix_len() == 0 {
        return Err(format!("{prefix} is everything, and nobody's block"));
    }
    if is_nobodys(prefix.network()) {
        return Err(format!("{prefix} cannot be routed to a node"));
    }
    Ok(prefix)
}

/// Reads an address as the block of it alone; `None` if it is none a router has a way to.
pub(crate) fn address(text: &str) -> Option<IpNet> {
    let address: IpAddr = text.parse().ok()?;
    let address = address.to_canonical();
    (!is_nobodys(address)).then(|| IpNet::from(address))
}

/// Tells whether an address is no host's, or only on one link or in one host.
fn is_nobodys(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_unspecified()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_broadcast()
        }
        IpAddr::V6(address) => {
            address.is_unspecified()
                || address.is_loopback()
                || address.is_unicast_link_local()
                || address.is_multicast()
        }
    }
}

/// Renders a text of an object, not more of it than one wants to read.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 64;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
