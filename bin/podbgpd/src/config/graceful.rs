//! `[graceful-restart]`: how restarts go, ours and those of peers.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::{Table, Value};
use crate::intent::GracefulRestart;

/// What 12 bits hold (RFC 4724 §3).
pub(super) const MAX_RESTART_TIME: u16 = 4095;
/// What 24 bits hold (RFC 9494 §3.1).
const MAX_STALE_TIME: u32 = 0xFF_FFFF;

/// Reads `[graceful-restart]`.
pub(super) fn read(table: Option<Table<'_>>) -> GracefulRestart {
    let mut restart = GracefulRestart::default();
    let Some(mut table) = table else { return restart };
    let enabled = table.entry("enabled");
    restart.enabled = enabled.as_ref().and_then(Value::flag).unwrap_or(restart.enabled);
    let time = |value: &Value<'_>| value.number(1..=MAX_RESTART_TIME);
    let seconds = |value: &Value<'_>| time(value).map(|seconds| Duration::from_secs(seconds.into()));
    restart.restart_time = table.optional("restart-time", time).unwrap_or(restart.restart_time);
    restart.selection_deferral =
        table.optional("selection-deferral", seconds).unwrap_or(restart.selection_deferral);
    restart.max_peer_restart_time =
        table.optional("max-peer-restart-time", seconds).unwrap_or(restart.max_peer_restart_time);
    if let Some(value) = table.entry("long-lived-stale-time") {
        restart.long_lived_stale_time = value.number(0..=MAX_STALE_TIME).unwrap_or_default();
        if let Some(enabled) = enabled.filter(|_| !restart.enabled && restart.long_lived_stale_time > 0) {
            value.refuse_beside::<()>(
                "begins where graceful restart ends, and that is off (RFC 9494)",
                "leave it out, or enabled = false",
                enabled.span(),
                "graceful restart is off here",
            );
        }
    }
    restart.state_directory = table.optional("state-directory", directory).unwrap_or(restart.state_directory);
    table.finish();
    restart
}

/// Reads the full path of a folder.
pub(super) fn directory(value: &Value<'_>) -> Option<PathBuf> {
    let path = value.text()?;
    if !path.starts_with('/') || path.contains('\0') {
        return value.refuse("is not the full path of a folder", "write one such as \"/var/lib/podbgpd\"");
    }
    Some(PathBuf::from(path))
}
