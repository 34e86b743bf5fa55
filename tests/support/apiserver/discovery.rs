//! What the server has.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::store::Store;

/// Answers `/api`, `/apis`, `/api/v1`, `/apis/GROUP/VERSION`; `None` for other paths, and for groups there are not.
pub(super) fn answer(store: &Store, path: &str) -> Option<Value> {
    match path {
        "/version" => return Some(json!({ "major": "1", "minor": "33", "gitVersion": "v1.33.0" })),
        "/api" => return Some(json!({ "kind": "APIVersions", "versions": ["v1"] })),
        "/apis" => return Some(groups(store)),
        _ => {}
    }
    let plurals: BTreeSet<_> = store
        .installed()
        .filter_map(|collection| collection.rsplit_once('/'))
        .filter(|(base, _)| *base == path)
        .map(|(_, plural)| plural)
        .collect();
    let group_version = path.strip_prefix("/apis/").or_else(|| path.strip_prefix("/api/"))?;
    (!plurals.is_empty()).then(|| {
        let resource = |plural: &&str| json!({ "name": plural, "verbs": ["get", "list", "watch"] });
        json!({
            "kind": "APIResourceList", "groupVersion": group_version,
            "resources": plurals.iter().map(resource).collect::<Vec<_>>(),
        })
    })
}

fn groups(store: &Store) -> Value {
    let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for collection in store.installed() {
        let mut parts = collection.trim_start_matches("/apis/").split('/');
        if let (true, Some(group), Some(version)) =
            (collection.starts_with("/apis/"), parts.next(), parts.next())
        {
            groups.entry(group).or_default().insert(version);
        }
    }
    let groups: Vec<_> = groups
        .into_iter()
        .map(|(group, versions)| {
            let version =
                |version: &&str| json!({ "groupVersion": format!("{group}/{version}"), "version": version });
            let versions: Vec<_> = versions.iter().map(version).collect();
            json!({ "name": group, "versions": versions, "preferredVersion": versions[0] })
        })
        .collect();
    json!({ "kind": "APIGroupList", "groups": groups })
}
