//! What a daemon hears of a server, and the objects that follow from it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use cluster::store::Objects;
use cluster::{Event, Kind, Scope, Watch};
use podbgpd::kube::{News, Pace, Source};
use support::SOON;
use tokio::runtime::Runtime;

/// A source, and what has come from it.
pub(crate) struct Follower {
    runtime: Runtime,
    source: Source,
    pub(crate) objects: Objects,
    /// Every event, as a word.
    pub(crate) told: Vec<String>,
    /// The watches that hear, and why others do not.
    pub(crate) in_touch: BTreeSet<Watch>,
    pub(crate) failures: Vec<String>,
}

/// Waits no longer than a test may: everything else is as in the daemon.
pub(crate) fn pace() -> Pace {
    Pace {
        answer: Duration::from_secs(1),
        first_retry: Duration::from_millis(20),
        last_retry: Duration::from_millis(200),
        absent: Duration::from_millis(300),
        ..Pace::default()
    }
}

pub(crate) fn all(kind: Kind) -> Watch {
    Watch { kind, scope: Scope::All }
}

impl Follower {
    pub(crate) fn start(kubeconfig: &Path, pace: Pace, watches: &[Watch]) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut follower = Self {
            runtime,
            source: Source::new(Some(kubeconfig.to_owned()), pace),
            objects: Objects::default(),
            told: Vec::new(),
            in_touch: BTreeSet::new(),
            failures: Vec::new(),
        };
        follower.follow(watches);
        follower
    }

    pub(crate) fn follow(&mut self, watches: &[Watch]) {
        let _inside = self.runtime.enter();
        self.source.follow(&watches.iter().cloned().collect());
    }

    /// Listens until something is so.
    pub(crate) fn until(&mut self, what: &str, so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !so(self) {
            assert!(start.elapsed() < SOON, "waited for {what}: {:?} {:?}", self.told, self.failures);
            self.listen(Duration::from_millis(50));
        }
    }

    /// Listens for so long.
    pub(crate) fn listen(&mut self, span: Duration) {
        let (source, end) = (&mut self.source, Instant::now() + span);
        let mut heard = Vec::new();
        self.runtime.block_on(async {
            while let Ok(news) = tokio::time::timeout_at(end.into(), source.next()).await {
                heard.push(news);
                while let Some(news) = source.try_next() {
                    heard.push(news);
                }
                if heard.len() > 1000 {
                    return;
                }
            }
        });
        heard.into_iter().for_each(|news| self.take(news));
    }

    fn take(&mut self, news: News) {
        match news {
            News::Event(event) => {
                self.told.push(match &event {
                    Event::Begin(kind) => format!("begin {kind:?}"),
                    Event::Apply(object) => format!("apply {}", object.meta().key),
                    Event::Unreadable(_, key, _) => format!("unreadable {key}"),
                    Event::Delete(_, key) => format!("delete {key}"),
                    Event::End(kind) => format!("end {kind:?}"),
                    Event::Absent(kind) => format!("absent {kind:?}"),
                });
                self.objects.handle(event);
            }
            News::InTouch(watch) => {
                self.in_touch.insert(watch);
            }
            News::OutOfTouch(watch, failure) => {
                self.in_touch.remove(&watch);
                let remedy = failure.remedy(&watch).unwrap_or_default();
                self.failures.push(format!("{failure} {remedy}"));
            }
        }
    }

    /// The names of the nodes there are.
    pub(crate) fn nodes(&self) -> Vec<String> {
        self.objects.nodes.iter().map(|(key, _)| key.to_string()).collect()
    }

    pub(crate) fn has_told(&self, word: &str) -> bool {
        self.told.iter().any(|told| told == word)
    }

    pub(crate) fn count(&self, word: &str) -> usize {
        self.told.iter().filter(|told| *told == word).count()
    }
}
