//! A cluster from end to end: objects in an API server, daemons on nodes, BIRD on the switch, packets on the wires.

mod blocks;
mod kube_proxy;
mod objects;
mod outage;
mod requests;
mod services;
mod world;
