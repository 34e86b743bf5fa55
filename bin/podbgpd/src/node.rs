//! The owner task: the one place where everything meets, and the only one that waits.
//!
//! It owns the [`Speaker`], gives it what happened together with the time, and carries out what it answers.
//! Nothing else touches routing state, so there is no lock and no order of events but the one seen here.

mod alien_routes;
mod answer;
mod cluster;
mod cluster_view;
mod doors;
mod hands;
mod host;
mod notice;
mod onlookers;
mod past;
mod reporting;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bgp::fsm::StopReason;
use bgp::mrt::Direction;
use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{debug, error, info, warn};

use crate::addresses::{self, LocalEnd};
use crate::bfd;
use crate::control::ControlRequest;
use crate::drain::Memory;
use crate::intent::{Intent, NextHopGroups};
use crate::snapshot::{Identity, Recorder};
use crate::speaker::{Input, Output, Past, Speaker};
use crate::stations::Stations;
use crate::tap::Tap;
use crate::transport::{Endpoint, Key, Listeners, Place, Signing, SocketEvent, Stretch, Transport};
use crate::unnumbered;

/// How many inputs may wait for the owner. Their senders wait when there are more; each may hold what one read
/// of a socket takes, so this bounds memory too.
const INBOX: usize = 64;
/// How many inputs are taken before their consequences are worked out: a full table arrives in large bites.
const BATCH: usize = 64;
/// How many forwarding changes go to the kernel's thread at once.
const CHANGES: usize = 1024;
/// How long the answer to an operator who has us leave may take to get out.
const LAST_ANSWER: Duration = Duration::from_millis(100);
/// How long the kernel's thread may take to read what the kernel has: a second for a million routes.
const KERNEL_READS: Duration = Duration::from_secs(30);

/// Everything the daemon is, while it runs.
pub struct Node {
    speaker: Speaker,
    transport: Transport,
    listeners: Listeners,
    kernel: Option<Kernel>,
    bfd: bfd::Handle,
    seeker: unnumbered::Seeker,
    watch: fib::Watch,
    hands: hands::Hands,
    sockets: mpsc::Receiver<SocketEvent>,
    fib_events: mpsc::Receiver<fib::Event>,
    doors: doors::Doors,
    requests: mpsc::Receiver<ControlRequest>,
    config: answer::ConfigRecord,
    outputs: Vec<Output>,
    /// An incoming connection, while the speaker decides about it.
    offered: Option<(TcpStream, Place)>,
    log: notice::Log,
    /// Writes down what the next run has to know; not when restarts are not graceful.
    recorder: Option<Recorder>,
    /// Writes down who is drained.
    memory: Memory,
    host: host::Host,
    tap: Tap,
    stations: Stations,
    cluster: Option<cluster::Follower>,
    reporting: Option<reporting::Reporting>,
}

/// The way to the kernel's thread.
struct Kernel {
    handle: fib::FibHandle,
    /// What it had no room for after all.
    refused: Option<fib::Command>,
    /// Routes of an earlier run: those found, and those removed since.
    adopted: u64,
    swept: u64,
}

impl Kernel {
    fn commands(&self) -> mpsc::Sender<fib::Command> {
        self.handle.commands()
    }

    /// Waits until the thread knows what the kernel has, and returns what else it had to say. Before that nobody
    /// can tell a peer whether packets were forwarded all the while.
    async fn read(&mut self, events: &mut mpsc::Receiver<fib::Event>) -> anyhow::Result<Vec<fib::Event>> {
        let mut heard = Vec::new();
        let ready = async {
            loop {
                match events.recv().await {
                    Some(fib::Event::Ready { adopted }) => return Ok(adopted),
                    Some(fib::Event::Failed(why)) => {
                        anyhow::bail!("the kernel's routes cannot be read: {why}")
                    }
                    Some(other) => heard.push(other),
                    None => anyhow::bail!("the kernel's thread has died"),
                }
            }
        };
        match tokio::time::timeout(KERNEL_READS, ready).await {
            Ok(adopted) => self.adopted = adopted? as u64,
            Err(_) => warn!(target: "restart", "the kernel is slow to tell its routes; starting without"),
        }
        Ok(heard)
    }
}

