//! Calico's resources in a whole cluster: when they count, what is watched for them, and what they make of Services.

use intent::{BlockSource, PeerSource};
use serde_json::{Value, json};

use super::world::{names, originated, problems};
use crate::event::{Event, Kind};
use crate::testing::{self, NODE, file, list, object, settings};
use crate::{Cluster, Interest, Plan, Scope, Watch};

/// A node with Calico's annotations and blocks of its own, and with a pool if Calico is there.
fn cluster(settings: intent::Kubernetes, calico: bool, objects: &[(Kind, Value)]) -> Cluster {
    let node = json!({"metadata": {"name": NODE, "annotations": {"projectcalico.org/IPv4Address": "10.0.0.1/24"}},
        "spec": {"podCIDRs": ["10.244.1.0/24"]}});
    let mut cluster = testing::cluster(settings, &[(Kind::Node, node)]);
    if calico {
        let pool = json!({"metadata": {"name": "p"}, "spec": {"cidr": "10.244.0.0/16"}});
        let block = json!({"metadata": {"name": "b"}, "spec": {"state": "confirmed", "node": NODE, "cidr": "10.244.9.0/26"}});
        let peer = json!({"metadata": {"name": "tor"}, "spec": {"peerIP": "10.0.0.254", "asNumber": 65001}});
        for (kind, objects) in [
            (Kind::IpPool, vec![pool]),
            (Kind::BlockAffinity, vec![block]),
            (Kind::CalicoPeer, vec![peer]),
            (Kind::BgpConfiguration, vec![]),
            (Kind::BgpFilter, vec![]),
        ] {
            list(kind, &objects).into_iter().for_each(|event| cluster.handle(event));
        }
    }
    objects.iter().for_each(|(kind, json)| cluster.handle(Event::Apply(object(*kind, json))));
    cluster
}

fn plan(cluster: &mut Cluster) -> Plan {
    testing::plan(cluster)
}

#[test]
fn calicos_peers_count_where_calico_is() {
    assert_eq!(names(&plan(&mut cluster(settings(), true, &[]))), "Global_10_0_0_254");
    assert_eq!(names(&plan(&mut cluster(settings(), false, &[]))), "");
    let theirs = |peers| intent::Kubernetes { peers, ..settings() };
    assert_eq!(names(&plan(&mut cluster(theirs(PeerSource::None), true, &[]))), "");
    assert_eq!(names(&plan(&mut cluster(theirs(PeerSource::Calico), true, &[]))), "Global_10_0_0_254");
}

#[test]
fn blocks_of_another_source_are_own_blocks_for_calicos_peers() {
    let from = |blocks| {
        let plan = plan(&mut cluster(intent::Kubernetes { blocks, ..settings() }, true, &[]));
        assert_eq!(problems(&plan), "");
        originated(&plan)
    };
    assert_eq!(from(BlockSource::Auto), "10.244.9.0/26 Dropped");
    assert_eq!(from(BlockSource::Calico), "10.244.9.0/26 Dropped");
    assert_eq!(from(BlockSource::Node), "10.244.1.0/24 Dropped");
    assert_eq!(from(BlockSource::None), "");
}

#[test]
fn secrets_of_peers_are_watched_and_waited_for() {
    let peer = json!({"metadata": {"name": "tor"}, "spec": {"peerIP": "10.0.0.254", "asNumber": 65001,
        "password": {"secretKeyRef": {"name": "s", "key": "k"}}}});
    let mut cluster = cluster(settings(), true, &[(Kind::CalicoPeer, peer)]);
    let scope = Scope::In { namespace: "kube-system".to_owned(), name: "s".to_owned() };
    assert!(cluster.watches().contains(&Watch { kind: Kind::Secret, scope }));
    assert_eq!(cluster.missing(), [Kind::Secret]);
    let secret =
        json!({"metadata": {"name": "s", "namespace": "kube-system"}, "data": {"k": "aHVudGVyMg=="}});
    cluster.handle(Event::Apply(object(Kind::Secret, &secret)));
    assert_eq!(names(&plan(&mut cluster)), "Global_10_0_0_254");
}

#[test]
fn calicos_ranges_of_services_take_the_place_of_the_files() {
    let file_says = || {
        let mut settings = settings();
        settings.services.cluster.insert(testing::net("10.97.0.0/16"));
        settings
    };
    let configured = |spec: Value| {
        let configuration = json!({"metadata": {"name": "default"}, "spec": spec});
        let mut cluster = cluster(file_says(), true, &[(Kind::BgpConfiguration, configuration)]);
        for kind in [Kind::Service, Kind::EndpointSlice] {
            list(kind, &[]).into_iter().for_each(|event| cluster.handle(event));
        }
        let plan = plan(&mut cluster);
        (originated(&plan), format!("{:?}", plan.ownership.pools))
    };
    assert_eq!(
        configured(json!({})),
        (
            "10.97.0.0/16 DroppedInTransit, 10.244.9.0/26 Dropped".to_owned(),
            "[(10.97.0.0/16, Theirs), (10.244.0.0/16, Ours)]".to_owned()
        )
    );
    assert_eq!(
        configured(json!({"serviceClusterIPs": [{"cidr": "10.96.0.0/16"}]})),
        (
            "10.96.0.0/16 DroppedInTransit, 10.244.9.0/26 Dropped".to_owned(),
            "[(10.96.0.0/16, Theirs), (10.244.0.0/16, Ours)]".to_owned()
        )
    );
}

#[test]
fn only_routes_that_may_be_told_are_of_interest() {
    let within = |cluster: &Cluster| {
        let Interest { within, except } = cluster.interest(&file().node);
        assert_eq!(except, []);
        within.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(within(&cluster(settings(), false, &[])), "");
    assert_eq!(within(&cluster(settings(), true, &[])), "10.244.0.0/16 10.244.9.0/26");
    let filter = json!({"metadata": {"name": "f"}, "spec": {"exportV4": [{"action": "Accept"}]}});
    assert_eq!(within(&cluster(settings(), true, &[(Kind::BgpFilter, filter)])), "0.0.0.0/0 ::/0");
}

#[test]
fn what_felix_says_of_workloads_makes_sessions() {
    let peer =
        json!({"metadata": {"name": "w"}, "spec": {"localWorkloadSelector": "all()", "asNumber": 65001}});
    let mut cluster = cluster(settings(), true, &[(Kind::CalicoPeer, peer)]);
    let workload = r#"{"ifaceName": "cali1", "ipv4Nets": ["10.244.9.7/32"], "bgpPeerName": "w"}"#;
    cluster.local_workloads(vec![crate::LocalWorkload::read(workload).expect("a workload")]);
    assert_eq!(names(&plan(&mut cluster)), "Global_10_0_0_254 Local_Workload_10_244_9_7");
    cluster.local_workloads(Vec::new());
    assert_eq!(names(&plan(&mut cluster)), "Global_10_0_0_254");
}
