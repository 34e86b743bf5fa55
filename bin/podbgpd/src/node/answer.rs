//! Answers to operators: the owner's part at once, the kernel's part by a task that may wait for it.

use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use control::{
    ActionView, ChangeView, ConfigErrorView, ConfigView, ErrorCode, ErrorView, FibView, LastErrorView,
    PeerAction, PeerView, ReloadView, Request, RouteQuery, RouteTable,
};
use tracing::{info, warn};

use super::cluster_view::no_cluster;
use super::{Kernel, Node};
use crate::config::{self, Facts, LoadError};
use crate::control::{ControlRequest, Response};
use crate::intent::{Change, Effect};
use crate::kernel_views;
use crate::speaker::{Acted, Input, Surroundings};

/// Where the configuration came from, and how reading it went.
pub(super) struct ConfigRecord {
    file: PathBuf,
    loaded: Instant,
    loaded_at: SystemTime,
    reloads: u64,
    failures: u64,
    last_error: Option<(String, Instant)>,
}

impl ConfigRecord {
    pub(super) fn new(file: PathBuf) -> Self {
        let (loaded, loaded_at) = (Instant::now(), SystemTime::now());
        Self { file, loaded, loaded_at, reloads: 0, failures: 0, last_error: None }
    }

    fn succeeded(&mut self) {
        self.reloads += 1;
        (self.loaded, self.loaded_at) = (Instant::now(), SystemTime::now());
        self.last_error = None;
    }

    fn failed(&mut self, why: String) {
        self.failures += 1;
        self.last_error = Some((why, Instant::now()));
    }

    fn view(&self, now: Instant) -> ConfigView {
        ConfigView {
            file: self.file.display().to_string(),
            loaded_at: self.loaded_at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            loaded_age_seconds: now.duration_since(self.loaded).as_secs(),
            reloads: self.reloads,
            reload_failures: self.failures,
            last_reload_error: self.last_error.as_ref().map(|(text, at)| LastErrorView {
                code: "reload_failed".to_owned(),
                text: text.clone(),
                age_seconds: now.duration_since(*at).as_secs(),
            }),
        }
    }
}

impl Node {
    /// Answers an operator.
    pub(super) fn answer(&mut self, ControlRequest { request, reply }: ControlRequest) {
        // News come by themselves; this is for the counters.
        self.input(Input::Bfd(self.bfd.report()));
        let now = Instant::now();
        let result = match request {
            Request::Routes(query) => match self.routes(&query, now) {
                Ok(answer) => return answer.send(self.kernel.as_ref().map(Kernel::commands), reply),
                Err(error) => Err(error),
            },
            Request::Status => Ok(Response::Status(Box::new(self.status(now)))),
            Request::Peers => {
                let peers = self.speaker.peer_views(now).into_iter();
                Ok(Response::Peers(peers.map(|peer| self.with_measurements(peer)).collect()))
            }
            Request::Peer { name } => match self.speaker.peer_view(&name, now) {
                Some(view) => Ok(Response::Peer(Box::new(self.with_measurements(view)))),
                None => Err(self.speaker.no_such_peer(&name)),
            },
            Request::PolicyTest(test) => {
                self.speaker.policy_test(&test).map(|view| Response::PolicyTest(Box::new(view)))
            }
            Request::Capture { peer } => self.capture(&peer),
            Request::Dump { after } => {
                let wall = crate::mrt::since_epoch(SystemTime::now());
                Ok(Response::Dump(Box::new(self.speaker.dump(after, now, wall))))
            }
            Request::Cluster => {
                self.cluster_view(now).ok_or_else(no_cluster).map(|view| Response::Cluster(Box::new(view)))
            }
            Request::Approve => self.approve(now).map(Response::Approved),
            Request::Reload => Ok(Response::Reload(self.reload())),
            Request::PeerAction { name, action, message } => self.act(name, action, message, now),
            Request::History(query) => {
                let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                self.speaker.history_view(&query, now, wall).map(Response::History)
            }
            Request::Drains => Ok(Response::Drain(self.speaker.drain_view(now))),
            Request::DrainStart { peers, message } => {
                info!(target: "control", ?peers, text = message, "an operator drains");
                let message = message.unwrap_or_default();
                let started = self.speaker.start_drain(&peers, message, now, &mut self.outputs);
                self.drained(started, now)
            }
            Request::DrainCancel { peers } => {
                info!(target: "control", ?peers, "an operator calls a drain off");
                let cancelled = self.speaker.cancel_drain(&peers, now, &mut self.outputs);
                self.drained(cancelled, now)
            }
            Request::Shutdown { now: at_once, message } => {
                info!(target: "control", at_once, text = message, "an operator has podbgpd leave");
                self.speaker.leave(message, at_once, now, &mut self.outputs);
                self.drained(Ok(()), now)
            }
        };
        // Whoever asked may have gone.
        let _ = reply.send(result);
    }

