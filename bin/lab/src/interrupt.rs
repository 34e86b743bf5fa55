//! Ctrl-C and its like.

use std::io::{Write, stderr};
use std::process::exit;
use std::thread;

use anyhow::Result;
use nix::sys::signal::{SigSet, Signal};

/// Ends the lab with a word and the exit code of a shell when a signal asks for it.
///
/// To be called before any other thread starts: those inherit that the signals are not for them. What is left to do
/// then is nothing, since the rack does not outlive its process.
pub(crate) fn heed() -> Result<()> {
    let signals: SigSet = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM].into_iter().collect();
    signals.thread_block()?;
    thread::spawn(move || {
        let Ok(signal) = signals.wait() else { return };
        // Nobody may be reading any more.
        let _ = writeln!(stderr(), "\n  {signal}: the rack comes down, nothing is left behind");
        exit(128 + signal as i32)
    });
    Ok(())
}