/// Why the daemon stops.
enum Stop {
    Signal(&'static str),
    /// An operator wanted it, and every peer has been left.
    Leave,
    Kernel(String),
}

impl Node {
    /// Opens what the intent asks for and starts the peers.
    ///
    /// # Errors
    /// What cannot be opened, and why: a listening address, netlink.
    pub async fn open(file: PathBuf, intent: Intent) -> anyhow::Result<Self> {
        let (events, sockets) = mpsc::channel(INBOX);
        let (fib_sender, mut fib_events) = mpsc::channel(INBOX);
        let mut kernel = match intent.fib.install {
            true => {
                let handle = fib::spawn(fib_settings(&intent), fib_sender)?;
                Some(Kernel { handle, refused: None, adopted: 0, swept: 0 })
            }
            false => None,
        };
        let listeners = Listeners::new(events.clone());
        let (mut doors, requests) = doors::Doors::open(&intent.control_socket)?;
        doors.serve_metrics(intent.metrics)?;
        let heard = match &mut kernel {
            Some(kernel) => kernel.read(&mut fib_events).await?,
            None => Vec::new(),
        };
        let mut cluster = cluster::Follower::begin(&intent, Instant::now());
        let intent = match &mut cluster {
            Some(follower) => {
                follower.first_plan().await;
                follower.over(&intent)
            }
            None => intent,
        };
        let graceful = intent.graceful_restart.enabled;
        let recorder = graceful.then(|| {
            let directory = intent.graceful_restart.state_directory.clone();
            Recorder::new(directory, Identity::of(&intent), Instant::now())
        });
        let (memory, drained) = Memory::open(intent.graceful_restart.state_directory.clone());
        let past = if graceful {
            past::gather(&intent, kernel.as_ref().map_or(0, |kernel| kernel.adopted as usize))
        } else {
            Past::default()
        };
        let mut outputs = Vec::new();
        let past = Past { drained, ..past };
        let speaker = Speaker::after(past, intent, Instant::now(), &mut outputs);
        let mut node = Self {
            speaker,
            transport: Transport::new(events),
            listeners,
            kernel,
            bfd: bfd::spawn()?,
            seeker: unnumbered::spawn(),
            watch: fib::watch()?,
            hands: hands::Hands::open()?,
            sockets,
            fib_events,
            doors,
            requests,
            config: answer::ConfigRecord::new(file),
            outputs,
            offered: None,
            log: notice::Log::default(),
            recorder,
            memory,
            host: host::Host::default(),
            tap: Tap::default(),
            stations: Stations::default(),
            reporting: reporting::Reporting::begin(cluster.as_ref()),
            cluster,
        };
        node.host.watch(node.speaker.intent().drain.on_host_shutdown);
        node.follow_onlookers();
        heard.into_iter().for_each(|event| node.input(Input::Fib(event)));
        // The keys of the peers first: a socket that listens without them lets in who cannot sign.
        node.carry_out();
        let intent = node.speaker.intent();
        node.listeners.listen(&intent.node.listen)?;
        info!(
            target: "node",
            peers = intent.peers.len(),
            listen = ?intent.node.listen,
            control = %intent.control_socket.display(),
            metrics = intent.metrics.map(tracing::field::display),
            "started"
        );
        Ok(node)
    }

