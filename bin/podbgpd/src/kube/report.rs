//! Telling the API server how this node is: one task that writes, and is told what to write.
//!
//! It is fed over a channel that holds the latest report only, and one that holds a few Events; whoever feeds it never
//! waits. Writes are one after the other. What fails is tried again, more slowly each time; Events are not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use control::ReportsView;
use hyper::Method;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use super::backoff::share;
use super::{Api, Failure, Task};
use crate::intent::{Kubernetes, StatusReport};
use crate::report::taint::Wanted;
use crate::report::{Budget, CONDITION, Happening, Pace, Report, rfc3339, status_object};

/// How many Events may wait for the server.
const EVENTS: usize = 32;
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const JSON: &str = "application/json";
const STATUSES: &str = "/apis/podbgp.io/v1alpha1/bgpnodestatuses";
const EVENTS_PATH: &str = "/apis/events.k8s.io/v1/namespaces/default/events";

/// Where reports go. The task ends when this is dropped.
#[derive(Debug)]
pub struct Reporter {
    reports: watch::Sender<Option<Arc<Report>>>,
    events: mpsc::Sender<Happening>,
    done: Arc<Mutex<ReportsView>>,
    to: StatusReport,
    _task: Task,
}

impl Reporter {
    /// Starts the task. Needs a tokio runtime.
    #[must_use]
    pub fn spawn(api: Arc<Api>, settings: &Kubernetes) -> Self {
        let (reports, latest) = watch::channel(None);
        let (events, happenings) = mpsc::channel(EVENTS);
        let done =
            Arc::new(Mutex::new(ReportsView { to: settings.status.to_string(), ..ReportsView::default() }));
        let writer = Writer {
            api,
            node: settings.node_name.clone(),
            to: settings.status,
            taint: settings.startup_taint.clone(),
            done: done.clone(),
            pace: Pace::default(),
            untainting: Pace::default(),
            untainted: false,
            budget: Budget::new(Instant::now()),
            told: None,
            transition: None,
        };
        let task = tokio::spawn(writer.run(latest, happenings)).abort_handle();
        Self { reports, events, done, to: settings.status, _task: Task(task) }
    }

    /// Tells how the node is now. The same as before is no news.
    pub fn tell(&self, report: Report) {
        self.reports.send_if_modified(|last| {
            let report = report.steadied(last.as_deref());
            let news = last.as_deref() != Some(&report);
            *last = Some(Arc::new(report));
            news
        });
    }

    /// Tells of something that happened, if anything is to be told; dropped when too much of it waits.
    pub fn happened(&self, happening: Happening) {
        if self.to == StatusReport::None {
            return;
        }
        if self.events.try_send(happening).is_err() {
            lock(&self.done).events_dropped += 1;
        }
    }

    /// Shows what has been written.
    #[must_use]
    pub fn view(&self) -> ReportsView {
        lock(&self.done).clone()
    }
}

/// Nobody panics with it in hand, and numbers stay numbers.
fn lock(done: &Mutex<ReportsView>) -> std::sync::MutexGuard<'_, ReportsView> {
    done.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Writer {
    api: Arc<Api>,
    node: String,
    to: StatusReport,
    taint: Option<String>,
    done: Arc<Mutex<ReportsView>>,
    pace: Pace,
    /// When to look for the startup taint again, and whether it was seen to be off.
    untainting: Pace,
    untainted: bool,
    budget: Budget,
    /// What was written last.
    told: Option<Arc<Report>>,
    /// Whether the node was ready by the condition written last, and since when.
    transition: Option<(bool, String)>,
}

impl Writer {
    async fn run(
        mut self,
        mut latest: watch::Receiver<Option<Arc<Report>>>,
        mut happenings: mpsc::Receiver<Happening>,
    ) {
        loop {
            let report = latest.borrow_and_update().clone();
            let (status_at, untaint_at) = match &report {
                Some(report) => (self.status_due(report), self.untaint_due(report)),
                None => (None, None),
            };
            tokio::select! {
                biased;
                changed = latest.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = sleep_until(untaint_at), if untaint_at.is_some() => {
                    self.untaint().await;
                }
                () = sleep_until(status_at), if status_at.is_some() => {
                    if let Some(report) = report {
                        self.write(&report).await;
                    }
                }
                Some(happening) = happenings.recv() => self.event(&happening).await,
            }
        }
    }

    /// Returns when to write how the node is.
    fn status_due(&self, report: &Report) -> Option<Instant> {
        let told = self.told.as_deref();
        let news = match self.to {
            StatusReport::Condition => told.map(Report::in_brief) != Some(report.in_brief()),
            StatusReport::Resource => told != Some(report),
            StatusReport::None => return None,
        };
        Some(self.pace.due(news, share()).unwrap_or_else(Instant::now))
    }

