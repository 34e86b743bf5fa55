//! `[bfd]` and `peer.bfd`: how the path to a peer is watched.

use std::num::NonZeroU8;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::reader::{Table, Value};
use crate::intent::{Bfd, BfdTiming};

/// The intervals one may ask for, in milliseconds.
const INTERVALS: RangeInclusive<u16> = 10..=60_000;

/// Reads `[bfd]`.
pub(super) fn timing(table: Option<Table<'_>>) -> BfdTiming {
    let defaults = BfdTiming::default();
    let Some(mut table) = table else { return defaults };
    let own = intervals(&mut table);
    table.finish();
    BfdTiming {
        min_tx: own.min_tx.unwrap_or(defaults.min_tx),
        min_rx: own.min_rx.unwrap_or(defaults.min_rx),
        multiplier: own.multiplier.unwrap_or(defaults.multiplier),
    }
}

/// Reads `peer.bfd`: `true`, `false`, or a table of what is different for this peer. The inner `None` is a peer
/// that is not watched.
pub(super) fn peer(value: &Value<'_>) -> Option<Option<Bfd>> {
    if !value.is_table() {
        return value.flag().map(|on| on.then(Bfd::default));
    }
    let mut table = value.table()?;
    let mut bfd = intervals(&mut table);
    if let Some(value) = table.entry("interval") {
        let interval = interval(&value);
        if bfd.min_tx.is_some() || bfd.min_rx.is_some() {
            value.refuse::<()>("stands for min-tx and min-rx", "leave it out, or both of them");
        }
        (bfd.min_tx, bfd.min_rx) = (interval, interval);
    }
    bfd.multihop = table.optional("multihop", Value::flag);
    table.finish();
    Some(Some(bfd))
}

fn intervals(table: &mut Table<'_>) -> Bfd {
    Bfd {
        min_tx: table.optional("min-tx", interval),
        min_rx: table.optional("min-rx", interval),
        multiplier: table.optional("multiplier", multiplier),
        multihop: None,
    }
}

fn interval(value: &Value<'_>) -> Option<Duration> {
    value.number(INTERVALS).map(|millis| Duration::from_millis(millis.into()))
}

fn multiplier(value: &Value<'_>) -> Option<NonZeroU8> {
    let multiplier = value.number(1..=u8::MAX)?;
    if multiplier == 1 {
        value.warn("a single lost packet ends the session", "3 is a good value");
    }
    NonZeroU8::new(multiplier)
}
