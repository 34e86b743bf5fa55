//! The objects, and what happened to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::selector::Selector;

/// The name of an object within its collection: namespace and name.
type Name = (String, String);

/// A change as a watch tells it: its kind and the object.
type Told = (&'static str, Value);

/// The objects by collection, such as `/apis/discovery.k8s.io/v1/endpointslices`, and their history.
#[derive(Debug, Default)]
pub(super) struct Store {
    version: u64,
    /// The oldest version a watch may begin at.
    oldest: u64,
    objects: BTreeMap<String, BTreeMap<Name, Arc<Value>>>,
    history: Vec<Change>,
    /// Lists of which pages are still to be sent, by the token of the next page.
    pages: BTreeMap<String, (u64, Vec<Arc<Value>>)>,
    installed: BTreeSet<String>,
}

/// What happened to an object.
#[derive(Clone, Debug)]
struct Change {
    version: u64,
    collection: String,
    before: Option<Arc<Value>>,
    after: Option<Arc<Value>>,
}

/// A page of a list.
pub(super) struct Page {
    pub(super) version: u64,
    pub(super) items: Vec<Arc<Value>>,
    /// The token of the next page; empty on the last.
    pub(super) next: String,
}

/// The version a watch begins at is forgotten.
#[derive(Debug)]
pub(super) struct Gone;

impl Store {
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn install(&mut self, group_version: &str, plurals: &[&str]) {
        self.installed.extend(plurals.iter().map(|plural| location(group_version, plural)));
    }

    pub(super) fn installed(&self) -> impl Iterator<Item = &str> {
        self.installed.iter().map(String::as_str)
    }

    pub(super) fn is_installed(&self, collection: &str) -> bool {
        self.installed.contains(collection)
    }

    pub(super) fn put(&mut self, mut object: Value) {
        let word = |value: &Value, what: &str| {
            value.as_str().unwrap_or_else(|| panic!("an object without {what}")).to_owned()
        };
        let (api_version, kind) = (word(&object["apiVersion"], "apiVersion"), word(&object["kind"], "kind"));
        let collection = collection(&api_version, &kind);
        assert!(self.is_installed(&collection), "{collection} is not installed");
        let metadata = &object["metadata"];
        let name = word(&metadata["name"], "a name");
        let namespace = metadata["namespace"].as_str().unwrap_or_default().to_owned();
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("{kind}-{}", self.version).to_lowercase());
        }
        let after = Arc::new(object);
        let objects = self.objects.entry(collection.clone()).or_default();
        let before = objects.insert((namespace, name), after.clone());
        self.history.push(Change { version: self.version, collection, before, after: Some(after) });
    }

    pub(super) fn delete(&mut self, collection: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let objects = self.objects.get_mut(collection)?;
        let before = objects.remove(&(namespace.to_owned(), name.to_owned()))?;
        self.version += 1;
        let change = Change {
            version: self.version,
            collection: collection.to_owned(),
            before: Some(before.clone()),
            after: None,
        };
        self.history.push(change);
        Some(before)
    }

    pub(super) fn get(&self, collection: &str, namespace: &str, name: &str) -> Option<&Value> {
        let objects = self.objects.get(collection)?;
        objects.get(&(namespace.to_owned(), name.to_owned())).map(Arc::as_ref)
    }

    pub(super) fn all(&self, collection: &str) -> impl Iterator<Item = &Value> {
        self.objects.get(collection).into_iter().flatten().map(|(_, object)| object.as_ref())
    }

    pub(super) fn expire(&mut self) {
        // Events come and go without being told; so does everything else while nobody looks.
        self.version += 1;
        self.oldest = self.version;
        self.history.clear();
        self.pages.clear();
    }

    /// Goes back to a first version, with what is there now.
    pub(super) fn set_back(&mut self) {
        self.expire();
        (self.version, self.oldest) = (1, 1);
        for object in self.objects.values_mut().flat_map(BTreeMap::values_mut) {
            Arc::make_mut(object)["metadata"]["resourceVersion"] = json!("1");
        }
    }

    /// Returns the objects that are there now, in one namespace or (if empty) in all.
    pub(super) fn select(&self, collection: &str, namespace: &str, selector: &Selector) -> Vec<Arc<Value>> {
        let objects = self.objects.get(collection).into_iter().flatten();
        objects
            .filter(|((of, _), object)| (namespace.is_empty() || of == namespace) && selector.takes(object))
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// Returns the first page of a list.
    pub(super) fn list(
        &mut self,
        collection: &str,
        namespace: &str,
        selector: &Selector,
        limit: usize,
    ) -> Page {
        let items = self.select(collection, namespace, selector);
        self.cut(self.version, items, limit)
    }

    /// Returns the page of a token.
    pub(super) fn next(&mut self, token: &str, limit: usize) -> Result<Page, Gone> {
        let (version, items) = self.pages.remove(token).ok_or(Gone)?;
        Ok(self.cut(version, items, limit))
    }

    fn cut(&mut self, version: u64, mut items: Vec<Arc<Value>>, limit: usize) -> Page {
        if items.len() <= limit {
            return Page { version, items, next: String::new() };
        }
        let rest = items.split_off(limit);
        // As odd as the real ones: they are base64.
        let next = format!("{version}+{}/{}==", rest.len(), self.pages.len());
        self.pages.insert(next.clone(), (version, rest));
        Page { version, items, next }
    }

    /// Returns what happened to selected objects after a version, as a watch tells it, and up to which version.
    pub(super) fn since(
        &self,
        version: u64,
        collection: &str,
        namespace: &str,
        selector: &Selector,
    ) -> Result<(Vec<Told>, u64), Gone> {
        if version < self.oldest {
            return Err(Gone);
        }
        let here = |object: &&Arc<Value>| {
            let of = object["metadata"]["namespace"].as_str().unwrap_or_default();
            (namespace.is_empty() || of == namespace) && selector.takes(object)
        };
        let start = self.history.partition_point(|change| change.version <= version);
        let changes = self.history[start..].iter().filter(|change| change.collection == collection);
        let told = changes.filter_map(|change| {
            let (before, after) = (change.before.as_ref().filter(here), change.after.as_ref().filter(here));
            Some(match (before, after) {
                (None, None) => return None,
                (None, Some(after)) => ("ADDED", Value::clone(after)),
                (Some(_), Some(after)) => ("MODIFIED", Value::clone(after)),
                (Some(before), None) => {
                    let mut gone = Value::clone(before);
                    gone["metadata"]["resourceVersion"] = json!(change.version.to_string());
                    ("DELETED", gone)
                }
            })
        });
        Ok((told.collect(), self.version))
    }
}

/// Returns the path of the collection of a kind.
#[must_use]
pub fn collection(api_version: &str, kind: &str) -> String {
    let kind = kind.to_lowercase();
    let plural = match (kind.strip_suffix('y'), kind.ends_with('s')) {
        (Some(stem), _) => format!("{stem}ies"),
        (None, true) => format!("{kind}es"),
        (None, false) => format!("{kind}s"),
    };
    location(api_version, &plural)
}

/// Returns the path of the collection of a group, version and plural.
#[must_use]
pub fn location(group_version: &str, plural: &str) -> String {
    let base = if group_version.contains('/') { "apis" } else { "api" };
    format!("/{base}/{group_version}/{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_plurals_the_server_knows() {
        assert_eq!(collection("v1", "Node"), "/api/v1/nodes");
        assert_eq!(
            collection("crd.projectcalico.org/v1", "BlockAffinity"),
            "/apis/crd.projectcalico.org/v1/blockaffinities"
        );
        assert_eq!(collection("podbgp.io/v1", "BGPNodeStatus"), "/apis/podbgp.io/v1/bgpnodestatuses");
    }
}
