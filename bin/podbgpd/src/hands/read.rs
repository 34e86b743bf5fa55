//! Reading the facts: a small door, and the thread that goes through it now and then.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::{Facts, Networkd};

/// How often the machine is looked at without being asked.
const PERIOD: Duration = Duration::from_secs(60);

/// Kernel settings that are read whatever the interfaces are called.
const SETTINGS: [&str; 4] = [
    "ipv4/ip_forward",
    "ipv6/conf/all/forwarding",
    "ipv4/fib_multipath_hash_policy",
    "ipv6/fib_multipath_hash_policy",
];

/// Reads the facts of the machine whose files are below `root`, of the network namespace of the calling thread.
#[must_use]
pub fn facts(root: &Path, interfaces: &[String]) -> Facts {
    let paths = SETTINGS.map(str::to_owned).into_iter();
    let filters = interfaces.iter().map(String::as_str).chain(["all"]).map(rp_filter);
    let read = |path: String| {
        let text = fs::read_to_string(root.join("proc/sys/net").join(&path)).ok()?;
        Some((path, text.trim().parse().ok()?))
    };
    Facts { settings: paths.chain(filters).filter_map(read).collect(), networkd: Networkd::read(root) }
}

pub(super) fn rp_filter(interface: &str) -> String {
    format!("ipv4/conf/{interface}/rp_filter")
}

/// The way to the thread that reads. Dropping it ends the thread.
#[derive(Debug)]
pub struct Reader {
    /// The interfaces of interest, which is also a wish to have it read now.
    interfaces: mpsc::Sender<Vec<String>>,
    facts: tokio::sync::mpsc::Receiver<Facts>,
}

impl Reader {
    /// Starts the thread; it reads at once.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn spawn() -> io::Result<Self> {
        let (interfaces, asked) = mpsc::channel::<Vec<String>>();
        let (tell, facts) = tokio::sync::mpsc::channel(1);
        let run = move || {
            let mut interfaces = Vec::new();
            while tell.blocking_send(self::facts(Path::new("/"), &interfaces)).is_ok() {
                match asked.recv_timeout(PERIOD) {
                    Ok(named) => interfaces = asked.try_iter().last().unwrap_or(named),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        thread::Builder::new().name("hands".into()).spawn(run)?;
        Ok(Self { interfaces, facts })
    }

    /// Waits for what was read; `None` once the thread has ended. Nothing is lost if the wait is given up.
    pub async fn next(&mut self) -> Option<Facts> {
        self.facts.recv().await
    }

    /// Has it read now, with the settings of these interfaces.
    pub fn ask(&self, interfaces: Vec<String>) {
        // If the thread has ended there is nobody to ask.
        let _ = self.interfaces.send(interfaces);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A machine in a folder.
    pub(crate) struct Machine(PathBuf);

    impl Machine {
        pub(crate) fn new() -> Self {
            static NEXT: AtomicUsize = AtomicUsize::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let root = std::env::temp_dir().join(format!("podbgp-hands-{}-{number}", std::process::id()));
            fs::create_dir_all(&root).unwrap();
            Self(root)
        }

        pub(crate) fn root(&self) -> &Path {
            &self.0
        }

        pub(crate) fn write(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    impl Drop for Machine {
        fn drop(&mut self) {
            // It is in the temporary directory: nothing is lost when this fails.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn settings_are_read_as_far_as_they_are_there() {
        let machine = Machine::new();
        machine.write("proc/sys/net/ipv4/ip_forward", "1\n");
        machine.write("proc/sys/net/ipv4/conf/eth0/rp_filter", "2\n");
        machine.write("proc/sys/net/ipv4/conf/all/rp_filter", "nonsense\n");
        let facts = facts(machine.root(), &["eth0".to_owned(), "eth1".to_owned()]);
        let settings = [("ipv4/conf/eth0/rp_filter".to_owned(), 2), ("ipv4/ip_forward".to_owned(), 1)];
        assert_eq!(facts, Facts { settings: settings.into(), networkd: None });
    }
}
