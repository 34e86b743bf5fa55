//! The files, as objects of the types they say they are.

use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Returns a path below `configs/kubernetes`.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/kubernetes").join(name)
}

/// Reads all objects of a text.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Reads all objects of a file.
pub(crate) fn file(name: &str) -> Vec<Value> {
    documents(&fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// Reads the one object of a kind among several.
pub(crate) fn only<T: DeserializeOwned>(objects: &[Value], kind: &str) -> T {
    let of_kind: Vec<&Value> = objects.iter().filter(|object| object["kind"] == kind).collect();
    assert_eq!(of_kind.len(), 1, "objects of kind {kind}");
    serde_json::from_value(of_kind[0].clone()).unwrap()
}

/// Reads an object as its type and says what of it the type does not know.
fn unknown<T: DeserializeOwned + Serialize>(object: &Value) -> Vec<String> {
    let typed: T = serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{error}: {object}"));
    let mut lost = Vec::new();
    compare(object, &serde_json::to_value(&typed).unwrap(), "", &mut lost);
    lost
}

/// Notes the paths of what `read` has and `known` has not.
fn compare(read: &Value, known: &Value, path: &str, lost: &mut Vec<String>) {
    match (read, known) {
        (Value::Object(read), Value::Object(known)) => {
            for (key, value) in read {
                let path = format!("{path}.{key}");
                match known.get(key) {
                    Some(same) => compare(value, same, &path, lost),
                    // Types leave out what is empty.
                    None if matches!(value, Value::Object(map) if map.is_empty()) => {}
                    None => lost.push(path),
                }
            }
        }
        (Value::Array(read), Value::Array(known)) if read.len() == known.len() => {
            for (index, (read, known)) in read.iter().zip(known).enumerate() {
                compare(read, known, &format!("{path}[{index}]"), lost);
            }
        }
        (Value::Number(read), Value::Number(known)) if read.as_f64() == known.as_f64() => {}
        (read, known) if read == known => {}
        _ => lost.push(format!("{path} = {read}, read as {known}")),
    }
}

/// Checks an object against the type it says it is.
pub(crate) fn check(object: &Value, whence: &str) {
    let kind = object["kind"].as_str().unwrap_or_else(|| panic!("{whence}: an object without kind"));
    let unknown = match kind {
        "Namespace" => unknown::<Namespace>(object),
        "ServiceAccount" => unknown::<ServiceAccount>(object),
        "ConfigMap" => unknown::<ConfigMap>(object),
        "DaemonSet" => unknown::<DaemonSet>(object),
        "ClusterRole" => unknown::<ClusterRole>(object),
        "ClusterRoleBinding" => unknown::<ClusterRoleBinding>(object),
        "Role" => unknown::<Role>(object),
        "RoleBinding" => unknown::<RoleBinding>(object),
        "CustomResourceDefinition" => unknown::<CustomResourceDefinition>(object),
        "ValidatingAdmissionPolicy" => unknown::<ValidatingAdmissionPolicy>(object),
        "ValidatingAdmissionPolicyBinding" => unknown::<ValidatingAdmissionPolicyBinding>(object),
        "Kustomization" | "Component" => Vec::new(),
        other => panic!("{whence}: nobody checks objects of kind {other}"),
    };
    assert_eq!(unknown, [] as [String; 0], "{whence}: what a {kind} has not");
}

/// Returns all YAML files below a folder of `configs/kubernetes`, but for the templates of the chart.
fn yaml_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("helm") {
                yaml_files(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
}

#[test]
fn every_object_is_what_it_says_it_is() {
    let mut files = Vec::new();
    yaml_files(&path(""), &mut files);
    assert!(files.len() > 8, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let is_patch = file.ends_with("calico-node-patch.yaml");
        for object in documents(&text) {
            if is_patch {
                let of_daemonset = serde_json::json!({
                    "apiVersion": "apps/v1",
                    "kind": "DaemonSet",
                    "metadata": {"name": "calico-node"},
                    "spec": object["spec"],
                });
                assert_eq!(of_daemonset["spec"]["template"]["spec"]["containers"][0]["name"], "calico-node");
            } else {
                check(&object, &file.display().to_string());
            }
        }
    }
}

#[test]
fn every_file_a_kustomization_names_is_there() {
    let mut files = Vec::new();
    yaml_files(&path(""), &mut files);
    for file in files.iter().filter(|file| file.ends_with("kustomization.yaml")) {
        let text = fs::read_to_string(file).unwrap();
        let folder = file.parent().unwrap();
        for object in documents(&text) {
            let named = |list: &Value| -> Vec<String> {
                let list = list.as_array().into_iter().flatten();
                list.map(|name| name.as_str().unwrap().to_owned()).collect()
            };
            let mut names = named(&object["resources"]);
            names.extend(named(&object["components"]));
            for generator in object["configMapGenerator"].as_array().into_iter().flatten() {
                names.extend(named(&generator["files"]));
            }
            for name in names {
                let target = folder.join(&name);
                let there = target.is_file() || target.join("kustomization.yaml").is_file();
                assert!(there, "{}: {name}", file.display());
            }
        }
    }
}

#[test]
fn a_field_no_type_has_is_a_mistake() {
    let mistyped = "{kind: Role, rules: [{apiGroups: [''], resource: [secrets], verbs: [list]}]}";
    assert_eq!(unknown::<Role>(&documents(mistyped)[0]), [".rules[0].resource"]);
}
