//! Views in, samples out. The table of all metrics is in the page of the module above.

mod cluster;

use std::collections::BTreeMap;
use std::fmt;

use ::control::{
    BfdState, DiscardedView, DrainStage, Family, PeerState, PeerView, RoutesView, StationView, StatusView,
};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

/// All that a scrape shows.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) status: StatusView,
    pub(super) peers: Vec<PeerView>,
}

/// Labels with their values.
type Labels = Vec<(&'static str, String)>;

pub(super) fn render(snapshot: Snapshot) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(snapshot));
    let mut page = String::new();
    // Writing into a String fails only if an encoder above does, and those pass on what the String said.
    let _ = text::encode(&mut page, &registry);
    page
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut page = Page(encoder);
        self.node(&mut page)?;
        self.sessions(&mut page)?;
        self.bfd(&mut page)?;
        self.prefixes(&mut page)?;
        self.restarts(&mut page)?;
        self.fib(&mut page)?;
        self.onlookers(&mut page)?;
        self.cluster(&mut page)?;
        self.config(&mut page)
    }
}

impl Snapshot {
    fn node(&self, page: &mut Page) -> fmt::Result {
        let Self { status, .. } = self;
        let version = vec![("version", status.version.clone())];
        page.gauge("podbgp_build_info", "The version of the daemon", None, [(version, 1)])?;
        let node = vec![
            ("node", status.node.name.clone()),
            ("asn", status.node.asn.to_string()),
            ("router_id", status.node.router_id.to_string()),
        ];
        page.gauge("podbgp_node_info", "Who this node is", None, [(node, 1)])?;
        let uptime = [(vec![], status.uptime_seconds)];
        page.gauge("podbgp_uptime", "How long the daemon has run", Some(Unit::Seconds), uptime)?;
        let healthy = status.verdict == ::control::Verdict::Ok;
        page.gauge("podbgp_healthy", "Whether everything configured works", None, truth(healthy))?;
        page.gauge("podbgp_ready", "Whether the node can carry traffic", None, truth(status.ready))?;
        let stage = status.drain.as_ref().map(|drain| drain.stage);
        let stages = stages(stage).map(|(name, is)| (vec![("stage", name.to_owned())], is));
        page.gauge("podbgp_drain_stage", "How far the node is drained", None, stages)?;
        let kinds = status.wrong_hands.iter().map(|hand| hand.kind.as_str());
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        kinds.for_each(|kind| *counts.entry(kind).or_default() += 1);
        let hands = counts.into_iter().map(|(kind, count)| (vec![("kind", kind.to_owned())], count));
        page.gauge("podbgp_wrong_hands", "What on this machine fights with the daemon", None, hands)
    }

    fn onlookers(&self, page: &mut Page) -> fmt::Result {
        let each = |count: fn(&StationView) -> u64| {
            let stations = self.status.stations.iter();
            stations.map(move |station| (vec![("station", station.address.to_string())], count(station)))
        };
        let connected = each(|station| station.connected.into());
        page.gauge("podbgp_bmp_connected", "Whether the monitoring station is connected", None, connected)?;
        let lost = each(|station| station.lost);
        page.counter("podbgp_bmp_lost_connections", "Connections to stations that were lost", lost)?;
        let messages = each(|station| station.messages);
        page.counter("podbgp_bmp_messages", "Messages stations were told", messages)?;
        let unsaid = each(|station| station.unsaid);
        page.counter("podbgp_bmp_unsaid_prefixes", "Prefixes too long-winded for a message", unsaid)?;
        let records = self.status.mrt.iter().flat_map(|mrt| {
            [("written", mrt.written), ("dropped", mrt.dropped)]
                .map(|(result, count)| (vec![("result", result.to_owned())], count))
        });
        page.counter("podbgp_mrt_records", "Messages written to files, or not", records)
    }

