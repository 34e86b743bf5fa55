//! Following a cluster: what its objects say is laid over the file, and what differs is done.
//!
//! Events come in bursts, and a list of ten thousand Services is one of them. A plan is made at once when something
//! changed, and again only after four times as long as it took: so a single change is out within milliseconds, and
//! a storm costs a fifth of our time at most.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::cluster::{AlienRoute, Cluster, Event, Object, Plan, Problem, Watch};
use ipnet::IpNet;
use tracing::{debug, error, info, warn};

use super::Node;
use super::alien_routes::AlienRoutes;
use crate::blast::{Blast, Evidence, Held, Laid};
use crate::contact::Contact;
use crate::intent::{Change, Intent, Kubernetes};
use crate::kube::{Api, Failure, News, Pace, Source};
use crate::latency::Latency;
use crate::report::Happening;
use crate::report::taint::Wanted;
use crate::snapshot::objects::{self, ObjectRecorder};

/// How many news are taken before it is seen what they change.
const BATCH: usize = 1024;
/// How long a start without a snapshot waits for the cluster: peers that come a moment later cost more than that.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much rarer plans are than their cost allows.
const SHARE: u32 = 4;
/// How many causes of a change are named.
const CAUSES: usize = 3;

/// What a follower hears of.
pub(super) enum Heard {
    /// Objects, and how the way to them is.
    News(News),
    /// All routes of others in the kernel that matter.
    Routes(Vec<AlienRoute>),
}

/// The cluster, and how far we follow it.
pub(super) struct Follower {
    pub(super) cluster: Cluster,
    source: Source,
    routes: AlienRoutes,
    /// What the operator's file says by itself.
    pub(super) file: Intent,
    /// What the cluster says of late, and since when; nothing before everything needed was listed once.
    pub(super) plan: Option<Plan>,
    pub(super) planned: Option<Instant>,
    /// Whether an earlier run had written objects down.
    pub(super) restored: bool,
    start: Instant,
    /// Whether something may have changed since the last plan, and whereby.
    changed: bool,
    causes: Vec<String>,
    /// When the next plan may be made.
    next: Instant,
    /// When the oldest of the news came that no plan knows of.
    arrived: Option<Instant>,
    pub(super) contact: Contact,
    pub(super) blast: Blast,
    /// Blocks of ours that other nodes say are theirs, and whether what is held has to be looked at for that.
    elsewhere: BTreeSet<IpNet>,
    claimed: bool,
    pub(super) latency: Latency,
    recorder: ObjectRecorder,
}

impl Follower {
    /// Begins to follow the cluster the file names, from what an earlier run has written down, if anything.
    pub(super) fn begin(file: &Intent, now: Instant) -> Option<Self> {
        let settings = file.kubernetes.clone()?;
        let directory = &file.graceful_restart.state_directory;
        let source = Source::new(settings.kubeconfig.clone(), Pace::default());
        let mut cluster = Cluster::new(settings);
        let saved = objects::load(directory);
        let restored = saved.is_some();
        if let Some(saved) = saved {
            cluster.restore(saved);
        }
        let mut follower = Self {
            cluster,
            source,
            routes: AlienRoutes::open(file.fib.protocol),
            file: file.clone(),
            plan: None,
            planned: None,
            restored,
            start: now,
            changed: true,
            causes: Vec::new(),
            next: now,
            arrived: None,
            contact: Contact::default(),
            blast: Blast::default(),
            elsewhere: BTreeSet::new(),
            claimed: false,
            latency: Latency::default(),
            recorder: ObjectRecorder::new(directory.clone()),
        };
        follower.make_plan(now);
        if follower.plan.is_some() {
            info!(target: "kubernetes", "going by the objects of an earlier run until the API server is heard");
        }
        Some(follower)
    }

    /// Waits a while for the cluster to say what to do, unless an earlier run has written it down, and for the kernel to
    /// tell its routes: what peers keep for us while we restart has to be said again before we are done.
    pub(super) async fn first_plan(&mut self) {
        let heard = tokio::time::timeout(PATIENCE, async {
            while self.plan.is_none() || self.routes.are_awaited() {
                tokio::select! {
                    news = self.source.next() => self.take_all(Heard::News(news)),
                    routes = self.routes.next() => {
                        self.take_all(Heard::Routes(routes));
                        self.next = Instant::now();
                    }
                    () = tokio::time::sleep_until(self.next.into()), if self.changed => {}
                }
                self.make_plan(Instant::now());
            }
        });
        let heard = heard.await;
        self.causes.clear();
        if heard.is_err() && self.plan.is_none() {
            warn!(target: "kubernetes", missing = ?self.cluster.missing(),
                "the API server has not told what to do; going by the file alone until it does");
        }
    }

