//! Where snapshots are written and found.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::code::SEAL;
use super::{Identity, Moment, Snapshot, Unusable, decode, encode};
use crate::speaker::{Speaker, Stocktaking};

/// How often a node that changes all the time writes.
const CADENCE: Duration = Duration::from_secs(30);
/// How often a node writes where nothing changes.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(600);
/// How many destinations are looked at in one turn of the owner: about a millisecond of its time.
const SLICE: usize = 4096;

impl Moment {
    /// Returns this moment.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn now() -> io::Result<Self> {
        let odd = || io::Error::from(io::ErrorKind::InvalidData);
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?.replace('-', "");
        let boot = u128::from_str_radix(boot.trim(), 16).map_err(|_| odd())?.to_be_bytes();
        let uptime = fs::read_to_string("/proc/uptime")?;
        let seconds = uptime.split(' ').next().and_then(|seconds| seconds.parse().ok()).ok_or_else(odd)?;
        let uptime = Duration::try_from_secs_f64(seconds).map_err(|_| odd())?;
        Ok(Self { boot, uptime })
    }
}

/// Returns what an earlier run of this node wrote, and how long ago that was. What cannot be used is told of once
/// and is as good as nothing.
#[must_use]
pub fn load(directory: &Path, node: Identity) -> Option<(Snapshot, Duration)> {
    let file = directory.join(SEAL.name);
    let octets = match SEAL.read(directory) {
        Ok(octets) => octets,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            warn!(target: "restart", file = %file.display(), %error, "cannot read the snapshot of the last run");
            return None;
        }
    };
    let now = match Moment::now() {
        Ok(now) => now,
        Err(error) => {
            warn!(target: "restart", %error, "the age of the snapshot of the last run cannot be told");
            return None;
        }
    };
    match decode(&octets).and_then(|snapshot| Ok((snapshot.judge(node, now)?, snapshot))) {
        Ok((age, snapshot)) => Some((snapshot, age)),
        Err(Unusable::OtherBoot) => {
            info!(target: "restart", "the machine was started: nothing of an earlier run is left");
            None
        }
        Err(why) => {
            warn!(target: "restart", file = %file.display(), %why, "the snapshot of the last run is of no use");
            None
        }
    }
}

fn write(directory: &Path, snapshot: &Snapshot) -> anyhow::Result<()> {
    SEAL.write(directory, &encode(snapshot))
}

/// Writes snapshots as the node changes. The owner only takes stock, a slice each turn; the rest is done elsewhere.
pub struct Recorder {
    directory: PathBuf,
    node: Identity,
    /// When there is something to do.
    due: Instant,
    written: Option<(Instant, u64)>,
    stock: Option<Stocktaking>,
    writing: Option<JoinHandle<anyhow::Result<()>>>,
    /// Whether the last attempt failed, which is told once.
    failing: bool,
}

impl Recorder {
    /// Makes a recorder that begins soon: what the last run wrote is worth more than a node that knows nothing yet.
    #[must_use]
    pub fn new(directory: PathBuf, node: Identity, now: Instant) -> Self {
        let due = now + CADENCE;
        Self { directory, node, due, written: None, stock: None, writing: None, failing: false }
    }

    /// Returns when [`Recorder::turn`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.due
    }

    /// Does a little of what is due.
    pub async fn turn(&mut self, speaker: &Speaker, installed: u64, now: Instant) {
        if now < self.due {
            return;
        }
        if let Some(writing) = self.writing.take_if(|writing| writing.is_finished()) {
            let outcome = writing.await;
            self.outcome(outcome.map_err(anyhow::Error::from).flatten());
        }
        let (since, before) = self.written.unzip();
        let renew = since.is_none_or(|since| now.duration_since(since) >= HEARTBEAT);
        let busy = self.writing.is_some() || !speaker.has_converged();
        if self.stock.is_none()
            && !busy
            && (renew || before != Some(speaker.news()))
            && let Ok(taken) = Moment::now()
        {
            self.written = Some((now, speaker.news()));
            self.stock = Some(speaker.begin_stocktaking(self.node, taken, installed));
        }
        let Some(stock) = &mut self.stock else {
            self.due = now + CADENCE;
            return;
        };
        if speaker.take_stock(stock, SLICE)
            && let Some(stock) = self.stock.take()
        {
            let (directory, snapshot) = (self.directory.clone(), stock.into_snapshot());
            self.writing = Some(tokio::task::spawn_blocking(move || write(&directory, &snapshot)));
            self.due = now + CADENCE;
        }
    }

    /// Takes the last word of a run. Before sessions end, or it would be a sad one.
    #[must_use]
    pub fn last_word(&self, speaker: &Speaker, installed: u64) -> Option<Snapshot> {
        let mut stock = speaker.begin_stocktaking(self.node, Moment::now().ok()?, installed);
        while !speaker.take_stock(&mut stock, usize::MAX) {}
        Some(Snapshot { farewell: true, ..stock.into_snapshot() })
    }

    /// Writes the last word, and waits for it.
    pub async fn end(mut self, snapshot: Snapshot) {
        if let Some(writing) = self.writing.take() {
            // Two at a time would write the same file.
            let _ = writing.await;
        }
        let directory = self.directory.clone();
        let written = tokio::task::spawn_blocking(move || write(&directory, &snapshot)).await;
        self.outcome(written.map_err(anyhow::Error::from).flatten());
    }

    fn outcome(&mut self, outcome: anyhow::Result<()>) {
        match outcome {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                warn!(target: "restart", error = format!("{error:#}"),
                    "no snapshot for the next start; it will wait for every peer");
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
