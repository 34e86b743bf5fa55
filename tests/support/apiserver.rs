//! An API server inside the test: enough HTTP that `podbgpd` cannot tell it from a real one.
//!
//! It knows discovery, lists in pages, watches with bookmarks and streaming lists, selectors, patches, the status
//! subresource and events; what it does not know is answered with 404, as everywhere. It listens in a network namespace
//! if told to, forgets nothing when it is stopped, and can be given every fault that was met in the field.

mod discovery;
mod faults;
mod patch;
mod selector;
mod serve;
mod store;
mod stream;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use lab::net::Namespace;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

pub use faults::{Faults, Instead, StreamingLists};
use store::Store;

/// Where it listens unless told otherwise, at any port that is free.
const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
pub use store::{collection, location};

/// The resources of Calico that matter here.
pub const CALICO: &[&str] = &["bgpconfigurations", "bgpfilters", "bgppeers", "blockaffinities", "ippools"];
/// Calico's older group, and its newer one.
pub const CALICO_GROUPS: [&str; 2] = ["crd.projectcalico.org/v1", "projectcalico.org/v3"];

/// A server with its objects. Dropping it ends it.
#[derive(Debug)]
pub struct ApiServer {
    shared: Arc<Shared>,
    namespace: Option<Namespace>,
    address: SocketAddr,
    running: Option<Running>,
}

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query.
    pub query: String,
    /// The body, if it is JSON.
    pub body: Value,
    /// What was answered; 0 for nothing.
    pub status: u16,
    /// When it came.
    pub at: Instant,
}

impl Seen {
    /// Tells whether it asks for a watch.
    #[must_use]
    pub fn is_watch(&self) -> bool {
        self.query.split('&').any(|pair| pair == "watch=true" || pair == "watch=1")
    }

    /// Tells whether it asks for a list, streaming or not.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.method == "GET" && (!self.is_watch() || self.query.contains("sendInitialEvents=true"))
    }
}

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// What the tests and the threads of the server share.
#[derive(Debug)]
struct Shared {
    inside: Mutex<Inside>,
    /// The version of the store, for watches that wait.
    version: watch::Sender<u64>,
    /// Counts up when connections are to end, faults to be looked at again.
    epoch: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inside {
    store: Store,
    faults: Faults,
    seen: Vec<Seen>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the store and wakes those who watch it.
    fn change<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        let mut inside = self.lock();
        let outcome = change(&mut inside.store);
        let version = inside.store.version();
        drop(inside);
        self.version.send_replace(version);
        outcome
    }
}

impl ApiServer {
    /// Starts one on the loopback of this process.
    ///
    /// # Panics
    /// When no port can be had.
    #[must_use]
    pub fn start() -> Self {
        Self::begin(None, LOOPBACK)
    }

    /// Starts one on the loopback of a namespace.
    ///
    /// # Panics
    /// When no port can be had.
    #[must_use]
    pub fn start_in(namespace: &Namespace) -> Self {
        Self::begin(Some(namespace.clone()), LOOPBACK)
    }

    /// Starts one at this address of a namespace.
    ///
    /// # Panics
    /// When the address cannot be had.
    #[must_use]
    pub fn start_at(namespace: &Namespace, address: SocketAddr) -> Self {
        Self::begin(Some(namespace.clone()), address)
    }

