//! Real sockets on the loopback interface; none of this needs to be root.

use std::io::{Read, Write};
use std::net::{TcpListener as StdListener, TcpStream as StdStream};
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::intent::Secret;

/// Enough for anything on a loopback interface of a busy machine.
const SOON: Duration = Duration::from_secs(10);
/// Long enough for what must not happen to have happened.
const A_WHILE: Duration = Duration::from_millis(700);

const DIALLED: Key = (PeerId(1), ConnId(1));
const ACCEPTED: Key = (PeerId(1), ConnId(2));

/// A transport with its listeners, and what it reports.
struct Side {
    transport: Transport,
    listeners: Listeners,
    events: mpsc::Receiver<SocketEvent>,
}

impl Side {
    fn new() -> Self {
        Self::reporting_at_most(64)
    }

    fn reporting_at_most(waiting: usize) -> Self {
        let (sender, events) = mpsc::channel(waiting);
        Self { transport: Transport::new(sender.clone()), listeners: Listeners::new(sender), events }
    }

    fn sign(&mut self, peer: SocketAddr, key: Option<Secret>) {
        let (_, result) = self.listeners.sign(peer.ip().into(), key.map(Signing::Md5).as_ref());
        result.unwrap();
    }

    async fn next(&mut self) -> SocketEvent {
        timeout(SOON, self.events.recv()).await.expect("something happens").expect("the senders live")
    }

    /// The next event but for octets that were written.
    async fn heard(&mut self) -> SocketEvent {
        loop {
            match self.next().await {
                SocketEvent::Written(..) => {}
                event => return event,
            }
        }
    }

