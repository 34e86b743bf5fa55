//! `tcp-ao`: the keys of the TCP Authentication Option (RFC 5925).

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::password;
use super::reader::Value;
use crate::intent::{AoAlgorithm, AoKey};

/// Reads the list of keys, the one that signs first.
pub(super) fn keys(value: &Value<'_>, password: Option<&Value<'_>>, directory: &Path) -> Option<Vec<AoKey>> {
    if let Some(other) = password {
        return value.refuse_beside(
            "does not go with password-file: a segment is signed in one way",
            "leave one of them out",
            other.span(),
            "password-file is here",
        );
    }
    let items = value.items()?;
    if items.is_empty() {
        return value
            .refuse("is empty", "write tcp-ao = [{ id = 1, file = \"tor-a.key\" }], or leave it out");
    }
    let mut taken = BTreeMap::new();
    items.iter().map(|item| key(item, &mut taken, directory)).collect()
}

fn key(value: &Value<'_>, taken: &mut BTreeMap<u8, Range<usize>>, directory: &Path) -> Option<AoKey> {
    let mut table = value.table()?;
    let id = table.required("id", "1", |value| {
        let id = value.number(0..=u8::MAX)?;
        match taken.insert(id, value.span()) {
            Some(first) => value.refuse_beside(
                format!("another key has the id {id}"),
                "segments name their key by its id: give each its own",
                first,
                "first used here",
            ),
            None => Some(id),
        }
    });
    let secret = table.required("file", "\"tor-a.key\"", |value| password::read(value, directory));
    let algorithm = table.optional("algorithm", |value| value.choice(&AoAlgorithm::WORDS));
    table.finish();
    Some(AoKey { id: id?, algorithm: algorithm.unwrap_or_default(), secret: secret? })
}
