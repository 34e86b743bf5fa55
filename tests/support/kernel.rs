//! What the kernel holds, by its own account.

use anyhow::{Result, ensure};
use ipnet::IpNet;
use lab::net::{KernelRoute, Namespace};

/// The protocol number that marks our routes unless configured otherwise.
pub const PROTOCOL: u8 = 179;

/// Lists the routes of the main table that are ours.
///
/// # Errors
/// The kernel's.
pub fn our_routes(namespace: &Namespace) -> Result<Vec<KernelRoute>> {
    Ok(namespace.routes()?.into_iter().filter(|route| route.protocol == PROTOCOL).collect())
}

/// Finds our route to a prefix.
///
/// # Errors
/// There is none: the text lists what there is.
pub fn our_route(namespace: &Namespace, prefix: IpNet) -> Result<KernelRoute> {
    let routes = our_routes(namespace)?;
    let found = routes.iter().find(|route| route.destination == prefix).cloned();
    found.ok_or_else(|| {
        let there: Vec<_> = routes.iter().take(20).map(|route| route.destination.to_string()).collect();
        anyhow::anyhow!("the kernel has no route of ours to {prefix}, but {there:?}")
    })
}

/// Checks that we have no route to a prefix in the kernel.
///
/// # Errors
/// There is one.
pub fn no_route(namespace: &Namespace, prefix: IpNet) -> Result<()> {
    ensure!(our_route(namespace, prefix).is_err(), "the kernel still has our route to {prefix}");
    Ok(())
}
