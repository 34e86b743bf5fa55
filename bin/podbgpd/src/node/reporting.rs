//! Telling the API server how this node is: when to look, and what happened.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use control::ReportsView;

use super::Node;
use super::cluster::Follower;
use crate::intent::{Kubernetes, StatusReport};
use crate::kube::Reporter;
use crate::report::taint::Wanted;
use crate::report::{Happening, Report};
use crate::speaker::Notice;

/// How often a node that is ready looks how it is. What is worth an Event is looked at sooner.
const READY: Duration = Duration::from_secs(5);
/// How often one that is not does: its pods wait.
const WAITING: Duration = Duration::from_millis(250);
/// How long after something happened.
const SOON: Duration = Duration::from_millis(50);

/// Who tells, and when to look next.
pub(super) struct Reporting {
    reporter: Reporter,
    /// What it goes by.
    to: StatusReport,
    taint: Option<String>,
    next: Instant,
}

impl Reporting {
    /// Begins to report, if anything is to be told at all.
    pub(super) fn begin(follower: Option<&Follower>) -> Option<Self> {
        let follower = follower?;
        let settings = follower.settings().filter(|settings| is_wanted(settings))?;
        Some(Self {
            reporter: Reporter::spawn(follower.api(), settings),
            to: settings.status,
            taint: settings.startup_taint.clone(),
            next: Instant::now(),
        })
    }

    /// Shows what has been told.
    pub(super) fn view(&self) -> ReportsView {
        self.reporter.view()
    }

    fn look_soon(&mut self, now: Instant) {
        self.next = self.next.min(now + SOON);
    }
}

fn is_wanted(settings: &Kubernetes) -> bool {
    settings.status != StatusReport::None || settings.startup_taint.is_some()
}

impl Node {
    /// Returns when to look how the node is.
    pub(super) fn report_at(&self) -> Option<Instant> {
        self.reporting.as_ref().map(|reporting| reporting.next)
    }

    /// Looks how the node is, and has it told.
    pub(super) fn report(&mut self) {
        let now = Instant::now();
        let (Some(reporting), Some(follower)) = (&self.reporting, &self.cluster) else { return };
        let wanted = reporting.taint.as_deref().map(Wanted::read);
        let tainted = wanted.and_then(|wanted| follower.is_tainted(&wanted));
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let report = Report::of(&self.status(now), &self.speaker.peer_views(now), tainted, wall);
        let wait = if report.ready { READY } else { WAITING };
        if let Some(reporting) = &mut self.reporting {
            reporting.next = now + wait;
            reporting.reporter.tell(report);
        }
    }

    /// Tells of what people should know, where it is worth an Event.
    pub(super) fn report_notice(&mut self, notice: &Notice, now: Instant) {
        if let Some(happening) = Happening::of(notice) {
            self.report_happening(happening, now);
        }
    }

    pub(super) fn report_happening(&mut self, happening: Happening, now: Instant) {
        if let Some(reporting) = &mut self.reporting {
            reporting.look_soon(now);
            reporting.reporter.happened(happening);
        }
    }

    /// Goes by the settings in force.
    pub(super) fn report_anew(&mut self) {
        let settings = self.cluster.as_ref().and_then(Follower::settings);
        let wanted = settings.filter(|settings| is_wanted(settings));
        let wanted = wanted.map(|settings| (settings.status, settings.startup_taint.clone()));
        let now = self.reporting.as_ref().map(|reporting| (reporting.to, reporting.taint.clone()));
        if wanted != now {
            self.reporting = Reporting::begin(self.cluster.as_ref());
        }
    }
}