    /// Dials and accepts, and opens both ends.
    async fn connect(&mut self, dialled: Endpoint, accepted: &Endpoint) {
        self.transport.connect(DIALLED, dialled);
        for _ in 0..2 {
            match self.heard().await {
                SocketEvent::Connected(key, stream) => self.transport.open(key, stream, None).unwrap(),
                SocketEvent::Accepted(stream) => {
                    self.transport.open(ACCEPTED, stream, Some(accepted)).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
    }

    async fn hears_nothing(&mut self) -> bool {
        timeout(A_WHILE, self.heard()).await.is_err()
    }
}

/// A port nobody listens on at the moment.
fn free() -> SocketAddr {
    StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn endpoint(remote: SocketAddr) -> Endpoint {
    Endpoint { remote, local: None, send_ttl: 64, minimum_ttl: 0, signing: None }
}

fn signed(remote: SocketAddr, key: &Secret) -> Endpoint {
    Endpoint { signing: Some(Signing::Md5(key.clone())), ..endpoint(remote) }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes()).unwrap()
}

/// A connection from outside, opened as [`ACCEPTED`], and its other end.
async fn from_outside(side: &mut Side) -> StdStream {
    let address = free();
    side.listeners.listen(&[address].into()).unwrap();
    let outside = StdStream::connect(address).unwrap();
    let SocketEvent::Accepted(stream) = side.next().await else { panic!("not accepted") };
    side.transport.open(ACCEPTED, stream, Some(&endpoint(address))).unwrap();
    outside
}

/// Reads until the other side closes.
fn read_all(mut stream: StdStream) -> tokio::task::JoinHandle<io::Result<Vec<u8>>> {
    tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        stream.set_read_timeout(Some(SOON))?;
        stream.read_to_end(&mut all)?;
        Ok(all)
    })
}

#[tokio::test]
async fn octets_go_both_ways_and_are_reported_when_written() {
    let (mut side, address) = (Side::new(), free());
    side.listeners.listen(&[address].into()).unwrap();
    side.connect(endpoint(address), &endpoint(address)).await;
    side.transport.transmit(DIALLED, Bytes::from_static(b"there")).unwrap();
    assert!(matches!(side.next().await, SocketEvent::Written(DIALLED, 5)));
    assert!(matches!(side.next().await, SocketEvent::Received(ACCEPTED, octets) if octets == "there"));
    side.transport.transmit(ACCEPTED, Bytes::from_static(b"back")).unwrap();
    assert!(matches!(side.heard().await, SocketEvent::Received(DIALLED, octets) if octets == "back"));
    side.transport.close(DIALLED);
    assert!(matches!(side.heard().await, SocketEvent::Closed(..)));
}

#[tokio::test]
async fn a_dial_nobody_answers_fails() {
    let mut side = Side::new();
    side.transport.connect(DIALLED, endpoint(free()));
    let SocketEvent::ConnectFailed(DIALLED, error) = side.next().await else { panic!("it did not fail") };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_dial_given_up_is_not_wanted_any_more() {
    let mut side = Side::new();
    side.transport.connect(DIALLED, endpoint(free()));
    assert!(side.transport.wants(DIALLED));
    side.transport.close(DIALLED);
    assert!(!side.transport.wants(DIALLED));
    assert!(side.hears_nothing().await);
}

#[tokio::test]
async fn equal_keys_connect_and_can_be_changed_on_the_way() {
    let (mut side, address) = (Side::new(), free());
    let (first, second) = (secret("first"), secret("second"));
    side.listeners.listen(&[address].into()).unwrap();
    side.sign(address, Some(first.clone()));
    side.connect(signed(address, &first), &signed(address, &first)).await;

    let (before, wanted) = (Signing::Md5(first.clone()), Signing::Md5(second.clone()));
    side.transport.rekey(address.ip().into(), Some(&before), Some(&wanted)).unwrap();
    side.transport.transmit(DIALLED, Bytes::from_static(b"with the second")).unwrap();
    let heard = side.heard().await;
    assert!(
        matches!(&heard, SocketEvent::Received(ACCEPTED, octets) if octets == "with the second"),
        "{heard:?}"
    );
}

#[tokio::test]
async fn unequal_keys_do_not_connect() {
    let (mut side, address) = (Side::new(), free());
    side.listeners.listen(&[address].into()).unwrap();
    side.sign(address, Some(secret("right")));
    side.transport.connect(DIALLED, signed(address, &secret("wrong")));
    assert!(side.hears_nothing().await);
}

#[tokio::test]
async fn a_socket_that_listens_later_knows_the_keys() {
    let (mut side, address) = (Side::new(), free());
    side.sign(address, Some(secret("right")));
    side.listeners.listen(&[address].into()).unwrap();
    side.transport.connect(DIALLED, endpoint(address));
    assert!(side.hears_nothing().await, "it let in who did not sign");
}

#[tokio::test]
async fn a_key_stays_while_the_same_address_has_it_on_another_link() {
    let (mut side, address) = (Side::new(), free());
    let key = Signing::Md5(secret("right"));
    let on = |link| Place::on_link(address.ip(), link).into();
    side.listeners.sign(on(7), Some(&key)).1.unwrap();
    side.listeners.listen(&[address].into()).unwrap();
    side.listeners.sign(on(8), Some(&key)).1.unwrap();
    side.listeners.sign(on(7), None).1.unwrap();
    side.transport.connect(DIALLED, endpoint(address));
    assert!(side.hears_nothing().await, "it let in who did not sign");
    side.listeners.sign(on(8), None).1.unwrap();
    assert!(matches!(side.next().await, SocketEvent::Connected(..) | SocketEvent::Accepted(_)));
}

#[tokio::test]
async fn a_key_taken_away_is_not_asked_for() {
    let (mut side, address) = (Side::new(), free());
    side.sign(address, Some(secret("old")));
    side.listeners.listen(&[address].into()).unwrap();
    side.sign(address, None);
    side.connect(endpoint(address), &endpoint(address)).await;
}

#[tokio::test]
async fn what_crossed_too_many_routers_is_not_heard() {
    for (send_ttl, arrives) in [(255, true), (254, false)] {
        let (mut side, address) = (Side::new(), free());
        side.listeners.listen(&[address].into()).unwrap();
        let near = Endpoint { send_ttl: 255, minimum_ttl: 255, ..endpoint(address) };
        side.connect(Endpoint { send_ttl: 255, ..endpoint(address) }, &near).await;
        let dialled = side.transport.links.get(&DIALLED);
        let Some(Link::Open(dialled)) = dialled else { panic!("no connection") };
        dialled.send_with(send_ttl).unwrap();
        side.transport.transmit(DIALLED, Bytes::from_static(b"hello")).unwrap();
        assert_eq!(!side.hears_nothing().await, arrives, "sent with {send_ttl}");
    }
}

#[tokio::test]
async fn last_words_arrive_although_there_was_more_to_read() {
    let mut side = Side::reporting_at_most(1);
    let mut outside = from_outside(&mut side).await;
    outside.write_all(&vec![7; 512 * 1024]).unwrap();
    side.transport.transmit(ACCEPTED, Bytes::from_static(b"because")).unwrap();
    side.transport.close(ACCEPTED);
    let Side { mut transport, mut events, .. } = side;
    let heard = read_all(outside);
    // The owner takes what is reported, as it does while it stops.
    tokio::select! {
        () = transport.drain() => {}
        () = async { while events.recv().await.is_some() {} } => {}
    }
    assert_eq!(heard.await.unwrap().unwrap(), b"because");
}

#[tokio::test]
async fn the_words_of_a_peer_that_resets_are_heard_before_the_end() {
    let mut side = Side::new();
    let mut outside = from_outside(&mut side).await;
    outside.write_all(b"because").unwrap();
    socket2::SockRef::from(&outside).set_linger(Some(Duration::ZERO)).unwrap();
    drop(outside);
    for _ in 0..10 {
        side.transport.transmit(ACCEPTED, Bytes::from_static(b"are you there?")).unwrap();
    }
    let heard = side.heard().await;
    assert!(matches!(&heard, SocketEvent::Received(ACCEPTED, octets) if octets == "because"), "{heard:?}");
    assert!(matches!(side.heard().await, SocketEvent::Closed(ACCEPTED, _)));
    assert!(side.hears_nothing().await, "it ends once");
}

#[tokio::test]
async fn a_peer_that_reads_nothing_fills_a_queue_and_no_more() {
    let mut side = Side::new();
    let _outside = from_outside(&mut side).await;
    let octets = Bytes::from(vec![7; 64 * 1024]);
    let taken =
        (0..100_000).take_while(|_| side.transport.transmit(ACCEPTED, octets.clone()).is_ok()).count();
    assert!((1000..50_000).contains(&taken), "{taken} buffers");
}

#[tokio::test]
async fn an_address_can_be_listened_on_again_at_once() {
    let (mut side, address) = (Side::new(), free());
    let anywhere = SocketAddr::new([0, 0, 0, 0].into(), address.port());
    side.listeners.listen(&[address].into()).unwrap();
    side.listeners.listen(&[anywhere].into()).unwrap();
    side.listeners.listen(&[address].into()).unwrap();
    let _outside = StdStream::connect(address).unwrap();
    assert!(matches!(side.next().await, SocketEvent::Accepted(_)));
}

#[tokio::test]
async fn a_connection_that_began_too_far_away_is_refused() {
    let mut side = Side::new();
    let address = free();
    side.listeners.listen(&[address].into()).unwrap();
    // Its packets have the system's TTL, which is not 255.
    let _far = StdStream::connect(address).unwrap();
    let SocketEvent::Accepted(stream) = side.next().await else { panic!("no connection") };
    let near = Endpoint { minimum_ttl: 255, ..endpoint(address) };
    let refused = side.transport.open(ACCEPTED, stream, Some(&near)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
}
