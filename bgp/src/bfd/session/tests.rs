use proptest::prelude::*;

use super::*;

mod pairs;

#[allow(clippy::disallowed_methods, reason = "virtual time must begin somewhere, and Instant knows no zero")]
pub(in crate::bfd) fn start_of_time() -> Instant {
    Instant::now()
}

pub(in crate::bfd) fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(in crate::bfd) fn settings(interval: u64, multiplier: u8) -> Settings {
    Settings {
        min_tx: millis(interval),
        min_rx: millis(interval),
        multiplier: NonZeroU8::new(multiplier).unwrap(),
    }
}

pub(in crate::bfd) fn name(number: u32) -> Discriminator {
    Discriminator::new(number).unwrap()
}

/// What a peer of 100 ms × 5 says that has heard us.
fn says(state: State) -> ControlPacket {
    ControlPacket {
        diagnostic: Diagnostic::None,
        state,
        poll: false,
        is_final: false,
        control_plane_independent: true,
        demand: false,
        authenticated: false,
        multiplier: NonZeroU8::new(5).unwrap(),
        my_discriminator: name(2),
        your_discriminator: Some(name(1)),
        desired_min_tx: millis(100),
        required_min_rx: millis(100),
        required_min_echo_rx: Duration::ZERO,
    }
}

/// A session and its clock.
struct Stage {
    session: Session,
    now: Instant,
}

impl Stage {
    fn new(settings: Settings) -> Self {
        let now = start_of_time();
        Self { session: Session::new(settings, name(1), 7, now), now }
    }

    /// A session of 300 ms × 3 that has come this far, with nothing due and no poll outstanding.
    fn at(state: State) -> Self {
        let mut stage = Self::new(settings(300, 3));
        match state {
            State::Down => {}
            State::AdminDown => drop(stage.shut_down()),
            State::Init => drop(stage.hear(says(State::Down))),
            State::Up => drop(stage.hear(says(State::Init))),
        }
        while stage.session.poll != Poll::None {
            let said = if state == State::Init { State::Down } else { State::Up };
            stage.hear(ControlPacket { is_final: true, ..says(said) });
        }
        stage.tick();
        assert_eq!(stage.session.state(), state);
        stage
    }

    fn hear(&mut self, packet: ControlPacket) -> Vec<Output> {
        let mut out = Vec::new();
        self.session.receive(&packet, self.now, &mut out);
        out
    }

    fn tick(&mut self) -> Vec<Output> {
        let mut out = Vec::new();
        self.session.tick(self.now, &mut out);
        out
    }

    fn shut_down(&mut self) -> Vec<Output> {
        let mut out = Vec::new();
        self.session.shut_down(self.now, &mut out);
        out
    }

    fn wait(&mut self, duration: Duration) -> Vec<Output> {
        self.now += duration;
        self.tick()
    }

    /// Waits for the next packet, however long that takes, hearing the peer meanwhile.
    fn next_packet(&mut self) -> (Duration, ControlPacket) {
        let before = self.now;
        self.now = self.session.transmit_at.unwrap();
        if let Some(remote) = &mut self.session.remote {
            remote.heard = self.now;
        }
        let sent = self.tick();
        let packet = sent.iter().find_map(|output| match output {
            Output::Transmit(packet) => Some(*packet),
            Output::Changed { .. } => None,
        });
        (self.now - before, packet.unwrap())
    }

    fn configure(&mut self, settings: Settings) {
        self.session.configure(settings, self.now);
    }
}

