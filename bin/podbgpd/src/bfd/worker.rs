//! The thread: waits for packets, deadlines and wishes, and carries out what the sessions decide.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver as Inbox, TryRecvError};
use std::time::{Duration, Instant};

use bgp::bfd::{Output, Session, Sessions, State, Why};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::socket::{PAYLOAD, Receiver, Sender};
use super::{Failure, Negotiated, Report, SessionReport, Wanted};

/// How often counters are reported, and what cannot be opened is tried again.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// How many packets are taken from a socket before timers have their turn.
const BATCH: usize = 1024;

/// All that the thread owns.
pub(super) struct Worker {
    wishes: Inbox<Vec<Wanted>>,
    woken: UnixStream,
    reporter: watch::Sender<Report>,
    sessions: Sessions,
    wanted: BTreeMap<IpAddr, Wanted>,
    /// Where packets come in, by whether that is IPv6, and port.
    receivers: BTreeMap<(bool, u16), Receiver>,
    senders: BTreeMap<IpAddr, (Wanted, Sender)>,
    last_failures: BTreeMap<IpAddr, Failure>,
    send_failures: u64,
    draw: SourcePorts,
    /// What was last complained about, to say everything once.
    complaint: Option<String>,
    outputs: Vec<(IpAddr, Output)>,
}

/// Whether the thread goes on.
#[derive(PartialEq)]
enum Mood {
    Working,
    Over,
}

impl Worker {
    pub(super) fn new(
        wishes: Inbox<Vec<Wanted>>,
        woken: UnixStream,
        reporter: watch::Sender<Report>,
        seed: u64,
    ) -> Self {
        Self {
            wishes,
            woken,
            reporter,
            sessions: Sessions::new(seed),
            wanted: BTreeMap::new(),
            receivers: BTreeMap::new(),
            senders: BTreeMap::new(),
            last_failures: BTreeMap::new(),
            send_failures: 0,
            draw: SourcePorts(seed),
            complaint: None,
            outputs: Vec::new(),
        }
    }

    /// Works until the handle is gone.
    pub(super) fn run(mut self) {
        let mut housekeeping = Instant::now();
        loop {
            if let Err(error) = self.wait(housekeeping) {
                // A thread that cannot wait would spin.
                error!(target: "bfd", %error, "BFD cannot wait for packets; all its sessions end");
                return;
            }
            let before = self.landscape();
            // Packets first: one of them may be what a timer waits for.
            self.receive();
            if self.take_wishes() == Mood::Over {
                return self.say_goodbye();
            }
            let now = Instant::now();
            self.sessions.tick(now, &mut self.outputs);
            self.carry_out(now);
            let due = now >= housekeeping;
            if due {
                housekeeping = now + HOUSEKEEPING;
                self.open_sockets();
            }
            let is_news = before != self.landscape();
            if is_news || due {
                let report = self.report();
                self.reporter.send_if_modified(|latest| {
                    *latest = report;
                    is_news
                });
            }
        }
    }

