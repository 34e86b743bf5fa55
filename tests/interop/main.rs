//! `podbgpd` against other people's daemons: one module per scenario, each against BIRD, FRR, GoBGP and OpenBGPD.
//!
//! A test is named after the daemon and the scenario: `frr::md5_with_the_right_key`. Our side is seen only through
//! `bgpctl -o json` and the kernel, the other side through its own command line.

mod add_path;
mod bfd;
mod bmp;
mod bulk;
mod capabilities;
mod collision;
mod drain;
mod enhanced_refresh;
mod extended_messages;
mod graceful_restart;
mod hold_timer;
mod link_bandwidth;
mod listen_range;
mod md5;
mod mrt;
mod onlooker;
mod pair;
mod passive;
mod peer_as;
mod policy;
mod reflection;
mod refresh;
mod rfc4486_max_prefixes;
mod rfc5925_tcp_ao;
mod rfc7311_aigp;
mod rfc7705_local_as;
mod roles;
mod routes;
mod session_loss;
mod transit;
mod ttl_security;
mod unknown_attribute;
mod unnumbered;

use lab::speakers::Kind;

/// Makes each scenario a test against each daemon.
macro_rules! against {
    ($($daemon:ident = $kind:expr;)* => $scenarios:tt) => {
        $(against! { @daemon $daemon, $kind, $scenarios })*
    };
    (@daemon $daemon:ident, $kind:expr, { $($module:ident::{ $($scenario:ident),* $(,)? };)* }) => {
        mod $daemon {
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

against! {
    bird = super::Kind::Bird;
    frr = super::Kind::Frr;
    gobgp = super::Kind::Gobgp;
    openbgpd = super::Kind::Openbgpd;
    => {
        bulk::{ a_thousand_routes_go_both_ways };
        collision::{ one_session_remains_when_both_dial };
        drain::{
            a_drain_is_seen_stage_by_stage,
            a_drain_called_off_leaves_no_trace,
            a_peer_about_to_go_is_the_last_resort,
        };
        hold_timer::{ a_silent_peer_is_given_up };
        listen_range::{
            a_peer_of_a_range_comes_and_goes,
            a_full_range_takes_nobody_else,
            the_peers_of_a_range_sign,
        };
        md5::{ md5_with_the_right_key, md5_with_the_wrong_key };
        passive::{ a_passive_peer_is_dialled, we_wait_when_we_are_passive };
        peer_as::{ the_as_of_an_external_peer_is_learned };
        policy::{ communities_of_all_kinds_go_and_come };
        refresh::{ we_ask_for_everything_again, the_peer_asks_for_everything_again };
        rfc4486_max_prefixes::{
            a_peer_with_too_much_is_kept_away_for_a_while,
            a_peer_near_its_limit_is_marked,
        };
        rfc5925_tcp_ao::{ a_peer_that_must_sign_and_cannot_stays_down_and_says_why };
        rfc7705_local_as::{
            the_old_as_replaces_ours_in_what_we_send,
            both_numbers_are_in_what_we_send,
            the_old_as_is_in_what_we_receive_too,
        };
        routes::{
            routes_of_both_families_over_ipv4,
            routes_of_both_families_over_ipv6,
            withdrawn_routes_go,
        };
        session_loss::{
            a_killed_peer_leaves_nothing_behind,
            a_peer_that_shuts_down_says_why,
            we_say_why_we_shut_down,
        };
        transit::{ attributes_survive_the_way_through };
        ttl_security::{ packets_from_the_link_are_believed };
    }
}

// OpenBGPD 7.7 helps others over a restart, but its own are none.
against! {
    bird_restarting = super::Kind::Bird;
    frr_restarting = super::Kind::Frr;
    gobgp_restarting = super::Kind::Gobgp;
    => {
        graceful_restart::{
            the_routes_of_a_peer_that_restarts_stay,
            what_did_not_come_back_goes_with_end_of_rib,
            a_peer_that_stays_away_is_forgotten_in_time,
            the_peer_keeps_our_blocks_while_we_restart,
            a_long_lived_stale_route_is_the_last_resort,
        };
    }
}

// The lab tells these two of clients and of several paths.
against! {
    bird_inside = super::Kind::Bird;
    frr_inside = super::Kind::Frr;
    => {
        reflection::{
            rfc_4456_clients_hear_everybody_and_everybody_hears_clients,
            rfc_4456_a_mesh_without_clients_reflects_nothing,
            rfc_4456_a_reloaded_client_is_reflected_to_without_a_reset,
            rfc_4271_next_hop_self_is_for_what_comes_from_outside,
        };
        add_path::{
            rfc_7911_a_peer_is_told_of_all_paths_and_of_the_loss_of_one,
            rfc_7911_we_hear_several_paths_and_the_loss_of_one,
            rfc_7911_the_best_so_many_go_out_and_one_where_several_are_not_agreed,
        };
    }
}

// Only FRR can be told to say a link bandwidth.
against! {
    frr_weighing = super::Kind::Frr;
    => {
        link_bandwidth::{ the_kernel_shares_after_the_bandwidth_peers_say };
    }
}

against! {
    bird_hearing = super::Kind::Bird;
    frr_hearing = super::Kind::Frr;
    => {
        link_bandwidth::{ the_peer_hears_how_much_fits_through_our_link };
    }
}

// BIRD 2.0 has not heard of RFC 8538.
against! {
    frr_notifying = super::Kind::Frr;
    gobgp_notifying = super::Kind::Gobgp;
    => {
        graceful_restart::{ a_notification_is_no_worse_than_a_lost_connection };
    }
}

// BIRD sends no router advertisements by itself, and FRR knows a neighbour on a link by nothing else.
against! {
    frr_unnumbered = super::Kind::Frr;
    => {
        unnumbered::{
            rfc4861_and_rfc8950_an_unnumbered_switch_is_found_and_carries_both_families,
            rfc8950_two_switches_with_one_address_share_the_traffic,
        };
    }
}

against! {
    bird_on_a_link = super::Kind::Bird;
    => {
        unnumbered::{
            rfc8950_a_link_local_address_with_its_link_carries_both_families,
            rfc8950_two_switches_with_one_address_share_the_traffic,
        };
    }
}

// GoBGP 3 and OpenBGPD 7.7 have neither roles nor brackets.
against! {
    bird_rfc9234 = super::Kind::Bird;
    frr_rfc9234 = super::Kind::Frr;
    => {
        roles::{
            a_provider_marks_what_it_tells_its_customer,
            two_customers_refuse_each_other,
            a_peer_without_role_is_refused_where_one_is_required,
        };
    }
}

against! {
    bird_rfc7313 = super::Kind::Bird;
    frr_rfc7313 = super::Kind::Frr;
    => {
        enhanced_refresh::{ an_answer_to_us_comes_in_brackets, our_answer_goes_in_brackets };
    }
}

against! {
    frr_named = super::Kind::Frr;
    gobgp_named = super::Kind::Gobgp;
    => {
        capabilities::{ the_peer_says_its_name_and_so_do_we };
    }
}

// GoBGP and OpenBGPD do not tell a peer what has been through its AS.
against! {
    bird_switching = super::Kind::Bird;
    frr_switching = super::Kind::Frr;
    => {
        rfc7705_local_as::{ what_has_been_through_our_as_is_borne_if_allowed };
    }
}

// BIRD can be told to bear one hop more.
against! {
    bird_routed = super::Kind::Bird;
    => {
        ttl_security::{ packets_from_behind_a_router_are_not_believed };
    }
}
