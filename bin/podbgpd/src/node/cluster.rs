//! Following a cluster: what its objects say is laid over the file, and what differs is done.
//!
//! Events come in bursts, and a list of ten thousand Services is one of them. A plan is made at once when something
//! changed, and again only after four times as long as it took: so a single change is out within milliseconds, and
//! a storm costs a fifth of our time at most.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ::cluster::{Cluster, Event, Plan, Problem, Watch};
use tracing::{debug, error, info, warn};

use super::Node;
use crate::intent::{Change, Intent};
use crate::kube::{Failure, News, Pace, Source};
use crate::snapshot::objects::{self, ObjectRecorder};

/// How many news are taken before it is seen what they change.
const BATCH: usize = 1024;
/// How long a start without a snapshot waits for the cluster: peers that come a moment later cost more than that.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much rarer plans are than their cost allows.
const SHARE: u32 = 4;
/// How many causes of a change are named.
const CAUSES: usize = 3;

/// The cluster, and how far we follow it.
pub(super) struct Follower {
    cluster: Cluster,
    source: Source,
    /// What the operator's file says by itself.
    file: Intent,
    /// What the cluster says of late; nothing before everything needed was listed once.
    plan: Option<Plan>,
    start: Instant,
    /// Whether something may have changed since the last plan, and whereby.
    changed: bool,
    causes: Vec<String>,
    /// When the next plan may be made.
    next: Instant,
    lost: BTreeMap<Watch, Instant>,
    recorder: ObjectRecorder,
}

impl Follower {
    /// Begins to follow the cluster the file names, from what an earlier run has written down, if anything.
    pub(super) fn begin(file: &Intent, now: Instant) -> Option<Self> {
        let settings = file.kubernetes.clone()?;
        let directory = &file.graceful_restart.state_directory;
        let source = Source::new(settings.kubeconfig.clone(), Pace::default());
        let mut cluster = Cluster::new(settings);
        if let Some(saved) = objects::load(directory) {
            cluster.restore(saved);
        }
        let mut follower = Self {
            cluster,
            source,
            file: file.clone(),
            plan: None,
            start: now,
            changed: true,
            causes: Vec::new(),
            next: now,
            lost: BTreeMap::new(),
            recorder: ObjectRecorder::new(directory.clone()),
        };
        follower.make_plan(now);
        if follower.plan.is_some() {
            info!(target: "kubernetes", "going by the objects of an earlier run until the API server is heard");
        }
        Some(follower)
    }

    /// Waits a while for the cluster to say what to do, unless an earlier run has written it down.
    pub(super) async fn first_plan(&mut self) {
        let heard = tokio::time::timeout(PATIENCE, async {
            while self.plan.is_none() {
                tokio::select! {
                    news = self.source.next() => self.take_all(news),
                    () = tokio::time::sleep_until(self.next.into()), if self.changed => {}
                }
                self.make_plan(Instant::now());
            }
        });
        let heard = heard.await;
        self.causes.clear();
        if heard.is_err() {
            warn!(target: "kubernetes", missing = ?self.cluster.missing(),
                "the API server has not told what to do; going by the file alone until it does");
        }
    }

    /// Waits for news.
    pub(super) async fn news(follower: &mut Option<Self>) -> News {
        match follower {
            Some(follower) => follower.source.next().await,
            None => std::future::pending().await,
        }
    }

    /// Lays what the cluster says over a file.
    pub(super) fn over(&self, file: &Intent) -> Intent {
        self.plan.clone().map_or_else(|| file.clone(), |plan| plan.onto(file))
    }

    /// Goes by another file from now on.
    pub(super) fn refile(&mut self, file: Intent) {
        if let Some(settings) = &file.kubernetes
            && Some(settings) != self.file.kubernetes.as_ref()
        {
            self.cluster.configure(settings.clone());
        }
        self.file = file;
        self.note("the configuration".to_owned());
    }

