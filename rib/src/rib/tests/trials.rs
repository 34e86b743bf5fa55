//! Trials say what happens, and policies that look at who announced a route.

use super::*;
use crate::policy::{Change, Decision, Edit, Match, Policy, Rule};

fn rule(matches: Vec<Match>, edits: Vec<Edit>, decision: Option<Decision>) -> Rule {
    Rule { name: String::new(), matches, edits, decision }
}

fn policy(rules: Vec<Rule>) -> Policy {
    Policy { name: "test".to_owned(), rules, otherwise: Decision::Reject }
}

#[test]
fn a_trial_of_import_ends_as_the_route_does() {
    let rules = vec![
        rule(vec![], vec![Edit::Med(Some(5))], None),
        rule(vec![Match::AsPathContains(Asn(7).into())], vec![], Some(Decision::Reject)),
        rule(vec![], vec![Edit::AddLocalPref(20)], Some(Decision::Accept)),
    ];
    let imports = [Import::Safe(Safe::default()), Import::All, Import::None, Import::Policy(policy(rules))];
    let mut with_local_pref = attributes(&[65001], "192.0.2.1");
    with_local_pref.local_pref = Some(500);
    for import in imports {
        let info = PeerInfo { import: Arc::new(import), ..peer(TOR_A) };
        for said in [&with_local_pref, &attributes(&[65001, 7], "192.0.2.1"), &attributes(&[9], "192.0.2.1")]
        {
            for text in ["10.1.0.0/16", "127.1.0.0/16", "172.16.0.0/26"] {
                let mut rib = rib();
                rib.originate([Origination::of(prefix("172.16.0.0/24"))], 0);
                rib.peer_up(TOR_A, info.clone());
                let trial = rib.try_import(&info, prefix(text), said);
                rib.update(TOR_A, announce(said.clone(), &[text]), 1);
                rib.settle();
                let path = rib.destination(&prefix(text)).unwrap().paths().next().unwrap();
                let outcome = match path.standing() {
                    Standing::Rejected(reason) => Err(reason),
                    _ => Ok(path.accepted().unwrap().clone()),
                };
                assert_eq!(trial.outcome, outcome, "{text} {said:?} {:?}", info.import);
            }
        }
    }
}

#[test]
fn a_trial_shows_each_step() {
    let rules = vec![
        rule(vec![], vec![Edit::Med(Some(5))], None),
        rule(vec![Match::Family(Family::Ipv6)], vec![], Some(Decision::Reject)),
        rule(vec![], vec![Edit::AddLocalPref(20)], Some(Decision::Accept)),
    ];
    let info = PeerInfo { import: Arc::new(Import::Policy(policy(rules))), ..peer(TOR_A) };
    let mut said = attributes(&[65001], "192.0.2.1");
    said.local_pref = Some(500);
    let trial = rib().try_import(&info, prefix("10.1.0.0/16"), &said);
    let steps: Vec<_> = trial.steps.iter().map(|step| (step.rule, step.attributes.local_pref)).collect();
    assert_eq!(steps, [(None, None), (Some(0), None), (Some(2), Some(120)), (None, Some(120))]);
}

#[test]
fn a_trial_of_export_ends_as_the_route_does() {
    let marked = policy(vec![rule(
        vec![],
        vec![Edit::Communities(Change::Add(vec![Community(9)]))],
        Some(Decision::Accept),
    )]);
    for export in [Export::All, Export::Originated, Export::None, Export::Policy(marked)] {
        let mut rib = rib();
        rib.peer_up(TOR_A, peer(TOR_A));
        rib.peer_up(TOR_B, PeerInfo { export: Arc::new(export.clone()), ..peer(TOR_B) });
        let mut said = attributes(&[65001], "192.0.2.1");
        said.med = Some(5);
        rib.update(TOR_A, announce(said.clone(), &["10.1.0.0/16"]), 1);
        rib.settle();
        rib.pull(TOR_B, 10);
        let ten = prefix("10.1.0.0/16");
        let trial = rib.try_export(rib.peer_info(TOR_B).unwrap(), rib.peer_info(TOR_A), ten, &said);
        let told = rib.explain_export(TOR_B, &ten).cloned();
        assert_eq!(trial.outcome, told, "{export:?}");
    }
}

#[test]
fn equal_routes_of_two_peers_may_go_out_differently() {
    let only_a = policy(vec![rule(
        vec![Match::PeerAddress(vec![prefix("192.0.2.1/32")])],
        vec![],
        Some(Decision::Accept),
    )]);
    let mut rib = rib();
    let same_as = |id| PeerInfo { asn: Asn(65001), ..peer(id) };
    rib.peer_up(TOR_A, same_as(TOR_A));
    rib.peer_up(TOR_B, same_as(TOR_B));
    rib.peer_up(INSIDE, PeerInfo { export: Arc::new(Export::Policy(only_a)), ..peer(INSIDE) });
    let said = || attributes(&[65001], "192.0.2.9");
    rib.update(TOR_A, announce(said(), &["10.1.0.0/16"]), 1);
    rib.update(TOR_B, announce(said(), &["10.2.0.0/16"]), 1);
    rib.settle();
    let mut told = Told::new();
    hear(&mut told, &rib.pull(INSIDE, 10));
    assert_eq!(told.keys().map(|nlri| nlri.prefix).collect::<Vec<_>>(), [prefix("10.1.0.0/16")]);
}
