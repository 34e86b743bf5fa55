//! Every message in a file: a thread that writes what it is handed, and the files it writes.
//!
//! The owner of all state encodes a record and never waits: a disk that is slower than the peers costs records,
//! which are counted, and nothing else. Files follow one another by size and age, and only so many are kept.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bgp::fsm::State;
use bgp::mrt::{self, Direction, Ends};
use bytes::{Bytes, BytesMut};
use tracing::{error, info};

use crate::intent::Mrt;
use crate::speaker::Reading;

/// How many records may wait for the disk.
const QUEUE: usize = 4096;
/// How long to leave a folder alone that could not be written to.
const REST: Duration = Duration::from_secs(30);
const SUFFIX: &str = ".mrt";

/// The way to the thread, which ends when this is dropped.
#[derive(Debug)]
pub struct Writer {
    intent: Mrt,
    queue: SyncSender<Bytes>,
    counts: Arc<Counts>,
}

/// What became of the records.
#[derive(Debug, Default)]
pub struct Counts {
    /// Those written.
    pub written: AtomicU64,
    /// Those left out, because the disk was too slow or did not take them.
    pub dropped: AtomicU64,
}

impl Writer {
    /// Starts a thread that writes to the folder of the intent.
    ///
    /// # Errors
    /// What the system says when it has no thread for us.
    pub fn spawn(intent: Mrt) -> io::Result<Self> {
        let (queue, records) = sync_channel(QUEUE);
        let counts = Arc::new(Counts::default());
        let (files, shared) = (Files::new(intent.clone()), Arc::clone(&counts));
        thread::Builder::new().name("mrt".to_owned()).spawn(move || write_all(files, &records, &shared))?;
        Ok(Self { intent, queue, counts })
    }

    /// Returns what it was started with.
    #[must_use]
    pub fn intent(&self) -> &Mrt {
        &self.intent
    }

