use super::*;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn wanted() -> intent::Drain {
    intent::Drain { announce: seconds(10), withdraw: seconds(5), deadline: seconds(60), ..Default::default() }
}

/// Plays a drain second by second, and returns when each stage came. `heard` says what peers have heard of the stage
/// that began so many seconds ago.
fn play(mut drain: Drain, start: Instant, heard: impl Fn(Stage, u64) -> Heard) -> Vec<(u64, Stage)> {
    let mut stages = vec![(0, drain.stage())];
    for second in 0..200 {
        let now = start + seconds(second);
        let heard = |drain: &Drain| heard(drain.stage(), (now - drain.since()).as_secs());
        while drain.observe(heard(&drain), now) {
            stages.push((second, drain.stage()));
        }
        assert!(drain.next_deadline().is_none_or(|deadline| deadline > now), "it would spin");
    }
    stages
}

fn started(limit: Option<Duration>, heard: impl Fn(Stage, u64) -> Heard) -> Vec<(u64, Stage)> {
    let start = Instant::now();
    play(Drain::start(&wanted(), Cause::Operator, String::new(), limit, start), start, heard)
}

fn stages(withdrawn: u64, closed: u64) -> [(u64, Stage); 3] {
    [(0, Stage::Announced), (withdrawn, Stage::Withdrawn), (closed, Stage::Closed)]
}

#[test]
fn each_stage_lasts_for_its_hold_once_everybody_has_heard_of_it() {
    assert_eq!(started(None, |_, _| Heard::All), stages(10, 15));
    let after_three = |_, age| if age < 3 { Heard::Some } else { Heard::All };
    assert_eq!(started(None, after_three), stages(13, 21));
}

#[test]
fn a_peer_that_never_hears_is_waited_for_until_the_deadline() {
    assert_eq!(started(None, |_, _| Heard::Some), stages(55, 60));
}

#[test]
fn a_session_that_comes_up_late_does_not_begin_the_hold_again() {
    let interrupted = |stage, age| match (stage, age) {
        (Stage::Announced, 4..9) => Heard::Some,
        _ => Heard::All,
    };
    assert_eq!(started(None, interrupted), stages(10, 15));
}

#[test]
fn without_a_session_there_is_nothing_to_wait_for() {
    assert_eq!(started(None, |_, _| Heard::Nobody), [(0, Stage::Announced), (0, Stage::Closed)]);
    let lost = |_, age| if age < 4 { Heard::All } else { Heard::Nobody };
    assert_eq!(started(None, lost), [(0, Stage::Announced), (4, Stage::Closed)]);
}

#[test]
fn little_time_is_shared_between_both_stages() {
    assert_eq!(started(Some(seconds(6)), |_, _| Heard::All), stages(4, 6));
    assert_eq!(started(Some(seconds(600)), |_, _| Heard::Some), stages(55, 60));
}

#[test]
fn who_is_in_a_hurry_can_have_it_over_sooner() {
    let start = Instant::now();
    let mut drain = Drain::start(&wanted(), Cause::Operator, String::new(), None, start);
    drain.hasten(seconds(3), start);
    assert_eq!(play(drain.clone(), start, |_, _| Heard::Some), stages(2, 3));
    // One that is nearly over is not prolonged.
    drain.hasten(seconds(30), start);
    assert_eq!(drain.next_deadline(), Some(start + seconds(2)));
}

#[test]
fn now_means_now() {
    let start = Instant::now();
    let drain = Drain::at_once(Cause::Leave, "bye".to_owned(), start);
    assert_eq!((drain.stage(), drain.next_deadline()), (Stage::Closed, None));
}
