//! Following a cluster: against the API server of these tests, which can be given any fault, and what is not about
//! faults against a real one too.

mod daemon;
mod faults;
mod follower;
mod following;
mod memory;
mod real;
mod reports;
mod safety;

use serde_json::{Value, json};

/// A Node with these pod blocks.
fn node(name: &str, blocks: &[&str]) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "labels": { "pool": "a" } },
        "spec": { "podCIDRs": blocks, "podCIDR": blocks.first().unwrap_or(&"") },
    })
}

#[expect(clippy::print_stderr, reason = "a figure worth seeing")]
fn say(figure: &str) {
    eprintln!("kube: {figure}");
}
