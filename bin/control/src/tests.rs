use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::*;

/// Reads a golden file as a view and writes it again: nothing may be lost, added or renamed on the way.
fn keeps<T: Serialize + DeserializeOwned>(golden: &str) {
    let view: T = serde_json::from_str(golden).expect("the golden file is the view's JSON");
    let written = serde_json::to_value(&view).expect("views are JSON");
    let expected: Value = serde_json::from_str(golden).expect("golden files are JSON");
    assert_eq!(
        serde_json::to_string_pretty(&written).unwrap(),
        serde_json::to_string_pretty(&expected).unwrap(),
        "the JSON of a view has changed: field names are a promise to scripts"
    );
}

#[test]
fn the_json_of_status_stays() {
    keeps::<StatusView>(include_str!("../golden/status_ok.json"));
    keeps::<StatusView>(include_str!("../golden/status_degraded.json"));
    keeps::<StatusView>(include_str!("../golden/status_starting.json"));
}

#[test]
fn the_json_of_the_cluster_stays() {
    keeps::<ClusterView>(include_str!("../golden/cluster.json"));
    keeps::<ClusterView>(include_str!("../golden/cluster_starting.json"));
    keeps::<ApprovedView>(include_str!("../golden/approved.json"));
}

#[test]
fn the_json_of_peers_stays() {
    keeps::<Vec<PeerView>>(include_str!("../golden/peers.json"));
}

#[test]
fn the_json_of_routes_stays() {
    keeps::<Vec<RouteView>>(include_str!("../golden/routes.json"));
    keeps::<Vec<AdvertisedView>>(include_str!("../golden/advertised.json"));
    keeps::<Vec<KernelRouteView>>(include_str!("../golden/kernel_routes.json"));
}

#[test]
fn the_json_of_a_trial_stays() {
    keeps::<PolicyTestView>(include_str!("../golden/policy_test.json"));
    keeps::<PolicyTestView>(include_str!("../golden/policy_test_rejected.json"));
}

#[test]
fn the_json_of_history_stays() {
    keeps::<HistoryView>(include_str!("../golden/history.json"));
}

#[test]
fn the_json_of_actions_stays() {
    keeps::<ReloadView>(include_str!("../golden/reload.json"));
    keeps::<ReloadView>(include_str!("../golden/reload_degraded.json"));
    keeps::<ReloadView>(include_str!("../golden/reload_refused.json"));
    keeps::<DrainStatusView>(include_str!("../golden/drain.json"));
    keeps::<ActionView>(include_str!("../golden/action.json"));
    keeps::<ErrorView>(include_str!("../golden/error.json"));
}

#[test]
fn a_word_in_json_is_the_word_of_its_name() {
    for state in PeerState::ALL {
        assert_eq!(serde_json::to_value(state).unwrap(), state.name());
    }
    for state in BfdState::ALL {
        assert_eq!(serde_json::to_value(state).unwrap(), state.name());
    }
    for family in [Family::Ipv4, Family::Ipv6] {
        assert_eq!(serde_json::to_value(family).unwrap(), family.name());
    }
    for stage in DrainStage::ALL {
        assert_eq!(serde_json::to_value(stage).unwrap(), stage.name());
    }
    for action in PeerAction::ALL {
        assert_eq!(serde_json::to_value(action).unwrap(), action.name());
    }
    let failed = KernelState::Failed { error: "no".into() };
    let conflict = KernelState::Conflict { owner: "static".into() };
    for state in [
        KernelState::Installed,
        KernelState::Pending,
        failed,
        conflict,
        KernelState::Leftover,
        KernelState::NotWanted,
    ] {
        assert_eq!(serde_json::to_value(&state).unwrap()["state"], state.name());
    }
}

#[test]
fn a_captured_message_is_had_back_from_its_line() {
    let golden = include_str!("../golden/capture.json");
    keeps::<CaptureView>(golden);
    let view: CaptureView = serde_json::from_str(golden).unwrap();
    let octets = view.message().unwrap();
    assert_eq!((octets.len(), octets[15], octets[16..].to_vec()), (19, 0xFF, vec![0, 19, 4]));
    assert_eq!(CaptureView::hexadecimal(&octets), view.octets);
    for wrong in ["f", "fg", "ä0"] {
        assert_eq!(CaptureView { octets: wrong.to_owned(), ..view.clone() }.message(), None, "{wrong}");
    }
}

