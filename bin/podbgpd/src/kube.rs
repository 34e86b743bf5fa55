//! The API server: objects of a cluster as they come, whatever the server does.
//!
//! ```text
//!   API server ─► Api (HTTP) ─► one task for each Watch ─► News, bounded ─► node ─► cluster::Cluster
//! ```
//!
//! What objects mean is not known here. A task lists its objects and then follows them: by a streaming list where the
//! server has it, by pages and a watch where it refuses. Whatever goes wrong, what is known stays in force and the task
//! tries again, more slowly each time, until something good comes. So an outage is nothing but silence.
//!
//! `kube` brings the credentials and the connections. Its own watcher is not used: its back-off starts anew with
//! every attempt, and where a server refuses streaming lists it asks for them for ever.

mod api;
mod backoff;
mod failure;
mod items;
mod kinds;
mod lines;
mod list;
mod report;
mod watching;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Event, Watch};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

pub use api::Api;
pub use failure::Failure;
pub use kinds::{Group, Resource, resource};
pub use report::Reporter;
use watching::Watching;

/// How much news may wait. The tasks wait when there is more, and with them the server.
const NEWS: usize = 256;

/// Something heard from or about the API server.
#[derive(Debug)]
pub enum News {
    /// Something happened to objects.
    Event(Event),
    /// A watch has heard everything and goes on hearing.
    InTouch(Watch),
    /// A watch hears nothing any more. Told for every attempt that fails.
    OutOfTouch(Watch, Failure),
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long the server is asked to keep a watch open, at least; up to a third more, so that not all end at once.
    pub watch: Duration,
    /// How long a watch may last beyond that before its connection counts as dead.
    pub grace: Duration,
    /// How long the server may take to begin its answer, and to go on with a list.
    pub answer: Duration,
    /// The wait after a first failure, before jitter; it doubles with each more.
    pub first_retry: Duration,
    /// The longest wait between attempts.
    pub last_retry: Duration,
    /// How often a kind the server does not know is looked for.
    pub absent: Duration,
    /// The most objects of a page, where lists come in pages.
    pub page: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            watch: Duration::from_secs(240),
            grace: Duration::from_secs(15),
            answer: Duration::from_secs(30),
            first_retry: Duration::from_millis(500),
            last_retry: Duration::from_secs(30),
            absent: Duration::from_secs(60),
            page: 500,
        }
    }
}

/// Follows the objects of a cluster as long as it lives.
#[derive(Debug)]
pub struct Source {
    api: Arc<Api>,
    pace: Pace,
    tell: mpsc::Sender<News>,
    news: mpsc::Receiver<News>,
    tasks: BTreeMap<Watch, Task>,
}

/// A task that ends when this is dropped.
#[derive(Debug)]
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Source {
    /// Makes one that follows nothing yet. Nothing is opened before something is to be followed.
    #[must_use]
    pub fn new(kubeconfig: Option<PathBuf>, pace: Pace) -> Self {
        let (tell, news) = mpsc::channel(NEWS);
        let api = Arc::new(Api::new(kubeconfig, pace.answer));
        Self { api, pace, tell, news, tasks: BTreeMap::new() }
    }

    /// Follows these, and nothing else any more. Needs a tokio runtime.
    pub fn follow(&mut self, watches: &BTreeSet<Watch>) {
        // First those that end: what they have told is in the queue before anything of those that begin.
        self.tasks.retain(|watch, _| watches.contains(watch));
        for watch in watches {
            if !self.tasks.contains_key(watch) {
                let watching = Watching::new(self.api.clone(), watch.clone(), self.pace, self.tell.clone());
                let task = tokio::spawn(watching.run()).abort_handle();
                self.tasks.insert(watch.clone(), Task(task));
            }
        }
    }

    /// Waits for news.
    pub async fn next(&mut self) -> News {
        match self.news.recv().await {
            Some(news) => news,
            // Never: a sender is ours.
            None => std::future::pending().await,
        }
    }

    /// Returns news that wait.
    pub fn try_next(&mut self) -> Option<News> {
        self.news.try_recv().ok()
    }

    /// The way to the server, for other requests.
    #[must_use]
    pub fn api(&self) -> &Arc<Api> {
        &self.api
    }
}
