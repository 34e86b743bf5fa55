//! The pod and the file in it go together, and the pod has no more rights than it needs.

use std::fs;
use std::path::Path;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Container, PodSpec, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use podbgpd::config::{Facts, parse};
use podbgpd::intent::{BlockSource, Intent, PeerSource};

use crate::objects;

fn pod() -> PodSpec {
    let daemon_set: DaemonSet = objects::only(&objects::file("base/daemonset.yaml"), "DaemonSet");
    daemon_set.spec.unwrap().template.spec.unwrap()
}

pub(crate) fn container() -> Container {
    let mut containers = pod().containers;
    assert_eq!(containers.len(), 1);
    containers.remove(0)
}

/// Reads a file as the daemon does in the pod.
pub(crate) fn intent(text: &str) -> Intent {
    let facts = Facts {
        node_name: Some("node-a".to_owned()),
        namespace: Some("podbgp".to_owned()),
        host_name: Some("host-a".to_owned()),
        addresses: vec!["10.203.30.40".parse().unwrap()],
    };
    let config = parse(text, Path::new("podbgpd.toml"), &facts);
    let config = config.unwrap_or_else(|mistakes| panic!("{}", mistakes.render(false)));
    assert!(config.warnings.warnings.is_empty(), "{}", config.warnings.render(false));
    config.intent
}

fn intent_of(name: &str) -> Intent {
    intent(&fs::read_to_string(objects::path(name)).unwrap())
}

#[test]
fn the_pod_has_exactly_the_rights_it_needs() {
    let (pod, container) = (pod(), container());
    let security = container.security_context.unwrap();
    assert_eq!(security.privileged, Some(false));
    assert_eq!(security.allow_privilege_escalation, Some(false));
    assert_eq!(security.read_only_root_filesystem, Some(true));
    let capabilities = security.capabilities.unwrap();
    assert_eq!(capabilities.drop.unwrap(), ["ALL"]);
    assert_eq!(capabilities.add.unwrap(), ["NET_ADMIN", "NET_BIND_SERVICE"]);
    assert_eq!(pod.security_context.unwrap().seccomp_profile.unwrap().type_, "RuntimeDefault");
    assert_eq!((pod.host_network, pod.host_pid, pod.host_ipc), (Some(true), None, None));
}

#[test]
fn the_pod_runs_wherever_a_node_needs_routes() {
    let pod = pod();
    assert_eq!(pod.priority_class_name.as_deref(), Some("system-node-critical"));
    let tolerations = pod.tolerations.unwrap();
    let all = |toleration: &k8s_openapi::api::core::v1::Toleration| {
        toleration.operator.as_deref() == Some("Exists")
            && toleration.key.is_none()
            && toleration.effect.is_none()
    };
    assert!(tolerations.iter().any(all), "among all taints is our own startup taint");
    assert_eq!(container().lifecycle, None, "SIGTERM is a restart and needs no hook");
}

#[test]
fn what_the_file_names_is_in_the_pod() {
    let container = container();
    let mounts = container.volume_mounts.unwrap();
    let is_writable = |path: &Path| {
        let mount = mounts.iter().find(|mount| path.starts_with(&mount.mount_path));
        mount.is_some_and(|mount| mount.read_only != Some(true))
    };
    for file in ["base/podbgpd.toml", "overlays/calico/podbgpd.toml"] {
        let intent = intent_of(file);
        assert!(is_writable(&intent.graceful_restart.state_directory), "{file}: the state");
        assert!(is_writable(&intent.control_socket), "{file}: the control socket");
        let probes = [&container.startup_probe, &container.liveness_probe, &container.readiness_probe];
        for (probe, path) in probes.into_iter().zip(["/healthz", "/healthz", "/readyz"]) {
            let probe: &Probe = probe.as_ref().unwrap();
            let get = probe.http_get.as_ref().unwrap();
            let metrics = intent.metrics.unwrap();
            assert_eq!(get.path.as_deref(), Some(path));
            assert_eq!(get.port, IntOrString::Int(metrics.port().into()), "{file}");
            // On the network of the host, a probe goes to the address of the node unless told otherwise.
            assert_eq!(get.host.as_deref(), Some(metrics.ip().to_string().as_str()), "{file}");
        }
    }
    let config = mounts.iter().find(|mount| mount.name == "config").unwrap();
    assert_eq!(config.read_only, Some(true));
    assert_eq!(container.args.unwrap(), ["--config", &format!("{}/podbgpd.toml", config.mount_path)]);
    // What is not in a file of the node is in these variables.
    let names: Vec<String> = container.env.unwrap().into_iter().map(|variable| variable.name).collect();
    assert_eq!(names, ["NODENAME", "NAMESPACE"]);
}

#[test]
fn the_files_say_what_their_clusters_need() {
    let plain = intent_of("base/podbgpd.toml").kubernetes.unwrap();
    assert_eq!((plain.node_name.as_str(), plain.namespace.as_str()), ("node-a", "podbgp"));
    assert_eq!((plain.blocks, plain.peers), (BlockSource::Auto, PeerSource::Auto));
    assert_eq!(plain.kubeconfig, None, "a pod has a service account");
    let calico = intent_of("overlays/calico/podbgpd.toml").kubernetes.unwrap();
    assert_eq!((calico.blocks, calico.peers), (BlockSource::Calico, PeerSource::Calico));
    assert_eq!(calico.namespace, "kube-system", "where Calico looks for Secrets");
}