    fn sessions(&self, page: &mut Page) -> fmt::Result {
        let info = |peer: &PeerView| {
            let mut labels = labels(peer);
            labels.extend([
                ("address", peer.address.to_string()),
                ("asn", peer.asn.map_or_else(String::new, |asn| asn.to_string())),
            ]);
            (labels, 1)
        };
        page.gauge("podbgp_peer_info", "Who the peer is", None, self.peers.iter().map(info))?;
        let up = |peer: &PeerView| (labels(peer), u64::from(peer.state == PeerState::Established));
        page.gauge("podbgp_peer_up", "Whether the session is Established", None, self.peers.iter().map(up))?;
        let updates = &self.status.updates;
        let help = "How many groups of peers are told the same";
        page.gauge("podbgp_update_groups", help, None, [(vec![], updates.groups)])?;
        let help = "UPDATEs written, each of which may go to many peers";
        page.counter("podbgp_updates_encoded", help, [(vec![], updates.encoded)])?;
        let states = self.peers.iter().flat_map(|peer| {
            PeerState::ALL
                .map(|state| (with(peer, &[("state", state.name())]), u64::from(peer.state == state)))
        });
        page.gauge("podbgp_peer_state", "1 for the state the peer is in", None, states)?;
        let since = self.peers.iter().map(|peer| (labels(peer), peer.state_seconds));
        page.gauge(
            "podbgp_peer_state",
            "How long the peer has been in its state",
            Some(Unit::Seconds),
            since,
        )?;
        let down = self.peers.iter().map(|peer| (labels(peer), u64::from(peer.administratively_down)));
        let help = "Whether the operator holds the peer down";
        page.gauge("podbgp_peer_administratively_down", help, None, down)?;
        let stages = self
            .peers
            .iter()
            .flat_map(|peer| stages(peer.drain).map(move |(name, is)| (with(peer, &[("stage", name)]), is)));
        page.gauge("podbgp_peer_drain_stage", "How far the peer is drained", None, stages)?;
        let flaps = self.peers.iter().map(|peer| (labels(peer), peer.flaps));
        page.counter("podbgp_peer_flaps", "Sessions that ended", flaps)?;
        page.counter(
            "podbgp_peer_messages",
            "Messages by direction and type",
            self.peers.iter().flat_map(messages),
        )?;
        let malformed = self.peers.iter().flat_map(|peer| {
            let of = |disposition| with(peer, &[("disposition", disposition)]);
            [
                (of("treat_as_withdraw"), peer.malformed.treat_as_withdraw),
                (of("attribute_discard"), peer.malformed.attribute_discard),
            ]
        });
        let help = "UPDATEs with mistakes that did not end the session";
        page.counter("podbgp_peer_malformed_updates", help, malformed)?;
        let rtt = self.peers.iter().filter_map(|peer| Some((labels(peer), peer.rtt_seconds?)));
        page.gauge("podbgp_peer_rtt", "The round-trip time TCP measured", Some(Unit::Seconds), rtt)
    }

    fn bfd(&self, page: &mut Page) -> fmt::Result {
        let sessions = || self.peers.iter().filter_map(|peer| Some((peer, peer.bfd.as_ref()?)));
        let up = sessions().map(|(peer, bfd)| (labels(peer), u64::from(bfd.state == BfdState::Up)));
        page.gauge("podbgp_bfd_up", "Whether the BFD session is up", None, up)?;
        let times = sessions().filter_map(|(peer, bfd)| Some((labels(peer), bfd.detection_time_seconds?)));
        let help = "How long the peer may be silent";
        page.gauge("podbgp_bfd_detection_time", help, Some(Unit::Seconds), times)?;
        let failures = sessions().map(|(peer, bfd)| (labels(peer), bfd.failures));
        page.counter("podbgp_bfd_failures", "BFD sessions that were up and failed", failures)?;
        let packets = sessions().flat_map(|(peer, bfd)| {
            let of = |direction| with(peer, &[("direction", direction)]);
            [(of("received"), bfd.received), (of("sent"), bfd.sent)]
        });
        page.counter("podbgp_bfd_packets", "BFD packets by direction", packets)?;
        let summary = &self.status.bfd;
        let of = |discarded: &DiscardedView| vec![("reason", discarded.code.clone())];
        let discarded = summary.discarded.iter().map(|discarded| (of(discarded), discarded.count));
        page.counter("podbgp_bfd_discarded_packets", "BFD packets dropped", discarded)?;
        let help = "BFD packets the kernel did not take";
        page.counter("podbgp_bfd_send_failures", help, alone(summary.send_failures))
    }

