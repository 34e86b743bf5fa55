//! The schemas of our own resources say the fields the daemon reads, and no others.

use cluster::{Kind, Object};
use serde_json::{Map, Value, json};

use crate::objects::file;

/// The spec of a resource, by its schema.
fn spec(name: &str) -> Value {
    let crd = file(name).remove(0);
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
}

/// Makes values of a schema: each with all there can be, together with every word an enumeration has.
fn values(schema: &Value) -> Vec<Value> {
    if schema["x-kubernetes-int-or-string"] == true {
        let words = schema["pattern"].as_str().unwrap().trim_matches(['^', '$', '(', ')']);
        return words.split('|').map(Value::from).chain([json!(64512)]).collect();
    }
    match schema["type"].as_str().unwrap_or_else(|| panic!("no type: {schema}")) {
        "object" => objects(schema),
        "array" => values(&schema["items"]).into_iter().map(|item| json!([item])).collect(),
        "boolean" => vec![json!(true), json!(false)],
        "integer" => ["minimum", "maximum"].map(|bound| bound_of(schema, bound)).to_vec(),
        "string" => match schema["enum"].as_array() {
            Some(words) => words.clone(),
            // What is an address to some fields is as good as any text to the others.
            None => vec![json!("192.0.2.7")],
        },
        other => panic!("a type the test does not know: {other}"),
    }
}

fn bound_of(schema: &Value, bound: &str) -> Value {
    assert!(schema[bound].is_u64(), "{schema} has no {bound}");
    schema[bound].clone()
}

/// Makes as many objects as the property with the most values has; the others go through theirs again and again.
fn objects(schema: &Value) -> Vec<Value> {
    let Some(properties) = schema["properties"].as_object() else { return vec![json!({ "key": "value" })] };
    let properties: Vec<(&String, Vec<Value>)> =
        properties.iter().map(|(name, schema)| (name, values(schema))).collect();
    let most = properties.iter().map(|(_, values)| values.len()).max().unwrap_or(1);
    let nth = |index: usize| -> Map<String, Value> {
        properties
            .iter()
            .map(|(name, values)| ((*name).clone(), values[index % values.len()].clone()))
            .collect()
    };
    (0..most).map(|index| Value::Object(nth(index))).collect()
}

#[track_caller]
fn every_field_is_read_and_every_field_read_is_there(kind: Kind, name: &str) {
    let specs = values(&spec(name));
    assert!(specs.len() > 1);
    for spec in specs {
        let whole = json!({ "metadata": { "name": "x" }, "spec": spec });
        let read =
            Object::read(kind, &whole.to_string()).unwrap_or_else(|error| panic!("{name}: {error}: {whole}"));
        assert_eq!(
            serde_json::to_value(&read).unwrap(),
            whole,
            "{name}: what the schema has, and what is read of it"
        );
    }
}

#[test]
fn a_bgp_peer_has_the_fields_of_its_schema() {
    every_field_is_read_and_every_field_read_is_there(Kind::Peer, "crds/bgppeers.yaml");
}

#[test]
fn a_bgp_advertisement_has_the_fields_of_its_schema() {
    every_field_is_read_and_every_field_read_is_there(Kind::Advertisement, "crds/bgpadvertisements.yaml");
}
