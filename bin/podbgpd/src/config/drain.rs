//! `[drain]`: how peers are left.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::reader::{Table, Value};
use crate::intent::Drain;

/// How long a stage may last, in seconds; zero leaves it out.
const SECONDS: RangeInclusive<u16> = 0..=3600;
/// A path much longer than that is refused by some.
const MOST_PREPENDED: u8 = 16;

/// Reads `[drain]`.
pub(super) fn read(table: Option<Table<'_>>) -> Drain {
    let defaults = Drain::default();
    let Some(mut table) = table else { return defaults };
    let announce = table.optional("announce", seconds).unwrap_or(defaults.announce);
    let withdraw = table.optional("withdraw", seconds).unwrap_or(defaults.withdraw);
    let stages = announce + withdraw;
    let deadline = table.optional("deadline", |value| deadline(value, stages));
    let drain = Drain {
        announce,
        withdraw,
        deadline: deadline.unwrap_or(defaults.deadline.max(stages)),
        prepend: table
            .optional("prepend", |value| value.number(0..=MOST_PREPENDED))
            .unwrap_or(defaults.prepend),
        med: table.optional("med", |value| value.number(0..=u32::MAX)),
        on_host_shutdown: table
            .optional("on-host-shutdown", Value::flag)
            .unwrap_or(defaults.on_host_shutdown),
    };
    table.finish();
    drain
}

fn seconds(value: &Value<'_>) -> Option<Duration> {
    value.number(SECONDS).map(|seconds| Duration::from_secs(seconds.into()))
}

fn deadline(value: &Value<'_>, stages: Duration) -> Option<Duration> {
    let deadline = value.number(1..=*SECONDS.end() * 2).map(|seconds| Duration::from_secs(seconds.into()))?;
    if deadline < stages {
        value.warn(
            format!("cuts the {} seconds of announce and withdraw short", stages.as_secs()),
            "write at least as many, or leave it out",
        );
    }
    Some(deadline)
}
