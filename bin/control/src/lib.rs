//! The language of the control socket: what may be asked of `podbgpd`, and the shape of every answer.
//!
//! The API is HTTP/1.1 with JSON bodies over a unix socket, so `curl --unix-socket` speaks it as well as `bgpctl`.
//! This crate knows neither HTTP libraries nor BGP: it holds the [`Request`] with its one translation to and from a
//! method, a target and a body, and the views, which are plain serde types.
//!
//! | method and target | answers | meaning |
//! |---|---|---|
//! | `GET /v1/status` | [`StatusView`] | is this node well, and if not, why |
//! | `GET /v1/peers` | array of [`PeerView`] | every configured peer, in the order of the names |
//! | `GET /v1/peers/NAME` | [`PeerView`] | one peer |
//! | `GET /v1/routes` | array of [`RouteView`] | the Loc-RIB; `peer=NAME` keeps what this peer announced |
//! | `GET /v1/routes?view=received&peer=NAME` | array of [`RouteView`] | the Adj-RIB-In; the candidates are this peer's |
//! | `GET /v1/routes?rejected=true` | array of [`RouteView`] | refused by policy or loop check; may name a `peer` |
//! | `GET /v1/routes?view=advertised&peer=NAME` | array of [`AdvertisedView`] | the Adj-RIB-Out, as sent |
//! | `GET /v1/routes?kernel=true` | array of [`KernelRouteView`] | the forwarding table, as the kernel holds it |
//! | `GET /v1/policy/test?peer=NAME&direction=import&prefix=PREFIX` | [`PolicyTestView`] | what would become of a route; see [`PolicyTest`] |
//! | `GET /v1/peers/NAME/capture` | lines of [`CaptureView`] | messages as they pass by; empty lines while none does |
//! | `GET /v1/dump` | octets | every path as received, as MRT (RFC 6396, TABLE_DUMP_V2) |
//! | `GET /v1/history` | [`HistoryView`] | what happened, and why; see [`HistoryQuery`] |
//! | `GET /v1/cluster` | [`ClusterView`] | what is known of the cluster, how fresh it is, and what is held |
//! | `POST /v1/cluster/approve` | [`ApprovedView`] | does what is held |
//! | `POST /v1/reload` | [`ReloadView`] | reads the file again; status 422 when the file has mistakes |
//! | `GET /v1/drain` | [`DrainStatusView`] | what is drained, and how far |
//! | `POST /v1/drain/start` | [`DrainStatusView`] | leaves the peers named by `peer=NAME`, or all |
//! | `POST /v1/drain/cancel` | [`DrainStatusView`] | undoes that for the peers named by `peer=NAME`, or all |
//! | `POST /v1/shutdown` | [`DrainStatusView`] | leaves all peers, with `now=true` at once, and ends the daemon |
//! | `POST /v1/peers/NAME/ACTION` | [`ActionView`] | `up`, `down`, `reset` or `refresh` |
//!
//! Any route query takes `prefix=`, `address=` (the longest match), `family=ipv4` or `ipv6`, and `after=PREFIX`,
//! which starts behind that prefix in the order of the answer. One prefix or address of the Loc-RIB also says, for
//! each peer with a session, whether it was told and if not why. The body of an action, of a drain and of a
//! shutdown is the text that travels to the peers when their sessions are shut down (RFC 9003), in UTF-8, at most
//! [`SHUTDOWN_MESSAGE_MAX`] octets.
//! Every answer with a status of 400 or more, but for a refused reload, is an [`ErrorView`].
//!
//! # The promise
//!
//! Field names and the words of enums are snake_case and keep their meaning within `/v1`; fields may be added, so
//! readers ignore what they do not know. A number and a word never share a field. All times are seconds: whole ones
//! (`u64`) for ages and durations, with a fraction (`f64`) where the documentation says so. An absent value is
//! `null`. Counters start at zero with the daemon. A `code` is for programs, the `text` beside it is for people and
//! may be reworded. A specimen of every view is in `golden/`, and a test holds the views to it.

mod bfd;
mod capture;
mod cluster;
mod drain;
mod history;
mod monitoring;
mod peer;
mod policy;
mod query;
mod reload;
mod request;
mod restart;
mod route;
mod status;
#[cfg(test)]
mod tests;

pub use bfd::{BfdRemoteView, BfdState, BfdSummaryView, BfdView, DiscardedView};
pub use capture::{CaptureDirection, CaptureView};
pub use cluster::{
    ApprovedView, BlockView, BucketView, ClusterView, DuplicateView, HeldPrefixView, HeldView, LatencyView,
    ObjectsView, OriginatedCountsView, ProblemView, ReportsView, WatchState, WatchView,
};
pub use drain::{DrainCause, DrainStage, DrainStatusView, DrainView, PeerDrainView};
pub use history::{
    BestChangeView, BestFrom, HISTORY_LIMIT, HISTORY_LIMIT_MAX, HistoryEntryView, HistoryEvent, HistoryQuery,
    HistoryView,
};
pub use monitoring::{MrtView, StationView};
pub use peer::{
    CapabilitiesView, LastErrorView, MalformedView, MessageCountsView, MessagesView, PeerFamilyView,
    PeerState, PeerView, RejectedView, TimersView,
};
pub use policy::{
    AttributeChangeView, Direction, GivenAttributes, PolicyRuleView, PolicyStepView, PolicyTest,
    PolicyTestView, TriedRoute,
};
pub use reload::{ActionView, ChangeView, ConfigErrorView, Effect, ReloadView};
pub use request::{
    HttpRequest, Method, PeerAction, Request, RouteQuery, RouteTable, SHUTDOWN_MESSAGE_MAX, Selection,
};
pub use restart::{
    AbsenceView, PeerRestartView, RestartNow, RestartTermsView, RestartView, RestartWaitView, ReturnedView,
    Staleness,
};
pub use route::{
    AdvertisedView, AttributesView, Family, KernelRouteView, KernelState, NextHopView, PathView, RouteKind,
    RouteView, Standing, ToldView,
};
pub use status::{
    ConfigView, ErrorCode, ErrorView, FibView, NodeView, PeersView, ReasonView, RoutesView, StatusView,
    UpdatesView, Verdict, WrongHandView,
};

/// Where `podbgpd` listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/podbgp/podbgpd.sock";
