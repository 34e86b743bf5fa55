//! `[bfd]` and `peer.bfd`: how the path to a peer is watched.

use std::num::NonZeroU8;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use bgp::bfd::{Authentication, Key};

use super::password;
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
pub(super) fn peer(value: &Value<'_>, is_on_link: bool, directory: &Path) -> Option<Option<Bfd>> {
    let bfd = read(value, directory)?;
    if bfd.is_some() && is_on_link {
        return value.refuse(
            "BFD needs an address that is not link-local",
            "leave it out: the session ends with its link (fast-failover)",
        );
    }
    Some(bfd)
}

fn read(value: &Value<'_>, directory: &Path) -> Option<Option<Bfd>> {
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
    bfd.authentication = authentication(&mut table, directory);
    table.finish();
    Some(Some(bfd))
}

fn intervals(table: &mut Table<'_>) -> Bfd {
    Bfd {
        min_tx: table.optional("min-tx", interval),
        min_rx: table.optional("min-rx", interval),
        multiplier: table.optional("multiplier", multiplier),
        multihop: None,
        authentication: None,
    }
}

/// Reads what packets are signed with (RFC 5880 §6.7.4).
fn authentication(table: &mut Table<'_>, directory: &Path) -> Option<Authentication> {
    let file = table.entry("key-file");
    let key_id = table.entry("key-id");
    let meticulous = table.entry("meticulous");
    let Some(file) = file else {
        for stray in [key_id, meticulous].into_iter().flatten() {
            stray.refuse::<()>("there is no key to go with it", "add key-file, or leave this out");
        }
        return None;
    };
    let (key_id, meticulous) = (key_id.map(|id| id.number(0..=u8::MAX)), meticulous.map(|flag| flag.flag()));
    let secret = password::read(&file, directory)?;
    let key = Key::new(secret.reveal())
        .or_else(|| file.refuse("the key is longer than 20 octets", "choose a shorter one on both sides"));
    Some(Authentication {
        key: key?,
        key_id: key_id.unwrap_or(Some(1))?,
        meticulous: meticulous.unwrap_or(Some(false))?,
    })
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
