//! A flood in one direction whose every packet is on record: sent when, and whether it came.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::Result;
use lab::net::Namespace;
use nix::sys::prctl;
use nix::sys::socket::{setsockopt, sockopt};

/// Where packets are sent: the discard service (RFC 863).
const PORT: u16 = 9;
/// Source ports: with equal-cost paths each destination uses all of them.
const PORTS: usize = 16;
/// A packet under way for longer is lost.
const GRACE: Duration = Duration::from_millis(300);
const BUFFER: usize = 64 << 20;

/// A running flood.
#[derive(Debug)]
pub struct Traffic {
    sent: Arc<Mutex<Vec<Instant>>>,
    arrived: Arc<Mutex<HashSet<u32>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What was lost of the packets sent from a moment on.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// How many packets were sent.
    pub sent: usize,
    /// How many never came.
    pub lost: usize,
    /// When the first of these was sent.
    pub first: Option<Instant>,
    /// When the last of these was sent.
    pub last: Option<Instant>,
}

impl Traffic {
    /// Sends `rate` packets a second to these destinations in turn, all of which must end in namespace `to`.
    ///
    /// # Errors
    /// No socket to be had.
    pub fn start(from: &Namespace, to: &Namespace, destinations: Vec<Ipv4Addr>, rate: u32) -> Result<Self> {
        let receiver = to.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)))?;
        setsockopt(&receiver, sockopt::RcvBufForce, &BUFFER)?;
        receiver.set_read_timeout(Some(Duration::from_millis(50)))?;
        let senders: Vec<UdpSocket> = from.run(|| {
            (0..PORTS).map(|_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))).collect::<Result<_, _>>()
        })?;
        let sent = Arc::new(Mutex::new(Vec::new()));
        let arrived = Arc::new(Mutex::new(HashSet::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (record, stopped) = (arrived.clone(), stop.clone());
        let receiving = std::thread::spawn(move || receive(&receiver, &record, &stopped));
        let (record, stopped) = (sent.clone(), stop.clone());
        let interval = Duration::from_secs(1) / rate.max(1);
        let sending = std::thread::spawn(move || flood(&senders, &destinations, interval, &record, &stopped));
        Ok(Self { sent, arrived, stop, threads: vec![sending, receiving] })
    }

    /// What became of the packets sent from `since` on, but for those that may still be under way.
    #[must_use]
    pub fn loss_since(&self, since: Instant) -> Loss {
        let until = Instant::now().checked_sub(GRACE).unwrap_or(since);
        let sent = lock(&self.sent);
        let arrived = lock(&self.arrived);
        let begin = sent.partition_point(|moment| *moment < since);
        let end = sent.partition_point(|moment| *moment < until).max(begin);
        let lost: Vec<usize> = (begin..end).filter(|&number| !arrived.contains(&(number as u32))).collect();
        let moment = |number: Option<&usize>| number.and_then(|&number| sent.get(number)).copied();
        Loss { sent: end - begin, lost: lost.len(), first: moment(lost.first()), last: moment(lost.last()) }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn lock<T>(record: &Mutex<T>) -> MutexGuard<'_, T> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

fn flood(
    senders: &[UdpSocket],
    destinations: &[Ipv4Addr],
    interval: Duration,
    sent: &Mutex<Vec<Instant>>,
    stop: &AtomicBool,
) {
    // The default of 50 µs would make every pause too long; without it the flood is only less even.
    let _ = prctl::set_timerslack(1);
    let mut next = Instant::now();
    for (number, destination) in (0_u32..).zip(destinations.iter().cycle()) {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let sender = &senders[number as usize / destinations.len() % senders.len()];
        lock(sent).push(Instant::now());
        // No route right now: it never comes, which is what a loss is.
        let _ = sender.send_to(&number.to_be_bytes(), SocketAddr::new(IpAddr::V4(*destination), PORT));
        next += interval;
        let left = next.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            sleep(left);
        }
    }
}

fn receive(socket: &UdpSocket, arrived: &Mutex<HashSet<u32>>, stop: &AtomicBool) {
    let mut packet = [0; 4];
    while !stop.load(Ordering::Relaxed) {
        if let Ok(4) = socket.recv(&mut packet) {
            lock(arrived).insert(u32::from_be_bytes(packet));
        }
    }
}
