use bgp::fsm::Cause as Why;
use rib::Cause;

use super::*;

const TOR_A: PeerId = PeerId(1);
const TOR_B: PeerId = PeerId(2);

fn change(cause: Cause, number: u32, after: Option<PeerId>) -> BestChange {
    let prefix = ipnet::Ipv4Net::new((0x0A00_0000 + number * 256).into(), 24).unwrap().into();
    let former = None;
    BestChange { prefix, cause, before: None, after: after.map(Source::Peer), former }
}

fn moment(begin: Instant, millis: u64) -> Instant {
    begin + Duration::from_millis(millis)
}

fn named(history: &History) -> usize {
    history.routes().records().count()
}

#[test]
fn a_full_table_is_one_batch_and_leaves_what_was_before() {
    let begin = Instant::now();
    let mut history = History::new(1024, begin);
    history.best_changed(&change(Cause::Withdrawn(TOR_B), 0, None), begin);
    for number in 0..60_000 {
        let now = moment(begin, 10_000 + u64::from(number) / 10);
        history.best_changed(&change(Cause::Announced(TOR_A), number, Some(TOR_A)), now);
    }
    let batches: Vec<_> = history.routes().batches().map(|(_, batch)| *batch).collect();
    assert_eq!(batches.len(), 2);
    assert_eq!((batches[0].cause, batches[0].changes), (Cause::Withdrawn(TOR_B), 1));
    assert_eq!((batches[1].changes, batches[1].detailed, batches[1].until), (60_000, 16, 15_999));
    assert!(batches[1].is_folded());
    assert_eq!(named(&history), 17);
}

#[test]
fn causes_that_alternate_are_a_batch_each() {
    let begin = Instant::now();
    let mut history = History::new(1024, begin);
    for number in 0..10 {
        for (cause, peer) in [(Cause::Announced(TOR_A), TOR_A), (Cause::Announced(TOR_B), TOR_B)] {
            history.best_changed(&change(cause, number, Some(peer)), moment(begin, number.into()));
        }
    }
    let batches: Vec<_> = history.routes().batches().map(|(_, batch)| (batch.cause, batch.changes)).collect();
    assert_eq!(batches, [(Cause::Announced(TOR_A), 10), (Cause::Announced(TOR_B), 10)]);
}

#[test]
fn what_comes_after_a_pause_is_another_batch_and_so_is_what_never_pauses() {
    let begin = Instant::now();
    let mut history = History::new(1024, begin);
    for millis in [0, 1000, 2001] {
        history.best_changed(&change(Cause::NextHop, 0, None), moment(begin, millis));
    }
    assert_eq!(history.routes().batches().count(), 2);
    for second in 0..=60 {
        history.best_changed(&change(Cause::Settings, 0, None), moment(begin, 10_000 + second * 1000));
    }
    assert_eq!(history.routes().batches().count(), 4);
}

#[test]
fn memory_is_bounded_and_the_latest_stays() {
    let begin = Instant::now();
    let mut history = History::new(64, begin);
    for number in 0..10_000 {
        let now = moment(begin, u64::from(number) * 5000);
        history.best_changed(&change(Cause::Announced(TOR_A), number % 100, Some(TOR_A)), now);
    }
    assert_eq!(history.routes().batches().count(), 16);
    // There are 64 records, and those whose batch is gone are not shown.
    assert_eq!(named(&history), 16);
    let last = history.routes().records().last().map(|(place, record)| (place, record.prefix));
    assert_eq!(last, Some((15, "10.0.99.0/24".parse().unwrap())));
    history.resize(16);
    assert_eq!(named(&history), 16);
    history.resize(0);
    history.best_changed(&change(Cause::NextHop, 0, None), begin);
    assert_eq!((named(&history), history.routes().batches().count()), (0, 0));
}

#[test]
fn names_are_kept_as_long_as_they_are_used() {
    let begin = Instant::now();
    let mut history = History::new(64, begin);
    history.name(PeerId(0), "the first".to_owned());
    history.best_changed(&change(Cause::SessionLost(PeerId(0)), 0, None), begin);
    for number in 1..10_000 {
        history.name(PeerId(number), format!("dynamic-{number}"));
    }
    assert!(history.names.len() <= 2 * FEW_NAMES + 4, "{}", history.names.len());
    assert_eq!(history.name_of(PeerId(0)), "the first");
    assert!(!history.knows("dynamic-1"));
}

fn state(history: &mut History, peer: &str, from: State, to: State, now: Instant) {
    history.remember(&Notice::State { peer: peer.to_owned(), from, to, cause: Why::Started }, now);
}

#[test]
fn a_week_of_trying_does_not_wash_out_why_a_session_ended() {
    let begin = Instant::now();
    let mut history = History::new(64, begin);
    state(&mut history, "tor-a", State::Established, State::Idle, begin);
    for try_number in 1..100_000 {
        let now = moment(begin, try_number * 5000);
        state(&mut history, "tor-a", State::Connect, State::Active, now);
        state(&mut history, "tor-a", State::Active, State::Connect, now);
        state(&mut history, "tor-a", State::OpenSent, State::Idle, now);
    }
    let transitions: Vec<_> = history.sessions().transitions().map(|(_, transition)| transition).collect();
    assert_eq!(transitions[0].from, State::Established);
    assert_eq!((transitions[1].from, transitions[1].times), (State::OpenSent, 99_999));
    assert_eq!(transitions.len(), 2 + 32);
}

#[test]
fn many_peers_share_a_bounded_room() {
    let begin = Instant::now();
    let mut history = History::new(64, begin);
    for number in 0..10_000 {
        state(&mut history, &format!("p{number}"), State::Established, State::Idle, moment(begin, number));
    }
    assert_eq!(history.sessions().transitions().count(), 4096);
    assert!(history.sessions().knows("p9999") && !history.sessions().knows("p0"));
}

#[test]
fn a_long_foreign_text_is_cut_at_a_character() {
    let begin = Instant::now();
    let mut history = History::new(64, begin);
    history.happened("reload", None, "ü".repeat(1000), begin);
    assert_eq!(history.happenings().next().map(|happening| happening.text.len()), Some(240));
}
