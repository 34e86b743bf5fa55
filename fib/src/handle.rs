//! The other side of the channels: how the daemon talks to the thread that keeps the routes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::sync::mpsc as handshake;
use std::thread;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot, watch};

use crate::netlink::{Monitor, Netlink};
use crate::resolve::Resolution;
use crate::route::{FibSettings, NextHop, Target};
use crate::sync::Keeper;
use crate::{Error, WriteError};

/// How many commands may wait; one `Apply` may carry thousands of changes.
const COMMANDS: usize = 16;

/// What the daemon asks for.
#[derive(Debug)]
pub enum Command {
    /// Changes what should be in the kernel.
    Apply(Vec<Change>),
    /// Keep telling how these next hops are reached; the first answer always comes.
    Track(Vec<IpAddr>),
    /// These next hops matter no more.
    Untrack(Vec<IpAddr>),
    /// Everything wanted has been said once: what an earlier run left and nobody claimed may go.
    Converged,
    /// These next hops forward no longer: taken out of everything wanted so far. The same word as
    /// [`FibHandle::lose`], in its place behind older [`Apply`](Self::Apply)s.
    Lose(Vec<NextHop>),
    /// Everything wanted has been said anew since the last loss: what still names a lost next hop means it.
    Settled,
    /// Tell what is wanted and what the kernel has.
    Snapshot(Filter, oneshot::Sender<Snapshot>),
    /// Drop packets to exactly these destinations if they only pass through this node.
    Transit(BTreeSet<IpNet>),
    /// Have a route to exactly each of these addresses by its gateway, whatever is wanted of that prefix otherwise; next
    /// hops may be resolved by it.
    HostRoutes(BTreeMap<IpAddr, IpAddr>),
    /// End the thread; the routes stay.
    Stop,
}

/// One change of mind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The destination; host bits are ignored.
    pub prefix: IpNet,
    /// What should happen to its packets, or none if we want no route.
    pub target: Option<Target>,
    /// The metric of the route, if not that of the settings; never 0. A route whose metric changes is there under one of
    /// the two at any moment.
    pub metric: Option<u32>,
}

/// What the thread has to say.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The kernel has been read and what an earlier run left is adopted.
    Ready {
        /// How many routes of ours were found.
        adopted: usize,
    },
    /// Next hops whose resolution changed.
    Resolved(Vec<(IpAddr, Resolution)>),
    /// The unclaimed leftovers of an earlier run are being deleted.
    Swept {
        /// How many there were.
        leftovers: usize,
    },
    /// The kernel confirmed writes.
    Applied {
        /// How many since the last such event.
        count: u64,
        /// How many are still to be written.
        dirty: usize,
    },
    /// Somebody or something touched our routes; they are being repaired.
    Drift {
        /// How many were found missing since the last such event.
        deleted: u64,
        /// How many were found changed since the last such event.
        changed: u64,
    },
    /// Interfaces that appeared, went, or changed between up and down.
    Links(Vec<Link>),
    /// The thread has ended against its will.
    Failed(String),
}

/// The state of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether somebody has set it up.
    pub enabled: bool,
    /// Whether packets can leave: it is set up and has carrier; `false` also when it is gone.
    pub up: bool,
}

/// Which routes a snapshot shall list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// None, only the counters.
    Stats,
    /// All.
    All,
    /// Those with these prefixes, in this order.
    Prefixes(Vec<IpNet>),
    /// At most so many behind a prefix, or from the first one on.
    Page(Option<IpNet>, usize),
    /// Those that cover this address.
    Address(IpAddr),
}

/// Wish and reality at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Whether routes are written at all.
    pub install: bool,
    /// The routes asked for, IPv4 first, in the order of prefixes.
    pub routes: Vec<RouteStatus>,
    /// The counters.
    pub stats: Stats,
    /// How the tracked next hops are reached.
    pub next_hops: BTreeMap<IpAddr, Resolution>,
}

/// One route, wanted or left over.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteStatus {
    /// The destination.
    pub prefix: IpNet,
    /// The table it is in.
    pub table: u32,
    /// The metric it has there.
    pub metric: u32,
    /// What is wanted; none for a leftover or a route about to be deleted.
    pub target: Option<Target>,
    /// What the kernel has under our name, as far as it confirmed; none if nothing or something we never write.
    pub installed: Option<Target>,
    /// How the two relate.
    pub state: RouteState,
}

/// How far a route has come.
#[derive(Clone, Debug, PartialEq)]
pub enum RouteState {
    /// The kernel confirmed what is wanted.
    Installed,
    /// It has not been written yet, or writing is switched off.
    Pending,
    /// The kernel refused it; it is tried again.
    Failed {
        /// The last answer.
        error: WriteError,
        /// When it first failed.
        since: Instant,
        /// How often it has been tried in vain.
        retries: u32,
    },
    /// Somebody else's route has our table, prefix and metric. It is not touched; ours waits.
    Conflict {
        /// The protocol number of the other route, once known.
        protocol: Option<u8>,
        /// When it was first found in the way.
        since: Instant,
    },
    /// An earlier run left it and nobody has claimed it yet.
    Adopted,
}

