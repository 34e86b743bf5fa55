//! The startup taint, which keeps pods away until the node can serve them.
//!
//! It is taken off whenever the node is ready and has it: a Node that was registered anew has it anew. Whoever wants pods
//! kept away from a node that is ready uses another taint, or a cordon.

use serde_json::{Value, json};

/// A taint by what is said of it: `key`, `key=value`, `key:effect` or `key=value:effect`. What is not said may be
/// anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    key: &'a str,
    value: Option<&'a str>,
    effect: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// Reads a taint as the file writes it.
    #[must_use]
    pub fn read(text: &'a str) -> Self {
        let (rest, effect) = match text.split_once(':') {
            Some((rest, effect)) => (rest, Some(effect)),
            None => (text, None),
        };
        let (key, value) = match rest.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (rest, None),
        };
        Self { key, value, effect }
    }

    /// Tells whether a taint is this one.
    #[must_use]
    pub fn is(&self, key: &str, value: &str, effect: &str) -> bool {
        key == self.key
            && self.value.is_none_or(|wanted| wanted == value)
            && self.effect.is_none_or(|wanted| wanted == effect)
    }

    /// Writes the patch that takes it off a Node (`application/json-patch+json`), if the Node has it.
    ///
    /// The list is one of positions, and others write it, too: the patch first tests that at its position there is still
    /// this very taint, or the server refuses all of it. So nobody else's is ever hit. The last position goes first.
    #[must_use]
    pub fn removal(&self, node: &Value) -> Option<Value> {
        let taints = node["spec"]["taints"].as_array()?;
        let text = |taint: &Value, field: &str| taint[field].as_str().unwrap_or_default().to_owned();
        let mut steps = Vec::new();
        for (position, taint) in taints.iter().enumerate().rev() {
            let (key, value, effect) = (text(taint, "key"), text(taint, "value"), text(taint, "effect"));
            if !self.is(&key, &value, &effect) {
                continue;
            }
            let path = format!("/spec/taints/{position}");
            let mut test = |field: &str, value: String| {
                steps.push(json!({ "op": "test", "path": format!("{path}/{field}"), "value": value }));
            };
            test("key", key);
            test("effect", effect);
            // Tests of what is not there fail.
            if !value.is_empty() {
                test("value", value);
            }
            steps.push(json!({ "op": "remove", "path": path }));
        }
        (!steps.is_empty()).then_some(Value::Array(steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(taints: Value) -> Value {
        json!({ "spec": { "taints": taints } })
    }

    #[test]
    fn what_is_not_said_of_a_taint_may_be_anything() {
        for (text, matches) in [
            ("a/b", [true, true, true]),
            ("a/b=c", [true, false, false]),
            ("a/b:NoSchedule", [true, true, false]),
            ("a/b=c:NoSchedule", [true, false, false]),
            ("a/b=:NoSchedule", [false, true, false]),
            ("a", [false, false, false]),
        ] {
            let wanted = Wanted::read(text);
            let found = [("c", "NoSchedule"), ("", "NoSchedule"), ("d", "NoExecute")]
                .map(|(value, effect)| wanted.is("a/b", value, effect));
            assert_eq!(found, matches, "{text}");
        }
    }

    #[test]
    fn a_removal_tests_that_it_hits_its_own() {
        let node = node(json!([
            { "key": "other", "effect": "NoSchedule" },
            { "key": "podbgp.io/starting", "effect": "NoSchedule", "timeAdded": "2026-12-01T05:00:00Z" },
            { "key": "podbgp.io/starting", "value": "yes", "effect": "NoExecute" },
        ]));
        let expected = json!([
            { "op": "test", "path": "/spec/taints/2/key", "value": "podbgp.io/starting" },
            { "op": "test", "path": "/spec/taints/2/effect", "value": "NoExecute" },
            { "op": "test", "path": "/spec/taints/2/value", "value": "yes" },
            { "op": "remove", "path": "/spec/taints/2" },
            { "op": "test", "path": "/spec/taints/1/key", "value": "podbgp.io/starting" },
            { "op": "test", "path": "/spec/taints/1/effect", "value": "NoSchedule" },
            { "op": "remove", "path": "/spec/taints/1" },
        ]);
        assert_eq!(Wanted::read("podbgp.io/starting").removal(&node), Some(expected));
        let one = Wanted::read("podbgp.io/starting:NoSchedule").removal(&node).unwrap();
        assert_eq!(one.as_array().unwrap().len(), 3);
    }

    #[test]
    fn a_node_without_it_is_left_alone() {
        let wanted = Wanted::read("podbgp.io/starting");
        assert_eq!(wanted.removal(&json!({ "spec": {} })), None);
        assert_eq!(wanted.removal(&node(json!([]))), None);
        assert_eq!(
            wanted.removal(&node(json!([{ "key": "podbgp.io/starting-up", "effect": "NoSchedule" }]))),
            None
        );
        assert_eq!(wanted.removal(&node(json!("hostile"))), None);
        assert_eq!(wanted.removal(&node(json!([7, null]))), None);
    }
}
