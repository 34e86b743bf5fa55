//! Probes between pods: steady UDP echoes whose every loss is on record, and a ping.
//!
//! A probe runs several flows (one source port each) to one target and takes turns among them, so that with
//! equal-cost paths every path carries some. What was lost is known packet by packet, with the time it was sent.

mod loss;
mod ping;

pub use loss::{Packet, Report};
pub use ping::ping;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::net::{Namespace, enlarge_receive_buffer};

/// Where an [`Echo`] listens: the echo service (RFC 862).
const ECHO_PORT: u16 = 7;
/// An answer that takes longer is a loss.
const GRACE: Duration = Duration::from_millis(400);
/// Room for what arrives while nobody gets to run: a busy machine is not a lost packet.
const BUFFER: usize = 4 << 20;

/// Answers every datagram with itself, on both families. Dropping it stops that.
#[derive(Debug)]
pub struct Echo {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Starts answering in a namespace.
    ///
    /// # Errors
    /// Port 7 is taken there.
    pub fn start(namespace: &Namespace) -> Result<Self> {
        let socket = namespace
            .run(|| UdpSocket::bind(("::", ECHO_PORT)))
            .with_context(|| format!("cannot listen on the echo port in {}", namespace.name()))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        enlarge_receive_buffer(&socket, BUFFER);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 64];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    // No way back right now is a loss, and the probe counts it.
                    let _ = socket.send_to(&buffer[..length], from);
                }
            }
        });
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Sends to an [`Echo`] at a steady rate until dropped.
#[derive(Debug)]
pub struct Probe {
    started: Instant,
    packets: Arc<Mutex<Vec<Packet>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A moment in a probe's life.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl Probe {
    /// Starts sending `rate` packets a second over `flows` flows from a namespace.
    ///
    /// # Errors
    /// No socket to be had, or no route to the target.
    pub fn start(from: &Namespace, to: IpAddr, flows: usize, rate: u32) -> Result<Self> {
        let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
        let open = || -> io::Result<UdpSocket> {
            let socket = UdpSocket::bind((any, 0))?;
            socket.connect(SocketAddr::new(to, ECHO_PORT))?;
            socket.set_nonblocking(true)?;
            enlarge_receive_buffer(&socket, BUFFER);
            Ok(socket)
        };
        let sockets = from
            .run(|| (0..flows).map(|_| open()).collect::<io::Result<Vec<_>>>())
            .with_context(|| format!("cannot send from {} to {to}", from.name()))?;
        let packets = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (record, stopped) = (packets.clone(), stop.clone());
        let interval = Duration::from_secs(1) / rate.max(1);
        let started = Instant::now();
        let thread = std::thread::spawn(move || run(&sockets, started, interval, &record, &stopped));
        Ok(Self { started, packets, stop, thread: Some(thread) })
    }

    /// Now, to ask for a report from here on.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(lock(&self.packets).len())
    }

    /// What became of the packets sent between two marks. Waits for the answers still under way.
    #[must_use]
    pub fn between(&self, from: Mark, until: Mark) -> Report {
        let last = lock(&self.packets).get(..until.0).and_then(<[_]>::last).map(|packet| packet.sent);
        let due = self.started + last.unwrap_or_default() + GRACE;
        sleep(due.saturating_duration_since(Instant::now()));
        Report::of(lock(&self.packets).get(from.0..until.0).unwrap_or_default())
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn lock(packets: &Mutex<Vec<Packet>>) -> MutexGuard<'_, Vec<Packet>> {
    packets.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(
    sockets: &[UdpSocket],
    start: Instant,
    interval: Duration,
    packets: &Mutex<Vec<Packet>>,
    stop: &AtomicBool,
) {
    let mut next = start;
    for (sequence, flow) in (0_u32..).zip((0..sockets.len()).cycle()) {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        lock(packets).push(Packet { flow, sent: start.elapsed(), answered: None });
        // Refused or unroutable: it stays without an answer, which is what a loss is.
        let _ = sockets[flow].send(&sequence.to_be_bytes());
        next += interval;
        loop {
            let left = next.saturating_duration_since(Instant::now());
            collect(&answered(sockets, left), start, packets);
            // Once more than it waited: a probe that lags behind must hear its answers too.
            if left.is_zero() {
                break;
            }
        }
    }
}

fn collect(sockets: &[&UdpSocket], start: Instant, packets: &Mutex<Vec<Packet>>) {
    let mut answer = [0; 4];
    for socket in sockets {
        while let Ok(4) = socket.recv(&mut answer) {
            let now = start.elapsed();
            let sequence = u32::from_be_bytes(answer) as usize;
            if let Some(packet) = lock(packets).get_mut(sequence) {
                packet.answered.get_or_insert(now.saturating_sub(packet.sent));
            }
        }
    }
}

/// Waits for the next answer, no longer than this; the sockets that have one.
fn answered(sockets: &[UdpSocket], left: Duration) -> Vec<&UdpSocket> {
    let mut polled: Vec<_> =
        sockets.iter().map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
    // Milliseconds rounded up: a packet sent a little late is better than a busy loop.
    let timeout = u16::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
    let _ = poll(&mut polled, PollTimeout::from(timeout));
    // A socket with an error has something to be read too: the error.
    let has_any = |polled: &PollFd<'_>| polled.revents().is_some_and(|events| !events.is_empty());
    sockets.iter().zip(&polled).filter(|(_, polled)| has_any(polled)).map(|(socket, _)| socket).collect()
}

#[cfg(test)]
mod tests;