    /// Adds what only the socket of a session knows.
    fn with_measurements(&self, peer: PeerView) -> PeerView {
        let key = self.speaker.session_key(&peer.name);
        let Some(measured) = key.and_then(|key| self.transport.measured(key)) else { return peer };
        PeerView {
            rtt_seconds: Some(measured.round_trip.as_secs_f64()),
            retransmissions: Some(measured.retransmissions.into()),
            ..peer
        }
    }

    pub(super) fn status(&self, now: Instant) -> control::StatusView {
        let fib = &self.speaker.intent().fib;
        let kernel = self.kernel.as_ref().map(|kernel| {
            let stats = kernel.handle.stats();
            FibView {
                enabled: true,
                synced: stats.dirty == 0 && stats.leftovers == 0,
                table: fib.table,
                protocol: fib.protocol,
                metric: fib.metric,
                desired: stats.desired as u64,
                installed: stats.installed as u64,
                pending: (stats.dirty - (stats.failed + stats.conflicts).min(stats.dirty)) as u64,
                failed: stats.failed as u64,
                conflicts: stats.conflicts as u64,
                leftovers: stats.leftovers as u64,
                adopted: kernel.adopted,
                swept: kernel.swept,
                repairs: stats.repairs,
                groups: stats.groups as u64,
                next_hops: stats.next_hops as u64,
                group_repairs: stats.group_repairs,
                messages: stats.messages,
                write_errors: stats.failures,
                last_error: kernel.handle.last_refusal().map(|refusal| LastErrorView {
                    code: "kernel_refused".to_owned(),
                    text: format!("{}: {}", refusal.prefix, refusal.error),
                    age_seconds: now.duration_since(refusal.at).as_secs(),
                }),
            }
        });
        let (config, wrong_hands) = (self.config.view(now), self.hands.found.clone());
        let (stations, mrt) = self.onlooker_views();
        let cluster = self.cluster_view(now);
        self.speaker.status_view(Surroundings { kernel, config, wrong_hands, stations, mrt, cluster }, now)
    }

    fn routes(&self, query: &RouteQuery, now: Instant) -> Result<kernel_views::Unfinished, ErrorView> {
        use kernel_views::Unfinished;
        Ok(match &query.table {
            RouteTable::Loc { peer } => {
                Unfinished::Routes(self.speaker.loc_rib(query, peer.as_deref(), now)?)
            }
            RouteTable::Received { peer } => Unfinished::Routes(self.speaker.received(query, peer, now)?),
            RouteTable::Rejected { peer } => {
                Unfinished::Routes(self.speaker.rejected(query, peer.as_deref(), now)?)
            }
            RouteTable::Advertised { peer } => Unfinished::Advertised(self.speaker.advertised(query, peer)?),
            RouteTable::Kernel => Unfinished::Kernel(query.clone(), self.speaker.intent().fib),
        })
    }

    /// Carries out what a request about drains led to, and says how they stand now.
    fn drained(&mut self, done: Result<(), ErrorView>, now: Instant) -> Result<Response, ErrorView> {
        done?;
        self.settle();
        Ok(Response::Drain(self.speaker.drain_view(now)))
    }

    fn act(
        &mut self,
        peer: String,
        action: PeerAction,
        message: Option<String>,
        now: Instant,
    ) -> Result<Response, ErrorView> {
        let message = message.unwrap_or_default();
        info!(target: "control", peer, action = action.name(), text = message, "an operator acts on a peer");
        let out = &mut self.outputs;
        let acted = match action {
            PeerAction::Up => self.speaker.peer_up(&peer, now, out),
            PeerAction::Down => self.speaker.peer_down(&peer, message, now, out),
            PeerAction::Reset => self.speaker.peer_reset(&peer, message, now, out),
            PeerAction::Refresh => self.speaker.peer_refresh(&peer, now, out),
        };
        self.carry_out();
        let conflict = |text: &str, hint: &str| {
            Err(ErrorView::new(ErrorCode::Conflict, text.replace("{}", &peer)).with_hint(hint))
        };
        let effect = match acted {
            None => return Err(self.speaker.no_such_peer(&peer)),
            Some(Acted::Started) => "the peer looks for a session",
            Some(Acted::Stopped) => "the peer has no session until `peer up`",
            Some(Acted::Refreshed) => "the peer was asked for its routes, and ours go out again",
            Some(Acted::SentAgain) => "ours go out again; the peer takes no requests for its own",
            Some(Acted::NoSession) => return conflict("peer {} has no session", "see `bgpctl show peers`"),
            Some(Acted::HeldDown) => return conflict("peer {} is held down", "use `bgpctl peer NAME up`"),
            Some(Acted::Drained) => return conflict("peer {} is drained", "use `bgpctl drain cancel`"),
            Some(Acted::ShutDownByIntent) => {
                return conflict("peer {} has shutdown = true in the file", "change the file and reload");
            }
        };
        Ok(Response::Action(ActionView { peer, action, effect: effect.to_owned() }))
    }