    /// Returns how many records were written, and how many left out.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.counts.written.load(Ordering::Relaxed), self.counts.dropped.load(Ordering::Relaxed))
    }

    /// Writes a message down.
    pub fn message(&self, at: SystemTime, of: &Reading, local: IpAddr, direction: Direction, octets: &[u8]) {
        let mut record = BytesMut::new();
        mrt::message(since_epoch(at), &ends(of, local), direction, &of.context, octets, &mut record);
        self.hand_over(record.freeze());
    }

    /// Writes down that a peer's state machine moved.
    pub fn state_change(&self, at: SystemTime, of: &Reading, from: State, to: State) {
        let nowhere = match of.address {
            IpAddr::V4(_) => IpAddr::from([0; 4]),
            IpAddr::V6(_) => IpAddr::from([0; 16]),
        };
        let mut record = BytesMut::new();
        mrt::state_change(since_epoch(at), &ends(of, nowhere), from, to, &mut record);
        self.hand_over(record.freeze());
    }

    fn hand_over(&self, record: Bytes) {
        if self.queue.try_send(record).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn ends(of: &Reading, local: IpAddr) -> Ends {
    Ends { peer: (of.asn, of.address), local: (of.local_asn, local), interface: 0 }
}

/// Returns the time since the Unix epoch; zero before it.
#[must_use]
pub fn since_epoch(at: SystemTime) -> Duration {
    at.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Writes records until nobody can hand over any more.
fn write_all(mut files: Files, records: &Receiver<Bytes>, counts: &Counts) {
    loop {
        match records.recv_timeout(Duration::from_secs(1)) {
            Ok(record) => {
                let counter = if files.write(&record) { &counts.written } else { &counts.dropped };
                counter.fetch_add(1, Ordering::Relaxed);
            }
            Err(RecvTimeoutError::Timeout) => files.flush(),
            Err(RecvTimeoutError::Disconnected) => return files.flush(),
        }
    }
}

/// The files, of which at most one is open.
struct Files {
    intent: Mrt,
    open: Option<OpenFile>,
    /// How many were opened so far, which tells apart those of one second.
    opened: u64,
    /// When to try again after a failure.
    rests_until: Option<Instant>,
}

struct OpenFile {
    file: io::BufWriter<File>,
    since: Instant,
    size: u64,
}

impl Files {
    fn new(intent: Mrt) -> Self {
        Self { intent, open: None, opened: 0, rests_until: None }
    }

    /// Writes a record; tells whether that worked.
    fn write(&mut self, record: &[u8]) -> bool {
        let full = |open: &OpenFile| {
            open.size > 0 && open.size + record.len() as u64 > self.intent.max_size
                || open.since.elapsed() >= self.intent.max_age
        };
        if self.open.as_ref().is_some_and(full) {
            self.flush();
            self.open = None;
        }
        if self.open.is_none() && !self.open_next() {
            return false;
        }
        let Some(open) = &mut self.open else { return false };
        match open.file.write_all(record) {
            Ok(()) => {
                open.size += record.len() as u64;
                true
            }
            Err(error) => self.give_up(&error),
        }
    }

    fn flush(&mut self) {
        if let Some(open) = &mut self.open
            && let Err(error) = open.file.flush()
        {
            self.give_up(&error);
        }
    }

    fn open_next(&mut self) -> bool {
        if self.rests_until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        let name = format!("updates.{}.{:04}{SUFFIX}", timestamp(SystemTime::now()), self.opened % 10_000);
        let path = self.intent.directory.join(name);
        let opened = fs::create_dir_all(&self.intent.directory)
            .and_then(|()| File::options().append(true).create(true).open(&path));
        match opened {
            Ok(file) => {
                info!(target: "mrt", file = %path.display(), "writing messages");
                self.opened += 1;
                self.rests_until = None;
                self.open = Some(OpenFile { file: io::BufWriter::new(file), since: Instant::now(), size: 0 });
                self.forget_oldest();
                true
            }
            Err(error) => self.give_up(&error),
        }
    }

    /// Removes what is more than may be kept.
    fn forget_oldest(&self) {
        let mut files = ours(&self.intent.directory);
        files.sort();
        let excess = files.len().saturating_sub(usize::from(self.intent.keep));
        for file in files.into_iter().take(excess) {
            if let Err(error) = fs::remove_file(&file) {
                error!(target: "mrt", file = %file.display(), %error, "an old file stays");
            }
        }
    }

    fn give_up(&mut self, error: &io::Error) -> bool {
        let directory = self.intent.directory.display();
        error!(target: "mrt", %directory, %error, rest = ?REST, "messages are not written down");
        self.open = None;
        self.rests_until = Some(Instant::now() + REST);
        false
    }
}

/// Lists the files of a folder that we have written.
fn ours(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("updates.") && name.ends_with(SUFFIX)
    });
    ours.map(|entry| entry.path()).collect()
}

/// Writes a time as `YYYYMMDD.hhmmss`, in UTC.
fn timestamp(at: SystemTime) -> String {
    let seconds = since_epoch(at).as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days of the era that began on 1 March of the year 0: leap days are the last of a year that way.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = (era * 400 + year + month / 10, if month < 10 { month + 3 } else { month - 9 });
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day_of_month:02}.{hour:02}{minute:02}{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(name: &str, keep: u16) -> Mrt {
        let directory = std::env::temp_dir().join(format!("podbgpd-mrt-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        Mrt { directory, max_size: 100, max_age: Duration::from_secs(3600), keep }
    }

    #[test]
    fn the_name_of_a_file_is_its_time() {
        let at = |seconds| timestamp(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "19700101.000000");
        assert_eq!(at(951_782_399), "20000228.235959");
        assert_eq!(at(951_782_400), "20000229.000000");
        assert_eq!(at(1_795_205_471), "20261120.201111");
    }

    #[test]
    fn a_full_file_is_followed_by_another_and_the_oldest_goes() {
        let intent = intent("rotation", 3);
        let mut files = Files::new(intent.clone());
        for _ in 0..10 {
            assert!(files.write(&[7; 60]));
        }
        files.flush();
        let found = ours(&intent.directory);
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|file| fs::metadata(file).unwrap().len() == 60));
        fs::remove_dir_all(intent.directory).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_costs_records_and_nothing_else() {
        let intent = Mrt { directory: "/proc/nowhere".into(), ..intent("refused", 3) };
        let mut files = Files::new(intent);
        assert!(!files.write(&[7; 60]));
        assert!(files.rests_until.is_some());
        assert!(!files.write(&[7; 60]));
    }
}