    /// Returns when there is something to do that no news tell.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let planning = self.changed.then_some(self.next);
        let damped = self.cluster.next_deadline().map(|at| (self.start + at).max(self.next));
        planning.into_iter().chain(damped).chain(self.recorder.deadline()).min()
    }

    /// Returns since when something is not heard of any more.
    pub(super) fn stale_since(&self) -> Option<Instant> {
        self.lost.values().min().copied()
    }

    /// Takes in news, and what else waits.
    fn take_all(&mut self, news: News) {
        self.take(news);
        for _ in 1..BATCH {
            let Some(news) = self.source.try_next() else { return };
            self.take(news);
        }
    }

    fn take(&mut self, news: News) {
        match news {
            News::Event(event) => {
                let (cause, before) = (cause(&event), self.cluster.objects().revision());
                self.cluster.handle(event);
                if self.cluster.objects().revision() != before {
                    self.note(cause);
                }
            }
            News::InTouch(watch) => self.in_touch(&watch, Instant::now()),
            News::OutOfTouch(watch, failure) => self.out_of_touch(watch, &failure, Instant::now()),
        }
    }

    fn note(&mut self, cause: String) {
        self.changed = true;
        self.recorder.note(Instant::now());
        if self.causes.len() < CAUSES {
            self.causes.push(cause);
        }
    }

    fn in_touch(&mut self, watch: &Watch, now: Instant) {
        let since = self.stale_since();
        self.lost.remove(watch);
        if let (Some(since), true) = (since, self.lost.is_empty()) {
            info!(target: "kubernetes", after = ?now.duration_since(since), "everything is heard again");
        }
    }

    fn out_of_touch(&mut self, watch: Watch, failure: &Failure, now: Instant) {
        let kind = watch.kind;
        // One line for a server that is away, not one for every kind; a refusal is about its kind alone.
        let news = match failure {
            Failure::Away(_) | Failure::Unconfigured(_) => self.lost.is_empty(),
            Failure::Refused(_) | Failure::Garbled(_) => !self.lost.contains_key(&watch),
        };
        if news {
            warn!(target: "kubernetes", ?kind, why = %failure, remedy = failure.remedy(&watch),
                "not heard from the API server; what is known stays in force");
        } else {
            debug!(target: "kubernetes", ?kind, why = %failure, "not heard from the API server");
        }
        self.lost.entry(watch).or_insert(now);
    }

    /// Makes a plan if something may have changed and it is time; tells whether there is a new one.
    fn make_plan(&mut self, now: Instant) -> bool {
        let damped = self.cluster.next_deadline().is_some_and(|at| self.start + at <= now);
        if !(self.changed || damped) || now < self.next {
            return false;
        }
        self.changed = false;
        self.source.follow(&self.cluster.watches());
        let plan = self.cluster.plan(&self.file, now.duration_since(self.start));
        self.next = now + now.elapsed() * SHARE;
        let Some(plan) = plan else {
            debug!(target: "kubernetes", missing = ?self.cluster.missing(), "not everything is known yet");
            return false;
        };
        if self.plan.as_ref() == Some(&plan) {
            self.causes.clear();
            return false;
        }
        self.tell_problems(&plan.problems);
        // What a plan brings in may need more to be watched.
        self.source.follow(&self.cluster.watches());
        self.plan = Some(plan);
        true
    }

    /// Logs what is newly wrong with objects, and what is no longer.
    fn tell_problems(&self, problems: &[Problem]) {
        let before = self.plan.as_ref().map_or(&[][..], |plan| &plan.problems);
        for problem in problems.iter().filter(|problem| !before.contains(problem)) {
            warn!(target: "kubernetes", "{problem}");
        }
        for problem in before.iter().filter(|problem| !problems.contains(problem)) {
            info!(target: "kubernetes", "no longer so: {problem}");
        }
    }
}

/// Says what happened, for people.
fn cause(event: &Event) -> String {
    match event {
        Event::Begin(kind) | Event::End(kind) => format!("a list of {kind:?}"),
        Event::Absent(kind) => format!("no {kind:?} in this cluster"),
        Event::Apply(object) => format!("{:?} {}", object.kind(), object.meta().key),
        Event::Unreadable(kind, key, _) => format!("{kind:?} {key}, which cannot be read"),
        Event::Delete(kind, key) => format!("{kind:?} {key}, which is gone"),
    }
}

impl Node {
    /// Takes in what is heard of the cluster, and does what follows.
    pub(super) fn cluster_news(&mut self, news: News) {
        if let Some(follower) = &mut self.cluster {
            follower.take_all(news);
            self.follow_cluster();
        }
    }

    /// Goes over to what the cluster says, if it says something else and it is time.
    pub(super) fn follow_cluster(&mut self) {
        let now = Instant::now();
        let Some(follower) = &mut self.cluster else { return };
        let planned = follower.make_plan(now);
        follower.recorder.turn(&follower.cluster, now);
        if !planned {
            return;
        }
        let causes = std::mem::take(&mut follower.causes).join("; ");
        let intent = follower.over(&follower.file);
        let intent = self.admit(intent);
        match self.speaker.reload(intent, now, &mut self.outputs) {
            Ok(changes) => {
                self.carry_out();
                changes.iter().for_each(|change| info!(target: "kubernetes", %change, causes, "the cluster"));
                if changes.iter().any(|change| matches!(change, Change::Listen { .. })) {
                    self.listen_anew();
                }
            }
            // Only the file has settings that need a start.
            Err(changes) => {
                error!(target: "kubernetes", ?changes, causes, "the cluster asks for what cannot be")
            }
        }
    }

    /// Lays what the cluster says over another file.
    pub(super) fn with_cluster(&mut self, file: &Intent) -> Intent {
        match &self.cluster {
            Some(follower) => self.admit(follower.over(file)),
            None => file.clone(),
        }
    }

    /// Goes by another file from now on, which is in force already.
    pub(super) fn refile(&mut self, file: Intent) {
        if let Some(follower) = &mut self.cluster {
            follower.refile(file);
            self.follow_cluster();
        }
    }

    /// Lets pass what the cluster wants, or less of it.
    pub(super) fn admit(&mut self, intent: Intent) -> Intent {
        intent
    }

    fn listen_anew(&mut self) {
        let listen = &self.speaker.intent().node.listen;
        if let Err(error) = self.listeners.listen(listen) {
            warn!(target: "kubernetes", ?listen, error = format!("{error:#}"), "cannot listen where the cluster says");
        }
    }
}
