//! Metrics and health on TCP: what machines ask about the daemon.
//!
//! `GET /metrics` is rendered from the very views `bgpctl` shows, asked of the [`Owner`] at each scrape, so the two
//! cannot disagree. `GET /healthz` answers 200 while the owner of all state answers within a second: if it fails,
//! restart the daemon. `GET /readyz` answers 200 once the node can carry traffic, else 503 with what it waits for.
//!
//! # Metrics
//!
//! In the OpenMetrics text format: a counter's samples end in `_total`. Everything counts from the daemon's start.
//!
//! | metric | type | labels | meaning |
//! |---|---|---|---|
//! | `podbgp_build_info` | gauge | version | always 1 |
//! | `podbgp_node_info` | gauge | node, asn, router_id | always 1 |
//! | `podbgp_uptime_seconds` | gauge | | how long the daemon has run |
//! | `podbgp_healthy` | gauge | | 1 if everything configured works, 0 if the verdict is degraded |
//! | `podbgp_ready` | gauge | | 1 if the node can carry traffic |
//! | `podbgp_drain_stage` | gauge | stage | 1 for the stage a drain of the whole node is in, `off` without one |
//! | `podbgp_update_groups` | gauge | | groups of peers that are told the same |
//! | `podbgp_updates_encoded_total` | counter | | UPDATEs written, each of which may go to many peers |
//! | `podbgp_peer_info` | gauge | peer, address, asn | always 1 |
//! | `podbgp_peer_up` | gauge | peer | 1 if the session is Established |
//! | `podbgp_peer_state` | gauge | peer, state | 1 for the state the peer is in, 0 for the others |
//! | `podbgp_peer_state_seconds` | gauge | peer | how long in that state; the uptime of an Established session |
//! | `podbgp_peer_administratively_down` | gauge | peer | 1 if the operator holds the peer down |
//! | `podbgp_peer_drain_stage` | gauge | peer, stage | the same for the peer, by itself or with the node |
//! | `podbgp_peer_flaps_total` | counter | peer | sessions that ended |
//! | `podbgp_peer_messages_total` | counter | peer, direction, type | messages, `received` or `sent` |
//! | `podbgp_peer_malformed_updates_total` | counter | peer, disposition | UPDATEs with mistakes that did not end the session |
//! | `podbgp_peer_prefixes` | gauge | peer, family, kind | paths `received`, `accepted`, `best` and `advertised` |
//! | `podbgp_peer_rejected_prefixes` | gauge | peer, family, reason | paths received and refused |
//! | `podbgp_peer_rtt_seconds` | gauge | peer | the round-trip time TCP measured |
//! | `podbgp_bfd_up` | gauge | peer | 1 if the BFD session with the peer is up |
//! | `podbgp_bfd_detection_time_seconds` | gauge | peer | how long the peer may be silent |
//! | `podbgp_bfd_failures_total` | counter | peer | BFD sessions that were up and failed |
//! | `podbgp_bfd_packets_total` | counter | peer, direction | BFD packets, `received` or `sent` |
//! | `podbgp_bfd_discarded_packets_total` | counter | reason | BFD packets dropped |
//! | `podbgp_bfd_send_failures_total` | counter | | BFD packets the kernel did not take |
//! | `podbgp_peer_stale_prefixes` | gauge | peer, family | paths kept over a restart of the peer |
//! | `podbgp_peer_graceful_restarts_total` | counter | peer | times the peer came back while its routes were kept |
//! | `podbgp_peer_last_absence_seconds` | gauge | peer | how long it was away the last time |
//! | `podbgp_restarted` | gauge | | 1 if this run went on where an earlier one ended |
//! | `podbgp_start_convergence_seconds` | gauge | | how long after the start everything had been said |
//! | `podbgp_routes` | gauge | family, kind | the Loc-RIB: `prefixes`, `paths`, `multipath`, `originated`, `rejected` |
//! | `podbgp_fib_synced` | gauge | | 1 if the kernel holds exactly what is wanted |
//! | `podbgp_fib_routes` | gauge | kind | `desired`, `installed`, `pending`, `failed`, `conflicts`, `leftovers` |
//! | `podbgp_fib_repairs_total` | counter | | routes put back after somebody or a link removed them |
//! | `podbgp_fib_next_hop_objects` | gauge | kind | nexthop `groups` of ours in the kernel, and the `next_hops` in them |
//! | `podbgp_fib_group_repairs_total` | counter | | nexthop groups put right after somebody or a link touched them |
//! | `podbgp_fib_messages_total` | counter | | write requests sent to the kernel |
//! | `podbgp_fib_write_errors_total` | counter | | writes the kernel refused |
//! | `podbgp_fib_adopted_total` | counter | | routes of an earlier run taken over |
//! | `podbgp_fib_swept_total` | counter | | routes of an earlier run removed |
//! | `podbgp_wrong_hands` | gauge | kind | what on this machine fights with the daemon |
//! | `podbgp_bmp_connected` | gauge | station | 1 if the monitoring station is connected |
//! | `podbgp_bmp_lost_connections_total` | counter | station | connections to the station that were lost |
//! | `podbgp_bmp_messages_total` | counter | station | messages the station was told |
//! | `podbgp_bmp_unsaid_prefixes_total` | counter | station | prefixes too long-winded for a message |
//! | `podbgp_mrt_records_total` | counter | result | messages `written` to files, or `dropped` |
//! | `podbgp_duplicate_block` | gauge | prefix, peer | 1 for a block of ours that a peer announces as somebody else's |
//! | `podbgp_cluster_stale` | gauge | | 1 while something of the cluster is not heard of any more |
//! | `podbgp_cluster_stale_seconds` | gauge | | for how long; 0 if all is heard of |
//! | `podbgp_cluster_from_snapshot` | gauge | | 1 if what is in force rests on objects an earlier run has written down |
//! | `podbgp_cluster_plan_age_seconds` | gauge | | how old the plan in force is |
//! | `podbgp_cluster_watch_up` | gauge | kind, scope | 1 if the watch hears what happens |
//! | `podbgp_cluster_watch_losses_total` | counter | kind, scope | how often the watch was lost |
//! | `podbgp_cluster_update_latency_seconds` | histogram | | from the arrival of an object's change to its UPDATE in the socket |
//! | `podbgp_cluster_objects` | gauge | kind | objects known |
//! | `podbgp_cluster_problems` | gauge | | what is wrong with objects |
//! | `podbgp_cluster_originated` | gauge | kind | announced for the cluster: `blocks`, `ranges`, `services`, `routes` |
//! | `podbgp_cluster_change_held` | gauge | | 1 while a change that takes away too much is held |
//! | `podbgp_cluster_change_held_seconds` | gauge | | for how long; 0 if none is |
//! | `podbgp_cluster_drain` | gauge | | 1 while the cluster wants the node drained |
//! | `podbgp_cluster_reports_total` | counter | result | writes of the node's status to the API server, `success` or `failure` |
//! | `podbgp_cluster_events_total` | counter | result | Events, `success` or `dropped` |
//! | `podbgp_cluster_taints_removed_total` | counter | | how often the startup taint was taken off |
//! | `podbgp_config_reloads_total` | counter | result | reloads, `success` or `failure` |
//! | `podbgp_config_last_reload_successful` | gauge | | 0 if the last reload was refused |
//! | `podbgp_config_loaded_timestamp_seconds` | gauge | | when the configuration in force was taken over |

