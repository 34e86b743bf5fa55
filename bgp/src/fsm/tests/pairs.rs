//! Two peers with a network between them, and one peer with everything that can happen; all in virtual time.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Two peers and the messages on their way between them.
struct World {
    peers: [Peer; 2],
    now: Instant,
    latency: [Duration; 2],
    links: Vec<[Option<ConnId>; 2]>,
    on_the_way: BTreeMap<(Instant, usize), Parcel>,
    parcels: usize,
}

/// Something on its way to one of the two.
struct Parcel {
    to: usize,
    link: usize,
    content: Content,
}

enum Content {
    Dialled,
    Answered,
    Refused,
    Octets(Bytes),
    Taken(usize),
    End,
}

impl World {
    fn new(settings: [PeerSettings; 2], latency: [Duration; 2]) -> Self {
        let (peers, now) = (settings.map(Peer::new), start_of_time());
        Self { peers, now, latency, links: Vec::new(), on_the_way: BTreeMap::new(), parcels: 0 }
    }

    fn send(&mut self, to: usize, link: usize, content: Content) {
        let latency = if matches!(content, Content::Taken(_)) { Duration::ZERO } else { self.latency[to] };
        self.parcels += 1;
        self.on_the_way.insert((self.now + latency, self.parcels), Parcel { to, link, content });
    }

    fn tell(&mut self, at: usize, event: Event, incoming: Option<usize>) {
        let mut out = Vec::new();
        self.peers[at].handle(event, self.now, &mut out);
        for action in out {
            self.carry_out(at, action, incoming);
        }
    }

    fn carry_out(&mut self, at: usize, action: Action, incoming: Option<usize>) {
        let other = 1 - at;
        match action {
            Action::Connect(id) => {
                let mut ends = [None; 2];
                ends[at] = Some(id);
                self.links.push(ends);
                self.send(other, self.links.len() - 1, Content::Dialled);
            }
            Action::Accept(id) => {
                let link = incoming.unwrap();
                self.links[link][at] = Some(id);
                self.send(other, link, Content::Answered);
            }
            Action::Refuse => self.send(other, incoming.unwrap(), Content::Refused),
            Action::Transmit(id, octets) => {
                let link = self.link(at, id);
                self.send(at, link, Content::Taken(octets.len()));
                self.send(other, link, Content::Octets(octets));
            }
            Action::Close(id) => {
                let link = self.link(at, id);
                self.send(other, link, Content::End);
            }
            Action::Heard(..)
            | Action::Established(_)
            | Action::Update(_)
            | Action::Offences(_)
            | Action::Refresh(_)
            | Action::Down(_)
            | Action::State { .. } => {}
        }
    }

    fn link(&self, at: usize, id: ConnId) -> usize {
        self.links.iter().position(|ends| ends[at] == Some(id)).unwrap()
    }

    fn deliver(&mut self, Parcel { to, link, content }: Parcel) {
        let Some(id) = self.links[link][to] else {
            match content {
                Content::Dialled => self.tell(to, Event::Incoming, Some(link)),
                // The dialler gave up before it was heard.
                _ => self.send(1 - to, link, Content::Refused),
            }
            return;
        };
        let event = match content {
            Content::Dialled | Content::Answered => Event::Connected(id),
            Content::Refused => Event::ConnectFailed(id, String::from("refused")),
            Content::Octets(octets) => Event::Received(id, octets),
            Content::Taken(octets) => Event::Written(id, octets),
            Content::End => Event::Closed(id, String::from("end of stream")),
        };
        self.tell(to, event, None);
    }

    /// Lets time pass, and everything happen that happens in it.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let parcel = self.on_the_way.keys().next().map(|&(when, _)| when);
            let deadlines = [0, 1].map(|at| self.peers[at].next_deadline());
            let Some(next) = deadlines.into_iter().flatten().chain(parcel).min().filter(|&next| next <= end)
            else {
                break;
            };
            self.now = self.now.max(next);
            if parcel == Some(next) {
                let (_, parcel) = self.on_the_way.pop_first().unwrap();
                self.deliver(parcel);
            } else {
                for at in [0, 1] {
                    self.tell(at, Event::Tick, None);
                }
            }
        }
        self.now = end;
    }

    fn states(&self) -> [State; 2] {
        [0, 1].map(|at| self.peers[at].state())
    }

    /// The link each side runs its session on.
    fn session_links(&self) -> [Option<usize>; 2] {
        [0, 1].map(|at| self.peers[at].session().map(|session| self.link(at, session.connection)))
    }
}

fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn two_peers_of_which_one_waits_reach_established_and_keep_it() {
    let passive = PeerSettings { passive: true, ..settings(THEM, US, 2) };
    let mut world = World::new([settings(US, THEM, 1), passive], [milliseconds(1); 2]);
    world.tell(1, Event::Start, None);
    world.tell(0, Event::Start, None);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.states(), [State::Established; 2]);
    world.pass(Duration::from_secs(86_400));
    assert_eq!(
        world.peers.each_ref().map(|peer| (peer.state(), peer.stats().flaps)),
        [(State::Established, 0); 2]
    );
}

#[test]
fn a_simultaneous_open_leaves_one_session_on_the_connection_of_the_higher_identifier() {
    let mut world = World::new([settings(US, THEM, 1), settings(THEM, US, 2)], [milliseconds(1); 2]);
    world.tell(0, Event::Start, None);
    world.tell(1, Event::Start, None);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.states(), [State::Established; 2]);
    // Link 0 is of the peer with the lower identifier, link 1 of the one with the higher.
    assert_eq!(world.session_links(), [Some(1); 2]);
    assert_eq!(world.peers.each_ref().map(|peer| peer.stats().flaps), [0; 2]);
}

#[test]
fn a_session_that_is_stopped_comes_back_when_started() {
    let mut world = World::new([settings(US, THEM, 1), settings(THEM, US, 2)], [milliseconds(1); 2]);
    world.tell(0, Event::Start, None);
    world.tell(1, Event::Start, None);
    world.pass(Duration::from_secs(100));
    world.tell(0, Event::Stop { reason: StopReason::AdminDown { message: String::from("lunch") } }, None);
    world.pass(Duration::from_secs(100));
    assert_eq!(world.peers[0].state(), State::Idle);
    assert!(world.peers[1].state() < State::OpenSent);
    let reason = world.peers[1].stats().last_error.clone().map(|error| error.reason.label());
    assert_eq!(reason, Some("connect_failed"), "the attempts that were refused since");
    world.tell(0, Event::Start, None);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.states(), [State::Established; 2]);
}

proptest! {
    #[test]
    fn whatever_the_timing_two_peers_find_one_session_and_keep_it(
        latency in [0_u64..400, 0_u64..400],
        head_start in 0_u64..2000,
        ids in prop_oneof![Just([1, 2]), Just([2, 1]), Just([3, 3])],
        seeds in any::<[u64; 2]>(),
    ) {
        let mut sides = [settings(US, THEM, ids[0]), settings(THEM, US, ids[1])];
        for (side, seed) in sides.iter_mut().zip(seeds) {
            side.jitter_seed = seed;
        }
        let mut world = World::new(sides, latency.map(milliseconds));
        world.tell(0, Event::Start, None);
        world.pass(milliseconds(head_start));
        world.tell(1, Event::Start, None);
        world.pass(Duration::from_secs(300));
        prop_assert_eq!(world.states(), [State::Established; 2]);
        let [ours, theirs] = world.session_links();
        prop_assert_eq!(ours, theirs);
        let flaps = |world: &World| world.peers.each_ref().map(|peer| peer.stats().flaps);
        let before = flaps(&world);
        world.pass(Duration::from_secs(3600));
        prop_assert_eq!(world.states(), [State::Established; 2]);
        prop_assert_eq!(flaps(&world), before);
    }
}

/// What can happen to a lone peer.
#[derive(Clone, Debug)]
enum Happening {
    Event(Event),
    /// The clock stands at the next deadline.
    Tick,
    /// The clock moves by so many milliseconds, and nobody looks at the deadlines.
    Sleep(u64),
    Advertise,
}

