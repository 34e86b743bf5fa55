//! The order of arrival decides nothing.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// A path as one of four peers announces it; small numbers, so that every step has ties to break.
#[derive(Clone, Debug)]
struct Said {
    peer: u32,
    path_id: u32,
    attributes: PathAttributes,
}

fn said() -> impl Strategy<Value = Said> {
    let numbers = (1..=4u32, 0..2u32, 0..2u32, 0..2usize, 0..3u32, 0..2u8, 0..3u32);
    numbers.prop_map(|(peer, path_id, local_pref, longer, med, origin, originator)| {
        let first = if PeerId(peer) == INSIDE { 64990 } else { 65000 + peer % 2 };
        let path: Vec<_> = [first].into_iter().chain(std::iter::repeat_n(64991, longer)).collect();
        let mut attributes = attributes(&path, "192.0.2.1");
        attributes.med = Some(med).filter(|&med| med > 0);
        attributes.local_pref = (PeerId(peer) == INSIDE).then_some(100 + local_pref);
        attributes.origin =
            if origin == 0 { bgp::attributes::Origin::Igp } else { bgp::attributes::Origin::Incomplete };
        attributes.rare.edit(|rare| rare.originator_id = (originator > 0).then(|| id(originator)));
        Said { peer, path_id, attributes }
    })
}

fn tables(max_paths: usize) -> Rib {
    let settings = RibSettings { resolve: false, max_paths, ..RibSettings::new(id(0x0A00_0001)) };
    let mut rib = Rib::new(settings);
    for number in 1..=4 {
        // The second AS has two peers, and so has the first: MED is compared among some.
        let asn = if PeerId(number) == INSIDE { OURS } else { Asn(65000 + number % 2) };
        let local_asn = if PeerId(number) == INSIDE { OURS } else { Asn(64000) };
        rib.peer_up(PeerId(number), PeerInfo { asn, local_asn, ..peer(PeerId(number)) });
    }
    rib
}

fn hear(rib: &mut Rib, said: &Said) {
    let mut update = announce(said.attributes.clone(), &["10.0.0.0/8"]);
    update.announced[0].nlri[0].path_id = said.path_id;
    rib.update(PeerId(said.peer), update, 0);
}

fn unhear(rib: &mut Rib, said: &Said) {
    let mut update = withdraw(&["10.0.0.0/8"]);
    update.withdrawn[0].path_id = said.path_id;
    rib.update(PeerId(said.peer), update, 0);
}

fn answer(rib: &Rib) -> Vec<(Source, u32, Standing)> {
    let Some(found) = rib.destination(&prefix("10.0.0.0/8")) else { return Vec::new() };
    found.paths().map(|path| (path.source(), path.path_id(), path.standing())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_with_withdrawals_between_gives_one_answer(
        said in proptest::collection::vec(said(), 1..7),
        noise in proptest::collection::vec((any::<Index>(), any::<bool>()), 0..20),
        order in proptest::collection::vec(any::<u32>(), 7),
        max_paths in 1..4usize,
    ) {
        let mut unique: BTreeMap<(u32, u32), Said> = BTreeMap::new();
        said.iter().for_each(|one| drop(unique.insert((one.peer, one.path_id), one.clone())));
        let mut plain = tables(max_paths);
        unique.values().for_each(|one| hear(&mut plain, one));
        plain.settle();

        let mut other = tables(max_paths);
        for (index, again) in &noise {
            let one = index.get(&said);
            if *again { hear(&mut other, one) } else { unhear(&mut other, one) }
            other.settle();
        }
        // What is not said again at the end is withdrawn, and the last word comes in any order.
        let mut last: Vec<_> = unique.values().collect();
        last.sort_by_key(|one| order[(one.peer * 2 + one.path_id) as usize % order.len()]);
        for one in last {
            hear(&mut other, one);
            other.settle();
        }
        prop_assert_eq!(answer(&plain), answer(&other));
        prop_assert_eq!(plain.pull_forwarding(9), other.pull_forwarding(9));
        prop_assert_eq!(other.audit(), Ok(()));
    }
}