mod samples;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::control::{ErrorCode, ErrorView, PeerView, Request, StatusView};
use hyper::Response as HttpResponse;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};

use crate::control::{Owner, Response};
use crate::http::{self, Body};

/// How soon a healthy owner answers.
const HEALTH_DEADLINE: Duration = Duration::from_secs(1);
/// How soon a scrape must have its answer; Prometheus gives up after ten seconds by default.
const SCRAPE_DEADLINE: Duration = Duration::from_secs(5);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Serves metrics and health for ever. Dropping the future ends every connection.
pub async fn serve(listener: TcpListener, owner: Owner) {
    http::serve(Arc::new(MetricsDoor { listener, owner })).await;
}

/// Renders both views in the OpenMetrics text format.
#[must_use]
pub fn render(status: StatusView, peers: Vec<PeerView>) -> String {
    samples::render(samples::Snapshot { status, peers })
}

struct MetricsDoor {
    listener: TcpListener,
    owner: Owner,
}

impl http::Door for MetricsDoor {
    type Stream = TcpStream;
    type Caller = SocketAddr;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.listener.accept().await
    }

    async fn answer(&self, _: SocketAddr, request: hyper::Request<Incoming>) -> HttpResponse<Body> {
        let answered = match (request.method().as_str(), request.uri().path()) {
            ("GET" | "HEAD", "/metrics") => self.metrics().await,
            ("GET" | "HEAD", "/healthz") => self.status(HEALTH_DEADLINE).await.map(|_| text(200, "alive\n")),
            ("GET" | "HEAD", "/readyz") => self.readiness().await,
            (_, "/metrics" | "/healthz" | "/readyz") => {
                Err(ErrorView::new(ErrorCode::MethodNotAllowed, "use GET"))
            }
            _ => Err(ErrorView::new(ErrorCode::NotFound, "try /metrics, /healthz or /readyz")),
        };
        answered.unwrap_or_else(|error| text(error.code.status(), format!("{}\n", error.error)))
    }
}

impl MetricsDoor {
    async fn metrics(&self) -> Result<HttpResponse<Body>, ErrorView> {
        let status = self.status(SCRAPE_DEADLINE).await?;
        let Response::Peers(peers) = self.owner.ask_within(SCRAPE_DEADLINE, Request::Peers).await? else {
            return Err(mixed_up());
        };
        Ok(http::answer(200, OPEN_METRICS, render(status, peers)))
    }

    async fn readiness(&self) -> Result<HttpResponse<Body>, ErrorView> {
        let status = self.status(HEALTH_DEADLINE).await?;
        if status.ready {
            return Ok(text(200, "ready\n"));
        }
        let reasons =
            status.not_ready_reasons.iter().map(|reason| format!("{}: {}\n", reason.code, reason.text));
        Ok(text(503, reasons.collect::<String>()))
    }

    async fn status(&self, deadline: Duration) -> Result<StatusView, ErrorView> {
        match self.owner.ask_within(deadline, Request::Status).await? {
            Response::Status(status) => Ok(*status),
            _ => Err(mixed_up()),
        }
    }
}

fn text(status: u16, body: impl Into<bytes::Bytes>) -> HttpResponse<Body> {
    http::answer(status, TEXT, body)
}

fn mixed_up() -> ErrorView {
    ErrorView::new(ErrorCode::Internal, "podbgpd answered another question")
}
