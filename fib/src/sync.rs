//! The loop that carries messages between daemon, table and kernel.
//!
//! Everything happens on one thread in turns: take one thing that came in, write one batch. A write is thus
//! never in flight while a notification is read, and commands are heard between batches.

mod host_routes;
mod outbox;
mod surroundings;
mod transit;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use ipnet::IpNet;
use tokio::sync::{mpsc, watch};
use tracing::{debug, error, info, warn};

use self::host_routes::HostRoute;
use self::outbox::Outbox;
use crate::error::Error;
use crate::handle::{Command, Event, Link, Progress, Refusal, Snapshot, Stats};
use crate::netlink::{BATCH, Monitor, Netlink, Notification};
use crate::plan::Op;
use crate::resolve::{Resolution, Tracked};
use crate::route::{FibSettings, NextHop, NextHopGroups};
use crate::table::{Drift, KernelEvent, KernelRoute, NextHopEvent, Outcome, Table};
use crate::transit::Transit;

/// How long changes around us may gather before we look at their consequences.
const SETTLING: Duration = Duration::from_millis(50);
/// How long the daemon has to hear that it is over.
const FAREWELL: Duration = Duration::from_secs(1);
/// The most datagrams of notifications taken in one turn.
const DATAGRAMS: usize = 256;
/// The protocol number of routes the kernel makes itself.
const RTPROT_KERNEL: u8 = 2;
/// How many drifting routes are logged by name in one go.
const NAMED: usize = 5;

/// Keeps the kernel's routes true to what the daemon wants.
#[derive(Debug)]
pub(crate) struct Keeper {
    settings: FibSettings,
    table: Table,
    transit: Transit,
    host_routes: BTreeMap<IpNet, HostRoute>,
    netlink: Netlink,
    events: mpsc::Sender<Event>,
    progress: watch::Sender<Progress>,
    outbox: Outbox,
    tracked: Tracked,
    next_hops: BTreeMap<std::net::IpAddr, Resolution>,
    links: BTreeMap<u32, Link>,
    /// Those of them whose loss was worth a line in the log.
    lost: BTreeSet<u32>,
    /// When to compare the table with the kernel.
    resync_at: Option<Instant>,
    /// When to try again what failed.
    retry_at: Option<Instant>,
    /// When to look the next hops up again.
    resolve_at: Option<Instant>,
    overruns: u64,
    messages: u64,
    last_refusal: Option<Refusal>,
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Turn {
    Next,
    Last,
}

impl Keeper {
    pub(crate) fn new(
        settings: FibSettings,
        netlink: Netlink,
        events: mpsc::Sender<Event>,
        progress: watch::Sender<Progress>,
    ) -> Self {
        Self {
            table: Table::new(settings.clone()),
            transit: Transit::default(),
            host_routes: BTreeMap::new(),
            settings,
            netlink,
            events,
            progress,
            outbox: Outbox::default(),
            tracked: Tracked::default(),
            next_hops: BTreeMap::new(),
            links: BTreeMap::new(),
            lost: BTreeSet::new(),
            resync_at: None,
            retry_at: None,
            resolve_at: None,
            overruns: 0,
            messages: 0,
            last_refusal: None,
        }
    }

    /// Works until told to stop, until nobody listens any more, or until netlink fails.
    pub(crate) async fn run(
        mut self,
        monitor: Monitor,
        inbox: mpsc::Receiver<Command>,
        losses: mpsc::UnboundedReceiver<Vec<NextHop>>,
    ) {
        if let Err(error) = self.work(monitor, inbox, losses).await {
            error!(target: "fib", %error, "kernel routes are no longer kept");
            // If nobody listens there is nobody to tell, and whoever joins us must not wait for ever.
            let _ = self.events.send_timeout(Event::Failed(error.to_string()), FAREWELL).await;
        }
    }

    async fn work(
        &mut self,
        monitor: Monitor,
        mut inbox: mpsc::Receiver<Command>,
        mut losses: mpsc::UnboundedReceiver<Vec<NextHop>>,
    ) -> Result<(), Error> {
        let mut buffer = Vec::new();
        let events = self.events.clone();
        self.start()?;
        loop {
            let deadline = self.next_deadline();
            let busy = self.table.is_dirty() || self.transit.is_dirty();
            tokio::select! {
                biased;
                Some(lost) = losses.recv() => {
                    debug!(target: "fib", next_hops = lost.len(), "next hops are lost");
                    self.table.lose(&lost);
                }
                heard = monitor.hear(&mut buffer) => {
                    let heard = heard.map_err(Error::Socket)?;
                    self.listen(heard, &monitor, &mut buffer)?;
                }
                command = inbox.recv() => {
                    let Some(command) = command else { return Ok(()) };
                    if self.obey(command)? == Turn::Last {
                        return Ok(());
                    }
                }
                room = events.reserve(), if !self.outbox.is_empty() => {
                    let Ok(room) = room else { return Ok(()) };
                    if let Some(event) = self.outbox.next(self.table.stats().dirty) {
                        room.send(event);
                    }
                }
                () = sleep_until(deadline), if !busy => {}
                () = tokio::task::yield_now(), if busy => {}
            }
            self.look_around()?;
            self.write_batch()?;
            self.write_transit()?;
            self.publish();
        }
    }