/// RFC 5880 §6.8.6, every pair.
#[test]
fn every_state_answers_every_state_as_the_rfc_says() {
    use Diagnostic::{AdministrativelyDown, NeighborSignaledDown, None};
    use State::{AdminDown, Down, Init, Up};
    let table = [
        (AdminDown, AdminDown, AdminDown, AdministrativelyDown),
        (AdminDown, Down, AdminDown, AdministrativelyDown),
        (AdminDown, Init, AdminDown, AdministrativelyDown),
        (AdminDown, Up, AdminDown, AdministrativelyDown),
        (Down, AdminDown, Down, None),
        (Down, Down, Init, None),
        (Down, Init, Up, None),
        (Down, Up, Down, None),
        (Init, AdminDown, Down, NeighborSignaledDown),
        (Init, Down, Init, None),
        (Init, Init, Up, None),
        (Init, Up, Up, None),
        (Up, AdminDown, Down, NeighborSignaledDown),
        (Up, Down, Down, NeighborSignaledDown),
        (Up, Init, Up, None),
        (Up, Up, Up, None),
    ];
    assert_eq!(table.len(), State::ALL.len() * State::ALL.len());
    for (ours, theirs, next, diagnostic) in table {
        let mut stage = Stage::at(ours);
        let out = stage.hear(says(theirs));
        assert_eq!(stage.session.state(), next, "{ours} hears {theirs}");
        assert_eq!(stage.session.diagnostic(), diagnostic, "{ours} hears {theirs}");
        let changed = out.iter().any(|output| matches!(output, Output::Changed { .. }));
        assert_eq!(changed, ours != next, "{ours} hears {theirs}");
    }
}

#[test]
fn a_change_of_state_is_told_at_once() {
    for (ours, theirs) in [(State::Down, State::Down), (State::Init, State::Up), (State::Up, State::Down)] {
        let mut stage = Stage::at(ours);
        stage.hear(says(theirs));
        assert_eq!(stage.session.next_deadline(), Some(stage.now), "{ours} hears {theirs}");
        let (_, packet) = stage.next_packet();
        assert_eq!(packet.state, stage.session.state());
    }
}

#[test]
fn nothing_is_sent_faster_than_once_a_second_until_the_session_is_up() {
    let mut stage = Stage::new(settings(50, 3));
    stage.tick();
    for _ in 0..100 {
        let (pause, packet) = stage.next_packet();
        assert!(pause >= millis(750) && pause <= millis(1000), "{pause:?}");
        assert_eq!(packet.desired_min_tx, millis(1000));
        assert_eq!(packet.required_min_rx, millis(50));
    }
}

#[test]
fn packets_are_spread_over_the_last_quarter_of_the_interval() {
    let mut stage = Stage::at(State::Up);
    let pauses: Vec<_> = (0..1000).map(|_| stage.next_packet().0).collect();
    assert!(pauses.iter().all(|pause| (millis(225)..=millis(300)).contains(pause)));
    assert!(pauses.iter().any(|pause| *pause < millis(230)));
    assert!(pauses.iter().any(|pause| *pause > millis(295)));
}

#[test]
fn a_multiplier_of_one_leaves_a_tenth_of_the_interval_for_the_way() {
    let mut stage = Stage::at(State::Up);
    stage.configure(settings(300, 1));
    stage.next_packet();
    let pauses: Vec<_> = (0..1000).map(|_| stage.next_packet().0).collect();
    assert!(pauses.iter().all(|pause| (millis(225)..=millis(270)).contains(pause)));
    assert!(pauses.iter().any(|pause| *pause > millis(265)));
}

#[test]
fn the_slower_of_what_we_want_and_what_the_peer_bears_is_sent() {
    let mut stage = Stage::at(State::Up);
    assert_eq!(stage.session.transmit_interval(), millis(300));
    stage.hear(ControlPacket { required_min_rx: millis(700), ..says(State::Up) });
    assert_eq!(stage.session.transmit_interval(), millis(700));
    let (pause, _) = stage.next_packet();
    assert!(pause >= millis(525), "{pause:?}");
}

#[test]
fn the_peer_may_be_silent_for_its_multiplier_of_the_slower_interval() {
    let mut stage = Stage::at(State::Up);
    assert_eq!(stage.session.detection_time(), Some(millis(1500)), "5 times our 300 ms, not its 100");
    stage.hear(ControlPacket { desired_min_tx: millis(400), ..says(State::Up) });
    assert_eq!(stage.session.detection_time(), Some(millis(2000)));
}

