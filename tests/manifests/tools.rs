//! What `kubectl` makes of the overlays and of the patch.

use std::process::Command;

use serde_json::Value;
use support::skip;

use crate::objects;

/// Runs `kubectl` and returns what it prints; `None`, said aloud, where it is not there or too old.
fn kubectl(arguments: &[&str]) -> Option<String> {
    let version = Command::new("kubectl").args(["version", "--client", "--output=json"]).output();
    let version: Option<Value> = version.ok().and_then(|output| serde_json::from_slice(&output.stdout).ok());
    let kustomize = version.as_ref().and_then(|version| version["kustomizeVersion"].as_str());
    match kustomize {
        Some(version) if version.starts_with("v5") => {}
        Some(version) => {
            skip(&format!("kubectl has kustomize {version}, which is older than components and labels"));
            return None;
        }
        None => {
            skip("kubectl not installed, or older than its kustomize 5");
            return None;
        }
    }
    let output = Command::new("kubectl").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn overlay(name: &str) -> Option<Vec<Value>> {
    let folder = objects::path("overlays").join(name);
    kubectl(&["kustomize", folder.to_str().unwrap()]).map(|text| objects::documents(&text))
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = |object: &&Value| {
        object["kind"] == kind
            && object["metadata"]["name"].as_str().is_some_and(|full| full.starts_with(name))
    };
    objects.iter().find(found).unwrap_or_else(|| panic!("no {kind} {name}"))
}

#[test]
fn overlays_are_objects_of_kubernetes() {
    for name in ["plain", "calico"] {
        let Some(objects) = overlay(name) else { return };
        objects.iter().for_each(|object| objects::check(object, name));
        let config = named(&objects, "ConfigMap", "podbgp-");
        let volumes = &named(&objects, "DaemonSet", "podbgp")["spec"]["template"]["spec"]["volumes"];
        assert_eq!(volumes[0]["configMap"]["name"], config["metadata"]["name"], "another file is rolled out");
        let text = config["data"]["podbgpd.toml"].as_str().unwrap();
        let settings = crate::pod::intent(text).kubernetes.unwrap();
        for kind in ["Role", "RoleBinding"] {
            let role = named(&objects, kind, "podbgp-secrets");
            assert_eq!(role["metadata"]["namespace"], settings.namespace, "{name}: where the passwords are");
        }
    }
}

#[test]
fn a_stock_calico_node_is_left_without_bird() {
    let stock = serde_json::json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "calico-node", "namespace": "kube-system"},
        "spec": {
            "selector": {"matchLabels": {"k8s-app": "calico-node"}},
            "template": {
                "metadata": {"labels": {"k8s-app": "calico-node"}},
                "spec": {"containers": [{
                    "name": "calico-node",
                    "image": "calico/node:v3.32.1",
                    "env": [
                        {"name": "CALICO_NETWORKING_BACKEND", "valueFrom": {"configMapKeyRef": {
                            "name": "calico-config", "key": "calico_backend",
                        }}},
                        {"name": "IP", "value": "autodetect"},
                    ],
                    "livenessProbe": {
                        "exec": {"command": ["/bin/calico-node", "-felix-live", "-bird-live"]},
                        "periodSeconds": 10,
                    },
                    "readinessProbe": {
                        "exec": {"command": ["/bin/calico-node", "-felix-ready", "-bird-ready"]},
                        "periodSeconds": 10,
                    },
                }]},
            },
        },
    });
    let folder = std::env::temp_dir().join(format!("podbgp-manifests-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("calico-node.json");
    std::fs::write(&file, stock.to_string()).unwrap();
    let patch = objects::path("overlays/calico/calico-node-patch.yaml");
    let (file, patch) = (file.to_str().unwrap(), patch.to_str().unwrap());
    let patched = kubectl(&["patch", "--local", "-f", file, "--patch-file", patch, "-o", "json"]);
    std::fs::remove_dir_all(&folder).unwrap();
    let Some(patched) = patched else { return };
    let patched: Value = serde_json::from_str(&patched).unwrap();
    let container = &patched["spec"]["template"]["spec"]["containers"][0];
    let backend = serde_json::json!({"name": "CALICO_NETWORKING_BACKEND", "value": "vxlan"});
    assert_eq!(container["env"], serde_json::json!([backend, {"name": "IP", "value": "autodetect"}]));
    assert_eq!(container["livenessProbe"]["periodSeconds"], 10, "the rest of the probe is as it was");
    assert!(!patched.to_string().contains("bird"), "{patched}");
}