    /// Runs until a signal ends it. Kernel routes stay.
    ///
    /// # Errors
    /// When signals cannot be listened to, or the kernel's thread has failed.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = loop {
            let deadline = self.next_deadline();
            let record_at = self.recorder.as_ref().map(Recorder::deadline);
            let report_at = self.report_at();
            tokio::select! {
                Some(event) = self.sockets.recv() => {
                    self.socket_event(event);
                    self.socket_events();
                }
                event = self.fib_events.recv(), if self.kernel.is_some() => {
                    if let Some(stop) = self.fib_event(event) {
                        break stop;
                    }
                }
                Some(sights) = self.watch.next() => {
                    self.input(Input::Sighted(sights));
                    self.follow_uplinks();
                }
                Some(facts) = self.hands.reader.next() => self.hands_seen(facts),
                place = self.seeker.heard() => self.input(Input::Heard(place)),
                heard = cluster::Follower::news(&mut self.cluster) => self.cluster_news(heard),
                event = self.stations.news() => self.station_news(event),
                report = self.bfd.news() => self.input(Input::Bfd(report)),
                Some(request) = self.requests.recv() => self.answer(request),
                () = sleep_until(deadline) => self.tick(),
                () = sleep_until(record_at) => self.record().await,
                () = sleep_until(report_at) => self.report(),
                news = self.host.news() => self.host_news(news),
                _ = received(&mut hangup) => drop(self.reload()),
                _ = received(&mut terminate) => break Stop::Signal("SIGTERM"),
                _ = received(&mut interrupt) => break Stop::Signal("SIGINT"),
            }
            self.settle();
            self.let_the_host_go();
            if self.speaker.has_left() {
                break Stop::Leave;
            }
        };
        self.stop(stop).await
    }

    /// Ends every session and leaves the kernel's routes where they are.
    ///
    /// A signal means that we are back soon: peers hear nothing, which is what has them keep our routes.
    async fn stop(mut self, stop: Stop) -> anyhow::Result<()> {
        let last_word = self.recorder.as_ref().and_then(|r| r.last_word(&self.speaker, self.installed()));
        let leaves = matches!(stop, Stop::Leave);
        let (result, reason) = match stop {
            Stop::Signal(signal) => {
                info!(target: "node", signal, "stopping for a restart; kernel routes stay as they are");
                (Ok(()), StopReason::Restart)
            }
            Stop::Kernel(why) => {
                let message = "podbgpd cannot write routes".to_owned();
                let error = anyhow::anyhow!("the kernel cannot be kept true to BGP: {why}");
                (Err(error), StopReason::AdminDown { message })
            }
            Stop::Leave => {
                info!(target: "node", "every peer has been left; kernel routes stay as they are");
                (Ok(()), StopReason::AdminDown { message: "podbgpd stops".to_owned() })
            }
        };
        self.speaker.shut_down(&reason, Instant::now(), &mut self.outputs);
        self.carry_out();
        let Self { mut transport, mut sockets, kernel, listeners, bfd, recorder, stations, .. } = self;
        let farewell = tokio::spawn(stations.end());
        drop(listeners);
        if leaves {
            // Whoever asked for it is still to be answered.
            tokio::time::sleep(LAST_ANSWER).await;
        }
        // The writers report what they wrote; nobody need listen, but somebody must take it.
        tokio::select! {
            () = transport.drain() => {}
            () = async { while sockets.recv().await.is_some() {} } => {}
        }
        // Last: a BFD that falls silent before the session is over would end it, and not gracefully.
        drop(bfd);
        // It takes no longer than it may, and failing is an end too.
        let _ = farewell.await;
        if let (Some(recorder), Some(last_word)) = (recorder, last_word) {
            recorder.end(last_word).await;
        }
        if let Some(kernel) = kernel {
            // The thread may be in the middle of a batch; it finishes that and no more.
            let joined = tokio::task::spawn_blocking(|| kernel.handle.join());
            let _ = tokio::time::timeout(Duration::from_secs(5), joined).await;
        }
        result
    }

    /// Writes down a little of what the next run has to know.
    async fn record(&mut self) {
        let installed = self.installed();
        if let Some(recorder) = &mut self.recorder {
            recorder.turn(&self.speaker, installed, Instant::now()).await;
        }
    }

    fn installed(&self) -> u64 {
        self.kernel.as_ref().map_or(0, |kernel| kernel.handle.stats().installed as u64)
    }

    fn input(&mut self, input: Input) {
        self.speaker.handle(input, Instant::now(), &mut self.outputs);
        self.carry_out();
    }

    /// Works out what the inputs so far have changed, and hands it on.
    fn settle(&mut self) {
        self.speaker.settle(Instant::now(), &mut self.outputs);
        self.carry_out();
        self.measure_latency();
        self.feed_kernel();
        self.tell_stations();
        self.memory.keep(self.speaker.drained());
    }

    fn feed_kernel(&mut self) {
        let Some(kernel) = &mut self.kernel else {
            // The tables remember what nobody has pulled.
            while self.speaker.kernel_command(CHANGES).is_some() {}
            return;
        };
        while kernel.handle.capacity() > 0 {
            let next = kernel.refused.take().or_else(|| self.speaker.kernel_command(CHANGES));
            let Some(command) = next else { return };
            if let Err(refused) = kernel.handle.try_send(command) {
                kernel.refused = Some(refused);
                return;
            }
        }
    }

    fn tick(&mut self) {
        // What has been heard comes first: a KEEPALIVE that waits here came in time.
        self.socket_events();
        self.input(Input::Tick);
        self.follow_cluster();
    }

    /// Takes a bite of what the sockets have to say.
    fn socket_events(&mut self) {
        for _ in 0..BATCH {
            match self.sockets.try_recv() {
                Ok(event) => self.socket_event(event),
                Err(_) => return,
            }
        }
    }

    fn socket_event(&mut self, event: SocketEvent) {
        match event {
            SocketEvent::Accepted(stream) => self.accepted(stream),
            SocketEvent::Connected(key, stream) => self.connected(key, stream),
            SocketEvent::ConnectFailed(key, why) => self.connect_failed(key, &why),
            SocketEvent::Received(key, octets) => self.input(Input::Received(key, octets)),
            SocketEvent::Written(key, count) => self.input(Input::Written(key, count)),
            SocketEvent::Closed(key, why) => {
                // The state machine closes what it ends, not what has ended by itself.
                self.transport.close(key);
                self.tap.closed(key, true);
                self.input(Input::Closed(key, why));
            }
        }
    }

    fn connect_failed(&mut self, key: Key, why: &io::Error) {
        self.transport.close(key);
        self.input(Input::ConnectFailed(key, why.to_string()));
    }

    fn accepted(&mut self, stream: TcpStream) {
        let ends = stream.peer_addr().and_then(|peer| {
            let from = Place::from(peer);
            // The kernel lists all addresses of the node to answer that: too much to ask for a stranger.
            let end = if self.speaker.knows(from) { local_end(&stream)? } else { LocalEnd::default() };
            Ok((from, end))
        });
        match ends {
            Ok((from, end)) => {
                self.offered = Some((stream, from));
                self.input(Input::Accepted(from, end));
            }
            // It was gone before we looked.
            Err(error) => debug!(target: "session", %error, "an incoming connection vanished"),
        }
    }

    fn connected(&mut self, key: Key, stream: TcpStream) {
        if !self.transport.wants(key) {
            return;
        }
        let end = match local_end(&stream) {
            Ok(end) => end,
            Err(error) => return self.connect_failed(key, &error),
        };
        match self.note_connection(key, &stream).and_then(|()| self.transport.open(key, stream, None)) {
            Ok(()) => self.input(Input::Connected(key, end)),
            Err(error) => self.connect_failed(key, &error),
        }
    }

    fn fib_event(&mut self, event: Option<fib::Event>) -> Option<Stop> {
        let Some(event) = event else { return Some(Stop::Kernel("its thread has died".to_owned())) };
        match (&event, &mut self.kernel) {
            (fib::Event::Failed(why), _) => return Some(Stop::Kernel(why.clone())),
            (fib::Event::Ready { adopted }, Some(kernel)) => kernel.adopted = *adopted as u64,
            (fib::Event::Swept { leftovers }, Some(kernel)) => kernel.swept += *leftovers as u64,
            _ => {}
        }
        self.input(Input::Fib(event));
        None
    }

    /// Carries out what the speaker asked for, in its order.
    fn carry_out(&mut self) {
        let mut outputs = std::mem::take(&mut self.outputs);
        while !outputs.is_empty() {
            for output in outputs.drain(..) {
                self.carry_out_one(output);
            }
            // Carrying out may have brought new outputs; they come after the old ones.
            std::mem::swap(&mut outputs, &mut self.outputs);
        }
        self.outputs = outputs;
    }

    fn carry_out_one(&mut self, output: Output) {
        match output {
            Output::Connect(key, endpoint) => self.transport.connect(key, endpoint),
            Output::Accept(key, endpoint) => self.accept(key, &endpoint),
            Output::Refuse => self.offered = None,
            Output::Transmit(key, octets) => self.transmit(key, octets),
            Output::Heard(key, octets) => self.overhear(key, Direction::Received, &octets),
            Output::Close(key) => {
                self.tap.closed(key, false);
                self.transport.close(key);
            }
            Output::Sign(of, signing) => self.sign(of, signing.as_ref()),
            Output::Seek(links) => self.seeker.seek(links),
            Output::Bfd(sessions) => self.bfd.want(sessions),
            Output::Heed(neighbours) => self.watch.heed(neighbours),
            Output::Lose(next_hops) => {
                if let Some(kernel) = &self.kernel {
                    kernel.handle.lose(next_hops);
                }
            }
            Output::Notice(notice) => {
                let now = Instant::now();
                self.note_state(&notice);
                self.report_notice(&notice, now);
                self.log.tell(&notice, now);
                self.speaker.remember(&notice, now);
            }
        }
    }

    fn accept(&mut self, key: Key, endpoint: &Endpoint) {
        let Some((stream, from)) = self.offered.take() else { return };
        let opened = self
            .note_connection(key, &stream)
            .and_then(|()| self.transport.open(key, stream, Some(endpoint)));
        if let Err(error) = opened {
            warn!(target: "session", %from, %error, "cannot use an incoming connection");
            let closed = Input::Closed(key, error.to_string());
            self.speaker.handle(closed, Instant::now(), &mut self.outputs);
        }
    }

    fn transmit(&mut self, key: Key, octets: Bytes) {
        self.overhear(key, Direction::Sent, &octets);
        if self.transport.transmit(key, octets).is_err() {
            // The state machine's window keeps queues short; one that is full belongs to a peer that reads nothing.
            let closed = Input::Closed(key, "the peer does not read".to_owned());
            self.transport.close(key);
            self.speaker.handle(closed, Instant::now(), &mut self.outputs);
        }
    }

    fn sign(&mut self, of: Stretch, signing: Option<&Signing>) {
        let (before, listening) = self.listeners.sign(of, signing);
        // A connection has a place of its own, whatever prefix it came from.
        let rekeyed = match of.place() {
            Some(place) => self.transport.rekey(place, before.as_ref(), signing),
            None => Ok(()),
        };
        if let Err(error) = listening.and(rekeyed) {
            error!(target: "session", peer = %of, %error, "cannot set the key; sessions with this peer will not come up");
        }
    }
}

fn local_end(stream: &TcpStream) -> io::Result<LocalEnd> {
    Ok(LocalEnd::of(stream.local_addr()?.into(), &addresses::all()?))
}

fn fib_settings(intent: &Intent) -> fib::FibSettings {
    let crate::intent::Fib { install, protocol, metric, table, next_hop_groups, transit_table, .. } =
        intent.fib;
    let next_hop_groups = match next_hop_groups {
        NextHopGroups::Never => fib::NextHopGroups::Never,
        NextHopGroups::Auto => fib::NextHopGroups::Auto,
        NextHopGroups::Always => fib::NextHopGroups::Always,
    };
    fib::FibSettings { install, protocol, table, metric, next_hop_groups, transit_table }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

async fn received(signal: &mut Signal) {
    // None means that no signal will ever come again, which is no reason to stop.
    if signal.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}
