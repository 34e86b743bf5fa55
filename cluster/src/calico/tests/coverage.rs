//! Which fields there are. An object with every field filled in is the witness: a field that is added has to be filled in
//! here, and then has no row in the table of its kind until somebody writes one.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

/// Returns the paths of all fields below `spec`, those of lists with `[]`.
pub(super) fn fields(object: &impl Serialize) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    let object = serde_json::to_value(object).expect("an object");
    walk("", &object, &mut paths);
    paths
}

fn walk(path: &str, value: &Value, paths: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(&path, value, paths);
            }
        }
        Value::Array(items) => {
            assert!(!items.is_empty(), "{path} is not filled in");
            items.iter().for_each(|item| walk(&format!("{path}[]"), item, paths));
        }
        Value::Null => panic!("{path} is not filled in"),
        _ => {
            paths.insert(path.to_owned());
        }
    }
}

/// Puts a value at a path, `[]` being the first of a list; `null` is no value.
pub(super) fn put(object: &mut Value, path: &str, value: Value) {
    if value.is_null() {
        return;
    }
    let mut place = object;
    for step in path.split('.') {
        let (name, is_list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
        place = &mut place[name];
        if is_list {
            if place.is_null() {
                *place = Value::Array(vec![Value::Null]);
            }
            place = &mut place[0];
        }
    }
    *place = value;
}
