use std::time::Duration;

use control::{BestFrom, HistoryEntryView, HistoryEvent, HistoryQuery, PeerState};

use crate::world::World;
use crate::{SOON, blocks, chain, pair};

/// What the clock of the nodes says when they are asked.
const WALL: Duration = Duration::from_secs(1_800_000_000);

fn history(world: &World, number: u8, query: &HistoryQuery) -> Vec<HistoryEntryView> {
    let view = world.nodes[&number].speaker.history_view(query, world.now, WALL).expect("an answer");
    assert!(view.entries.iter().all(|entry| entry.at <= entry.until && entry.until <= WALL.as_secs_f64()));
    assert!(view.entries.is_sorted_by_key(|entry| entry.at));
    view.entries
}

/// Says of each batch why best paths changed, and where a prefix came from and went to.
fn moves(entries: &[HistoryEntryView]) -> Vec<(String, BestFrom, BestFrom)> {
    let batches = entries.iter().filter_map(|entry| match &entry.event {
        HistoryEvent::Routes { cause, paths, .. } => Some((cause, paths)),
        HistoryEvent::Session { .. } | HistoryEvent::Node { .. } => None,
    });
    let moves = batches.flat_map(|(cause, paths)| paths.iter().map(move |path| (cause, path)));
    moves.map(|(cause, path)| (cause.code.clone(), path.before.clone(), path.after.clone())).collect()
}

fn node1() -> BestFrom {
    BestFrom::Peer { peer: "node1".to_owned() }
}

#[test]
fn a_prefix_tells_where_it_came_from_and_why_it_went() {
    let mut world = chain();
    world.act(2, |speaker, now, out| speaker.peer_down("node1", String::new(), now, out));
    world.run(SOON);
    let query = HistoryQuery { prefix: Some(blocks(1)[0]), ..HistoryQuery::default() };
    let entries = history(&world, 2, &query);
    let lost = moves(&entries).pop().expect("it went");
    assert_eq!(lost, ("session_lost".to_owned(), node1(), BestFrom::None));
    let came = moves(&entries).remove(0);
    // It was announced before the kernel knew where its next hop leads.
    assert_eq!(came, ("next_hop".to_owned(), BestFrom::None, node1()));
    assert!(entries.iter().all(|entry| matches!(entry.event, HistoryEvent::Routes { .. })));
}

#[test]
fn a_session_tells_how_it_came_and_why_it_went() {
    let mut world = pair();
    world.act(1, |speaker, now, out| speaker.peer_down("node2", "rack 12".to_owned(), now, out));
    let query = HistoryQuery { peer: Some("node2".to_owned()), ..HistoryQuery::default() };
    let sessions: Vec<_> = history(&world, 1, &query)
        .into_iter()
        .filter_map(|entry| match entry.event {
            HistoryEvent::Session { from, to, cause, .. } => Some((from, to, cause)),
            HistoryEvent::Routes { .. } | HistoryEvent::Node { .. } => None,
        })
        .collect();
    let came = sessions.iter().position(|(_, to, _)| *to == PeerState::Established).expect("it came");
    let (from, to, cause) = sessions.last().expect("it went");
    assert_eq!((*from, *to), (PeerState::Established, PeerState::Idle));
    assert!(came < sessions.len() - 1 && cause.contains("rack 12"), "{sessions:?}");
}

#[test]
fn time_and_number_limit_the_answer_and_the_latest_stays() {
    let mut world = pair();
    world.run(Duration::from_secs(600));
    world.reload(1, |intent| intent.node.name = "another".to_owned()).unwrap();
    let recent = HistoryQuery { since: Some(60), ..HistoryQuery::default() };
    let entries = history(&world, 1, &recent);
    let [HistoryEntryView { event: HistoryEvent::Node { code, text, .. }, .. }] = &entries[..] else {
        panic!("{entries:?}");
    };
    assert_eq!((code.as_str(), text.as_str()), ("reload", "reload: node.name node1 -> another"));
    let query = HistoryQuery { limit: Some(1), ..HistoryQuery::default() };
    let view = world.nodes[&1].speaker.history_view(&query, world.now, WALL).unwrap();
    assert_eq!(view.entries, entries);
    assert!(view.left_out > 0);
}

#[test]
fn a_peer_nobody_ever_knew_is_an_error_and_nothing_kept_is_said() {
    let mut world = pair();
    let query = HistoryQuery { peer: Some("node9".to_owned()), ..HistoryQuery::default() };
    assert!(world.nodes[&1].speaker.history_view(&query, world.now, WALL).is_err());
    world.reload(1, |intent| intent.history.records = 0).unwrap();
    let view = world.nodes[&1].speaker.history_view(&HistoryQuery::default(), world.now, WALL).unwrap();
    assert!(!view.enabled && view.entries.is_empty(), "{view:?}");
}