    /// Waits for news.
    pub(super) async fn news(follower: &mut Option<Self>) -> Heard {
        match follower {
            Some(Self { source, routes, .. }) => tokio::select! {
                news = source.next() => Heard::News(news),
                routes = routes.next() => Heard::Routes(routes),
            },
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
        let held = self.blast.next_deadline();
        let record = self.recorder.deadline().filter(|_| self.may_record());
        planning.into_iter().chain(damped).chain(held).chain(record).min()
    }

    /// What is held now is not to be what the next run begins with: it would take a cluster that was wiped for the truth.
    fn may_record(&self) -> bool {
        self.blast.held().is_none()
    }

    /// Returns the settings in force.
    pub(super) fn settings(&self) -> Option<&Kubernetes> {
        self.file.kubernetes.as_ref()
    }

    /// Returns the way to the API server.
    pub(super) fn api(&self) -> Arc<Api> {
        self.source.api().clone()
    }

    /// Tells whether our Node has a taint; `None` while it is not known.
    pub(super) fn is_tainted(&self, wanted: &Wanted<'_>) -> Option<bool> {
        let mut taints = self.cluster.objects().own_node()?.spec.taints.iter();
        Some(taints.any(|taint| wanted.is(&taint.key, &taint.value, &taint.effect)))
    }

    /// Watches what there is to watch now.
    fn watch(&mut self, now: Instant) {
        let watches = self.cluster.watches();
        self.source.follow(&watches);
        self.contact.follow(&watches, now);
    }

    /// Takes in news, and what else waits.
    fn take_all(&mut self, heard: Heard) {
        match heard {
            Heard::News(news) => self.take(news),
            Heard::Routes(routes) => {
                self.cluster.kernel_routes(routes);
                self.note("routes of others in the kernel".to_owned());
            }
        }
        for _ in 1..BATCH {
            let Some(news) = self.source.try_next() else { return };
            self.take(news);
        }
    }

    fn take(&mut self, news: News) {
        match news {
            News::Event(event) => {
                if let Event::Apply(object) = &event {
                    self.note_owner(object);
                }
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

    /// Takes note of whose a block of ours is: another node that has it settles that it is not to be held.
    fn note_owner(&mut self, object: &Object) {
        let Some(settings) = &self.file.kubernetes else { return };
        let (node, blocks): (_, Vec<&String>) = match object {
            Object::BlockAffinity(of)
                if matches!(of.spec.state.as_str(), "confirmed" | "") && !of.spec.deleted =>
            {
                (&of.spec.node, vec![&of.spec.cidr])
            }
            Object::Node(of) => (&of.metadata.key.name, of.spec.pod_cidrs.iter().collect()),
            _ => return,
        };
        let is_ours = *node == settings.node_name;
        for block in blocks.into_iter().filter_map(|block| block.parse::<IpNet>().ok()) {
            let held =
                || self.blast.held().is_some_and(|held| held.losses.withdrawn().any(|one| one == block));
            if is_ours {
                self.elsewhere.remove(&block);
            } else if held() {
                self.claimed |= self.elsewhere.insert(block);
            } else if self.plan.as_ref().is_some_and(|plan| plan.originated.contains_key(&block)) {
                self.elsewhere.insert(block);
            }
        }
    }

    fn note(&mut self, cause: String) {
        self.changed = true;
        self.arrived.get_or_insert_with(Instant::now);
        self.recorder.note(Instant::now());
        if self.causes.len() < CAUSES {
            self.causes.push(cause);
        }
    }

    fn in_touch(&mut self, watch: &Watch, now: Instant) {
        let since = self.contact.stale_since();
        self.contact.in_touch(watch, now);
        if let (Some(since), None) = (since, self.contact.stale_since()) {
            info!(target: "kubernetes", after = ?now.duration_since(since), "everything is heard again");
        }
    }

    fn out_of_touch(&mut self, watch: Watch, failure: &Failure, now: Instant) {
        let kind = watch.kind;
        // One line for a server that is away, not one for every kind; a refusal is about its kind alone.
        let news = match failure {
            Failure::Away(_) | Failure::Unconfigured(_) => self.contact.stale_since().is_none(),
            Failure::Refused(_) | Failure::Garbled(_) => !self.contact.is_lost(&watch),
        };
        if news {
            warn!(target: "kubernetes", ?kind, why = %failure, remedy = failure.remedy(&watch),
                "not heard from the API server; what is known stays in force");
        } else {
            debug!(target: "kubernetes", ?kind, why = %failure, "not heard from the API server");
        }
        self.contact.out_of_touch(&watch, failure.to_string(), now);
    }

    /// Makes a plan if something may have changed and it is time; tells whether there is a new one.
    fn make_plan(&mut self, now: Instant) -> bool {
        let damped = self.cluster.next_deadline().is_some_and(|at| self.start + at <= now);
        if !(self.changed || damped) || now < self.next {
            return false;
        }
        self.changed = false;
        self.watch(now);
        let plan = self.cluster.plan(&self.file, now.duration_since(self.start));
        self.next = now + now.elapsed() * SHARE;
        if plan.is_some() {
            self.routes.want(self.cluster.interest(&self.file.node), self.plan.is_some());
        }
        let Some(plan) = plan else {
            debug!(target: "kubernetes", missing = ?self.cluster.missing(), "not everything is known yet");
            return false;
        };
        if self.plan.as_ref() == Some(&plan) {
            self.causes.clear();
            self.arrived = None;
            return false;
        }
        self.tell_problems(&plan.problems);
        // What a plan brings in may need more to be watched.
        self.watch(now);
        (self.plan, self.planned) = (Some(plan), Some(now));
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
    pub(super) fn cluster_news(&mut self, heard: Heard) {
        if let Some(follower) = &mut self.cluster {
            follower.take_all(heard);
            self.follow_cluster();
        }
    }

    /// Goes over to what the cluster says, if it says something else and it is time.
    pub(super) fn follow_cluster(&mut self) {
        let now = Instant::now();
        let Some(follower) = &mut self.cluster else { return };
        let planned = follower.make_plan(now);
        if follower.may_record() {
            follower.recorder.turn(&follower.cluster, now);
        }
        // What is held may be so no longer, although nothing else has changed.
        let let_go = follower.blast.next_deadline().is_some_and(|deadline| deadline <= now);
        let claimed = std::mem::take(&mut follower.claimed);
        if planned || let_go || claimed {
            let causes = std::mem::take(&mut follower.causes).join("; ");
            let why = match (planned, claimed) {
                (true, _) => &causes,
                (false, true) => "another node has it now",
                (false, false) => "it was held for long enough",
            };
            self.go_over_to_cluster(now, why);
        }
    }

    /// Goes over to what the cluster says, as far as it may.
    pub(super) fn go_over_to_cluster(&mut self, now: Instant, causes: &str) {
        let Some(follower) = &mut self.cluster else { return };
        let arrived = follower.arrived.take();
        let (file, wanted) = (follower.file.clone(), follower.over(&follower.file));
        let intent = self.admit(&file, wanted, now);
        match self.speaker.reload(intent, now, &mut self.outputs) {
            Ok(changes) => {
                self.carry_out();
                changes.iter().for_each(|change| info!(target: "kubernetes", %change, causes, "the cluster"));
                if changes.iter().any(|change| matches!(change, Change::Listen { .. })) {
                    self.listen_anew();
                }
                let says_something = changes.iter().any(|change| matches!(change, Change::Originated { .. }));
                if let (Some(follower), Some(arrived), true) = (&mut self.cluster, arrived, says_something)
                    && self.speaker.has_listeners()
                {
                    follower.latency.begin(arrived);
                }
            }
            // Only the file has settings that need a start.
            Err(changes) => {
                error!(target: "kubernetes", ?changes, causes, "the cluster asks for what cannot be")
            }
        }
    }

    /// Takes note of how long a change took, once it is out.
    pub(super) fn measure_latency(&mut self) {
        if let Some(follower) = self.cluster.as_mut().filter(|follower| follower.latency.is_running())
            && self.speaker.has_said_everything()
        {
            follower.latency.end(Instant::now());
        }
    }

    /// Lays what the cluster says over another file.
    pub(super) fn with_cluster(&mut self, file: &Intent) -> Intent {
        match &self.cluster {
            Some(follower) => self.admit(file, follower.over(file), Instant::now()),
            None => file.clone(),
        }
    }

    /// Goes by another file from now on, which is in force already.
    pub(super) fn refile(&mut self, file: Intent) {
        if let Some(follower) = &mut self.cluster {
            follower.refile(file);
            self.report_anew();
            self.follow_cluster();
        }
    }

    /// Lets pass what the cluster wants, or less of it, and tells what that changes about what is held.
    fn admit(&mut self, file: &Intent, wanted: Intent, now: Instant) -> Intent {
        let Some(follower) = &mut self.cluster else { return wanted };
        let before = follower.blast.held().cloned();
        let in_force = Laid { over: &follower.file, result: self.speaker.intent() };
        let evidence = Evidence {
            node_is_gone: follower.cluster.objects().own_node().is_none(),
            elsewhere: &follower.elsewhere,
        };
        let passed = follower.blast.pass(in_force, Laid { over: file, result: wanted }, evidence, now);
        let held = follower.blast.held().cloned();
        self.tell_held(before.as_ref(), held.as_ref(), now);
        passed
    }

    fn tell_held(&mut self, before: Option<&Held>, held: Option<&Held>, now: Instant) {
        match (before, held) {
            (before, Some(held)) if before.is_none_or(|before| before.losses != held.losses) => {
                let change = held.losses.to_string();
                warn!(target: "kubernetes", change, "held: it takes away too much at once; `bgpctl approve` lets it pass");
                self.report_happening(Happening::held(&change), now);
            }
            (Some(before), None) => {
                let after = now.saturating_duration_since(before.since);
                info!(target: "kubernetes", change = %before.losses, ?after, "nothing is held any more");
                self.report_happening(Happening::released(&before.losses.to_string()), now);
            }
            _ => {}
        }
    }

    fn listen_anew(&mut self) {
        let listen = &self.speaker.intent().node.listen;
        if let Err(error) = self.listeners.listen(listen) {
            warn!(target: "kubernetes", ?listen, error = format!("{error:#}"), "cannot listen where the cluster says");
        }
    }
}
