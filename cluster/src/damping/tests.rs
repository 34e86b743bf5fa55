use super::*;

const LONGEST: Duration = Duration::from_secs(8);

struct Story {
    damping: Damping,
    now: Duration,
}

impl Story {
    fn new() -> Self {
        Self { damping: Damping::default(), now: Duration::from_secs(100) }
    }

    /// Tells whether an address is announced, some time later, that is wanted or not.
    fn after(&mut self, millis: u64, wanted: bool) -> bool {
        self.now += Duration::from_millis(millis);
        let address: IpNet = "203.0.113.7/32".parse().unwrap();
        let wanted = wanted.then_some((address, ())).into_iter().collect();
        self.damping.settle(wanted, self.now, LONGEST).contains_key(&address)
    }

    fn waits(&self) -> Option<u64> {
        let deadline = self.damping.next_deadline()?;
        Some(u64::try_from((deadline - self.now).as_millis()).unwrap())
    }
}

#[test]
fn what_is_new_is_announced_and_what_goes_is_withdrawn_at_once() {
    let mut story = Story::new();
    assert!(story.after(0, true));
    assert!(!story.after(1, false));
    assert_eq!(story.waits(), None, "nobody waits for what nobody wants");
}

#[test]
fn what_comes_back_waits_longer_each_time_up_to_the_longest() {
    let mut story = Story::new();
    story.after(0, true);
    for expected in [1000, 2000, 4000, 8000, 8000, 8000] {
        story.after(10, false);
        assert!(!story.after(10, true));
        assert_eq!(story.waits(), Some(expected - 10));
        assert!(!story.after(expected - 11, true), "a millisecond before");
        assert!(story.after(1, true));
        assert_eq!(story.waits(), None);
    }
}

#[test]
fn what_was_gone_for_longer_than_it_would_wait_comes_back_at_once() {
    let mut story = Story::new();
    story.after(0, true);
    story.after(10, false);
    assert!(story.after(1000, true));
}

#[test]
fn what_stays_is_forgotten() {
    let mut story = Story::new();
    story.after(0, true);
    for _ in 0..4 {
        story.after(10, false);
        story.after(8000, true);
    }
    assert_eq!(story.damping.gone.len(), 1);
    assert!(story.after(96_000, true));
    assert_eq!(story.damping.gone.len(), 0);
    story.after(10, false);
    story.after(10, true);
    assert_eq!(story.waits(), Some(990), "as if for the first time");
}

#[test]
fn one_address_is_not_held_for_another() {
    let mut damping = Damping::default();
    let [a, b]: [IpNet; 2] = ["192.0.2.1/32", "192.0.2.2/32"].map(|text| text.parse().unwrap());
    let both = || BTreeMap::from([(a, ()), (b, ())]);
    let at = Duration::from_millis;
    damping.settle(both(), at(0), LONGEST);
    damping.settle([(b, ())].into(), at(10), LONGEST);
    let announced = damping.settle(both(), at(20), LONGEST);
    assert_eq!(announced, [(b, ())].into());
    assert_eq!(damping.next_deadline(), Some(at(1010)));
}

#[test]
fn without_damping_nothing_is_held() {
    let mut damping = Damping::default();
    let address: IpNet = "192.0.2.1/32".parse().unwrap();
    for millis in 0..20 {
        let wanted: BTreeMap<IpNet, ()> = (millis % 2 == 0).then_some((address, ())).into_iter().collect();
        let announced = damping.settle(wanted.clone(), Duration::from_millis(millis), Duration::ZERO);
        assert_eq!(announced, wanted);
    }
}