fn read(method: &str, target: &str) -> Result<Request, ErrorView> {
    Request::from_http(method, target, b"")
}

#[test]
fn every_request_reads_back_as_written() {
    let peer = || "tor-a".to_owned();
    let tables = [
        RouteTable::Loc { peer: None },
        RouteTable::Loc { peer: Some(peer()) },
        RouteTable::Received { peer: peer() },
        RouteTable::Advertised { peer: peer() },
        RouteTable::Rejected { peer: None },
        RouteTable::Rejected { peer: Some(peer()) },
        RouteTable::Kernel,
    ];
    let selections = [
        Selection::All,
        Selection::Prefix("fd00:20::/32".parse().unwrap()),
        Selection::Address("10.1.2.3".parse().unwrap()),
    ];
    let mut requests = vec![Request::Status, Request::Peers, Request::Reload, Request::Drains];
    requests.extend([Request::Cluster, Request::Approve]);
    requests.push(Request::Dump { after: None });
    requests.push(Request::Dump { after: Some("fd00::/8".parse().unwrap()) });
    let prefix = Some("10.1.0.0/16".parse().unwrap());
    for peer in [None, Some("a b/c?d&e=f%g".to_owned())] {
        let history = HistoryQuery { peer, prefix, since: Some(600), limit: Some(7) };
        requests.extend([Request::History(history), Request::History(HistoryQuery::default())]);
    }
    let message = Some("rewiring rack 30".to_owned());
    for peers in [vec![], vec![peer()], vec![peer(), "a b/c?d&e=f%g".to_owned()]] {
        requests.push(Request::DrainStart { peers: peers.clone(), message: message.clone() });
        requests.push(Request::DrainCancel { peers });
    }
    for now in [false, true] {
        requests.push(Request::Shutdown { now, message: None });
        requests.push(Request::Shutdown { now, message: message.clone() });
    }
    for name in ["tor-a", "a b/c?d&e=f%g", "Tür", "..", "peers"] {
        requests.push(Request::Peer { name: name.into() });
        requests.push(Request::Capture { peer: name.into() });
        for action in PeerAction::ALL {
            requests.push(Request::PeerAction { name: name.into(), action, message: None });
        }
        let message = Some("rewiring rack 30 – back by 10:00".to_owned());
        requests.push(Request::PeerAction { name: name.into(), action: PeerAction::Down, message });
        requests.push(Request::Routes(RouteQuery {
            table: RouteTable::Received { peer: name.into() },
            ..RouteQuery::default()
        }));
    }
    for table in tables {
        for selection in selections {
            for family in [None, Some(Family::Ipv4), Some(Family::Ipv6)] {
                for after in [None, Some("10.0.0.0/8".parse().unwrap())] {
                    requests.push(Request::Routes(RouteQuery {
                        table: table.clone(),
                        selection,
                        family,
                        after,
                    }));
                }
            }
        }
    }
    let test = PolicyTest {
        peer: peer(),
        direction: Direction::Import,
        prefix: "fd00:20::/32".parse().unwrap(),
        from: None,
        attributes: GivenAttributes::default(),
    };
    let attributes = GivenAttributes {
        origin: Some("egp".to_owned()),
        as_path: Some("65001 {65002,65003}".to_owned()),
        next_hop: Some("fd00::1".parse().unwrap()),
        med: Some(0),
        local_pref: Some(u32::MAX),
        communities: vec!["65001:1".to_owned(), "no-export".to_owned()],
        extended_communities: vec!["rt:65001:1".to_owned()],
        large_communities: vec!["1:2:3".to_owned(), "4:5:6".to_owned()],
    };
    let export =
        PolicyTest { direction: Direction::Export, from: Some("a b".to_owned()), attributes, ..test.clone() };
    requests.extend([test, export].map(|test| Request::PolicyTest(Box::new(test))));
    for request in requests {
        let HttpRequest { method, target, body } = request.to_http();
        assert_eq!(
            Request::from_http(method.name(), &target, body.as_bytes()),
            Ok(request),
            "{method} {target}"
        );
    }
}

