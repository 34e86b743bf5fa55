//! Two ends and the way between them, in virtual time.

use std::collections::BTreeMap;

use super::*;

/// How long a packet takes.
const WAY: Duration = Duration::from_micros(400);

/// Which end of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    A,
    B,
}

struct Pair {
    a: Session,
    b: Session,
    now: Instant,
    /// Packets on their way: when they arrive, in which order they were sent, and at which end.
    way: BTreeMap<(Instant, u64), (End, ControlPacket)>,
    sent: u64,
    /// Tells whether the packet of this number towards this end is lost.
    lost: fn(u64, End) -> bool,
    changes: Vec<(End, Instant, State)>,
}

impl Pair {
    fn new(a: Settings, b: Settings) -> Self {
        let now = start_of_time();
        Self {
            a: Session::new(a, name(1), 1, now),
            b: Session::new(b, name(2), 2, now),
            now,
            way: BTreeMap::new(),
            sent: 0,
            lost: |_, _| false,
            changes: Vec::new(),
        }
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let arrival = self.way.keys().next().map(|(when, _)| *when);
            let deadlines = [self.a.next_deadline(), self.b.next_deadline(), arrival];
            let next = deadlines.into_iter().flatten().min().filter(|next| *next <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
    }

    fn step(&mut self) {
        while let Some(entry) = self.way.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to, packet) = entry.remove();
            let mut out = Vec::new();
            let now = self.now;
            self.end(to).receive(&packet, now, &mut out);
            self.carry(to, out);
        }
        for end in [End::A, End::B] {
            let mut out = Vec::new();
            let now = self.now;
            self.end(end).tick(now, &mut out);
            self.carry(end, out);
        }
    }

    fn end(&mut self, end: End) -> &mut Session {
        match end {
            End::A => &mut self.a,
            End::B => &mut self.b,
        }
    }

    fn carry(&mut self, from: End, out: Vec<Output>) {
        let to = if from == End::A { End::B } else { End::A };
        for output in out {
            match output {
                Output::Transmit(packet) => {
                    self.sent += 1;
                    if !(self.lost)(self.sent, to) {
                        self.way.insert((self.now + WAY, self.sent), (to, packet));
                    }
                }
                Output::Changed { to, .. } => self.changes.push((from, self.now, to)),
            }
        }
    }

    fn came_up(mut self) -> Self {
        self.run(Duration::from_secs(10));
        assert_eq!((self.a.state(), self.b.state()), (State::Up, State::Up));
        self.changes.clear();
        self
    }
}

#[test]
fn two_ends_come_up_within_three_seconds_and_stay() {
    let mut pair = Pair::new(settings(300, 3), settings(300, 3));
    pair.run(Duration::from_secs(3));
    assert_eq!((pair.a.state(), pair.b.state()), (State::Up, State::Up));
    pair.changes.clear();
    pair.run(Duration::from_secs(600));
    assert_eq!(pair.changes, []);
}

#[test]
fn unequal_ends_agree_on_the_slower_interval_of_each_direction() {
    let a = Settings { min_tx: millis(50), min_rx: millis(400), ..settings(50, 4) };
    let b = Settings { min_tx: millis(100), min_rx: millis(200), ..settings(100, 7) };
    let pair = Pair::new(a, b).came_up();
    assert_eq!(pair.a.transmit_interval(), millis(200));
    assert_eq!(pair.b.transmit_interval(), millis(400));
    assert_eq!(pair.a.receive_interval(), Some(millis(400)));
    assert_eq!(pair.b.receive_interval(), Some(millis(200)));
    assert_eq!(pair.a.detection_time(), Some(millis(7 * 400)));
    assert_eq!(pair.b.detection_time(), Some(millis(4 * 200)));
    assert_eq!((pair.a.poll, pair.b.poll), (Poll::None, Poll::None));
}

#[test]
fn fewer_losses_in_a_row_than_the_multiplier_do_not_bring_it_down() {
    let mut pair = Pair::new(settings(50, 3), settings(50, 3)).came_up();
    pair.lost = |number, to| to == End::B && number % 5 < 2;
    pair.run(Duration::from_secs(60));
    assert_eq!(pair.changes, []);
}

#[test]
fn a_cut_is_noticed_within_the_detection_time_by_both() {
    let mut pair = Pair::new(settings(50, 3), settings(50, 3)).came_up();
    pair.lost = |_, _| true;
    let cut = pair.now;
    pair.run(Duration::from_secs(1));
    for end in [End::A, End::B] {
        let (_, when, state) = *pair.changes.iter().find(|(who, ..)| *who == end).unwrap();
        assert_eq!(state, State::Down);
        let took = when - cut;
        assert!(took > millis(100) && took <= millis(150) + WAY, "{end:?} took {took:?}");
    }
}

#[test]
fn the_end_that_still_hears_is_told_of_a_one_way_cut() {
    let mut pair = Pair::new(settings(50, 3), settings(50, 3)).came_up();
    pair.lost = |_, to| to == End::A;
    pair.run(Duration::from_millis(200));
    assert_eq!((pair.a.state(), pair.b.state()), (State::Down, State::Down));
    assert_eq!(pair.a.diagnostic(), Diagnostic::DetectionTimeExpired);
    assert_eq!(pair.b.diagnostic(), Diagnostic::NeighborSignaledDown);
}

#[test]
fn it_comes_back_after_a_cut() {
    let mut pair = Pair::new(settings(50, 3), settings(50, 3)).came_up();
    pair.lost = |_, _| true;
    pair.run(Duration::from_secs(20));
    pair.lost = |_, _| false;
    pair.came_up();
}

#[test]
fn new_intervals_are_taken_over_without_a_failure() {
    let mut pair = Pair::new(settings(50, 3), settings(50, 3)).came_up();
    let now = pair.now;
    pair.a.configure(settings(500, 3), now);
    pair.run(Duration::from_secs(5));
    pair.a.configure(settings(10, 3), pair.now);
    pair.b.configure(settings(20, 3), pair.now);
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.changes, []);
    assert_eq!(pair.b.transmit_interval(), millis(20));
    assert_eq!(pair.b.detection_time(), Some(millis(60)));
}

#[test]
fn an_end_that_starts_anew_is_found_again() {
    let mut pair = Pair::new(settings(300, 3), settings(300, 3)).came_up();
    pair.b = Session::new(settings(300, 3), name(3), 9, pair.now);
    pair.run(Duration::from_secs(5));
    assert_eq!((pair.a.state(), pair.b.state()), (State::Up, State::Up));
    assert_eq!(pair.a.stats().failures, 1);
}