    fn wait(&mut self, housekeeping: Instant) -> io::Result<()> {
        let deadline = self.sessions.next_deadline();
        let deadline = match self.wanted.is_empty() {
            true => deadline,
            false => Some(deadline.map_or(housekeeping, |deadline| deadline.min(housekeeping))),
        };
        let timeout = deadline.map_or(PollTimeout::NONE, |deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            // Rounded up: to wake too early would be to wake twice.
            let millis = left.as_micros().div_ceil(1000);
            PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
        });
        let mut descriptors = vec![PollFd::new(self.woken.as_fd(), PollFlags::POLLIN)];
        descriptors
            .extend(self.receivers.values().map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)));
        match poll(&mut descriptors, timeout) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        // How often somebody called does not matter.
        let mut calls = [0; 64];
        while matches!((&self.woken).read(&mut calls), Ok(count) if count == calls.len()) {}
        Ok(())
    }

    fn receive(&mut self) {
        let mut payload = [0; PAYLOAD];
        for receiver in self.receivers.values() {
            for _ in 0..BATCH {
                match receiver.receive(&mut payload) {
                    Ok(Some((length, arrival))) => {
                        let octets = payload.get(..length).unwrap_or_default();
                        self.sessions.receive(arrival, octets, Instant::now(), &mut self.outputs);
                    }
                    Ok(None) => break,
                    // What the network says of one packet; the next one is another.
                    Err(_) => continue,
                }
            }
        }
    }

    fn take_wishes(&mut self) -> Mood {
        loop {
            match self.wishes.try_recv() {
                Ok(wanted) => self.want(wanted),
                Err(TryRecvError::Empty) => return Mood::Working,
                Err(TryRecvError::Disconnected) => return Mood::Over,
            }
        }
    }

    fn want(&mut self, wanted: Vec<Wanted>) {
        let now = Instant::now();
        let wanted: BTreeMap<IpAddr, Wanted> = wanted.into_iter().map(|one| (one.remote, one)).collect();
        for remote in self.wanted.keys().filter(|remote| !wanted.contains_key(remote)) {
            self.sessions.unwant(*remote, now, &mut self.outputs);
        }
        for one in wanted.values().filter(|one| self.wanted.get(&one.remote) != Some(one)) {
            self.sessions.want(one.remote, one.hops, one.settings, one.authentication, now);
        }
        self.wanted = wanted;
        self.open_sockets();
    }

    /// Has a socket for all that is wanted. What cannot be had is tried again, and complained about once.
    fn open_sockets(&mut self) {
        let mut complaint = None;
        for wanted in self.wanted.values() {
            let key = (!wanted.remote.is_ipv4(), wanted.hops.port());
            if let Entry::Vacant(place) = self.receivers.entry(key) {
                match Receiver::open(wanted.remote.is_ipv4(), wanted.hops.port()) {
                    Ok(receiver) => drop(place.insert(receiver)),
                    Err(error) => complaint = Some(format!("cannot receive on UDP port {}: {error}", key.1)),
                }
            }
            let is_as_wanted = |(before, _): &(Wanted, Sender)| {
                (before.local, before.hops.port()) == (wanted.local, wanted.hops.port())
            };
            if !self.senders.get(&wanted.remote).is_some_and(is_as_wanted) {
                match Sender::open(wanted.remote, wanted.local, wanted.hops, || self.draw.next()) {
                    Ok(sender) => drop(self.senders.insert(wanted.remote, (*wanted, sender))),
                    Err(error) => complaint = Some(format!("cannot send to {}: {error}", wanted.remote)),
                }
            }
        }
        let in_use = |(is_ipv6, port): &(bool, u16)| {
            let uses = |one: &Wanted| (!one.remote.is_ipv4(), one.hops.port()) == (*is_ipv6, *port);
            self.wanted.values().any(uses)
        };
        self.receivers.retain(|key, _| in_use(key));
        self.senders.retain(|remote, _| self.sessions.has(*remote));
        self.last_failures.retain(|remote, _| self.sessions.has(*remote));
        if complaint != self.complaint {
            if let Some(complaint) = &complaint {
                error!(target: "bfd", "BFD {complaint}");
            }
            self.complaint = complaint;
        }
    }

    fn carry_out(&mut self, now: Instant) {
        for (remote, output) in std::mem::take(&mut self.outputs) {
            match output {
                Output::Transmit(packet) => {
                    let payload = self.sessions.encode(remote, &packet);
                    let sent = self.senders.get(&remote).map(|(_, sender)| sender.send(&payload));
                    if !matches!(sent, Some(Ok(()))) {
                        self.send_failures += 1;
                    }
                }
                Output::Changed { from, to, why } => self.changed(remote, from, to, why, now),
            }
        }
    }

    fn changed(&mut self, remote: IpAddr, from: State, to: State, why: Why, now: Instant) {
        if from == State::Up && why.is_failure() {
            let silence = if let Why::Silence(silence) = why { silence } else { Duration::ZERO };
            let heard = now.checked_sub(silence).unwrap_or(now);
            self.last_failures.insert(remote, Failure { at: now, heard, why });
            warn!(target: "bfd", %remote, %from, %to, %why, "BFD session state");
        } else {
            info!(target: "bfd", %remote, %from, %to, %why, "BFD session state");
        }
    }

    /// Tells every peer that what follows is no failure.
    fn say_goodbye(&mut self) {
        let now = Instant::now();
        for remote in self.wanted.keys() {
            self.sessions.unwant(*remote, now, &mut self.outputs);
        }
        self.sessions.tick(now, &mut self.outputs);
        self.carry_out(now);
    }

    /// Returns what is news when it changes: not the counters.
    fn landscape(&self) -> Vec<(IpAddr, State, Negotiated, u64)> {
        let sessions = self.sessions.iter();
        sessions
            .map(|(remote, session)| (remote, session.state(), negotiated(session), session.stats().failures))
            .collect()
    }

    fn report(&self) -> Report {
        let sessions = self.sessions.iter().map(|(remote, session)| {
            let report = SessionReport {
                discriminator: session.discriminator(),
                state: session.state(),
                diagnostic: session.diagnostic(),
                since: session.since(),
                remote: session.remote().copied(),
                negotiated: negotiated(session),
                stats: *session.stats(),
                last_failure: self.last_failures.get(&remote).copied(),
            };
            (remote, report)
        });
        Report {
            sessions: sessions.collect(),
            discards: *self.sessions.discards(),
            send_failures: self.send_failures,
        }
    }
}

fn negotiated(session: &Session) -> Negotiated {
    Negotiated {
        transmit: session.transmit_interval(),
        receive: session.receive_interval(),
        detection_time: session.detection_time(),
    }
}

/// Numbers without order (a Weyl sequence): enough not to try the same port twice.
struct SourcePorts(u64);

impl SourcePorts {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0 >> 32
    }
}
