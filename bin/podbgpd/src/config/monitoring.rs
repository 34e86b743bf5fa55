//! `[[bmp]]` and `[mrt]`: who looks on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::graceful::directory;
use super::node::socket_address;
use super::reader::{Table, Value};
use crate::intent::{BmpView, Mrt, Station};

/// Each has a connection and a record of what it was told.
const MOST_STATIONS: usize = 16;
/// What a day of seconds has.
const LONGEST: u32 = 86_400;
const MEBIBYTE: u64 = 1 << 20;

/// Reads all tables `[[bmp]]`.
pub(super) fn stations(root: &mut Table<'_>) -> Option<BTreeMap<SocketAddr, Station>> {
    let mut stations = BTreeMap::new();
    let Some(list) = root.entry("bmp") else { return Some(stations) };
    if list.is_table() {
        return list.refuse("is one table, expected a list of them", "write [[bmp]] with two brackets");
    }
    for (index, item) in list.items()?.into_iter().enumerate() {
        if index == MOST_STATIONS {
            return item.refuse(
                format!("there are more than {MOST_STATIONS} stations"),
                "let one station tell the others",
            );
        }
        let Some(mut table) = item.table() else { continue };
        let address = table.required("address", "\"192.0.2.1:11019\"", |value| {
            let address = socket_address(value)?;
            if stations.contains_key(&address) {
                return value.refuse("is another station's address too", "leave one of them out");
            }
            Some(address)
        });
        let views = table.optional("views", views).unwrap_or_else(|| [BmpView::AdjRibInPrePolicy].into());
        let interval = table.optional("statistics-interval", |value| value.number(0..=LONGEST));
        table.finish();
        let statistics_interval = Some(interval.unwrap_or(300))
            .filter(|&seconds| seconds > 0)
            .map(|s| Duration::from_secs(s.into()));
        if let Some(address) = address {
            stations.insert(address, Station { address, views, statistics_interval });
        }
    }
    Some(stations)
}

fn views(value: &Value<'_>) -> Option<BTreeSet<BmpView>> {
    let choices = BmpView::ALL.map(|view| (view.name(), view));
    let views: BTreeSet<_> = value.list(|item| item.choice(&choices))?.into_iter().collect();
    if views.is_empty() {
        return value.refuse("a station that is told nothing", "leave the table out, or name a view");
    }
    Some(views)
}

/// Reads `[mrt]`.
pub(super) fn mrt(table: Option<Table<'_>>) -> Option<Mrt> {
    let mut table = table?;
    let directory = table.required("directory", "\"/var/lib/podbgpd/mrt\"", directory);
    let max_size = table.optional("max-size", |value| value.number(1..=4096_u32));
    let max_age = table.optional("max-age", |value| value.number(1..=LONGEST));
    let keep = table.optional("keep", |value| value.number(1..=1000_u16));
    table.finish();
    Some(Mrt {
        directory: directory?,
        max_size: u64::from(max_size.unwrap_or(64)) * MEBIBYTE,
        max_age: Duration::from_secs(max_age.unwrap_or(3600).into()),
        keep: keep.unwrap_or(24),
    })
}