    /// Returns when to take the startup taint off: once the node is ready, while it has the taint or may have it.
    fn untaint_due(&self, report: &Report) -> Option<Instant> {
        let has_it = report.tainted.unwrap_or(!self.untainted);
        let wanted = self.taint.is_some() && report.ready && has_it;
        wanted.then(|| self.untainting.due(true, share()).unwrap_or_else(Instant::now))
    }

    async fn write(&mut self, report: &Arc<Report>) {
        let outcome = match self.to {
            StatusReport::Condition => self.write_condition(report).await,
            StatusReport::Resource => self.write_resource(report).await,
            StatusReport::None => return,
        };
        let now = Instant::now();
        let mut done = lock(&self.done);
        match outcome {
            Ok(()) => {
                self.pace.wrote(now);
                self.told = Some(report.clone());
                done.written += 1;
                done.last_error = None;
            }
            Err(failure) => {
                self.pace.failed(now);
                done.failures += 1;
                if done.last_error.replace(failure.to_string()).is_none() {
                    warn!(target: "kubernetes", why = %failure, to = %self.to, "cannot write how this node is; trying again");
                }
            }
        }
    }

    async fn write_condition(&mut self, report: &Report) -> Result<(), Failure> {
        let now = epoch();
        let since = match &self.transition {
            Some((ready, since)) if *ready == report.ready => since.clone(),
            Some(_) => rfc3339(now),
            None => self.last_transition(report.ready).await?.unwrap_or_else(|| rfc3339(now)),
        };
        let path = format!("/api/v1/nodes/{}/status", self.node);
        self.api.write(Method::PATCH, &path, STRATEGIC, octets(&report.condition_patch(&since, now))).await?;
        self.transition = Some((report.ready, since));
        Ok(())
    }

    /// Asks how an earlier run has left the condition: what is the same since then has not changed at our start.
    async fn last_transition(&self, ready: bool) -> Result<Option<String>, Failure> {
        let node = self.node().await?;
        let status = if ready { "True" } else { "False" };
        let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
        let mut same = conditions.filter(|one| one["type"] == CONDITION && one["status"] == status);
        Ok(same.next().and_then(|one| one["lastTransitionTime"].as_str()).map(str::to_owned))
    }

    async fn write_resource(&self, report: &Report) -> Result<(), Failure> {
        let path = format!("{STATUSES}/{}/status", self.node);
        let patch = octets(&report.status_patch(epoch()));
        match self.api.write(Method::PATCH, &path, MERGE, patch.clone()).await {
            Err(Failure::Refused(refusal)) if refusal.is_absent() => {}
            outcome => return outcome.map(drop),
        }
        let uid = self.node().await?["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        self.api.write(Method::POST, STATUSES, JSON, octets(&status_object(&self.node, &uid))).await?;
        self.api.write(Method::PATCH, &path, MERGE, patch).await.map(drop)
    }

    async fn untaint(&mut self) {
        let Some(taint) = self.taint.clone() else { return };
        match self.take_off(&taint).await {
            Ok(removed) => {
                self.untainted = true;
                self.untainting.wrote(Instant::now());
                if removed {
                    lock(&self.done).taints_removed += 1;
                    info!(target: "kubernetes", taint, "the node is ready; its startup taint is off");
                    self.event(&Happening::taint_removed(&taint)).await;
                }
            }
            Err(failure) => {
                self.untainting.failed(Instant::now());
                warn!(target: "kubernetes", taint, why = %failure, "cannot take the startup taint off; trying again");
            }
        }
    }

    /// Takes the taint off our Node, and tells whether it was there.
    async fn take_off(&self, taint: &str) -> Result<bool, Failure> {
        let Some(patch) = Wanted::read(taint).removal(&self.node().await?) else { return Ok(false) };
        let path = format!("/api/v1/nodes/{}", self.node);
        self.api.write(Method::PATCH, &path, JSON_PATCH, octets(&patch)).await.map(|_| true)
    }

    async fn node(&self) -> Result<Value, Failure> {
        let node = self.api.get(&format!("/api/v1/nodes/{}", self.node)).await?;
        serde_json::from_slice(&node).map_err(|error| Failure::Garbled(error.to_string()))
    }

    async fn event(&mut self, happening: &Happening) {
        if self.to == StatusReport::None {
            return;
        }
        if !self.budget.take(Instant::now()) {
            lock(&self.done).events_dropped += 1;
            return;
        }
        let event = octets(&happening.event(&self.node, micros()));
        match self.api.write(Method::POST, EVENTS_PATH, JSON, event).await {
            Ok(_) => lock(&self.done).events += 1,
            Err(failure) => {
                lock(&self.done).events_dropped += 1;
                debug!(target: "kubernetes", reason = happening.reason, why = %failure, "an Event is not written");
            }
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline.into()).await;
    }
}

fn octets(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn epoch() -> u64 {
    micros() / 1_000_000
}

fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
