//! What any API server does, with nothing wrong.

use std::fs;
use std::path::PathBuf;

use cluster::{Kind, Scope, Watch};
use serde_json::{Value, json};
use support::apiserver::ApiServer;

use crate::follower::{Follower, all, pace};
use crate::node;

/// A server that objects can be put into.
pub(crate) trait Server {
    fn kubeconfig(&self) -> PathBuf;
    fn put(&self, object: Value);
    fn delete(&self, api_version: &str, kind: &str, name: &str);
}

/// Ours, with a place for its kubeconfig.
pub(crate) struct Ours {
    pub(crate) server: ApiServer,
    directory: PathBuf,
}

impl Ours {
    pub(crate) fn start(test: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("podbgp-kube-{}-{test}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        Self { server: ApiServer::start(), directory }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        // It is in the temporary directory: nothing is lost when this fails.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Server for Ours {
    fn kubeconfig(&self) -> PathBuf {
        self.server.kubeconfig(&self.directory)
    }

    fn put(&self, object: Value) {
        self.server.put(object);
    }

    fn delete(&self, api_version: &str, kind: &str, name: &str) {
        self.server.delete(api_version, kind, name);
    }
}

macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        /// Everything that holds for any server.
        pub(crate) const SCENARIOS: &[(&str, fn(&dyn Server))] = &[$((stringify!($name), scenario::$name)),*];
        $(
            #[test]
            fn $name() {
                scenario::$name(&Ours::start(stringify!($name)));
            }
        )*
    };
}

scenarios!(
    what_is_there_is_listed_and_what_happens_is_followed,
    a_node_is_found_by_its_name,
    a_selector_of_labels_tells_comings_and_goings,
    secrets_of_several_names_do_not_disturb_each_other,
    a_kind_that_is_not_known_is_absent,
    a_watch_that_is_wanted_no_longer_falls_silent,
);

mod scenario {
    use super::*;

    pub(crate) fn what_is_there_is_listed_and_what_happens_is_followed(server: &dyn Server) {
        server.put(node("listed-a", &["10.1.0.0/24", "fd00:1::/64"]));
        server.put(node("listed-b", &["10.1.1.0/24"]));
        let mut follower = Follower::start(&server.kubeconfig(), pace(), &[all(Kind::Node)]);
        follower.until("the list", |f| f.has_told("end Node") && f.nodes().len() >= 2);
        let key = cluster::object::Key::of("listed-a");
        let blocks = |f: &Follower| f.objects.nodes.get(&key).map(|node| node.spec.pod_cidrs.clone());
        assert_eq!(blocks(&follower).unwrap(), ["10.1.0.0/24", "fd00:1::/64"]);

        server.put(node("listed-c", &["10.1.2.0/24"]));
        follower.until("another node", |f| f.nodes().contains(&"listed-c".to_owned()));
        let mut labelled = node("listed-a", &["10.1.0.0/24", "fd00:1::/64"]);
        labelled["metadata"]["labels"]["pool"] = json!("b");
        server.put(labelled);
        follower
            .until("another label", |f| f.objects.nodes.get(&key).unwrap().metadata.labels["pool"] == "b");
        for name in ["listed-a", "listed-b", "listed-c"] {
            server.delete("v1", "Node", name);
        }
        follower.until("the nodes to go", |f| !f.nodes().iter().any(|name| name.starts_with("listed")));
        assert_eq!(follower.count("begin Node"), 1, "one list is enough");
        assert!(follower.failures.is_empty(), "{:?}", follower.failures);
    }

    pub(crate) fn a_node_is_found_by_its_name(server: &dyn Server) {
        server.put(node("named-a", &[]));
        server.put(node("named-b", &[]));
        let watch = Watch { kind: Kind::Node, scope: Scope::Named("named-b".into()) };
        let mut follower = Follower::start(&server.kubeconfig(), pace(), &[watch]);
        follower.until("the node", |f| f.nodes() == ["named-b"]);
        server.put(node("named-c", &[]));
        server.delete("v1", "Node", "named-a");
        server.delete("v1", "Node", "named-b");
        follower.until("the node to go", |f| f.nodes().is_empty());
        assert!(!follower.has_told("apply named-c") && !follower.has_told("delete named-a"));
        server.delete("v1", "Node", "named-c");
    }

