//! Writing to objects: patches, and what the status subresource may change.

use serde_json::{Map, Value};

/// Lists that strategic patches merge by a key instead of replacing them.
const MERGED: [(&str, &str); 2] = [("conditions", "type"), ("addresses", "type")];

/// Applies a patch of a content type to an object; `None` when the server does not take it.
pub(super) fn patch(object: &mut Value, content_type: &str, patch: &Value) -> Option<()> {
    match content_type.split(';').next().unwrap_or_default() {
        "application/merge-patch+json" | "application/apply-patch+yaml" => merge(object, patch, false),
        "application/strategic-merge-patch+json" => merge(object, patch, true),
        "application/json-patch+json" => {
            let mut changed = object.clone();
            for step in patch.as_array()? {
                one(&mut changed, step)?;
            }
            *object = changed;
        }
        _ => return None,
    }
    Some(())
}

/// Puts back what a write may not touch: the status, or with the subresource everything but that and the metadata.
pub(super) fn keep(object: &mut Value, before: &Value, status: bool) {
    let Some(fields) = object.as_object_mut() else { return };
    let kept = if status { "spec" } else { "status" };
    match before.get(kept) {
        Some(value) => fields.insert(kept.to_owned(), value.clone()),
        None => fields.remove(kept),
    };
}

/// RFC 7386, and with `strategic` lists by key.
fn merge(object: &mut Value, patch: &Value, strategic: bool) {
    let Value::Object(patch) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let Some(fields) = object.as_object_mut() else { return };
    for (name, value) in patch {
        let key = MERGED.iter().find(|(list, _)| strategic && list == name).map(|(_, key)| *key);
        if value.is_null() {
            fields.remove(name);
        } else if let (Some(key), Some(Value::Array(there)), Value::Array(new)) =
            (key, fields.get_mut(name), value)
        {
            for entry in new {
                match there.iter_mut().find(|other| other[key] == entry[key]) {
                    Some(other) => merge(other, entry, strategic),
                    None => there.push(entry.clone()),
                }
            }
        } else {
            merge(fields.entry(name.clone()).or_insert(Value::Null), value, strategic);
        }
    }
}

/// A step of RFC 6902.
fn one(object: &mut Value, step: &Value) -> Option<()> {
    let path = step["path"].as_str()?;
    let (parent, last) = path.rsplit_once('/')?;
    let last = last.replace("~1", "/").replace("~0", "~");
    match step["op"].as_str()? {
        "test" => (object.pointer(path)? == &step["value"]).then_some(()),
        "replace" => {
            *object.pointer_mut(path)? = step["value"].clone();
            Some(())
        }
        "add" => match object.pointer_mut(parent)? {
            Value::Array(list) if last == "-" => {
                list.push(step["value"].clone());
                Some(())
            }
            Value::Array(list) => {
                let at = last.parse().ok().filter(|at| *at <= list.len())?;
                list.insert(at, step["value"].clone());
                Some(())
            }
            Value::Object(fields) => {
                fields.insert(last, step["value"].clone());
                Some(())
            }
            _ => None,
        },
        "remove" => match object.pointer_mut(parent)? {
            Value::Array(list) => {
                let at = last.parse().ok().filter(|at| *at < list.len())?;
                list.remove(at);
                Some(())
            }
            Value::Object(fields) => fields.remove(&last).map(|_| ()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(content_type: &str, with: Value) -> Value {
        let mut object = json!({ "a": 1, "conditions": [{ "type": "X", "status": "True" }], "list": [1, 2] });
        patch(&mut object, content_type, &with).unwrap();
        object
    }

    #[test]
    fn a_merge_patch_replaces_lists_and_a_strategic_one_merges_those_with_a_key() {
        let with = json!({ "a": null, "conditions": [{ "type": "Y", "status": "False" }] });
        let merged = patched("application/merge-patch+json", with.clone());
        assert_eq!(merged, json!({ "conditions": [{ "type": "Y", "status": "False" }], "list": [1, 2] }));
        let merged = patched("application/strategic-merge-patch+json", with);
        assert_eq!(merged["conditions"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_json_patch_is_done_whole_or_not_at_all() {
        let content_type = "application/json-patch+json";
        let steps =
            json!([{ "op": "test", "path": "/list/0", "value": 1 }, { "op": "remove", "path": "/list/0" }]);
        assert_eq!(patched(content_type, steps)["list"], json!([2]));
        let mut object = json!({ "list": [1] });
        let steps =
            json!([{ "op": "remove", "path": "/list/0" }, { "op": "test", "path": "/list", "value": 7 }]);
        assert_eq!(patch(&mut object, content_type, &steps), None);
        assert_eq!(object, json!({ "list": [1] }));
    }
}
