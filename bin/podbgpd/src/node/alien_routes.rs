//! Routes others have in the kernel, for a cluster that may have us announce them: those of pods with an address borrowed
//! from another node, of pods that have just moved here, and what a filter asks for.

use std::sync::Arc;

use cluster::{AlienRoute, Interest};
use tracing::warn;

use crate::intent::KernelRoute;

/// The way to those who listen to the kernel for them.
pub(super) struct AlienRoutes {
    aliens: Option<fib::Aliens>,
    /// Whether some matter and were not told yet.
    awaited: bool,
}

impl AlienRoutes {
    /// Begins to listen; routes of this protocol are ours. Where that cannot be, there are none.
    pub(super) fn open(protocol: u8) -> Self {
        let aliens = fib::aliens(protocol).map_err(|error| {
            warn!(target: "kubernetes", %error, "routes of others in the kernel are not seen, and not announced");
        });
        Self { aliens: aliens.ok(), awaited: false }
    }

    /// Says which of them matter from now on.
    pub(super) fn want(&mut self, interest: Interest, told: bool) {
        if let Some(aliens) = &self.aliens {
            self.awaited |= !told && !interest.within.is_empty();
            aliens.want(fib::Interest { within: interest.within, except: interest.except });
        }
    }

    /// Tells whether some matter and were not told yet.
    pub(super) fn are_awaited(&self) -> bool {
        self.awaited
    }

    /// Waits for all that matter; for ever where nobody listens.
    pub(super) async fn next(&mut self) -> Vec<AlienRoute> {
        if let Some(aliens) = &mut self.aliens {
            if let Some(routes) = aliens.next().await {
                self.awaited = false;
                return routes.iter().map(known).collect();
            }
            // The listener has said why it ends. What is known stays in force.
            (self.aliens, self.awaited) = (None, false);
        }
        std::future::pending().await
    }
}

fn known(route: &fib::AlienRoute) -> AlienRoute {
    let interface = Arc::from(route.interface.as_str());
    let route_out = KernelRoute { interface, gateway: route.gateway };
    AlienRoute { prefix: route.prefix, route: route_out, metric: route.metric }
}
