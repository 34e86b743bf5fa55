//! What a daemon under load costs, as its kernel counts it.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::unistd::{SysconfVar, sysconf};

/// The daemon in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Ours.
    Podbgpd,
    /// BIRD 2, for comparison.
    Bird,
}

/// Which figure of resident memory.
#[derive(Clone, Copy, Debug)]
pub enum Memory {
    /// The most it ever had.
    Peak,
    /// What it has.
    Now,
}

/// The resident memory of a process, in KiB.
///
/// # Errors
/// There is no such process.
pub fn memory(id: u32, which: Memory) -> Result<u64> {
    let name = match which {
        Memory::Peak => "VmHWM:",
        Memory::Now => "VmRSS:",
    };
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context(name)?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Processor time of all threads of a process so far, user and system.
///
/// # Errors
/// There is no such process.
pub fn processor_time(id: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name in parentheses may have spaces in it; utime and stime are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')').context("no name")?;
    let fields: Vec<_> = fields.split_whitespace().collect();
    let ticks: u64 = fields.get(11).context("no utime")?.parse::<u64>()?
        + fields.get(12).context("no stime")?.parse::<u64>()?;
    let per_second = sysconf(SysconfVar::CLK_TCK)?.context("no clock tick")?.unsigned_abs();
    Ok(Duration::from_millis(ticks * 1000 / per_second))
}