#[test]
fn silence_for_the_detection_time_is_a_failure_and_not_a_moment_earlier() {
    let mut stage = Stage::at(State::Up);
    stage.hear(says(State::Up));
    stage.wait(millis(1499));
    assert_eq!(stage.session.state(), State::Up);
    assert_eq!(stage.session.next_deadline(), Some(stage.now + millis(1)));
    let out = stage.wait(millis(1));
    let why = Why::Silence(millis(1500));
    assert_eq!(out.first(), Some(&Output::Changed { from: State::Up, to: State::Down, why }));
    let Some(Output::Transmit(packet)) = out.get(1) else { panic!("{out:?}") };
    assert_eq!(packet.diagnostic, Diagnostic::DetectionTimeExpired);
    assert_eq!(packet.your_discriminator, None);
    assert_eq!(packet.desired_min_tx, millis(1000));
    assert_eq!(stage.session.stats().failures, 1);
}

#[test]
fn a_peer_that_only_ever_was_in_init_has_not_failed() {
    let mut stage = Stage::at(State::Init);
    stage.wait(Duration::from_secs(10));
    assert_eq!(stage.session.state(), State::Down);
    assert_eq!(stage.session.stats().failures, 0);
}

#[test]
fn a_peer_that_says_down_has_failed() {
    let mut stage = Stage::at(State::Up);
    stage.hear(ControlPacket { diagnostic: Diagnostic::DetectionTimeExpired, ..says(State::Down) });
    assert_eq!(stage.session.stats().failures, 1);
}

#[test]
fn an_operators_admin_down_is_no_failure_at_either_end() {
    let mut stage = Stage::at(State::Up);
    stage.hear(says(State::AdminDown));
    assert_eq!(stage.session.state(), State::Down);
    assert_eq!(stage.session.stats().failures, 0);

    let mut stage = Stage::at(State::Up);
    stage.shut_down();
    assert_eq!(stage.next_packet().1.state, State::AdminDown);
    assert_eq!(stage.session.stats().failures, 0);
}

#[test]
fn a_poll_is_answered_at_once_whatever_the_state() {
    for state in [State::Down, State::Init, State::Up] {
        let mut stage = Stage::at(state);
        let out = stage.hear(ControlPacket { poll: true, ..says(State::Up) });
        let answers = out.iter().filter(|output| match output {
            Output::Transmit(packet) => packet.is_final && !packet.poll,
            Output::Changed { .. } => false,
        });
        assert_eq!(answers.count(), 1, "{state}");
    }
}

#[test]
fn coming_up_is_followed_by_a_poll_that_ends_with_the_answer() {
    let mut stage = Stage::new(settings(300, 3));
    stage.tick();
    stage.hear(says(State::Init));
    let (_, packet) = stage.next_packet();
    assert!(packet.poll);
    assert_eq!(packet.desired_min_tx, millis(300));
    assert!(stage.next_packet().1.poll, "until it is answered");
    stage.hear(ControlPacket { is_final: true, ..says(State::Up) });
    assert!(!stage.next_packet().1.poll);
}

#[test]
fn sending_more_slowly_waits_for_the_peer_to_agree() {
    let mut stage = Stage::at(State::Up);
    stage.configure(Settings { min_tx: millis(900), ..settings(300, 3) });
    assert_eq!(stage.session.transmit_interval(), millis(300));
    let (_, packet) = stage.next_packet();
    assert!(packet.poll);
    assert_eq!(packet.desired_min_tx, millis(900));
    stage.hear(ControlPacket { is_final: true, ..says(State::Up) });
    assert_eq!(stage.session.transmit_interval(), millis(900));
}

#[test]
fn sending_faster_waits_for_nobody() {
    let mut stage = Stage::at(State::Up);
    stage.configure(Settings { min_tx: millis(150), ..settings(300, 3) });
    assert_eq!(stage.session.transmit_interval(), millis(150));
}

#[test]
fn being_less_patient_waits_for_the_peer_to_agree() {
    let mut stage = Stage::at(State::Up);
    stage.configure(Settings { min_rx: millis(100), ..settings(300, 3) });
    assert_eq!(stage.session.detection_time(), Some(millis(1500)));
    stage.hear(ControlPacket { is_final: true, ..says(State::Up) });
    assert_eq!(stage.session.detection_time(), Some(millis(500)));
}

#[test]
fn being_more_patient_waits_for_nobody() {
    let mut stage = Stage::at(State::Up);
    stage.configure(Settings { min_rx: millis(600), ..settings(300, 3) });
    assert_eq!(stage.session.detection_time(), Some(millis(3000)));
}