    pub(crate) fn a_selector_of_labels_tells_comings_and_goings(server: &dyn Server) {
        let labelled = |name: &str, zone: &str| {
            let mut node = node(name, &[]);
            node["metadata"]["labels"]["zone"] = json!(zone);
            node
        };
        server.put(labelled("zoned-a", "x"));
        server.put(labelled("zoned-b", "y"));
        let watch = Watch { kind: Kind::Node, scope: Scope::Labelled("zone in (x,z)".into()) };
        let mut follower = Follower::start(&server.kubeconfig(), pace(), &[watch]);
        follower.until("those in the zone", |f| f.nodes() == ["zoned-a"]);
        server.put(labelled("zoned-b", "z"));
        follower.until("one that moves in", |f| f.nodes() == ["zoned-a", "zoned-b"]);
        server.put(labelled("zoned-a", "y"));
        follower.until("one that moves out", |f| f.nodes() == ["zoned-b"]);
        server.delete("v1", "Node", "zoned-a");
        server.delete("v1", "Node", "zoned-b");
    }

    pub(crate) fn secrets_of_several_names_do_not_disturb_each_other(server: &dyn Server) {
        let secret = |name: &str| {
            json!({
                "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                "metadata": { "name": name, "namespace": "default" }, "data": { "password": "c2VjcmV0" },
            })
        };
        let watch = |name: &str| Watch {
            kind: Kind::Secret,
            scope: Scope::In { namespace: "default".into(), name: name.into() },
        };
        let names =
            |f: &Follower| f.objects.secrets.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>();
        server.put(secret("secret-a"));
        server.put(secret("secret-b"));
        server.put(secret("secret-c"));
        let mut follower = Follower::start(&server.kubeconfig(), pace(), &[watch("secret-a")]);
        follower.until("the first", |f| names(f) == ["default/secret-a"]);
        follower.follow(&[watch("secret-a"), watch("secret-b"), watch("secret-none")]);
        follower.until("the second", |f| names(f) == ["default/secret-a", "default/secret-b"]);
        follower.until("word of one that is not there", |f| f.has_told("delete default/secret-none"));
        assert!(!follower.has_told("apply default/secret-c"), "nobody asked for it");
        for name in ["a", "b", "c"] {
            server.delete("v1", "Secret", &format!("default/secret-{name}"));
        }
        follower.until("both to go", |f| names(f).is_empty());
    }

    pub(crate) fn a_kind_that_is_not_known_is_absent(server: &dyn Server) {
        let mut follower = Follower::start(&server.kubeconfig(), pace(), &[all(Kind::CiliumNode)]);
        follower.until("word of it", |f| f.has_told("absent CiliumNode"));
        assert!(follower.failures.is_empty(), "{:?}", follower.failures);
    }

    pub(crate) fn a_watch_that_is_wanted_no_longer_falls_silent(server: &dyn Server) {
        let mut follower =
            Follower::start(&server.kubeconfig(), pace(), &[all(Kind::Node), all(Kind::Service)]);
        follower.until("both lists", |f| f.has_told("end Node") && f.has_told("end Service"));
        follower.follow(&[all(Kind::Service)]);
        server.put(node("unheard", &[]));
        server.put(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": "heard", "namespace": "default" },
            "spec": { "type": "ClusterIP", "ports": [{ "port": 80 }] },
        }));
        follower.until("the service", |f| f.has_told("apply default/heard"));
        assert!(!follower.has_told("apply unheard"));
        server.delete("v1", "Service", "default/heard");
        server.delete("v1", "Node", "unheard");
    }
}
