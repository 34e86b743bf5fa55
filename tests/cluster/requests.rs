//! Nothing is asked of the API server that the shipped roles do not grant.

use std::collections::BTreeSet;

use lab::rack::plan::NodeId;
use support::rbac::{Asked, Granted};
use support::requires;

use crate::objects::{Source, service, slice};
use crate::world::World;

#[test]
fn every_request_is_granted_by_the_shipped_roles() {
    requires!(&["bird", "birdc"]);
    let granted = Granted::shipped();
    for source in Source::BOTH {
        let [external, balanced] = ["192.0.2.97", "192.0.2.129"].map(|address| address.parse().unwrap());
        let objects = [
            service("web", "Local", external, balanced),
            slice("web", &[(NodeId::A, NodeId::A.pod(1)[0], true)]),
        ];
        let lines = "service-external-ips = [\"192.0.2.96/27\"]\nstartup-taint = \"podbgp.io/starting\"";
        let world = World::start(source, &objects, lines);
        // What a node says of itself it says when it changes, and not at once.
        std::thread::sleep(std::time::Duration::from_secs(3));
        let asked: BTreeSet<Asked> = world.server.requests().iter().filter_map(Asked::of).collect();
        assert!(asked.len() >= 4, "{asked:?}");
        let refused: Vec<&Asked> = asked.iter().filter(|asked| !granted.allows(asked)).collect();
        assert!(refused.is_empty(), "{source:?}: {refused:?}");
    }
}
