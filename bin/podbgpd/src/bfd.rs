//! BFD's sockets and its thread, around [`bgp::bfd`], which decides.
//!
//! A thread of its own owns every session: a packet that is due every 50 ms must not wait while the owner task
//! takes in a million routes. The thread is told which sessions are wanted, and never waits for anybody: what
//! it has to say is a [`Report`] of how things stand now, which replaces the one before. A session that goes
//! down and comes up again between two looks is not missed, because its failures are counted.
//!
//! ```text
//!   UDP 3784, 4784 ─► ┌────────┐ ◄─ wanted sessions ── owner task
//!                     │ worker │
//!   a port each    ◄─ └────────┘ ── latest report ───► owner task
//! ```

mod socket;
mod worker;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bgp::bfd::{
    Authentication, Diagnostic, Discards, Discriminator, Hops, Remote, Settings, State, Stats, Why,
};
use tokio::sync::watch;

use worker::Worker;

/// How many commands may wait. The thread takes them at once, so there is never more than one.
const COMMANDS: usize = 16;

/// A session that should be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The other end; there is at most one session with each address.
    pub remote: IpAddr,
    /// The address to send from; the kernel's choice without.
    pub local: Option<IpAddr>,
    /// How far away the other end is.
    pub hops: Hops,
    /// Its intervals.
    pub settings: Settings,
    /// The key its packets are signed with, if they are.
    pub authentication: Option<Authentication>,
}

/// How all sessions stand.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Each session by the address of its other end.
    pub sessions: BTreeMap<IpAddr, SessionReport>,
    /// Packets that were dropped.
    pub discards: Discards,
    /// Packets the kernel did not take.
    pub send_failures: u64,
}

impl Report {
    /// Tells whether packets get through to this address and back.
    #[must_use]
    pub fn hears(&self, address: IpAddr) -> bool {
        self.sessions.get(&address).is_some_and(|session| session.state == State::Up)
    }
}

/// How a session stands.
#[derive(Clone, Copy, Debug)]
pub struct SessionReport {
    /// Our name for it; another name is another session.
    pub discriminator: Discriminator,
    /// Its state.
    pub state: State,
    /// Why the state last changed, as we tell the peer.
    pub diagnostic: Diagnostic,
    /// When the state last changed.
    pub since: Instant,
    /// What the peer said last, unless it is silent.
    pub remote: Option<Remote>,
    /// The intervals that come of both ends' wishes.
    pub negotiated: Negotiated,
    /// What was counted.
    pub stats: Stats,
    /// The last time it was Up and failed.
    pub last_failure: Option<Failure>,
}

/// What comes of both ends' wishes. Without a word from the peer nothing is known of what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The interval we send at, before jitter.
    pub transmit: Duration,
    /// The interval the peer sends at, before jitter.
    pub receive: Option<Duration>,
    /// How long the peer may be silent.
    pub detection_time: Option<Duration>,
}

/// A session that was Up and went down against an operator's will.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// When that was noticed.
    pub at: Instant,
    /// When the peer was last heard.
    pub heard: Instant,
    /// Why.
    pub why: Why,
}

/// The way to the thread, which ends when this is dropped.
#[derive(Debug)]
pub struct Handle {
    commands: Option<mpsc::SyncSender<Vec<Wanted>>>,
    wake: UnixStream,
    reports: watch::Receiver<Report>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread. It opens no socket before a session is wanted.
///
/// # Errors
/// What the kernel says when there can be no thread.
pub fn spawn() -> io::Result<Handle> {
    let (commands, inbox) = mpsc::sync_channel(COMMANDS);
    let (wake, woken) = UnixStream::pair()?;
    wake.set_nonblocking(true)?;
    woken.set_nonblocking(true)?;
    let (reporter, reports) = watch::channel(Report::default());
    // Another seed each time: a peer must not take a session of ours for one before the last start.
    let seed = RandomState::new().build_hasher().finish();
    let worker = Worker::new(inbox, woken, reporter, seed);
    let thread = thread::Builder::new().name("bfd".to_owned()).spawn(move || worker.run())?;
    Ok(Handle { commands: Some(commands), wake, reports, thread: Some(thread) })
}

impl Handle {
    /// Has exactly these sessions. Those that stay are not disturbed by new intervals.
    pub fn want(&self, sessions: Vec<Wanted>) {
        if let Some(commands) = &self.commands {
            // The thread takes commands at once and ends only with this handle.
            let _ = commands.send(sessions);
            self.wake();
        }
    }

    /// Waits for news: a session that came up, went down, or changed its intervals.
    pub async fn news(&mut self) -> Report {
        match self.reports.changed().await {
            Ok(()) => self.reports.borrow_and_update().clone(),
            // The thread is gone, and with it all news.
            Err(_) => std::future::pending().await,
        }
    }

    /// Returns the latest report. Counters may be a second old.
    #[must_use]
    pub fn report(&self) -> Report {
        self.reports.borrow().clone()
    }

    fn wake(&self) {
        // A pipe that is full wakes the thread all the same.
        let _ = (&self.wake).write(&[0]);
    }
}

impl Drop for Handle {
    /// Tells every peer that this is no failure, and ends the thread.
    fn drop(&mut self) {
        self.commands = None;
        self.wake();
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has said so.
            let _ = thread.join();
        }
    }
}
