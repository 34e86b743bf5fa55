//! The tap: BGP messages as octets, of each connection and direction, for those who look on.
//!
//! It hangs where octets leave and where messages have been cut out of what came, and costs nothing while nobody
//! listens but a look at the type of what leaves: both OPENs of a connection and its last words are always kept,
//! for stations have to pass them on. Listeners have bounded queues; one that does not keep up misses messages and
//! is told how many.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::SystemTime;

use bgp::bmp::Down;
use bgp::mrt::Direction;
use bgp::wire::{CodecContext, HEADER};
use bytes::Bytes;
use rib::PeerId;
use tokio::sync::mpsc;

use crate::mrt::Writer;
use crate::speaker::Reading;
use crate::transport::Key;

const OPEN: u8 = 1;
const NOTIFICATION: u8 = 3;
/// How many connections of a peer that are over are remembered, for stations that have not heard of it yet.
const REMEMBERED: usize = 4;
/// How many messages may wait for whoever captures.
const CAPTURE_QUEUE: usize = 1024;
/// How many captures may run at a time.
const CAPTURES: usize = 8;

/// What was said on a connection that outlives it.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// Our OPEN, a whole message; empty until it is out.
    pub sent_open: Bytes,
    /// The peer's.
    pub received_open: Bytes,
    last_words: Option<(Direction, Bytes)>,
    closed_by_peer: bool,
}

/// A message on its way to whoever captures.
#[derive(Debug)]
pub struct Captured {
    /// When it came or left.
    pub at: SystemTime,
    /// Which way it went.
    pub direction: Direction,
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// What it has to be read by.
    pub context: CodecContext,
    /// The whole message.
    pub octets: Bytes,
    /// How many messages before it were missed.
    pub missed: u64,
}

struct Capture {
    peer: PeerId,
    queue: mpsc::Sender<Captured>,
    missed: u64,
}

/// Everything that listens, and what is remembered for it.
#[derive(Default)]
pub struct Tap {
    conversations: BTreeMap<Key, Conversation>,
    over: BTreeMap<Key, Conversation>,
    captures: Vec<Capture>,
    /// Writes everything down.
    pub mrt: Option<Writer>,
}

impl Tap {
    /// Takes note of a new connection.
    pub fn opened(&mut self, key: Key, local: SocketAddr, remote: SocketAddr) {
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let conversation = Conversation {
            local: canonical(local),
            remote: canonical(remote),
            sent_open: Bytes::new(),
            received_open: Bytes::new(),
            last_words: None,
            closed_by_peer: false,
        };
        self.conversations.insert(key, conversation);
    }

    /// Takes note that a connection is over; the first word on who ended it counts.
    pub fn closed(&mut self, key: Key, by_peer: bool) {
        let Some(conversation) = self.conversations.remove(&key) else { return };
        self.over.insert(key, Conversation { closed_by_peer: by_peer, ..conversation });
        let of_peer = |other: &&Key| other.0 == key.0;
        if self.over.keys().filter(of_peer).count() > REMEMBERED
            && let Some(oldest) = self.over.keys().find(of_peer).copied()
        {
            self.over.remove(&oldest);
        }
    }

    /// Takes note of messages, and tells whether somebody wants them delivered.
    pub fn note(&mut self, key: Key, direction: Direction, octets: &Bytes) -> bool {
        let kind = octets.get(HEADER - 1);
        if matches!(kind, Some(&(OPEN | NOTIFICATION)))
            && let Some(conversation) = self.conversations.get_mut(&key)
        {
            let message = octets.clone();
            match (kind, direction) {
                (Some(&NOTIFICATION), _) => conversation.last_words = Some((direction, message)),
                (_, Direction::Sent) => conversation.sent_open = message,
                (_, Direction::Received) => conversation.received_open = message,
            }
        }
        self.wants(key.0)
    }

    /// Tells whether somebody wants every message of a peer.
    #[must_use]
    pub fn wants(&self, peer: PeerId) -> bool {
        self.mrt.is_some() || self.captures.iter().any(|capture| capture.peer == peer)
    }

    /// Hands messages to everybody who wants them.
    pub fn deliver(&mut self, key: Key, direction: Direction, octets: &Bytes, reading: &Reading) {
        let Some(conversation) = self.conversations.get(&key).or_else(|| self.over.get(&key)) else { return };
        let (local, remote, at) = (conversation.local, conversation.remote, SystemTime::now());
        for message in messages(octets) {
            if let Some(mrt) = &self.mrt {
                mrt.message(at, reading, local.ip(), direction, &message);
            }
            for capture in self.captures.iter_mut().filter(|capture| capture.peer == key.0) {
                let captured = Captured {
                    at,
                    direction,
                    local,
                    remote,
                    context: reading.context.clone(),
                    octets: message.clone(),
                    missed: capture.missed,
                };
                match capture.queue.try_send(captured) {
                    Ok(()) => capture.missed = 0,
                    Err(_) => capture.missed += 1,
                }
            }
        }
    }

