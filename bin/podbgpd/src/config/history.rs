//! `[history]`: how much is remembered.

use super::reader::Table;
use crate::intent::History;

/// Some 36 MiB.
const MOST_RECORDS: u32 = 1 << 20;

/// Reads `[history]`.
pub(super) fn read(table: Option<Table<'_>>) -> History {
    let defaults = History::default();
    let Some(mut table) = table else { return defaults };
    let records = table.optional("records", |value| value.number(0..=MOST_RECORDS));
    table.finish();
    History { records: records.unwrap_or(defaults.records) }
}
