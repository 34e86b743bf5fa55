//! The kernel's part of an answer about routes.
//!
//! The owner knows what it wants of the kernel; only the kernel's thread knows what became of it, and the
//! owner never waits. So an answer leaves the owner unfinished, and a task of its own asks the thread and
//! completes it.

use std::collections::HashMap;

use control::{
    AdvertisedView, ErrorCode, ErrorView, Family, KernelRouteView, KernelState, NextHopView, RouteKind,
    RouteQuery, RouteView, Selection,
};
use fib::{Command, Filter, RouteState, RouteStatus, Target};
use ipnet::IpNet;
use tokio::sync::{mpsc, oneshot};

use crate::control::{Page, Response};
use crate::intent::Fib;

/// How many kernel routes make a page.
const PAGE: usize = 1024;

/// The other end of an operator's question.
type Reply = oneshot::Sender<Result<Response, ErrorView>>;

/// An answer about routes that may lack the kernel's part.
pub(crate) enum Unfinished {
    /// Destinations; whether they are in the kernel is not known yet.
    Routes(Page<RouteView>),
    /// What a peer was told; the kernel has no part in it.
    Advertised(Page<AdvertisedView>),
    /// A question for the kernel's thread alone.
    Kernel(RouteQuery, Fib),
}

impl Unfinished {
    /// Completes the answer and sends it. Without a kernel's thread nothing is wanted of the kernel.
    pub(crate) fn send(self, kernel: Option<mpsc::Sender<Command>>, reply: Reply) {
        match (self, kernel) {
            (Self::Advertised(page), _) => drop(reply.send(Ok(Response::Advertised(page)))),
            (Self::Routes(page), None) => drop(reply.send(Ok(Response::Routes(page)))),
            (Self::Routes(page), Some(kernel)) => {
                tokio::spawn(async move {
                    let page = complete(page, &kernel).await;
                    drop(reply.send(page.map(Response::Routes)));
                });
            }
            (Self::Kernel(..), None) => {
                drop(reply.send(Ok(Response::KernelRoutes(Page { items: Vec::new(), next: None }))));
            }
            (Self::Kernel(query, fib), Some(kernel)) => {
                tokio::spawn(async move {
                    let page = kernel_routes(&query, fib, &kernel).await;
                    drop(reply.send(page.map(Response::KernelRoutes)));
                });
            }
        }
    }
}

async fn complete(
    mut page: Page<RouteView>,
    kernel: &mpsc::Sender<Command>,
) -> Result<Page<RouteView>, ErrorView> {
    let prefixes = page.items.iter().map(|route| route.prefix).collect();
    let statuses = ask(kernel, Filter::Prefixes(prefixes)).await?;
    let statuses: HashMap<IpNet, RouteStatus> =
        statuses.into_iter().map(|status| (status.prefix, status)).collect();
    let mut names = InterfaceNames::default();
    for route in &mut page.items {
        // A destination the thread has not heard of keeps what the owner said: wanted, or not.
        let Some(status) = statuses.get(&route.prefix) else { continue };
        route.kernel = state(&status.state);
        if let Some(Target::Forward(installed)) = &status.installed {
            for hop in &mut route.next_hops {
                let found = installed.as_slice().iter().find(|known| known.address == Some(hop.address));
                hop.interface = found.and_then(|found| names.name(found.interface?));
            }
        }
    }
    Ok(page)
}

async fn kernel_routes(
    query: &RouteQuery,
    fib: Fib,
    kernel: &mpsc::Sender<Command>,
) -> Result<Page<KernelRouteView>, ErrorView> {
    let filter = match query.selection {
        Selection::All => Filter::Page(query.after, PAGE),
        Selection::Prefix(prefix) => Filter::Prefixes(vec![prefix]),
        Selection::Address(address) => Filter::Address(address),
    };
    let statuses = ask(kernel, filter).await?;
    let full = query.selection == Selection::All && statuses.len() >= PAGE;
    let next = statuses.last().filter(|_| full).map(|status| status.prefix);
    let mut names = InterfaceNames::default();
    let wanted =
        |status: &RouteStatus| query.family.is_none_or(|family| family == Family::of(&status.prefix));
    let mut items: Vec<_> = statuses
        .into_iter()
        .filter(wanted)
        .filter_map(|status| kernel_route(status, fib, &mut names))
        .collect();
    if let Selection::Address(_) = query.selection {
        // All that cover the address, the shortest first; packets take the last.
        items = items.pop().into_iter().collect();
    }
    Ok(Page { items, next })
}

async fn ask(kernel: &mpsc::Sender<Command>, filter: Filter) -> Result<Vec<RouteStatus>, ErrorView> {
    let gone = || ErrorView::new(ErrorCode::Unavailable, "the kernel's side of podbgpd has ended");
    let (reply, answer) = oneshot::channel();
    kernel.send(Command::Snapshot(filter, reply)).await.map_err(|_| gone())?;
    Ok(answer.await.map_err(|_| gone())?.routes)
}

fn state(state: &RouteState) -> KernelState {
    match state {
        RouteState::Installed => KernelState::Installed,
        RouteState::Pending => KernelState::Pending,
        RouteState::Failed { error, .. } => KernelState::Failed { error: error.to_string() },
        RouteState::Conflict { protocol, .. } => KernelState::Conflict {
            owner: protocol.map_or_else(|| "unknown".to_owned(), |protocol| format!("protocol {protocol}")),
        },
        RouteState::Adopted => KernelState::Leftover,
    }
}

/// Shows a route the kernel holds under our name, or should.
fn kernel_route(status: RouteStatus, fib: Fib, names: &mut InterfaceNames) -> Option<KernelRouteView> {
    let target = status.installed.as_ref().or(status.target.as_ref())?;
    let (kind, hops) = match target {
        Target::Blackhole => (RouteKind::Blackhole, &[][..]),
        Target::Forward(hops) => (RouteKind::Unicast, hops.as_slice()),
    };
    let hop = |hop: &fib::NextHop| {
        Some(NextHopView {
            address: hop.address?,
            interface: hop.interface.and_then(|index| names.name(index)),
            weight: hop.weight.get().into(),
        })
    };
    Some(KernelRouteView {
        prefix: status.prefix,
        family: Family::of(&status.prefix),
        kind,
        next_hops: hops.iter().filter_map(hop).collect(),
        table: status.table,
        protocol: fib.protocol,
        metric: status.metric,
        kernel: state(&status.state),
    })
}

/// The names of interfaces, each asked for once.
#[derive(Default)]
struct InterfaceNames(HashMap<u32, Option<String>>);

impl InterfaceNames {
    fn name(&mut self, index: u32) -> Option<String> {
        let ask = || nix::net::if_::if_indextoname(index).ok()?.into_string().ok();
        self.0.entry(index).or_insert_with(ask).clone()
    }
}

#[cfg(test)]
mod tests;