    fn prefixes(&self, page: &mut Page) -> fmt::Result {
        let families =
            || self.peers.iter().flat_map(|peer| peer.families.iter().map(move |family| (peer, family)));
        let counts = families().flat_map(|(peer, counts)| {
            let of = |kind| with(peer, &[("family", counts.family.name()), ("kind", kind)]);
            [
                (of("received"), counts.received),
                (of("accepted"), counts.accepted),
                (of("best"), counts.best),
                (of("advertised"), counts.advertised),
            ]
        });
        page.gauge("podbgp_peer_prefixes", "Paths exchanged with the peer", None, counts)?;
        let rejected = families().flat_map(|(peer, counts)| {
            let of = |reason| with(peer, &[("family", counts.family.name()), ("reason", reason)]);
            counts.rejected.iter().map(move |rejected| (of(&rejected.code), rejected.count))
        });
        page.gauge("podbgp_peer_rejected_prefixes", "Paths received and refused", None, rejected)?;
        let routes = self.status.routes.iter().flat_map(|routes| {
            let of = |kind: &str| family_labels(routes.family, kind);
            let RoutesView { family: _, prefixes, paths, multipath, originated, rejected } = *routes;
            [
                (of("prefixes"), prefixes),
                (of("paths"), paths),
                (of("multipath"), multipath),
                (of("originated"), originated),
                (of("rejected"), rejected),
            ]
        });
        page.gauge("podbgp_routes", "The Loc-RIB", None, routes)
    }

    fn restarts(&self, page: &mut Page) -> fmt::Result {
        let families =
            || self.peers.iter().flat_map(|peer| peer.families.iter().map(move |family| (peer, family)));
        let stale =
            families().map(|(peer, counts)| (with(peer, &[("family", counts.family.name())]), counts.stale));
        page.gauge("podbgp_peer_stale_prefixes", "Paths kept over a restart of the peer", None, stale)?;
        let restarts = || self.peers.iter().filter_map(|peer| Some((peer, peer.graceful_restart.as_ref()?)));
        let counts = restarts().map(|(peer, restart)| (labels(peer), restart.peer_restarts));
        let help = "Times the peer came back while its routes were kept";
        page.counter("podbgp_peer_graceful_restarts", help, counts)?;
        let away = restarts()
            .filter_map(|(peer, restart)| Some((labels(peer), restart.last_absence?.away_seconds?)));
        let help = "How long the peer was away the last time its routes were kept";
        page.gauge("podbgp_peer_last_absence", help, Some(Unit::Seconds), away)?;
        let restart = &self.status.restart;
        let help = "Whether this run went on where an earlier one ended";
        page.gauge("podbgp_restarted", help, None, truth(restart.restarted))?;
        let help = "How long after the start everything had been said and the kernel been told";
        let took = restart.converged_seconds.map(|seconds| (vec![], seconds));
        page.gauge("podbgp_start_convergence", help, Some(Unit::Seconds), took)
    }

    fn fib(&self, page: &mut Page) -> fmt::Result {
        let fib = &self.status.fib;
        page.gauge("podbgp_fib_synced", "Whether the kernel holds what is wanted", None, truth(fib.synced))?;
        let kinds = [
            ("desired", fib.desired),
            ("installed", fib.installed),
            ("pending", fib.pending),
            ("failed", fib.failed),
            ("conflicts", fib.conflicts),
            ("leftovers", fib.leftovers),
        ];
        let routes = kinds.map(|(kind, count)| (vec![("kind", kind.to_owned())], count));
        page.gauge("podbgp_fib_routes", "Kernel routes by how they stand", None, routes)?;
        page.counter("podbgp_fib_repairs", "Routes put back after they were removed", alone(fib.repairs))?;
        let objects = [("groups", fib.groups), ("next_hops", fib.next_hops)];
        let objects = objects.map(|(kind, count)| (vec![("kind", kind.to_owned())], count));
        page.gauge("podbgp_fib_next_hop_objects", "Nexthop objects in the kernel", None, objects)?;
        let help = "Nexthop groups put right after they were touched";
        page.counter("podbgp_fib_group_repairs", help, alone(fib.group_repairs))?;
        page.counter("podbgp_fib_messages", "Write requests sent to the kernel", alone(fib.messages))?;
        page.counter("podbgp_fib_write_errors", "Writes the kernel refused", alone(fib.write_errors))?;
        page.counter("podbgp_fib_adopted", "Routes of an earlier run taken over", alone(fib.adopted))?;
        page.counter("podbgp_fib_swept", "Routes of an earlier run removed", alone(fib.swept))
    }