    /// Reads the file again and goes over to what it says. A file with a mistake changes nothing.
    pub(super) fn reload(&mut self) -> ReloadView {
        self.look_at_hands();
        let file = self.config.file.display().to_string();
        match config::load(&self.config.file, &Facts::gather()) {
            Ok(config) => self.go_over(file, config),
            Err(error) => {
                warn!(target: "config", file, %error, "reload refused; nothing has changed");
                self.config.failed(error.to_string());
                ReloadView { applied: false, file, changes: Vec::new(), errors: errors(&error) }
            }
        }
    }

    fn go_over(&mut self, file: String, config: config::Config) -> ReloadView {
        for warning in config.warnings.lines() {
            warn!(target: "config", "{warning}");
        }
        let wanted = self.with_cluster(&config.intent);
        match self.speaker.reload(wanted, Instant::now(), &mut self.outputs) {
            Ok(changes) => {
                self.carry_out();
                self.refile(config.intent);
                self.follow_onlookers();
                changes.iter().for_each(|change| info!(target: "config", %change, "reload"));
                info!(target: "config", file, changes = changes.len(), "reloaded");
                self.config.succeeded();
                self.host.watch(self.speaker.intent().drain.on_host_shutdown);
                let errors = self.open_sockets();
                let changes = changes.iter().map(change_view).collect();
                ReloadView { applied: true, file, changes, errors }
            }
            Err(changes) => {
                let keys: Vec<_> = changes.iter().map(Change::subject).collect();
                let why = format!("{} can only change with a restart of podbgpd", keys.join(", "));
                warn!(target: "config", file, why, "reload refused; nothing has changed");
                self.config.failed(why);
                let error = |change: &Change| ConfigErrorView {
                    line: None,
                    key: Some(change.subject()),
                    problem: change.difference(),
                    hint: Some("restart podbgpd, or change it back".to_owned()),
                };
                let errors = changes.iter().map(error).collect();
                ReloadView { applied: false, file, changes: Vec::new(), errors }
            }
        }
    }

    /// Listens where the intent says, and returns what cannot be had. Every reload tries again, whether or not
    /// anything changed: an address may have come meanwhile.
    fn open_sockets(&mut self) -> Vec<ConfigErrorView> {
        let intent = self.speaker.intent();
        let opened = [
            ("node.listen", self.listeners.listen(&intent.node.listen)),
            ("metrics.listen", self.doors.serve_metrics(intent.metrics)),
        ];
        let mut errors = Vec::new();
        for (key, result) in opened {
            let Err(error) = result else { continue };
            let problem = format!("{error:#}");
            warn!(target: "config", key, problem, "the configuration is in force but for this");
            self.config.failed(problem.clone());
            let hint = Some("reload when the address is free".to_owned());
            errors.push(ConfigErrorView { line: None, key: Some(key.to_owned()), problem, hint });
        }
        errors
    }
}

fn change_view(change: &Change) -> ChangeView {
    ChangeView { subject: change.subject(), change: change.difference(), effect: effect(change) }
}

fn effect(change: &Change) -> control::Effect {
    match change {
        Change::AddPeer { .. } => control::Effect::SessionStart,
        Change::RemovePeer { .. } => control::Effect::SessionStop,
        Change::Blocks { .. } => control::Effect::Routes,
        _ => match change.effect() {
            Effect::None | Effect::Soft => control::Effect::None,
            Effect::Refresh => control::Effect::PolicyRefresh,
            Effect::SessionReset => control::Effect::SessionReset,
            Effect::Restart => control::Effect::Restart,
        },
    }
}

fn errors(error: &LoadError) -> Vec<ConfigErrorView> {
    let LoadError::Mistakes(mistakes) = error else {
        let problem = error.to_string();
        return vec![ConfigErrorView { line: None, key: None, problem, hint: None }];
    };
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    let view = |error: &config::ConfigError| ConfigErrorView {
        line: Some(mistakes.position(error.span.start).0 as u64),
        key: some(&error.key),
        problem: error.problem.clone(),
        hint: some(&error.hint),
    };
    mistakes.errors.iter().map(view).collect()
}

#[cfg(test)]
mod tests;
