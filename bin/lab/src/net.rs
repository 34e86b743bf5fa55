//! Network namespaces and what connects them.
//!
//! A namespace here has no name in `/run/netns`: it lives as long as a file descriptor, a thread or a process in
//! it does. Whatever ends us, the kernel takes everything down.

mod link;
mod privilege;
mod route;
mod witness;

pub use privilege::{Privilege, enter};
pub use route::{HopState, KernelRoute, NextHop, RouteKind};
pub use witness::Witness;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{setsockopt, sockopt};

/// A network namespace of our own; clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: Arc<str>,
    file: Arc<File>,
}

impl Namespace {
    /// Makes a namespace with its loopback up, IPv6 addresses usable at once (no duplicate address detection)
    /// and kept when a link goes down, and reverse-path filtering off.
    ///
    /// # Errors
    /// The kernel refuses: no `CAP_SYS_ADMIN` here, see [`enter`].
    pub fn new(name: &str) -> Result<Self> {
        let file = thread::spawn(|| -> io::Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        })
        .join()
        .map_err(|_| anyhow::anyhow!("the thread that makes namespace {name} panicked"))?
        .with_context(|| format!("cannot make the network namespace {name}: not allowed here"))?;
        let namespace = Self { name: name.into(), file: Arc::new(file) };
        for group in ["all", "default"] {
            namespace.set_sysctl(&format!("ipv6/conf/{group}/accept_dad"), "0")?;
            namespace.set_sysctl(&format!("ipv6/conf/{group}/keep_addr_on_down"), "1")?;
            namespace.set_sysctl(&format!("ipv4/conf/{group}/rp_filter"), "0")?;
        }
        namespace.set_sysctl("ipv4/ping_group_range", "0 0")?;
        namespace.set_up("lo")?;
        Ok(namespace)
    }

    /// The name it was made with; the kernel does not know it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lets packets pass through: forwarding on, equal-cost paths chosen by addresses and ports.
    ///
    /// # Errors
    /// `/proc/sys` is read-only here.
    pub fn forward(&self) -> Result<()> {
        self.set_forwarding(true)?;
        self.set_sysctl("ipv4/fib_multipath_hash_policy", "1")?;
        self.set_sysctl("ipv6/fib_multipath_hash_policy", "1")
    }

    /// Turns forwarding on or off; off is a switch whose ports stay lit while nothing passes.
    ///
    /// # Errors
    /// `/proc/sys` is read-only here.
    pub fn set_forwarding(&self, on: bool) -> Result<()> {
        let value = if on { "1" } else { "0" };
        self.set_sysctl("ipv4/ip_forward", value)?;
        self.set_sysctl("ipv6/conf/all/forwarding", value)
    }

    /// Writes `/proc/sys/net/KEY` as this namespace sees it.
    ///
    /// # Errors
    /// The key does not exist or may not be written.
    pub fn set_sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/net/{key}");
        self.run(|| std::fs::write(&path, value))
            .with_context(|| format!("cannot set {path} to {value} in {}", self.name))
    }

    /// Runs a closure in a thread inside the namespace; sockets made there stay there, wherever they go.
    ///
    /// # Panics
    /// If the closure does.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.join_thread();
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Starts a thread that lives inside the namespace.
    pub fn thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let namespace = self.clone();
        thread::spawn(move || {
            namespace.join_thread();
            work()
        })
    }

    /// Starts a program inside the namespace. It is killed when this process ends, however it ends.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn(&self, mut command: Command) -> io::Result<Child> {
        let (answer, child) = channel();
        let namespace = self.clone();
        let job: Job = Box::new(move || {
            namespace.join_thread();
            die_with_parent(&mut command);
            // The caller waits below; were it gone there would be nobody to tell.
            let _ = answer.send(command.spawn());
        });
        spawner().send(job).map_err(|_| io::Error::other("the thread that starts programs is gone"))?;
        child.recv().map_err(|_| io::Error::other("the thread that starts programs is gone"))?
    }

    fn join_thread(&self) {
        // Whoever could make the namespace (CAP_SYS_ADMIN over it) may also enter it.
        setns(&*self.file, CloneFlags::CLONE_NEWNET).expect("a namespace of our own lets us in");
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Gives a socket room for what arrives while nobody gets to run: beyond the limit of the machine where we may,
/// and as much as there is where we may not.
pub(crate) fn enlarge_receive_buffer(socket: &impl AsFd, octets: usize) {
    if setsockopt(socket, sockopt::RcvBufForce, &octets).is_err() {
        let _ = setsockopt(socket, sockopt::RcvBuf, &octets);
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// The one thread that starts programs and never ends.
///
/// A parent-death signal is sent when the *thread* that started the child ends, so a passing thread (a test's,
/// for instance) must not be the parent.
fn spawner() -> &'static Sender<Job> {
    static SPAWNER: OnceLock<Sender<Job>> = OnceLock::new();
    SPAWNER.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        thread::spawn(move || jobs.into_iter().for_each(|job| job()));
        sender
    })
}

/// Has the kernel kill the child with SIGKILL when we end, even by SIGKILL.
#[allow(unsafe_code)]
fn die_with_parent(command: &mut Command) {
    use nix::sys::{prctl, signal::Signal};
    use nix::unistd::{getpid, getppid};
    use std::os::unix::process::CommandExt;

    let parent = getpid();
    // SAFETY: the closure runs between fork and exec and makes two system calls; it allocates nothing, takes no
    // lock and touches no memory shared with other threads.
    unsafe {
        command.pre_exec(move || {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            // We may have ended before the line above: then nobody would send the signal.
            if getppid() == parent { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
        });
    }
}

#[cfg(test)]
mod tests;