    fn start(&mut self) -> Result<(), Error> {
        self.read_links()?;
        if self.settings.install {
            self.resync()?;
            self.read_transit()?;
        }
        let adopted = self.table.stats().leftovers;
        match (self.settings.install, adopted) {
            (false, _) => info!(target: "fib", "no kernel route is written: install is false"),
            (true, 0) => {}
            (true, count) => {
                info!(target: "fib", count, "found routes of an earlier run; they stay in use until peers had their say")
            }
        }
        self.outbox.ready(adopted);
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats { overruns: self.overruns, messages: self.messages, ..self.table.stats() }
    }

    fn publish(&self) {
        let stats = self.stats();
        self.progress.send_if_modified(|progress| {
            let changed = progress.stats != stats || progress.last_refusal != self.last_refusal;
            if changed {
                *progress = Progress { stats, last_refusal: self.last_refusal.clone() };
            }
            changed
        });
    }

    fn next_deadline(&self) -> Option<Instant> {
        let retry = self.settings.install.then(|| self.table.next_deadline()).flatten();
        let transit = self.transit.next_deadline();
        [self.resync_at, self.retry_at, self.resolve_at, retry, transit].into_iter().flatten().min()
    }

    fn obey(&mut self, command: Command) -> Result<Turn, Error> {
        match command {
            Command::Apply(changes) => changes.into_iter().for_each(|change| self.apply(change)),
            Command::Track(addresses) => {
                for &address in &addresses {
                    self.tracked.track(address);
                    self.resolve(address)?;
                }
            }
            Command::Untrack(addresses) => {
                for address in addresses {
                    self.tracked.untrack(address);
                    self.next_hops.remove(&address);
                    self.outbox.unresolved(address);
                }
            }
            Command::Converged => {
                let leftovers = self.table.converged();
                self.transit.converged();
                if leftovers > 0 {
                    info!(target: "fib", count = leftovers, "deleting what an earlier run left and no peer announced");
                }
                self.outbox.swept(leftovers);
            }
            Command::Lose(lost) => self.table.lose_in_order(&lost),
            Command::Settled => self.table.settle(),
            Command::Transit(wanted) => self.want_transit(wanted),
            Command::HostRoutes(wanted) => self.want_host_routes(wanted),
            Command::Snapshot(filter, reply) => {
                let routes = self.routes(&filter);
                let stats = self.stats();
                let (install, next_hops) = (self.settings.install, self.next_hops.clone());
                // Whoever asked may have gone.
                let _ = reply.send(Snapshot { install, routes, stats, next_hops });
            }
            Command::Stop => return Ok(Turn::Last),
        }
        Ok(Turn::Next)
    }

    /// Takes what the kernel told, and what more of it there is.
    fn listen(
        &mut self,
        first: Vec<Notification>,
        monitor: &Monitor,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut drifts = Vec::new();
        let mut heard = Some(Ok(first));
        let mut turns = 0;
        while let Some(notifications) = heard {
            for notification in notifications.map_err(Error::Socket)? {
                self.notice(notification, &mut drifts)?;
            }
            turns += 1;
            heard = if turns < DATAGRAMS { monitor.hear(buffer).now_or_never() } else { None };
        }
        self.report(&drifts);
        Ok(())
    }

    fn notice(&mut self, notification: Notification, drifts: &mut Vec<Drift>) -> Result<(), Error> {
        let now = Instant::now();
        match notification {
            Notification::Route(event) => drifts.extend(self.notice_route(&event, now)),
            Notification::Rule(rule, is_there) => self.notice_rule(&rule, is_there),
            Notification::NextHop(event) => drifts.extend(self.notice_next_hop(&event, now)),
            Notification::Link(link) => drifts.extend(self.notice_link(link, now)?),
            Notification::LinkGone(link) => drifts.extend(self.notice_link_gone(link, now)?),
            Notification::AddressAdded => self.surroundings_improved(now),
            // With the last address of an interface go all IPv4 routes over it.
            Notification::AddressGone => self.surroundings_changed(now),
            Notification::Overrun => {
                warn!(target: "fib", "kernel notifications were lost; reading everything again");
                self.overruns += 1;
                drifts.extend(self.read_links()?);
                self.surroundings_changed(now);
            }
        }
        Ok(())
    }

    fn notice_next_hop(&mut self, event: &NextHopEvent, now: Instant) -> Vec<Drift> {
        if !self.settings.install {
            return Vec::new();
        }
        let before = self.table.stats().drift_groups;
        let drifts = self.table.observe_next_hop(event);
        if self.table.stats().drift_groups > before {
            warn!(target: "fib", "a nexthop group of ours was changed or deleted; repairing");
            // What became of its routes the kernel does not tell.
            soon(&mut self.resync_at, now);
        }
        drifts
    }

