//! The chart makes the same objects as the overlays.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use support::skip;

use crate::{objects, template};

fn chart(name: &str) -> PathBuf {
    objects::path("helm/podbgp").join(name)
}

fn yaml(name: &str) -> Value {
    objects::file(&format!("helm/podbgp/{name}")).remove(0)
}

/// Renders the chart as `helm install podbgp --namespace podbgp` would, with these values changed.
fn rendered(changes: &[(&str, Value)]) -> Vec<Value> {
    let mut values = yaml("values.yaml");
    for (path, value) in changes {
        *values.pointer_mut(path).unwrap_or_else(|| panic!("no value {path}")) = value.clone();
    }
    let about = yaml("Chart.yaml");
    let dot = json!({
        "Values": values,
        "Release": {"Name": "podbgp", "Namespace": "podbgp", "Service": "Helm"},
        "Chart": {"AppVersion": about["appVersion"]},
    });
    let mut files: Vec<PathBuf> =
        fs::read_dir(chart("templates")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let manifests = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    manifests
        .map(|file| template::render(&fs::read_to_string(file).unwrap(), &dot))
        .filter(|text| !text.trim().is_empty())
        .flat_map(|text| objects::documents(&text))
        .collect()
}

/// Names objects by their kind, namespace and name, without what only one way of installing adds.
fn by_name(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let named = |mut object: Value| {
        let metadata = &object["metadata"];
        let name = metadata["name"].as_str().unwrap().to_owned();
        let key = format!("{} {}/{name}", object["kind"], metadata["namespace"].as_str().unwrap_or(""));
        object["metadata"].as_object_mut().unwrap().remove("labels");
        if let Some(metadata) = object.pointer_mut("/spec/template/metadata").and_then(Value::as_object_mut) {
            metadata.remove("annotations");
        }
        if let Some(container) = object.pointer_mut("/spec/template/spec/containers/0") {
            container.as_object_mut().unwrap().remove("imagePullPolicy");
        }
        (key, object)
    };
    objects.into_iter().map(named).collect()
}

/// The objects of the base, but for the namespace, which `helm` makes, and with the file as a ConfigMap.
fn base() -> Vec<Value> {
    let mut objects: Vec<Value> = ["rbac.yaml", "secrets-role.yaml", "daemonset.yaml"]
        .iter()
        .flat_map(|file| objects::file(&format!("base/{file}")))
        .collect();
    objects.push(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "podbgp", "namespace": "podbgp"},
        "data": {"podbgpd.toml": fs::read_to_string(objects::path("base/podbgpd.toml")).unwrap()},
    }));
    objects
}

#[test]
fn the_chart_makes_the_objects_of_the_base() {
    let rendered =
        rendered(&[("/config", fs::read_to_string(objects::path("base/podbgpd.toml")).unwrap().into())]);
    rendered.iter().for_each(|object| objects::check(object, "the chart"));
    let (chart, base) = (by_name(rendered), by_name(base()));
    assert_eq!(chart.keys().collect::<Vec<_>>(), base.keys().collect::<Vec<_>>());
    for (name, object) in &base {
        assert_eq!(&chart[name], object, "{name}");
    }
}

#[test]
fn the_file_of_the_chart_says_what_that_of_the_base_does() {
    let of_chart = yaml("values.yaml")["config"].as_str().unwrap().to_owned();
    let of_base = fs::read_to_string(objects::path("base/podbgpd.toml")).unwrap();
    assert_eq!(crate::pod::intent(&of_chart), crate::pod::intent(&of_base));
}

#[test]
fn values_change_what_they_say() {
    let daemon_set = |changes: &[(&str, Value)]| {
        let all = rendered(changes);
        all.iter().find(|object| object["kind"] == "DaemonSet").unwrap()["spec"].clone()
    };
    let spec = daemon_set(&[
        ("/unnumbered", true.into()),
        ("/image", json!({"repository": "registry.example.net/podbgp", "tag": "1", "pullPolicy": "Always"})),
        ("/imagePullSecrets", json!([{"name": "registry"}])),
        ("/nodeSelector", json!({"rack": "30"})),
        ("/maxUnavailable", 3.into()),
    ]);
    let pod = &spec["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(
        container["securityContext"]["capabilities"]["add"],
        json!(["NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW"])
    );
    assert_eq!(container["image"], "registry.example.net/podbgp:1");
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "registry"}]));
    assert_eq!(pod["nodeSelector"], json!({"kubernetes.io/os": "linux", "rack": "30"}));
    assert_eq!(spec["updateStrategy"]["rollingUpdate"]["maxUnavailable"], 3);
    let checksum = |spec: &Value| spec["template"]["metadata"]["annotations"]["checksum/config"].clone();
    assert_ne!(checksum(&spec), checksum(&daemon_set(&[("/config", "[kubernetes]\n".into())])));

    let policies = by_name(rendered(&[("/ownNodeOnly", true.into())]));
    for (name, object) in by_name(objects::file("components/own-node/policy.yaml")) {
        assert_eq!(policies[&name], object);
    }
    let elsewhere = json!({"secrets": ["a", "b"], "namespace": "kube-system"});
    let roles = by_name(rendered(&[("/passwords", elsewhere)]));
    assert_eq!(roles["\"Role\" kube-system/podbgp-secrets"]["rules"][0]["resourceNames"], json!(["a", "b"]));
    assert!(roles.contains_key("\"RoleBinding\" kube-system/podbgp-secrets"));
}

#[test]
fn the_schema_knows_every_value() {
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(chart("values.schema.json")).unwrap()).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let (values, properties) = (yaml("values.yaml"), &schema["properties"]);
    // `helm` gives every chart a `global`.
    let known: BTreeSet<String> = keys(properties).into_iter().filter(|key| key != "global").collect();
    assert_eq!(keys(&values), known);
    for table in ["image", "passwords"] {
        assert_eq!(keys(&values[table]), keys(&properties[table]["properties"]), "{table}");
    }
}

#[test]
fn the_chart_has_the_resources_of_the_base() {
    let of_base = objects::file("crds/kustomization.yaml").remove(0);
    for name in of_base["resources"].as_array().unwrap() {
        let name = name.as_str().unwrap();
        let read =
            |path: PathBuf| fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(read(chart("crds").join(name)), read(objects::path("crds").join(name)), "{name}");
    }
    let files = fs::read_dir(chart("crds")).unwrap().count();
    assert_eq!(files, of_base["resources"].as_array().unwrap().len());
}

#[test]
fn helm_agrees() {
    let Ok(output) =
        Command::new("helm").args(["template", "podbgp"]).arg(chart("")).args(["-n", "podbgp"]).output()
    else {
        return skip("helm not installed");
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let helms = by_name(objects::documents(&String::from_utf8(output.stdout).unwrap()));
    assert_eq!(helms, by_name(rendered(&[])));
}