    fn config(&self, page: &mut Page) -> fmt::Result {
        let config = &self.status.config;
        let of = |result: &str| vec![("result", result.to_owned())];
        let reloads = [(of("success"), config.reloads), (of("failure"), config.reload_failures)];
        page.counter("podbgp_config_reloads", "Reloads by result", reloads)?;
        let fine = truth(config.last_reload_error.is_none());
        page.gauge("podbgp_config_last_reload_successful", "0 if the last reload was refused", None, fine)?;
        let help = "When the configuration in force was taken over";
        page.gauge("podbgp_config_loaded_timestamp", help, Some(Unit::Seconds), alone(config.loaded_at))
    }
}

/// A page of metrics being written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn gauge<V>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        samples: impl IntoIterator<Item = (Labels, V)>,
    ) -> fmt::Result
    where
        ConstGauge<V>: EncodeMetric,
    {
        let samples = samples.into_iter().map(|(labels, value)| (labels, ConstGauge::new(value)));
        self.metric(name, help, unit, MetricType::Gauge, samples)
    }

    fn counter(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, u64)>,
    ) -> fmt::Result {
        let samples = samples.into_iter().map(|(labels, value)| (labels, ConstCounter::new(value)));
        self.metric(name, help, None, MetricType::Counter, samples)
    }

    /// Writes a histogram; each bucket holds what is above the bound before it.
    fn histogram(&mut self, name: &str, help: &str, unit: Unit, histogram: Histogram) -> fmt::Result {
        let alone = std::iter::once((vec![], histogram));
        self.metric(name, help, Some(unit), MetricType::Histogram, alone)
    }

    fn metric(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        metric_type: MetricType,
        samples: impl Iterator<Item = (Labels, impl EncodeMetric)>,
    ) -> fmt::Result {
        // The registry ends the help it stores with a full stop; what a collector says is written as it is.
        let help = format!("{help}.");
        let mut descriptor = self.0.encode_descriptor(name, &help, unit.as_ref(), metric_type)?;
        for (labels, value) in samples {
            if labels.is_empty() {
                // The only one of its metric; the library would write empty braces.
                return value.encode(descriptor);
            }
            value.encode(descriptor.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// What has been observed, sorted into buckets by upper bounds, the last of which is infinite.
struct Histogram {
    sum: f64,
    count: u64,
    buckets: Vec<(f64, u64)>,
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_histogram::<NoLabelSet>(self.sum, self.count, &self.buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// Lists every stage of a drain and none, with 1 for the one it is in.
fn stages(of: Option<DrainStage>) -> impl Iterator<Item = (&'static str, u64)> {
    let off = ("off", u64::from(of.is_none()));
    let each = move |stage: DrainStage| (stage.name(), u64::from(of == Some(stage)));
    std::iter::once(off).chain(DrainStage::ALL.into_iter().map(each))
}

fn messages(peer: &PeerView) -> impl Iterator<Item = (Labels, u64)> {
    [("received", peer.messages.received), ("sent", peer.messages.sent)].into_iter().flat_map(
        move |(direction, counts)| {
            counts
                .by_name()
                .map(|(kind, count)| (with(peer, &[("direction", direction), ("type", kind)]), count))
        },
    )
}

fn labels(peer: &PeerView) -> Labels {
    vec![("peer", peer.name.clone())]
}

fn with(peer: &PeerView, more: &[(&'static str, &str)]) -> Labels {
    let mut labels = labels(peer);
    labels.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
    labels
}

fn family_labels(family: Family, kind: &str) -> Labels {
    vec![("family", family.name().to_owned()), ("kind", kind.to_owned())]
}

fn alone(value: u64) -> [(Labels, u64); 1] {
    [(vec![], value)]
}

fn truth(value: bool) -> [(Labels, u64); 1] {
    alone(u64::from(value))
}
