//! The objects, the kernel's routes and the time, as one value.

use intent::{KernelRoute, Kubernetes};
use ipnet::IpNet;

use crate::event::Event;
use crate::store::Objects;

/// A route in the kernel's main table that is neither ours nor the kernel's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlienRoute {
    /// The prefix.
    pub prefix: IpNet,
    /// The way it goes.
    pub route: KernelRoute,
    /// Its metric.
    pub metric: u32,
}

/// What is known of the cluster, and what follows from it.
#[derive(Debug)]
pub struct Cluster {
    settings: Kubernetes,
    objects: Objects,
    kernel: Vec<AlienRoute>,
}

impl Cluster {
    /// Makes one that knows nothing yet.
    #[must_use]
    pub fn new(settings: Kubernetes) -> Self {
        Self { settings, objects: Objects::default(), kernel: Vec::new() }
    }

    /// Takes note of what happened to an object.
    pub fn handle(&mut self, event: Event) {
        self.objects.handle(event);
    }

    /// Takes note of the routes others have in the kernel, all of them.
    pub fn kernel_routes(&mut self, routes: Vec<AlienRoute>) {
        self.kernel = routes;
    }
}
