//! Nothing is lost: two nodes under `podbgpd` behind two switches, two thousand packets a second between their pods,
//! five thousand routes, and something happens.
//!
//! Every scenario runs with BIRD and with FRR as the switches. Two accounts have to agree: the flood's, packet by
//! packet, and the kernel's on its routes, which is both what it told of them and what it held whenever it was asked.

mod flood;
mod leave;
mod restart;
mod world;

use lab::speakers::Kind;

/// Makes each scenario a test behind each kind of switch.
macro_rules! behind {
    ($($switches:ident = $kind:expr;)* => $scenarios:tt) => {
        $(behind! { @kind $switches, $kind, $scenarios })*
    };
    (@kind $switches:ident, $kind:expr, { $($module:ident::{ $($scenario:ident),* $(,)? };)* }) => {
        mod $switches {
            $($(
                #[test]
                fn $scenario() {
                    support::requires!(super::Kind::programs($kind));
                    super::$module::$scenario($kind);
                }
            )*)*
        }
    };
}

behind! {
    bird = super::Kind::Bird;
    frr = super::Kind::Frr;
    => {
        restart::{
            a_daemon_stopped_and_started_loses_no_packet,
            a_daemon_killed_and_started_loses_no_packet,
            a_daemon_replaced_by_another_build_loses_no_packet,
            a_daemon_that_cannot_read_its_snapshot_loses_no_packet,
            an_unrelated_change_loses_no_packet,
        };
        leave::{
            a_drained_path_loses_no_packet,
            a_dead_switch_costs_what_two_hundred_milliseconds_hold,
        };
    }
}