#[test]
fn what_a_person_types_into_curl_is_understood() {
    let query = |table, selection| Request::Routes(RouteQuery { table, selection, ..RouteQuery::default() });
    let prefix = Selection::Prefix("10.1.2.0/24".parse().unwrap());
    assert_eq!(read("GET", "/v1/routes?prefix=10.1.2.0/24"), Ok(query(RouteTable::default(), prefix)));
    assert_eq!(read("GET", "/v1/routes?prefix=10.1.2.3%2f24"), Ok(query(RouteTable::default(), prefix)));
    assert_eq!(
        read("GET", "/v1/routes?rejected=false&kernel=true"),
        Ok(query(RouteTable::Kernel, Selection::All))
    );
}

#[test]
fn a_request_that_makes_no_sense_is_told_why() {
    let code = |method, target| read(method, target).unwrap_err().code;
    assert_eq!(code("GET", "/"), ErrorCode::NotFound);
    assert_eq!(code("GET", "/v2/status"), ErrorCode::NotFound);
    assert_eq!(code("GET", "/v1/peers/"), ErrorCode::NotFound);
    assert_eq!(code("POST", "/v1/peers/tor-a/explode"), ErrorCode::NotFound);
    assert_eq!(code("GET", "/v1/reload"), ErrorCode::MethodNotAllowed);
    assert_eq!(code("GET", "/v1/drain/start"), ErrorCode::MethodNotAllowed);
    assert_eq!(code("GET", "/v1/shutdown"), ErrorCode::MethodNotAllowed);
    assert_eq!(code("GET", "/v1/cluster/approve"), ErrorCode::MethodNotAllowed);
    assert_eq!(code("POST", "/v1/cluster/approve?all=true"), ErrorCode::BadRequest);
    assert_eq!(code("POST", "/v1/drain/stop"), ErrorCode::NotFound);
    assert_eq!(code("POST", "/v1/drain/start?peers=tor-a"), ErrorCode::BadRequest);
    assert_eq!(code("POST", "/v1/shutdown?now"), ErrorCode::BadRequest);
    assert_eq!(code("DELETE", "/v1/peers/tor-a"), ErrorCode::MethodNotAllowed);
    for target in [
        "/v1/status?verbose=true",
        "/v1/peers/%zz",
        "/v1/peers/%f",
        "/v1/peers/%ff",
        "/v1/routes?view=received",
        "/v1/routes?view=best&peer=tor-a",
        "/v1/routes?view=received&peer=tor-a&rejected=true",
        "/v1/routes?rejected=true&kernel=true",
        "/v1/routes?kernel=true&peer=tor-a",
        "/v1/routes?prefix=10.0.0.0/8&address=10.0.0.1",
        "/v1/routes?prefix=10.0.0.0/33",
        "/v1/routes?prefix=10.0.0.0/8&prefix=10.0.0.0/8",
        "/v1/routes?family=vpnv4",
        "/v1/routes?rejected",
        "/v1/routes?colour=red",
        "/v1/policy/test",
        "/v1/policy/test?peer=a&direction=import",
        "/v1/policy/test?peer=a&direction=up&prefix=10.0.0.0/8",
        "/v1/policy/test?peer=a&direction=import&prefix=10.0.0.0/8&colour=red",
        "/v1/policy/test?peer=a&direction=import&prefix=10.0.0.0/8&med=-1",
    ] {
        assert_eq!(code("GET", target), ErrorCode::BadRequest, "{target}");
    }
}

#[test]
fn a_shutdown_message_is_text_that_fits_and_has_somewhere_to_go() {
    let down = |body: &[u8]| Request::from_http("POST", "/v1/peers/tor-a/down", body);
    assert!(down(&[b'x'; SHUTDOWN_MESSAGE_MAX]).is_ok());
    assert_eq!(down(&[b'x'; SHUTDOWN_MESSAGE_MAX + 1]).unwrap_err().code, ErrorCode::BadRequest);
    assert_eq!(down(b"\xff").unwrap_err().code, ErrorCode::BadRequest);
    assert_eq!(
        down(b" \n"),
        Ok(Request::PeerAction { name: "tor-a".into(), action: PeerAction::Down, message: None })
    );
    for action in ["up", "refresh"] {
        let target = format!("/v1/peers/tor-a/{action}");
        assert_eq!(Request::from_http("POST", &target, b"bye").unwrap_err().code, ErrorCode::BadRequest);
    }
}
