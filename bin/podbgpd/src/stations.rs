//! BMP: monitoring stations are told what peers announce, what we choose and what peers are told (RFC 7854, 8671, 9069).
//!
//! A task for each station connects and carries octets; what to say is worked out by the owner of all state, when
//! the task has room for it. Nothing is queued that the tables do not hold: routes are pulled (see [`rib::monitor`]),
//! and whether a session is up is compared with what the station was told last. So a station that is slow skips what
//! was true only for a while, costs no memory, and delays nobody; one that is connected to anew gets everything
//! anew.
//!
//! The one surprise: no view comes from the messages of a session, not even Adj-RIB-In before policy. A withdrawal
//! right after an announcement may never be told; what a station knows is right all the same.

mod line;
mod say;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bgp::bmp;
use bytes::{Bytes, BytesMut};
use control::StationView;
use rib::Monitor;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::intent::Station as StationIntent;
use crate::speaker::Speaker;
use crate::tap::Tap;

pub use line::Event;
use say::Told;

/// How many events may wait for the owner.
const EVENTS: usize = 64;
/// How long the last words of all stations may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// All stations there are.
pub struct Stations {
    stations: BTreeMap<Monitor, Station>,
    next: u32,
    events: mpsc::Sender<Event>,
    incoming: mpsc::Receiver<Event>,
    room: Arc<Notify>,
}

struct Station {
    intent: StationIntent,
    task: JoinHandle<()>,
    /// The way to its connection, and what was told over it.
    line: Option<Line>,
    view: StationView,
}

struct Line {
    queue: mpsc::Sender<Bytes>,
    told: Told,
    statistics_at: Option<Instant>,
}

impl Default for Stations {
    fn default() -> Self {
        let (events, incoming) = mpsc::channel(EVENTS);
        Self { stations: BTreeMap::new(), next: 0, events, incoming, room: Arc::new(Notify::new()) }
    }
}

impl Stations {
    /// Goes over to other stations. One whose views change is connected to anew.
    pub fn follow(
        &mut self,
        wanted: &BTreeMap<SocketAddr, StationIntent>,
        speaker: &mut Speaker,
        now: Instant,
    ) {
        let stays = |station: &Station| {
            wanted.get(&station.intent.address).is_some_and(|wanted| wanted.views == station.intent.views)
        };
        let gone: Vec<_> =
            self.stations.iter().filter(|(_, station)| !stays(station)).map(|(&id, _)| id).collect();
        for id in gone {
            speaker.forget_monitor(id);
            if let Some(station) = self.stations.remove(&id) {
                station.end();
            }
        }
        for intent in wanted.values() {
            let known = self.stations.values_mut().find(|known| known.intent.address == intent.address);
            match known {
                Some(known) if known.intent == *intent => {}
                Some(known) => {
                    known.intent = intent.clone();
                    if let Some(line) = &mut known.line {
                        line.statistics_at = known.intent.statistics_interval.map(|interval| now + interval);
                    }
                }
                None => self.add(intent.clone()),
            }
        }
    }

    fn add(&mut self, intent: StationIntent) {
        let id = Monitor(self.next);
        self.next += 1;
        let address = intent.address;
        let task = tokio::spawn(line::keep(id, address, self.events.clone(), Arc::clone(&self.room)));
        let view =
            StationView { address, connected: false, lost: 0, messages: 0, unsaid: 0, last_error: None };
        self.stations.insert(id, Station { intent, task, line: None, view });
    }

    /// Waits until there is something to do, or room to say something.
    pub async fn news(&mut self) -> Option<Event> {
        tokio::select! {
            event = self.incoming.recv() => event,
            () = self.room.notified() => None,
        }
    }

    /// Takes what happened.
    pub fn handle(&mut self, event: Event, speaker: &mut Speaker, now: Instant) {
        let Some(station) = self.stations.get_mut(&event.station) else { return };
        let address = station.intent.address;
        speaker.forget_monitor(event.station);
        match event.happened {
            line::Happened::Connected(queue) => {
                info!(target: "bmp", station = %address, "connected");
                let mut hello = BytesMut::new();
                let description = format!("podbgpd {}", crate::VERSION);
                bmp::initiation(&speaker.intent().node.name, &description, &mut hello);
                // A queue that is new has room.
                let _ = queue.try_send(hello.freeze());
                station.view.messages += 1;
                station.view.connected = true;
                station.view.last_error = None;
                let told = Told::new(event.station, &station.intent.views);
                let statistics_at = station.intent.statistics_interval.map(|interval| now + interval);
                station.line = Some(Line { queue, told, statistics_at });
            }
            line::Happened::Failed(why) => {
                if station.view.last_error.as_ref() != Some(&why) {
                    warn!(target: "bmp", station = %address, %why, "no connection");
                }
                station.view.lost += u64::from(station.line.take().is_some());
                station.view.connected = false;
                station.view.last_error = Some(why);
            }
        }
    }

    /// Tells every station what there is to tell and room for.
    pub fn tell(&mut self, speaker: &mut Speaker, tap: &Tap, now: Instant) {
        for station in self.stations.values_mut() {
            let Some(line) = &mut station.line else { continue };
            while line.queue.capacity() > 0 && !line.queue.is_closed() {
                let mut said = say::Said::default();
                line.told.sessions(speaker, tap, now, &mut said);
                if line.statistics_at.is_some_and(|at| at <= now) {
                    line.told.statistics(speaker, &mut said);
                    line.statistics_at = station.intent.statistics_interval.map(|interval| now + interval);
                }
                line.told.routes(speaker, SystemTime::now(), &mut said);
                station.view.messages += said.messages;
                station.view.unsaid += said.unsaid;
                if said.octets.is_empty() {
                    break;
                }
                // Only the owner fills the queue, and it has looked.
                let _ = line.queue.try_send(said.octets.freeze());
            }
        }
    }

    /// Returns when counters are due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        // Those of a station that reads nothing wait for room, not for time.
        let ready = |line: &&Line| line.queue.capacity() > 0;
        let lines = self.stations.values().filter_map(|station| station.line.as_ref()).filter(ready);
        lines.filter_map(|line| line.statistics_at).min()
    }

    /// Returns what is known of every station, in the order they were added.
    #[must_use]
    pub fn views(&self) -> Vec<StationView> {
        self.stations.values().map(|station| station.view.clone()).collect()
    }

    /// Says goodbye to every station.
    pub async fn end(self) {
        let tasks = self.stations.into_values().filter_map(Station::end).collect::<Vec<_>>();
        let all = async {
            for task in tasks {
                // One that failed has nothing left to say.
                let _ = task.await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, all).await;
    }
}

impl Station {
    /// Says goodbye; the task ends once that is written. `None` when there is nobody to say it to.
    fn end(self) -> Option<JoinHandle<()>> {
        let Some(line) = self.line else {
            self.task.abort();
            return None;
        };
        let mut goodbye = BytesMut::new();
        bmp::termination(bmp::Termination::AdministrativelyClosed, &mut goodbye);
        if line.queue.try_send(goodbye.freeze()).is_err() {
            // It is too far behind to hear it.
            self.task.abort();
            return None;
        }
        Some(self.task)
    }
}