#[test]
fn an_answer_to_what_was_asked_before_confirms_nothing() {
    let mut stage = Stage::at(State::Up);
    stage.configure(Settings { min_tx: millis(600), ..settings(300, 3) });
    stage.next_packet();
    stage.configure(Settings { min_tx: millis(900), ..settings(300, 3) });
    stage.hear(ControlPacket { is_final: true, ..says(State::Up) });
    assert_eq!(stage.session.transmit_interval(), millis(300));
    assert!(stage.next_packet().1.poll);
    stage.hear(ControlPacket { is_final: true, ..says(State::Up) });
    assert_eq!(stage.session.transmit_interval(), millis(900));
}

#[test]
fn a_peer_that_wants_no_packets_gets_none_until_it_does() {
    let mut stage = Stage::at(State::Up);
    stage.hear(ControlPacket { required_min_rx: Duration::ZERO, ..says(State::Up) });
    assert_eq!(stage.session.transmit_at, None);
    stage.hear(says(State::Up));
    assert!(stage.session.transmit_at.is_some());
}

#[test]
fn a_peer_in_demand_mode_hears_only_polls() {
    let mut stage = Stage::at(State::Up);
    stage.hear(ControlPacket { demand: true, ..says(State::Up) });
    assert_eq!(stage.session.transmit_at, None);
    stage.configure(settings(200, 3));
    assert!(stage.next_packet().1.poll);
    stage.hear(ControlPacket { demand: true, is_final: true, ..says(State::Up) });
    assert_eq!(stage.session.transmit_at, None);
}

#[test]
fn a_peer_that_is_forgotten_is_no_longer_named() {
    let mut stage = Stage::at(State::Down);
    stage.hear(says(State::Up));
    assert_eq!(stage.next_packet().1.your_discriminator, Some(name(2)));
    stage.wait(Duration::from_secs(10));
    assert_eq!(stage.next_packet().1.your_discriminator, None);
}

fn any_packet() -> impl Strategy<Value = ControlPacket> {
    let interval = prop_oneof![Just(0), Just(u32::MAX), any::<u32>(), 0..2_000_000_u32];
    let intervals = (interval.clone(), interval);
    (0..4_usize, any::<[bool; 4]>(), 1..=u8::MAX, 1..4_u32, 0..3_u32, intervals).prop_map(
        |(state, [poll, is_final, demand, independent], multiplier, my, your, (tx, rx))| ControlPacket {
            diagnostic: Diagnostic::None,
            state: State::ALL[state],
            poll,
            is_final,
            control_plane_independent: independent,
            demand,
            authenticated: false,
            multiplier: NonZeroU8::new(multiplier).unwrap(),
            my_discriminator: name(my),
            your_discriminator: Discriminator::new(your),
            desired_min_tx: Duration::from_micros(tx.into()),
            required_min_rx: Duration::from_micros(rx.into()),
            required_min_echo_rx: Duration::ZERO,
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    Hear(ControlPacket),
    Wait(u64),
    Configure(u64, u64, u8),
    ShutDown,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any_packet().prop_map(Step::Hear),
        8 => (0..3_000_u64).prop_map(Step::Wait),
        1 => (1..2_000_u64, 1..2_000_u64, 1..=u8::MAX).prop_map(|(tx, rx, count)| Step::Configure(tx, rx, count)),
        1 => Just(Step::ShutDown),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_a_tick_leaves_nothing_due(steps in proptest::collection::vec(any_step(), 1..60)) {
        let mut stage = Stage::new(settings(300, 3));
        for step in steps {
            match step {
                Step::Hear(packet) => drop(stage.hear(packet)),
                Step::Wait(time) => stage.now += millis(time),
                Step::Configure(tx, rx, multiplier) => {
                    let multiplier = NonZeroU8::new(multiplier).unwrap();
                    stage.configure(Settings { min_tx: millis(tx), min_rx: millis(rx), multiplier });
                }
                Step::ShutDown => drop(stage.shut_down()),
            }
            stage.tick();
            prop_assert!(stage.session.next_deadline().is_none_or(|deadline| deadline > stage.now));
            prop_assert!(stage.session.stats().failures <= stage.session.stats().ups);
            if stage.session.state() == State::Up {
                prop_assert!(stage.session.remote().is_some());
            }
        }
    }
}