/// What happened so far and what is the case now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Routes wanted.
    pub desired: usize,
    /// Routes wanted and confirmed by the kernel.
    pub installed: usize,
    /// Routes to be written, the refused ones included.
    pub dirty: usize,
    /// Routes the kernel refused.
    pub failed: usize,
    /// Routes somebody else's are in the way of.
    pub conflicts: usize,
    /// Routes of an earlier run that nobody has claimed.
    pub leftovers: usize,
    /// Writes the kernel confirmed.
    pub writes: u64,
    /// Writes the kernel refused.
    pub failures: u64,
    /// Routes of ours found missing.
    pub drift_deleted: u64,
    /// Routes of ours found changed.
    pub drift_changed: u64,
    /// Routes with our mark that were not wanted, nor left by an earlier run: another program uses it too.
    pub intruders: u64,
    /// Routes put right after drift.
    pub repairs: u64,
    /// Nexthop groups of ours found missing or changed.
    pub drift_groups: u64,
    /// Groups put right after that.
    pub group_repairs: u64,
    /// Nexthop objects of ours in the kernel.
    pub next_hops: usize,
    /// Nexthop groups of ours in the kernel.
    pub groups: usize,
    /// The kernel has no nexthop objects: every route names its next hops, whatever the settings say.
    pub no_groups: bool,
    /// Write requests sent to the kernel.
    pub messages: u64,
    /// Times the kernel was read again in whole.
    pub resyncs: u64,
    /// Notifications or answers lost to a full buffer.
    pub overruns: u64,
}

/// A route the kernel would not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its destination.
    pub prefix: IpNet,
    /// What the kernel said.
    pub error: WriteError,
    /// When.
    pub at: Instant,
}

/// What the thread publishes as it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) stats: Stats,
    pub(crate) last_refusal: Option<Refusal>,
}

/// The way to the thread that keeps the routes. Dropping it ends the thread; the routes stay.
#[derive(Debug)]
pub struct FibHandle {
    commands: mpsc::Sender<Command>,
    losses: mpsc::UnboundedSender<Vec<NextHop>>,
    progress: watch::Receiver<Progress>,
    thread: thread::JoinHandle<()>,
}

impl FibHandle {
    /// Hands over a command without waiting.
    ///
    /// # Errors
    /// Gives the command back if the channel is full or the thread has ended.
    pub fn try_send(&self, command: Command) -> Result<(), Command> {
        self.commands.try_send(command).map_err(mpsc::error::TrySendError::into_inner)
    }

    /// Hands over a command, waiting for room.
    ///
    /// # Errors
    /// Gives the command back if the thread has ended.
    pub async fn send(&self, command: Command) -> Result<(), Command> {
        self.commands.send(command).await.map_err(|refused| refused.0)
    }

    /// Takes next hops that forward no longer out of everything wanted, ahead of all waiting commands.
    ///
    /// That is one message for each, however many routes hang on it, and one for each route that names its next
    /// hops. A route that has no other next hop stays as it is. What is wanted does without them until
    /// [`Command::Lose`] of the same content has come in its order, behind the wishes that did not know yet;
    /// every call must be followed by one. [`Command::Settled`] may then say that all wishes are new.
    pub fn lose(&self, next_hops: Vec<NextHop>) {
        // If the thread has ended there is nothing to lose.
        let _ = self.losses.send(next_hops);
    }

    /// Returns how many commands can be handed over without waiting.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.commands.capacity()
    }

    /// Returns the counters as they were a moment ago.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.progress.borrow().stats
    }

    /// Returns the kernel's last refusal, and when it was.
    #[must_use]
    pub fn last_refusal(&self) -> Option<Refusal> {
        self.progress.borrow().last_refusal.clone()
    }

    /// Returns another way to the same thread, for those who only ask for snapshots.
    #[must_use]
    pub fn commands(&self) -> mpsc::Sender<Command> {
        self.commands.clone()
    }

    /// Ends the thread after the commands already handed over and waits for it. Blocks.
    pub fn join(self) {
        let Self { commands, thread, .. } = self;
        while let Err(mpsc::error::TrySendError::Full(_)) = commands.try_send(Command::Stop) {
            thread::sleep(Duration::from_millis(5));
        }
        // A panic over there has already been reported by the panic hook.
        let _ = thread.join();
    }
}

/// Starts the thread that keeps the routes, in the network namespace of the caller.
///
/// # Errors
/// If netlink cannot be opened, or `settings.install` asks for more than the process is allowed to do.
pub fn spawn(settings: FibSettings, events: mpsc::Sender<Event>) -> Result<FibHandle, Error> {
    let netlink = Netlink::open(&settings)?;
    let (commands, inbox) = mpsc::channel(COMMANDS);
    // A loss is short and rare, and whoever tells of it must not wait.
    let (losses, urgent) = mpsc::unbounded_channel();
    let (publish, progress) = watch::channel(Progress::default());
    let (started, outcome) = handshake::channel();
    let run = move || {
        // The caller waits for the word; it can only be gone if it panicked.
        match listen(&netlink) {
            Ok((runtime, monitor)) => {
                let _ = started.send(Ok(()));
                runtime.block_on(Keeper::new(settings, netlink, events, publish).run(monitor, inbox, urgent));
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        }
    };
    let thread = thread::Builder::new().name("fib".into()).spawn(run).map_err(Error::Thread)?;
    outcome.recv().unwrap_or_else(|_| Err(Error::Thread(io::ErrorKind::BrokenPipe.into())))?;
    Ok(FibHandle { commands, losses, progress, thread })
}

fn listen(netlink: &Netlink) -> Result<(Runtime, Monitor), Error> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Thread)?;
    let monitor = {
        let _inside = runtime.enter();
        netlink.monitor()?
    };
    Ok((runtime, monitor))
}
