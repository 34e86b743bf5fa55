//! What the shipped roles let the daemon ask for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use serde_json::Value;

use crate::apiserver::Seen;

/// A request as rules see it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// What is done.
    pub verb: &'static str,
    /// The API group; empty for the first.
    pub group: String,
    /// The resource, with its subresource if it has one.
    pub resource: String,
    /// The namespace, if it is about one.
    pub namespace: Option<String>,
    /// The name, if it is about one object.
    pub name: Option<String>,
}

/// The rules that are shipped: each with the namespace it holds in, or everywhere.
#[derive(Clone, Debug)]
pub struct Granted(Vec<(Option<String>, PolicyRule)>);

impl Asked {
    /// Reads a request. `None` for one that is about no resource, such as which groups there are; every pod may ask that.
    #[must_use]
    pub fn of(seen: &Seen) -> Option<Self> {
        let words: Vec<&str> = seen.path.split('/').filter(|word| !word.is_empty()).collect();
        let (group, rest) = match words.as_slice() {
            ["api", _version, rest @ ..] => ("", rest),
            ["apis", group, _version, rest @ ..] => (*group, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some((*namespace).to_owned()), rest),
            rest => (None, rest),
        };
        let (resource, named) = match rest {
            [resource] => ((*resource).to_owned(), None),
            [resource, name] => ((*resource).to_owned(), Some((*name).to_owned())),
            [resource, name, part] => (format!("{resource}/{part}"), Some((*name).to_owned())),
            _ => return None,
        };
        // A list or a watch of one object says its name by a selector.
        let selected =
            seen.query.split('&').find_map(|pair| pair.strip_prefix("fieldSelector=metadata.name%3D"));
        let name = named.clone().or_else(|| selected.map(str::to_owned));
        let verb = match seen.method.as_str() {
            "GET" if seen.is_watch() => "watch",
            "GET" if named.is_some() => "get",
            "GET" => "list",
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            _ => "delete",
        };
        Some(Self { verb, group: group.to_owned(), resource, namespace, name })
    }
}

impl Granted {
    /// Reads the roles of `configs/kubernetes/base`.
    ///
    /// # Panics
    /// When they are not there, or are no roles.
    #[must_use]
    pub fn shipped() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/kubernetes/base");
        let mut rules = Vec::new();
        for file in ["rbac.yaml", "secrets-role.yaml"] {
            let text = fs::read_to_string(folder.join(file)).expect("the roles are there");
            let objects: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
            for object in objects {
                let of_namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
                let granted = match object["kind"].as_str() {
                    Some("ClusterRole") => {
                        serde_json::from_value::<ClusterRole>(object).expect("a role").rules
                    }
                    Some("Role") => serde_json::from_value::<Role>(object).expect("a role").rules,
                    _ => continue,
                };
                rules.extend(granted.into_iter().flatten().map(|rule| (of_namespace.clone(), rule)));
            }
        }
        Self(rules)
    }

    /// Tells whether a request is granted.
    #[must_use]
    pub fn allows(&self, asked: &Asked) -> bool {
        self.0.iter().any(|(namespace, rule)| {
            let here = namespace.is_none() || *namespace == asked.namespace;
            let named = rule.resource_names.as_ref().is_none_or(|names| {
                names.is_empty() || asked.name.as_ref().is_some_and(|name| names.contains(name))
            });
            let has = |list: &Option<Vec<String>>, word: &str| {
                list.as_ref().is_some_and(|list| list.iter().any(|item| item == word))
            };
            here && named
                && rule.verbs.iter().any(|verb| verb == asked.verb)
                && has(&rule.api_groups, &asked.group)
                && has(&rule.resources, &asked.resource)
        })
    }

    /// Returns every verb, group and resource that is granted.
    #[must_use]
    pub fn all(&self) -> BTreeSet<(String, String, String)> {
        let mut all = BTreeSet::new();
        for (_, rule) in &self.0 {
            for group in rule.api_groups.iter().flatten() {
                for resource in rule.resources.iter().flatten() {
                    all.extend(rule.verbs.iter().map(|verb| (verb.clone(), group.clone(), resource.clone())));
                }
            }
        }
        all
    }
}
