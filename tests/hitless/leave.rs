//! One of the two ways goes, on purpose or not.

use std::time::{Duration, Instant};

use anyhow::ensure;
use control::PeerState;
use lab::rack::plan::TorId;
use lab::speakers::Kind;
use support::{SOON, eventually};

use crate::world::{Options, World, peers_of};

/// What a death may cost with BFD at three times 50 ms.
const ALLOWED: Duration = Duration::from_millis(200);
/// How long a death may take.
const SUDDEN: Duration = Duration::from_millis(20);
/// How often a death is tried on a busy machine.
const ATTEMPTS: usize = 3;
/// The interval of BFD in milliseconds.
const INTERVAL: u16 = 50;

/// A stage must last longer than a switch takes to pass on what it heard: FRR with `bgp suppress-fib-pending` collects
/// for a second. Defaults are ten and two.
const DRAIN: &str = "[drain]\nannounce = 3\nwithdraw = 2\n";

pub(crate) fn a_drained_path_loses_no_packet(kind: Kind) {
    let mut world = World::start(kind, Options { lines: DRAIN, ..Options::default() });
    let [v4, v6] = &peers_of(TorId::A);
    world.without_loss("a drain and back", |world| {
        world.daemon().command(&["drain", "start", v4, v6]);
        world.await_gone(TorId::A);
        eventually(SOON, "the sessions to end", || {
            for name in [v4, v6] {
                let peer = world.daemon().peer(name)?;
                ensure!(peer.state != PeerState::Established, "{name} is still established");
            }
            Ok(())
        });
        world.daemon().command(&["drain", "cancel"]);
        world.await_whole();
    });
}

/// It hangs: its ports stay lit, nothing passes, nobody answers. Only BFD can tell.
pub(crate) fn a_dead_switch_costs_what_two_hundred_milliseconds_hold(kind: Kind) {
    // On a machine too busy to run the other switch's BFD for 150 ms that is taken for dead too, and a switch whose
    // death takes long (it waits for a lock of the kernel's) is not suddenly dead: that measures the machine.
    let measured = (0..ATTEMPTS).find_map(|_| {
        let mut world = World::start(kind, Options { bfd: Some(INTERVAL), ..Options::default() });
        world.await_bfd();
        let before = world.bfd_failures(TorId::B);
        let mut dying = Duration::ZERO;
        let reports = world.witnessed("a dead switch", |world| {
            let start = Instant::now();
            world.rack.tors[TorId::A as usize - 1].hang().expect("it hangs");
            dying = start.elapsed();
            world.await_gone(TorId::A);
        });
        let is_sudden = dying < SUDDEN && world.bfd_failures(TorId::B) == before;
        is_sudden.then_some((world, reports))
    });
    // The world lasts as long as something may be wrong with it: its logs are the evidence.
    let (_world, reports) = measured.expect("a machine on which one switch dies at once and the other lives");
    for report in reports {
        let allowed = report.sent as u128 * ALLOWED.as_millis() / report.lasted.as_millis();
        assert!(report.lost > 0, "the switch carried nothing: {report}");
        assert!(report.lost as u128 <= allowed, "{allowed} packets would be allowed: {report}");
    }
}
