//! What the daemon writes into its `BGPNodeStatus` is what the schema of that keeps: the API server drops the rest.

use control::{PeerView, StatusView};
use podbgpd::report::{Report, status_object};
use serde_json::Value;

use crate::objects::file;

/// Says where a value is not what a schema has.
fn differences(value: &Value, schema: &Value, path: &str) -> Vec<String> {
    let kind = schema["type"].as_str().unwrap_or("nothing");
    match (value, kind) {
        // A field that is taken away.
        (Value::Null, _) => Vec::new(),
        (Value::Object(fields), "object") => {
            let one = |(name, value): (&String, &Value)| match schema["properties"].get(name) {
                Some(schema) => differences(value, schema, &format!("{path}.{name}")),
                None => vec![format!("{path}.{name} is not in the schema")],
            };
            fields.iter().flat_map(one).collect()
        }
        (Value::Array(items), "array") => {
            items.iter().flat_map(|item| differences(item, &schema["items"], &format!("{path}[]"))).collect()
        }
        (Value::String(text), "string") => {
            let words = schema["enum"].as_array();
            let known = words.is_none_or(|words| words.iter().any(|word| word == text));
            let moment = schema["format"] != "date-time" || (text.len() == 20 && text.ends_with('Z'));
            if known && moment { Vec::new() } else { vec![format!("{path} cannot be {text}")] }
        }
        (Value::Bool(_), "boolean") => Vec::new(),
        (Value::Number(number), "integer") if number.is_u64() => Vec::new(),
        _ => vec![format!("{path} is {value}, not {kind}")],
    }
}

/// Lists the paths of a schema that a value has nothing at.
fn unused(value: &Value, schema: &Value, path: &str) -> Vec<String> {
    match schema["type"].as_str() {
        Some("object") => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            let one = |(name, schema): (&String, &Value)| match value.get(name) {
                Some(value) => unused(value, schema, &format!("{path}.{name}")),
                None => vec![format!("{path}.{name}")],
            };
            fields.flat_map(one).collect()
        }
        Some("array") => {
            let items = value.as_array().into_iter().flatten();
            let mut of_each = items.map(|item| unused(item, &schema["items"], &format!("{path}[]")));
            // What one of them has is used.
            let Some(first) = of_each.next() else { return vec![format!("{path}[]")] };
            of_each.fold(first, |left, next| left.into_iter().filter(|path| next.contains(path)).collect())
        }
        _ => Vec::new(),
    }
}

#[test]
fn the_schema_of_a_status_has_what_is_written_and_nothing_else() {
    let status: StatusView =
        serde_json::from_str(include_str!("../../bin/control/golden/status_degraded.json")).unwrap();
    let peers: Vec<PeerView> =
        serde_json::from_str(include_str!("../../bin/control/golden/peers.json")).unwrap();
    let written = Report::of(&status, &peers, None, 1_795_197_600).status_patch(1_795_197_600);
    let crd = file("crds/bgpnodestatuses.yaml").remove(0);
    let version = &crd["spec"]["versions"][0];
    let schema = &version["schema"]["openAPIV3Schema"]["properties"]["status"];
    assert_eq!(differences(&written["status"], schema, "status"), [""; 0]);
    assert_eq!(unused(&written["status"], schema, "status"), [""; 0]);

    let object = status_object("node-a", "8c5f");
    assert_eq!(object["kind"], crd["spec"]["names"]["kind"]);
    let group_version =
        format!("{}/{}", crd["spec"]["group"].as_str().unwrap(), version["name"].as_str().unwrap());
    assert_eq!(object["apiVersion"], group_version.as_str());
    assert_eq!(crd["spec"]["scope"], "Cluster");
    assert!(version["subresources"]["status"].is_object(), "it is written by itself");
    for column in version["additionalPrinterColumns"].as_array().unwrap() {
        let path = column["jsonPath"].as_str().unwrap().replace('.', "/");
        assert!(written.pointer(&path).is_some(), "{path}");
    }
}
