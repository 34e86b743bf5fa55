//! What the benchmarks have in common: where their figures come from, and what they are told.

use std::fs;

/// The machine, in a line.
#[must_use]
pub fn machine() -> String {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or("unknown", |(_, value)| value.trim()).to_owned()
    };
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{processors} × {}, {} of memory, Linux {}, load {}; everything shares it",
        field("/proc/cpuinfo", "model name"),
        field("/proc/meminfo", "MemTotal"),
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/loadavg").split(' ').next().unwrap_or_default()
    )
}

/// The value behind a flag of the command line.
#[must_use]
pub fn option(flag: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != flag).nth(1)
}
