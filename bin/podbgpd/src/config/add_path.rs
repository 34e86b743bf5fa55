//! `peer.add-path`: several paths of a prefix, and how many.

use std::num::NonZeroU16;

use bgp::FamilySet;

use super::reader::Value;
use crate::intent::add_path::{AddPath, Most};

/// The most paths of a prefix one may ask for by number.
const MOST: u16 = 1024;

/// Reads `true`, `false`, or a table of directions, limits and families.
pub(super) fn read(value: &Value<'_>, families: impl Fn(&Value<'_>) -> Option<FamilySet>) -> Option<AddPath> {
    if !value.is_table() {
        let both = AddPath { receive: Some(AddPath::RECEIVE), send: Some(AddPath::SEND), ..AddPath::OFF };
        return value.flag().map(|on| if on { both } else { AddPath::OFF });
    }
    let mut table = value.table()?;
    let (receive, send) = (table.entry("receive"), table.entry("send"));
    let read = AddPath {
        receive: receive.as_ref().and_then(|value| direction(value, AddPath::RECEIVE, number)),
        send: send.as_ref().and_then(|value| direction(value, AddPath::SEND, most)),
        families: table.optional("families", families).unwrap_or(FamilySet::ALL),
    };
    table.finish();
    let off =
        |value: Option<Value<'_>>| value.is_none_or(|value| value.is_flag() && value.flag() == Some(false));
    if off(receive) && off(send) {
        value.warn("does nothing", "write receive = true, send = true, or both");
    }
    Some(read)
}

/// Reads a direction: `true` for as many as usual, `false` for one, or how many.
fn direction<T>(value: &Value<'_>, usual: T, read: impl Fn(&Value<'_>) -> Option<T>) -> Option<T> {
    if value.is_flag() { value.flag()?.then_some(usual) } else { read(value) }
}

fn number(value: &Value<'_>) -> Option<NonZeroU16> {
    value.number(1..=MOST).and_then(NonZeroU16::new)
}

fn most(value: &Value<'_>) -> Option<Most> {
    if value.is_number() { number(value).map(Most::Best) } else { value.choice(&[("all", Most::All)]) }
}