    /// Begins a capture of a peer; it ends when the receiver is dropped. `None` when too many run.
    pub fn capture(&mut self, peer: PeerId) -> Option<mpsc::Receiver<Captured>> {
        self.forget_ended();
        if self.captures.len() == CAPTURES {
            return None;
        }
        let (queue, captured) = mpsc::channel(CAPTURE_QUEUE);
        self.captures.push(Capture { peer, queue, missed: 0 });
        Some(captured)
    }

    /// Forgets the captures nobody reads any more, and tells whether there were any.
    pub fn forget_ended(&mut self) -> bool {
        let before = self.captures.len();
        self.captures.retain(|capture| !capture.queue.is_closed());
        self.captures.len() < before
    }

    /// Returns what was said on a connection, over or not.
    #[must_use]
    pub fn conversation(&self, key: Key) -> Option<&Conversation> {
        self.conversations.get(&key).or_else(|| self.over.get(&key))
    }
}

impl Conversation {
    /// Says how it ended, as stations are told.
    #[must_use]
    pub fn end(&self) -> Down<'_> {
        match &self.last_words {
            Some((Direction::Sent, notification)) => Down::LocalNotification(notification),
            Some((Direction::Received, notification)) => Down::RemoteNotification(notification),
            None if self.closed_by_peer => Down::Remote,
            // None of the events of RFC 4271 §8.1 says more.
            None => Down::Local(0),
        }
    }
}

/// Cuts octets into the messages they are.
pub fn messages(octets: &Bytes) -> impl Iterator<Item = Bytes> {
    let mut rest = octets.clone();
    std::iter::from_fn(move || {
        let (header, _) = rest.split_first_chunk::<HEADER>()?;
        let [.., high, low, _] = *header;
        let length = usize::from(u16::from_be_bytes([high, low])).clamp(HEADER, rest.len());
        Some(rest.split_to(length))
    })
}

#[cfg(test)]
mod tests {
    use bgp::fsm::ConnId;

    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut octets = vec![0xFF; 16];
        octets.extend_from_slice(&((HEADER + body.len()) as u16).to_be_bytes());
        octets.push(kind);
        octets.extend_from_slice(body);
        octets
    }

    fn connected() -> (Tap, Key) {
        let (mut tap, key) = (Tap::default(), (PeerId(1), ConnId(1)));
        tap.opened(key, "10.0.0.1:179".parse().unwrap(), "[::ffff:10.0.0.2]:40000".parse().unwrap());
        (tap, key)
    }

    fn reading() -> Reading {
        Reading {
            address: "10.0.0.2".parse().unwrap(),
            asn: bgp::Asn(65001),
            local_asn: bgp::Asn(65000),
            context: CodecContext::before_open(),
        }
    }

    #[test]
    fn octets_are_cut_into_messages() {
        let both = Bytes::from([message(4, &[]), message(2, &[0; 4])].concat());
        let kinds: Vec<u8> = messages(&both).map(|message| message[HEADER - 1]).collect();
        assert_eq!(kinds, [4, 2]);
    }

    #[test]
    fn the_last_words_of_a_connection_outlive_it() {
        let (mut tap, key) = connected();
        let notification = Bytes::from(message(3, &[6, 2]));
        assert!(!tap.note(key, Direction::Received, &notification));
        tap.closed(key, false);
        let conversation = tap.conversation(key).unwrap();
        assert_eq!(conversation.end(), Down::RemoteNotification(&notification));
        assert_eq!(conversation.remote.to_string(), "10.0.0.2:40000");
    }

    #[test]
    fn a_peer_that_comes_and_goes_leaves_no_more_than_a_few_connections() {
        let mut tap = Tap::default();
        let ends: SocketAddr = "10.0.0.1:179".parse().unwrap();
        for number in 0..100 {
            tap.opened((PeerId(1), ConnId(number)), ends, ends);
            tap.closed((PeerId(1), ConnId(number)), true);
        }
        assert_eq!(tap.over.len(), REMEMBERED);
        assert_eq!(tap.conversation((PeerId(1), ConnId(99))).unwrap().end(), Down::Remote);
    }

    #[test]
    fn whoever_does_not_keep_up_is_told_how_much_was_missed() {
        let (mut tap, key) = connected();
        let mut captured = tap.capture(PeerId(1)).unwrap();
        let keepalive = Bytes::from(message(4, &[]));
        assert!(tap.note(key, Direction::Sent, &keepalive));
        for _ in 0..CAPTURE_QUEUE + 7 {
            tap.deliver(key, Direction::Sent, &keepalive, &reading());
        }
        while captured.try_recv().is_ok() {}
        tap.deliver(key, Direction::Sent, &keepalive, &reading());
        assert_eq!(captured.try_recv().unwrap().missed, 7);
        drop(captured);
        assert!(tap.forget_ended());
        assert!(!tap.wants(PeerId(1)));
    }

    #[test]
    fn captures_are_limited_in_number() {
        let mut tap = Tap::default();
        let running: Vec<_> = (0..CAPTURES).map(|_| tap.capture(PeerId(1)).unwrap()).collect();
        assert!(tap.capture(PeerId(1)).is_none());
        drop(running);
        assert!(tap.capture(PeerId(1)).is_some());
    }
}