    fn begin(namespace: Option<Namespace>, address: SocketAddr) -> Self {
        let listener = bind(namespace.as_ref(), address);
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            inside: Mutex::default(),
            version: watch::Sender::new(0),
            epoch: watch::Sender::new(0),
        });
        let running = Some(run(&shared, listener));
        let server = Self { shared, namespace, address, running };
        server.install("v1", &["nodes", "services", "secrets", "events"]);
        server.install("discovery.k8s.io/v1", &["endpointslices"]);
        server.install("events.k8s.io/v1", &["events"]);
        server
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes a kubeconfig for it and returns the path.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn kubeconfig(&self, directory: &Path) -> PathBuf {
        self.kubeconfig_at(directory, self.address)
    }

    /// Writes a kubeconfig for whom it is at another address and returns the path.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn kubeconfig_at(&self, directory: &Path, address: SocketAddr) -> PathBuf {
        let file = directory.join("kubeconfig");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{ "name": "test", "cluster": { "server": format!("http://{address}") } }],
            "users": [{ "name": "test", "user": { "token": "test" } }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
        });
        // JSON is YAML.
        fs::write(&file, config.to_string()).expect("the kubeconfig is written");
        file
    }

    /// Serves these resources of a group and version, such as `crd.projectcalico.org/v1`, from now on.
    pub fn install(&self, group_version: &str, plurals: &[&str]) {
        self.shared.change(|store| store.install(group_version, plurals));
    }

    /// Serves Calico's resources, in the older of its groups.
    pub fn install_calico(&self) {
        self.install(CALICO_GROUPS[0], CALICO);
    }

    /// Puts an object there or in the place of the one of its name, and returns its version.
    ///
    /// # Panics
    /// When it has no `apiVersion`, `kind` or name, or its kind is not installed.
    pub fn put(&self, object: Value) -> u64 {
        self.shared.change(|store| {
            store.put(object);
            store.version()
        })
    }

    /// Puts many objects there at once.
    ///
    /// # Panics
    /// As [`ApiServer::put`].
    pub fn put_all(&self, objects: impl IntoIterator<Item = Value>) {
        self.shared.change(|store| objects.into_iter().for_each(|object| store.put(object)));
    }

    /// Takes away the object of this kind and name (`name` or `namespace/name`).
    ///
    /// # Panics
    /// When it is not there.
    pub fn delete(&self, api_version: &str, kind: &str, name: &str) {
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        let collection = collection(api_version, kind);
        let gone = self.shared.change(|store| store.delete(&collection, namespace, name));
        assert!(gone.is_some(), "no {kind} {name}");
    }

    /// Returns an object as it is now.
    #[must_use]
    pub fn get(&self, api_version: &str, kind: &str, name: &str) -> Option<Value> {
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        self.shared.lock().store.get(&collection(api_version, kind), namespace, name).cloned()
    }

    /// Returns all objects of a kind.
    #[must_use]
    pub fn all(&self, api_version: &str, kind: &str) -> Vec<Value> {
        self.shared.lock().store.all(&collection(api_version, kind)).cloned().collect()
    }

    /// Forgets what happened so far: watches of older versions end with 410 Gone, as do pages of older lists.
    pub fn expire(&self) {
        self.shared.change(Store::expire);
    }

    /// Counts versions from the beginning again, as after a backup was restored.
    pub fn set_back(&self) {
        self.shared.change(Store::set_back);
    }

    /// Changes the faults; open watches notice.
    pub fn fault(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.shared.lock().faults);
        self.shared.version.send_modify(|_| ());
    }

    /// Cuts every connection; new ones are welcome.
    pub fn disconnect(&self) {
        self.shared.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// Ends the server; its objects stay.
    ///
    /// # Panics
    /// When its thread has.
    pub fn stop(&mut self) {
        if let Some(Running { stop, thread }) = self.running.take() {
            // It may have ended by itself, which is told by the next line.
            let _ = stop.send(());
            thread.join().expect("the server ends in peace");
        }
    }

    /// Starts it again at the same address.
    ///
    /// # Panics
    /// When somebody else has it.
    pub fn restart(&mut self) {
        self.stop();
        self.running = Some(run(&self.shared, bind(self.namespace.as_ref(), self.address)));
    }

    /// Returns every request so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }

    /// Counts the requests so far that are like this.
    #[must_use]
    pub fn count(&self, like: impl Fn(&Seen) -> bool) -> usize {
        self.shared.lock().seen.iter().filter(|seen| like(seen)).count()
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        if let Some(Running { stop, thread }) = self.running.take() {
            let _ = stop.send(());
            // A panic there has been printed; another here would hide the test's own.
            let _ = thread.join();
        }
    }
}

fn bind(namespace: Option<&Namespace>, address: SocketAddr) -> TcpListener {
    let bind = || TcpListener::bind(address).expect("the address is free");
    let listener = match namespace {
        Some(namespace) => namespace.run(bind),
        None => bind(),
    };
    listener.set_nonblocking(true).expect("a socket of our own");
    listener
}

fn run(shared: &Arc<Shared>, listener: TcpListener) -> Running {
    let (stop, stopped) = oneshot::channel();
    let shared = shared.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        runtime.block_on(async {
            tokio::select! {
                () = serve::serve(shared, listener) => {}
                // Dropped or sent: it is over.
                _ = stopped => {}
            }
        });
    });
    Running { stop, thread }
}
