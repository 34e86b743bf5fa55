//! What is in an answer: pages of lists, and the lines of a watch.

use cluster::object::Key;
use cluster::{Kind, Object};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::failure::{Failure, Refusal};

/// The annotation of the bookmark that ends the first part of a streaming list.
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// What a list says beside its objects.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Shell {
    pub(super) metadata: ListMeta,
}

/// The metadata of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ListMeta {
    pub(super) resource_version: String,
    /// Where the next page begins; empty on the last.
    #[serde(rename = "continue")]
    pub(super) next: String,
}

/// An object, whether or not it can be read.
pub(super) type Read = Result<Object, (Key, String)>;

/// A line of a watch.
#[derive(Debug)]
pub(super) enum Line {
    /// An object is there, as of a version.
    Applied(Read, String),
    /// An object is gone, as of a version.
    Deleted(Key, String),
    /// Nothing happened up to a version.
    Bookmark {
        version: String,
        /// Whether everything there was has been told.
        initial_end: bool,
    },
    /// The watch is over.
    Error(Refusal),
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// What is needed of an object whatever it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Skeleton {
    metadata: SkeletonMeta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SkeletonMeta {
    namespace: String,
    // A bookmark has none.
    name: String,
    resource_version: String,
    annotations: std::collections::BTreeMap<String, String>,
}

impl SkeletonMeta {
    fn key(self) -> Key {
        Key { namespace: self.namespace, name: self.name }
    }
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// It is no line of a watch.
    pub(super) fn read(kind: Kind, line: &[u8]) -> Result<Self, Failure> {
        let text = std::str::from_utf8(line).map_err(|error| Failure::Garbled(error.to_string()))?;
        let raw: Raw<'_> = serde_json::from_str(text).map_err(|_| {
            // An answer that is no watch at all is a refusal on one line.
            match serde_json::from_str::<Refusal>(text) {
                Ok(refusal) if refusal.code != 0 => Failure::Refused(refusal),
                _ => Failure::Garbled(format!("not a line of a watch: {}", beginning(text))),
            }
        })?;
        let json = raw.object.get();
        Ok(match raw.kind {
            "ADDED" | "MODIFIED" => Self::Applied(object(kind, json), skeleton(json).resource_version),
            "DELETED" => {
                let metadata = skeleton(json);
                let version = metadata.resource_version.clone();
                Self::Deleted(metadata.key(), version)
            }
            "BOOKMARK" => {
                let metadata = skeleton(json);
                let initial_end = metadata.annotations.get(INITIAL_END).is_some_and(|end| end == "true");
                Self::Bookmark { version: metadata.resource_version, initial_end }
            }
            "ERROR" => Self::Error(serde_json::from_str(json).unwrap_or_default()),
            other => return Err(Failure::Garbled(format!("an event of type {}", beginning(other)))),
        })
    }
}

/// Reads an object; one that cannot be read costs nobody else.
pub(super) fn object(kind: Kind, json: &str) -> Read {
    Object::read(kind, json).map_err(|error| (skeleton(json).key(), error.to_string()))
}

fn skeleton(json: &str) -> SkeletonMeta {
    serde_json::from_str::<Skeleton>(json).unwrap_or_default().metadata
}

fn beginning(text: &str) -> String {
    text.trim().chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Line {
        Line::read(Kind::Node, line.as_bytes()).unwrap()
    }

    #[test]
    fn lines_say_what_happened_and_as_of_when() {
        let line = read(r#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"7"}}}"#);
        assert!(matches!(line, Line::Applied(Ok(Object::Node(node)), version)
            if node.metadata.key == Key::of("a") && version == "7"));
        let line = read(r#"{"type":"DELETED","object":{"metadata":{"name":"a","resourceVersion":"8"}}}"#);
        assert!(matches!(line, Line::Deleted(key, version) if key == Key::of("a") && version == "8"));
        let end = r#"{"resourceVersion":"9","annotations":{"k8s.io/initial-events-end":"true"}}"#;
        let line = read(&format!(r#"{{"type":"BOOKMARK","object":{{"metadata":{end}}}}}"#));
        assert!(matches!(line, Line::Bookmark { version, initial_end: true } if version == "9"));
        let line = read(r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}"#);
        assert!(matches!(line, Line::Error(refusal) if refusal.is_expired()));
    }

    #[test]
    fn an_object_that_cannot_be_read_is_named() {
        let line = read(r#"{"type":"MODIFIED","object":{"metadata":{"name":"a"},"spec":{"taints":7}}}"#);
        assert!(matches!(line, Line::Applied(Err((key, _)), _) if key == Key::of("a")));
    }

    #[test]
    fn what_is_no_watch_is_a_failure() {
        for line in ["", "{", "[]", "\"ADDED\"", r#"{"type":"NEWS","object":{}}"#, "<html>"] {
            assert!(Line::read(Kind::Node, line.as_bytes()).is_err(), "{line}");
        }
        let status = br#"{"kind":"Status","code":410,"reason":"Expired","message":"gone"}"#;
        assert!(
            matches!(Line::read(Kind::Node, status), Err(Failure::Refused(refusal)) if refusal.is_expired())
        );
    }
}
