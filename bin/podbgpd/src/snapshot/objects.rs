//! The objects of the cluster, as the last run knew them.
//!
//! A node that starts while the API server is away goes by them, however old they are: what else it could go by is
//! less. They are another matter than the rest of the snapshot, which is about packets that are on their way: a power
//! failure makes that history, but pods have their blocks after it as before.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ::cluster::Cluster;
use ::cluster::store::Saved;
use tokio::task::JoinHandle;
use tracing::{error, warn};

use super::sealed::Seal;

const SEAL: Seal = Seal { name: "objects", mark: b"podbgp objs.", format: 1 };
/// How soon after a change they are written down.
const DELAY: Duration = Duration::from_secs(2);
/// How much rarer that is done than its cost allows: the owner's time is for routes.
const SHARE: u32 = 50;

/// Returns what an earlier run wrote. What cannot be used is told of and is as good as nothing.
#[must_use]
pub fn load(directory: &Path) -> Option<Saved> {
    let file = directory.join(SEAL.name);
    let octets = match SEAL.read(directory) {
        Ok(octets) => octets,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            warn!(target: "kubernetes", file = %file.display(), %error, "cannot read the objects of the last run");
            return None;
        }
    };
    let read = SEAL
        .contents(&octets)
        .map_err(|why| why.to_string())
        .and_then(|contents| serde_json::from_slice(contents).map_err(|error| error.to_string()));
    read.inspect_err(|why| {
        warn!(target: "kubernetes", file = %file.display(), why, "the objects of the last run are of no use");
    })
    .ok()
}

/// Writes the objects down as they change, a few seconds later. Only their serialisation is done by the owner.
pub struct ObjectRecorder {
    directory: PathBuf,
    due: Option<Instant>,
    not_before: Instant,
    writing: Option<JoinHandle<()>>,
}

impl ObjectRecorder {
    /// Makes one that writes into this folder.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, due: None, not_before: Instant::now(), writing: None }
    }

    /// Takes note of a change.
    pub fn note(&mut self, now: Instant) {
        self.due.get_or_insert_with(|| (now + DELAY).max(self.not_before));
    }

    /// Returns when [`turn`](Self::turn) has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Does what is due. Needs a tokio runtime.
    pub fn turn(&mut self, cluster: &Cluster, now: Instant) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        if self.writing.as_ref().is_some_and(|writing| !writing.is_finished()) {
            // Two at a time would write the same file.
            self.due = Some(now + DELAY);
            return;
        }
        self.due = None;
        let mut octets = SEAL.begin();
        if let Err(error) = serde_json::to_writer(&mut octets, &cluster.save()) {
            error!(target: "kubernetes", %error, "the objects cannot be written down for the next start");
            return;
        }
        self.not_before = now + now.elapsed() * SHARE;
        let directory = self.directory.clone();
        self.writing = Some(tokio::task::spawn_blocking(move || {
            if let Err(error) = SEAL.write(&directory, &Seal::end(octets)) {
                warn!(target: "kubernetes", error = format!("{error:#}"),
                    "no objects for the next start; it will need the API server");
            }
        }));
    }
}