fn happenings() -> impl Strategy<Value = Happening> {
    let id = (1_u32..8).prop_map(ConnId);
    let messages = prop::collection::vec(message(), 1..4).prop_map(|messages| messages.concat());
    prop_oneof![
        2 => Just(Happening::Event(Event::Start)),
        1 => Just(Happening::Event(Event::Stop { reason: StopReason::Deconfigured })),
        3 => Just(Happening::Event(Event::Incoming)),
        6 => id.clone().prop_map(|id| Happening::Event(Event::Connected(id))),
        1 => id.clone().prop_map(|id| Happening::Event(Event::ConnectFailed(id, String::from("refused")))),
        1 => id.clone().prop_map(|id| Happening::Event(Event::Closed(id, String::from("reset")))),
        16 => (id.clone(), messages).prop_map(|(id, sent)| Happening::Event(Event::Received(id, sent.into()))),
        2 => (id, any::<u16>()).prop_map(|(id, taken)| Happening::Event(Event::Written(id, taken.into()))),
        6 => Just(Happening::Tick),
        2 => (0_u64..200_000).prop_map(Happening::Sleep),
        1 => Just(Happening::Advertise),
    ]
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let notification = Message::Notification(NotificationError::HoldTimerExpired.into());
    prop_oneof![
        8 => Just(octets(&open()).to_vec()),
        8 => Just(octets(&Message::Keepalive).to_vec()),
        2 => Just(octets(&end_of_rib()).to_vec()),
        1 => Just(octets(&notification).to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

/// What every caller may rely on, checked action by action.
#[derive(Default)]
struct Promises {
    state: Option<State>,
    up: bool,
    closed: Vec<ConnId>,
    named: Vec<ConnId>,
}

impl Promises {
    fn check(&mut self, action: &Action) -> Result<(), TestCaseError> {
        match action {
            Action::Connect(id) | Action::Accept(id) => {
                prop_assert!(self.named.last() < Some(id), "{id} is named twice");
                self.named.push(*id);
            }
            Action::Transmit(id, octets) => {
                prop_assert!(!octets.is_empty());
                prop_assert!(self.named.contains(id) && !self.closed.contains(id), "{id} is not open");
            }
            Action::Close(id) => {
                prop_assert!(!self.closed.contains(id), "{id} is closed twice");
                self.closed.push(*id);
            }
            Action::Established(_) => prop_assert!(!std::mem::replace(&mut self.up, true)),
            Action::Down(_) => prop_assert!(std::mem::replace(&mut self.up, false)),
            Action::Update(_) | Action::Offences(_) | Action::Refresh(_) => prop_assert!(self.up),
            Action::State { from, to, .. } => {
                prop_assert_eq!(self.state.replace(*to).unwrap_or(State::Idle), *from);
                prop_assert_ne!(from, to);
            }
            Action::Refuse | Action::Heard(..) => {}
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_promises_hold_and_time_moves_on(
        passive in any::<bool>(),
        hold in prop_oneof![Just(0_u16), 3_u16..200],
        happenings in prop::collection::vec(happenings(), 0..120),
    ) {
        let hold_time = HoldTime::new(hold).unwrap();
        let mut peer = Peer::new(PeerSettings { passive, hold_time, ..settings(US, THEM, 1) });
        let (mut now, mut promises) = (start_of_time(), Promises::default());
        for happening in happenings {
            let mut out = Vec::new();
            match happening {
                Happening::Event(event) => peer.handle(event, now, &mut out),
                Happening::Advertise => peer.transmit(octets(&end_of_rib()), now, &mut out),
                Happening::Sleep(time) => now += milliseconds(time),
                Happening::Tick => {
                    now = peer.next_deadline().map_or(now, |deadline| deadline.max(now));
                    peer.handle(Event::Tick, now, &mut out);
                    prop_assert!(peer.next_deadline().is_none_or(|next| next > now), "a busy loop");
                }
            }
            for action in &out {
                promises.check(action)?;
            }
            prop_assert_eq!(promises.state.unwrap_or(State::Idle), peer.state());
            prop_assert_eq!(promises.up, peer.state() == State::Established);
            prop_assert_eq!(peer.session().is_some(), promises.up);
            prop_assert!(promises.up || peer.room() == 0);
        }
    }
}
