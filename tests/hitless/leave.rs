//! One of the two ways goes, on purpose or not.

use std::time::Duration;

use lab::rack::plan::TorId;
use lab::speakers::Kind;

use crate::world::{Options, World};

/// What a death may cost with BFD at three times 50 ms.
const ALLOWED: Duration = Duration::from_millis(200);
/// The interval of BFD in milliseconds.
const INTERVAL: u16 = 50;

pub(crate) fn a_drained_path_loses_no_packet(kind: Kind) {
    let mut world = World::start(kind, Options::default());
    world.without_loss("a drain", |_| {});
}

/// It hangs: its ports stay lit, nothing passes, nobody answers. Only BFD can tell.
pub(crate) fn a_dead_switch_costs_what_two_hundred_milliseconds_hold(kind: Kind) {
    let mut world = World::start(kind, Options { bfd: Some(INTERVAL) });
    world.await_bfd();
    let reports = world.witnessed("a dead switch", |world| {
        world.rack.tors[TorId::A as usize - 1].hang().expect("it hangs");
        world.await_gone(TorId::A);
    });
    for report in reports {
        let allowed = report.sent as u128 * ALLOWED.as_millis() / report.lasted.as_millis();
        assert!(report.lost > 0, "the switch carried nothing: {report}");
        assert!(report.lost as u128 <= allowed, "{allowed} packets would be allowed: {report}");
    }
}