    fn notice_route(&mut self, event: &KernelEvent, now: Instant) -> Option<Drift> {
        let (KernelEvent::Present { route, .. } | KernelEvent::Gone(route)) = event;
        if self.settings.is_transit(route) {
            self.notice_transit(route.prefix, matches!(event, KernelEvent::Present { .. }));
            return None;
        }
        if self.is_foreign(route) {
            if self.tracked.is_touched_by(route.prefix) {
                soon(&mut self.resolve_at, now);
            }
            if route.protocol == RTPROT_KERNEL {
                // A connected route came or went: gateways may have become valid.
                soon(&mut self.retry_at, now);
            }
        }
        if self.settings.install { self.table.observe(event, now) } else { None }
    }

    fn is_foreign(&self, route: &KernelRoute) -> bool {
        route.protocol != self.settings.protocol || route.table != self.settings.table
    }

    fn look_around(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        if take_due(&mut self.resync_at, now) && self.settings.install {
            self.resync()?;
            self.retry_at = Some(now);
        } else if self.table.is_suspicious() {
            self.resync()?;
        }
        if take_due(&mut self.retry_at, now) {
            self.table.retry_troubled();
        }
        if take_due(&mut self.resolve_at, now) {
            for address in self.tracked.addresses() {
                self.resolve(address)?;
            }
        }
        Ok(())
    }

    fn write_batch(&mut self) -> Result<(), Error> {
        let ops = self.table.plan(Instant::now(), BATCH);
        if ops.is_empty() {
            return Ok(());
        }
        self.messages += ops.len() as u64;
        let outcomes = self.netlink.write(&ops)?;
        let now = Instant::now();
        let (mut confirmed, mut lost) = (0, false);
        for (op, outcome) in ops.iter().zip(outcomes) {
            match (&outcome, op) {
                (Outcome::Confirmed, Op::Route(_)) => confirmed += 1,
                (Outcome::Confirmed, Op::NextHop(_)) => {}
                (Outcome::Refused(error), Op::Route(route)) => {
                    debug!(target: "fib", %op, %error, "the kernel refused a route");
                    let (prefix, error) = (route.prefix, error.clone());
                    self.last_refusal = Some(Refusal { prefix, error, at: now });
                }
                (Outcome::Refused(error), Op::NextHop(_)) => {
                    debug!(target: "fib", %op, %error, "the kernel refused a nexthop object");
                }
                (Outcome::Unknown, _) => lost = true,
            }
            self.table.done(op, outcome, now);
        }
        self.outbox.applied(confirmed);
        if lost {
            warn!(target: "fib", "the kernel's answers were lost; reading everything again");
            self.overruns += 1;
            self.resync()?;
        }
        Ok(())
    }

    /// Compares the table with the kernel; looks at everybody's routes if one of them may be in our way.
    fn resync(&mut self) -> Result<(), Error> {
        let everybody = self.table.is_suspicious();
        let mut drifts = Vec::new();
        let now = Instant::now();
        self.table.begin_resync();
        drifts.extend(self.read_next_hops()?);
        let table = &mut self.table;
        self.netlink.dump_routes(everybody, |route| {
            drifts.extend(table.observe(&KernelEvent::Present { route, replaced: false }, now));
        })?;
        drifts.extend(self.table.end_resync());
        self.report(&drifts);
        if self.transit.is_used() {
            self.read_transit()?;
        }
        Ok(())
    }

    fn read_next_hops(&mut self) -> Result<Vec<Drift>, Error> {
        if self.table.stats().no_groups {
            return Ok(Vec::new());
        }
        if let Some(all) = self.netlink.dump_next_hops()? {
            return Ok(self.table.learn_next_hops(&all));
        }
        if self.settings.next_hop_groups != NextHopGroups::Never {
            info!(target: "fib", "this kernel has no nexthop objects: every route names its next hops");
        }
        self.table.forgo_groups();
        Ok(Vec::new())
    }

    fn report(&mut self, drifts: &[Drift]) {
        if drifts.is_empty() {
            return;
        }
        for drift in drifts.iter().take(NAMED) {
            match drift {
                Drift::Deleted(prefix) => {
                    warn!(target: "fib", %prefix, "a route of ours was missing; repairing")
                }
                Drift::Changed(prefix) => {
                    warn!(target: "fib", %prefix, "a route of ours was changed; repairing")
                }
            }
        }
        if drifts.len() > NAMED {
            warn!(target: "fib", count = drifts.len(), "routes of ours were missing or changed; repairing all");
        }
        self.outbox.drift(drifts);
    }
}

/// Sets `deadline` unless it is set already, so that steady noise cannot put it off for ever.
fn soon(deadline: &mut Option<Instant>, now: Instant) {
    deadline.get_or_insert(now + SETTLING);
}

fn take_due(deadline: &mut Option<Instant>, now: Instant) -> bool {
    deadline.take_if(|due| *due <= now).is_some()
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
