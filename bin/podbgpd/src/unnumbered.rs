//! Peers without an address: who is at the other end of a link.
//!
//! Where the file says `interface = "eth1"` the peer is whoever sends router advertisements there (RFC 4861 §6), and
//! we send them too, which is how the peer finds us. Ours promise nothing: a router lifetime of zero makes nobody send
//! packets this way. The surprise: the lifetime of theirs does not matter either. An advertisement says where the
//! peer is, and the session says whether it lives.
//!
//! One task owns one raw socket, and only while there is a link to look at. What a stranger on the link sends costs
//! a bounded share of the daemon's time, and at worst an attempt to speak BGP.

mod message;
mod socket;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error};

use crate::transport::Place;
use message::Message;
use socket::Socket;

/// How often we say that we are there.
const INTERVAL: Duration = Duration::from_secs(10);
/// The least time between two advertisements on a link, however often we are asked.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);
/// How many who were heard may wait for the owner; a link is heard again soon enough.
const NEWS: usize = 16;
/// How many packets are taken in a second, all links together.
const PACKETS: u32 = 200;

/// The way to the task, which ends when this is dropped.
#[derive(Debug)]
pub struct Seeker {
    links: watch::Sender<BTreeSet<u32>>,
    heard: mpsc::Receiver<Place>,
    task: AbortHandle,
}

/// Starts the task. It opens no socket before there is a link to look at.
#[must_use]
pub fn spawn() -> Seeker {
    let (links, wanted) = watch::channel(BTreeSet::new());
    let (news, heard) = mpsc::channel(NEWS);
    let task = tokio::spawn(seek(wanted, news)).abort_handle();
    Seeker { links, heard, task }
}

impl Seeker {
    /// Looks at exactly these links, by the indices of their interfaces.
    pub fn seek(&self, links: BTreeSet<u32>) {
        self.links.send_replace(links);
    }

    /// Waits for somebody to be heard.
    pub async fn heard(&mut self) -> Place {
        match self.heard.recv().await {
            Some(place) => place,
            // The task is gone, and with it all news.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Seeker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Looks at links until the owner is gone.
async fn seek(mut wanted: watch::Receiver<BTreeSet<u32>>, news: mpsc::Sender<Place>) {
    while wanted.wait_for(|links| !links.is_empty()).await.is_ok() {
        let result = match Socket::open() {
            Ok(socket) => Search::new(socket, news.clone()).run(&mut wanted).await,
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            let hint =
                if error.kind() == io::ErrorKind::PermissionDenied { "; it takes CAP_NET_RAW" } else { "" };
            error!(target: "session", %error, "cannot look for peers on links{hint}");
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

/// One socket and what was said by it.
struct Search {
    socket: Socket,
    news: mpsc::Sender<Place>,
    /// When each link was last told that we are there, and when it will be again.
    links: BTreeMap<u32, Turn>,
}

struct Turn {
    last: Option<Instant>,
    next: Instant,
    /// Who advertised there last.
    heard: Option<Ipv6Addr>,
}

impl Turn {
    /// Has the next advertisement go out soon: one serves all who ask at once (RFC 4861 §6.2.6).
    fn hurry(&mut self) {
        let soonest = self.last.map_or_else(Instant::now, |last| last + LEAST_INTERVAL);
        self.next = self.next.min(soonest);
    }
}

impl Search {
    fn new(socket: Socket, news: mpsc::Sender<Place>) -> Self {
        Self { socket, news, links: BTreeMap::new() }
    }

    /// Runs until no link is wanted.
    async fn run(&mut self, wanted: &mut watch::Receiver<BTreeSet<u32>>) -> io::Result<()> {
        let mut budget = Budget::new(Instant::now());
        loop {
            let links = wanted.borrow_and_update().clone();
            if links.is_empty() {
                return Ok(());
            }
            self.look_at(&links);
            let next = self.links.values().map(|turn| turn.next).min();
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { return Ok(()) },
                () = until(next) => self.advertise(Instant::now()),
                packet = self.socket.receive() => {
                    if let Some(packet) = packet? {
                        self.take(&packet);
                    }
                    if let Some(rest) = budget.spend(Instant::now()) {
                        sleep_until(rest).await;
                    }
                }
            }
        }
    }

    /// Begins with links that are new, and asks who is there.
    fn look_at(&mut self, wanted: &BTreeSet<u32>) {
        let now = Instant::now();
        let gone: Vec<u32> = self.links.keys().filter(|link| !wanted.contains(link)).copied().collect();
        for link in gone {
            self.links.remove(&link);
            self.socket.leave(link);
        }
        let new: Vec<u32> = wanted.iter().filter(|link| !self.links.contains_key(link)).copied().collect();
        for link in new {
            self.links.insert(link, Turn { last: None, next: now, heard: None });
            self.heed(link, self.socket.join(link));
            self.heed(link, self.socket.send(link, Message::Solicitation));
        }
    }

    fn advertise(&mut self, now: Instant) {
        let due: Vec<u32> =
            self.links.iter().filter(|(_, turn)| turn.next <= now).map(|(&link, _)| link).collect();
        for link in due {
            let sent = self.socket.send(link, Message::Advertisement);
            // An address that is still being checked for duplicates is there soon.
            let pause = if sent.is_ok() { INTERVAL } else { LEAST_INTERVAL };
            self.heed(link, sent);
            if let Some(turn) = self.links.get_mut(&link) {
                (turn.last, turn.next) = (Some(now), now + pause);
            }
        }
    }

    fn take(&mut self, packet: &socket::Packet) {
        let Some(turn) = self.links.get_mut(&packet.interface) else { return };
        match packet.message {
            Message::Solicitation => turn.hurry(),
            Message::Advertisement => {
                // Routers do not ask each other, and one that is new has not heard us.
                if turn.heard.replace(packet.from) != Some(packet.from) {
                    turn.hurry();
                }
                let place = Place::on_link(IpAddr::V6(packet.from), packet.interface);
                // Whoever is not heard now is heard again.
                let _ = self.news.try_send(place);
            }
        }
    }

    fn heed(&self, link: u32, result: io::Result<()>) {
        if let Err(error) = result {
            debug!(target: "session", link, %error, "cannot say on a link that we are there");
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// How many packets may still be taken in this second.
struct Budget {
    until: Instant,
    left: u32,
}

impl Budget {
    fn new(now: Instant) -> Self {
        Self { until: now + Duration::from_secs(1), left: PACKETS }
    }

    /// Spends one packet's time, and returns when the next may be taken if there is none left.
    fn spend(&mut self, now: Instant) -> Option<Instant> {
        if now >= self.until {
            *self = Self::new(now);
        }
        self.left = self.left.saturating_sub(1);
        (self.left == 0).then_some(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_left_in_the_socket_until_the_next_second() {
        let now = Instant::now();
        let mut budget = Budget::new(now);
        let taken = (0..1000).take_while(|_| budget.spend(now).is_none()).count();
        assert_eq!(taken, PACKETS as usize - 1);
        assert_eq!(budget.spend(now), Some(now + Duration::from_secs(1)));
        assert_eq!(budget.spend(now + Duration::from_secs(1)), None);
    }
}
