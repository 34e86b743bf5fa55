//! `[template.NAME]`: what several peers have in common.
//!
//! A peer that names a template has every key of it that it does not have itself. A template has no template.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::reader::{Table, Value, suggestion};

/// The templates of a file, and which of them are used.
pub(super) struct Templates<'a>(BTreeMap<&'a str, Entry<'a>>);

struct Entry<'a> {
    place: Value<'a>,
    used: Cell<bool>,
}

impl<'a> Templates<'a> {
    /// Finds all templates.
    pub(super) fn read(table: Option<&Table<'a>>) -> Self {
        let entries = table.into_iter().flat_map(Table::entries);
        Self(entries.map(|(name, place)| (name, Entry { place, used: Cell::new(false) })).collect())
    }

    /// Puts the template a table names beneath it.
    pub(super) fn apply(&self, table: &mut Table<'a>) {
        let Some(value) = table.entry("template") else { return };
        let Some(name) = value.text() else { return };
        match self.0.get(name) {
            Some(entry) => {
                entry.used.set(true);
                if let Some(template) = entry.place.table() {
                    table.fall_back_on(&template);
                }
            }
            None => {
                let known: Vec<&str> = self.0.keys().copied().collect();
                let hint = match known.is_empty() {
                    true => format!("add a table [template.{name}]"),
                    false => suggestion(name, &known),
                };
                value.refuse::<()>("is not the name of a template in this file", hint);
            }
        }
    }

    /// Walks the tables of the templates, each of them by itself.
    pub(super) fn tables(&self) -> impl Iterator<Item = Table<'a>> {
        self.0.values().filter_map(|entry| entry.place.table())
    }

    /// Notes the templates nobody uses.
    pub(super) fn warn_of_unused(&self) {
        for entry in self.0.values().filter(|entry| !entry.used.get()) {
            entry.place.warn("no peer uses this template", "name it in a peer's template");
        }
    }
}
