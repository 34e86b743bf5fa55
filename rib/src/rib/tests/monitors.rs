//! What a station is told of the tables.

use super::*;
use crate::monitor::{Monitor, Table};

const STATION: Monitor = Monitor(1);

/// Pulls until nothing is left, and returns the families whose End-of-RIB came.
fn catch_up(rib: &mut Rib, table: Table, told: &mut Told) -> Vec<Family> {
    rib.settle();
    let mut ended = Vec::new();
    for _ in 0..100 {
        let adverts = rib.pull_monitored(STATION, table, 1);
        hear(told, &adverts);
        ended.extend_from_slice(&adverts.end_of_rib);
        if !adverts.more {
            return ended;
        }
    }
    panic!("a small table has no end");
}

#[test]
fn a_station_gets_the_whole_table_and_then_what_changes() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &["10.1.0.0/16", "10.2.0.0/16"]), 1);
    let (table, mut told) = (Table::Received(TOR_A), Told::new());
    rib.begin_monitoring(STATION, table);
    assert_eq!(catch_up(&mut rib, table, &mut told), [Family::Ipv4, Family::Ipv6]);
    assert_eq!(
        told.keys().map(|nlri| nlri.prefix).collect::<Vec<_>>(),
        [prefix("10.1.0.0/16"), prefix("10.2.0.0/16")]
    );

    rib.update(TOR_A, withdraw(&["10.1.0.0/16"]), 2);
    rib.update(TOR_A, announce(attributes(&[65001, 7], "192.0.2.1"), &["10.3.0.0/16"]), 2);
    assert_eq!(catch_up(&mut rib, table, &mut told), []);
    assert_eq!(
        told.keys().map(|nlri| nlri.prefix).collect::<Vec<_>>(),
        [prefix("10.2.0.0/16"), prefix("10.3.0.0/16")]
    );
    assert!(rib.monitored_pending(STATION).is_empty());
    rib.audit().unwrap();
}

#[test]
fn each_table_shows_its_own_side_of_a_route() {
    let mut rib = rib();
    rib.peer_up(TOR_A, PeerInfo { import: Arc::new(Import::None), ..peer(TOR_A) });
    rib.peer_up(TOR_B, peer(TOR_B));
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &["10.1.0.0/16"]), 1);
    rib.update(TOR_B, announce(attributes(&[65002], "192.0.2.2"), &["10.2.0.0/16"]), 1);
    rib.settle();
    rib.pull(TOR_A, 10);
    let mut seen = |table| {
        let mut told = Told::new();
        rib.begin_monitoring(STATION, table);
        catch_up(&mut rib, table, &mut told);
        told.into_keys().map(|nlri| nlri.prefix.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(seen(Table::Received(TOR_A)), ["10.1.0.0/16"]);
    assert!(seen(Table::Accepted(TOR_A)).is_empty());
    assert_eq!(seen(Table::Best), ["10.2.0.0/16"]);
    assert_eq!(seen(Table::Advertised(TOR_A)), ["10.2.0.0/16"]);
    assert!(seen(Table::Advertised(TOR_B)).is_empty());
}

#[test]
fn what_is_said_again_without_a_change_is_not_told_again() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    let same = || announce(attributes(&[65001], "192.0.2.1"), &["10.1.0.0/16"]);
    rib.update(TOR_A, same(), 1);
    let (table, mut told) = (Table::Received(TOR_A), Told::new());
    rib.begin_monitoring(STATION, table);
    catch_up(&mut rib, table, &mut told);
    rib.update(TOR_A, same(), 2);
    rib.settle();
    assert!(rib.pull_monitored(STATION, table, 10).is_empty());
}

#[test]
fn what_is_stale_is_told_once_the_peer_says_it_again() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &["10.1.0.0/16"]), 1);
    rib.peer_lost(TOR_A, FamilySet::ALL);
    rib.peer_up(TOR_A, peer(TOR_A));
    let (table, mut told) = (Table::Received(TOR_A), Told::new());
    rib.begin_monitoring(STATION, table);
    catch_up(&mut rib, table, &mut told);
    assert!(told.is_empty());
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &["10.1.0.0/16"]), 2);
    catch_up(&mut rib, table, &mut told);
    assert_eq!(told.len(), 1);
}

#[test]
fn a_station_that_goes_leaves_nothing_behind() {
    let mut rib = rib();
    rib.peer_up(TOR_A, peer(TOR_A));
    rib.update(TOR_A, announce(attributes(&[65001], "192.0.2.1"), &["10.1.0.0/16"]), 1);
    let (table, mut told) = (Table::Received(TOR_A), Told::new());
    rib.begin_monitoring(STATION, table);
    rib.begin_monitoring(STATION, Table::Best);
    catch_up(&mut rib, table, &mut told);
    rib.peer_down(TOR_A);
    rib.settle();
    rib.pull_forwarding(10);
    assert_eq!(rib.len(), 1, "the station has not heard of the loss");
    rib.forget_monitor(STATION);
    assert!(rib.is_empty());
    rib.audit().unwrap();
}
