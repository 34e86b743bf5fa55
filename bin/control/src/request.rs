//! Requests, and their one translation to and from HTTP.
//!
//! The client writes with [`Request::to_http`], the server reads with [`Request::from_http`]; whatever the first
//! writes, the second reads back.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::query::{bad_request, escape, pairs, parsed, prefix, query, set, truth, unescape};
use crate::{ErrorCode, ErrorView, Family, HistoryQuery, PolicyTest};

/// The most octets of a shutdown message (RFC 9003 §2).
pub const SHUTDOWN_MESSAGE_MAX: usize = 255;

/// What may be asked of the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The node as a whole.
    Status,
    /// Every peer.
    Peers,
    /// One peer.
    Peer {
        /// The peer's name.
        name: String,
    },
    /// Routes.
    Routes(RouteQuery),
    /// What would become of a route.
    PolicyTest(Box<PolicyTest>),
    /// A peer's messages as they pass by.
    Capture {
        /// The peer's name.
        peer: String,
    },
    /// All tables, in the MRT format (RFC 6396).
    Dump {
        /// Where to go on: behind this prefix, in the order of the answer.
        after: Option<IpNet>,
    },
    /// What has happened.
    History(HistoryQuery),
    /// The cluster.
    Cluster,
    /// Does what the cluster wants and is held.
    Approve,
    /// Reads the configuration file again.
    Reload,
    /// Does something to a peer.
    PeerAction {
        /// The peer's name.
        name: String,
        /// What to do.
        action: PeerAction,
        /// What to tell the peer when the session is shut down (RFC 9003).
        message: Option<String>,
    },
    /// How drains stand.
    Drains,
    /// Leaves peers without losing a packet.
    DrainStart {
        /// The peers' names; everybody if empty.
        peers: Vec<String>,
        /// What to tell them when their sessions are closed (RFC 9003).
        message: Option<String>,
    },
    /// Undoes that.
    DrainCancel {
        /// The peers' names; everybody if empty.
        peers: Vec<String>,
    },
    /// Leaves every peer and ends the daemon.
    Shutdown {
        /// Whether without a drain before.
        now: bool,
        /// What to tell the peers.
        message: Option<String>,
    },
}

/// Which routes, and of what table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteQuery {
    /// The table asked for.
    pub table: RouteTable,
    /// The prefixes asked for.
    pub selection: Selection,
    /// The family asked for; both if `None`.
    pub family: Option<Family>,
    /// Where to go on: behind this prefix, in the order of the answer.
    pub after: Option<IpNet>,
}

/// A table of routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteTable {
    /// The Loc-RIB with every candidate.
    Loc {
        /// Keeps the prefixes this peer announced.
        peer: Option<String>,
    },
    /// The Adj-RIB-In.
    Received {
        /// The peer that announced.
        peer: String,
    },
    /// The Adj-RIB-Out.
    Advertised {
        /// The peer that was told.
        peer: String,
    },
    /// What policy or loop check refused.
    Rejected {
        /// Keeps what this peer announced.
        peer: Option<String>,
    },
    /// What the kernel holds.
    Kernel,
}

impl Default for RouteTable {
    fn default() -> Self {
        Self::Loc { peer: None }
    }
}

/// Which prefixes of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Every prefix.
    #[default]
    All,
    /// Exactly this prefix.
    Prefix(IpNet),
    /// The longest prefix that holds this address.
    Address(IpAddr),
}

/// What can be done to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerAction {
    /// Lets a peer that was held down come up.
    Up,
    /// Closes the session and holds the peer down.
    Down,
    /// Closes the session, then lets it come up again.
    Reset,
    /// Asks the peer for its routes, and sends ours again (RFC 2918); the session stays.
    Refresh,
}

impl PeerAction {
    /// Every action.
    pub const ALL: [Self; 4] = [Self::Up, Self::Down, Self::Reset, Self::Refresh];

    /// Returns the action as paths and JSON spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Reset => "reset",
            Self::Refresh => "refresh",
        }
    }
}

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Looks.
    Get,
    /// Acts.
    Post,
}

impl Method {
    /// Returns the method as HTTP spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A request as HTTP carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub target: String,
    /// The body.
    pub body: String,
}

impl Request {
    /// Returns the method the request travels by: what acts is a `POST`.
    #[must_use]
    pub fn method(&self) -> Method {
        match self {
            Self::Status
            | Self::Peers
            | Self::Peer { .. }
            | Self::Routes(_)
            | Self::History(_)
            | Self::PolicyTest(_)
            | Self::Capture { .. }
            | Self::Dump { .. }
            | Self::Cluster
            | Self::Drains => Method::Get,
            Self::Reload
            | Self::Approve
            | Self::PeerAction { .. }
            | Self::DrainStart { .. }
            | Self::DrainCancel { .. }
            | Self::Shutdown { .. } => Method::Post,
        }
    }

    /// Writes the request as HTTP.
    #[must_use]
    pub fn to_http(&self) -> HttpRequest {
        let target = match self {
            Self::Status => "/v1/status".to_owned(),
            Self::Peers => "/v1/peers".to_owned(),
            Self::Peer { name } => format!("/v1/peers/{}", escape(name)),
            Self::Routes(query) => query.target(),
            Self::PolicyTest(test) => test.target(),
            Self::Capture { peer } => format!("/v1/peers/{}/capture", escape(peer)),
            Self::Dump { after: None } => "/v1/dump".to_owned(),
            Self::Dump { after: Some(prefix) } => format!("/v1/dump?after={}", escape(&prefix.to_string())),
            Self::History(query) => query.target(),
            Self::Cluster => "/v1/cluster".to_owned(),
            Self::Approve => "/v1/cluster/approve".to_owned(),
            Self::Reload => "/v1/reload".to_owned(),
            Self::PeerAction { name, action, .. } => format!("/v1/peers/{}/{}", escape(name), action.name()),
            Self::Drains => "/v1/drain".to_owned(),
            Self::DrainStart { peers, .. } => format!("/v1/drain/start{}", naming(peers)),
            Self::DrainCancel { peers } => format!("/v1/drain/cancel{}", naming(peers)),
            Self::Shutdown { now: true, .. } => "/v1/shutdown?now=true".to_owned(),
            Self::Shutdown { now: false, .. } => "/v1/shutdown".to_owned(),
        };
        let body = match self {
            Self::PeerAction { message: Some(message), .. }
            | Self::DrainStart { message: Some(message), .. }
            | Self::Shutdown { message: Some(message), .. } => message.clone(),
            _ => String::new(),
        };
        HttpRequest { method: self.method(), target, body }
    }

    /// Reads a request from its method, its path with query, and its body.
    pub fn from_http(method: &str, target: &str, body: &[u8]) -> Result<Self, ErrorView> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut segments = Vec::new();
        for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
            segments.push(unescape(segment)?);
        }
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let request = match segments[..] {
            ["v1", "status"] => Self::Status,
            ["v1", "peers"] => Self::Peers,
            ["v1", "peers", name] if !name.is_empty() => Self::Peer { name: name.to_owned() },
            ["v1", "peers", name, "capture"] if !name.is_empty() => Self::Capture { peer: name.to_owned() },
            ["v1", "dump"] => Self::Dump { after: behind(query)? },
            ["v1", "peers", name, action] if !name.is_empty() => {
                let action = PeerAction::ALL.into_iter().find(|known| known.name() == action);
                let action = action.ok_or_else(|| no_such_path(path))?;
                let message = shutdown_message(body)?;
                if message.is_some() && matches!(action, PeerAction::Up | PeerAction::Refresh) {
                    return Err(bad_request(format!("`{}` tells the peer nothing", action.name()))
                        .with_hint("a message goes with down or reset"));
                }
                Self::PeerAction { name: name.to_owned(), action, message }
            }
            ["v1", "routes"] => Self::Routes(RouteQuery::from_query(query)?),
            ["v1", "policy", "test"] => Self::PolicyTest(Box::new(PolicyTest::from_query(query)?)),
            ["v1", "history"] => Self::History(HistoryQuery::from_query(query)?),
            ["v1", "cluster"] => Self::Cluster,
            ["v1", "cluster", "approve"] => Self::Approve,
            ["v1", "reload"] => Self::Reload,
            ["v1", "drain"] => Self::Drains,
            ["v1", "drain", "start"] => {
                Self::DrainStart { peers: named(query)?, message: shutdown_message(body)? }
            }
            ["v1", "drain", "cancel"] => Self::DrainCancel { peers: named(query)? },
            ["v1", "shutdown"] => Self::Shutdown { now: at_once(query)?, message: shutdown_message(body)? },
            _ => return Err(no_such_path(path)),
        };
        if request.method().name() != method {
            let error = format!("{method} does not work on {path}");
            return Err(ErrorView::new(ErrorCode::MethodNotAllowed, error)
                .with_hint(format!("use {}", request.method())));
        }
        let takes_query = matches!(
            request,
            Self::Routes(_)
                | Self::History(_)
                | Self::PolicyTest(_)
                | Self::Dump { .. }
                | Self::DrainStart { .. }
                | Self::DrainCancel { .. }
                | Self::Shutdown { .. }
        );
        if !takes_query && !query.is_empty() {
            return Err(bad_request(format!("{path} takes no query, but there is `{query}`")));
        }
        Ok(request)
    }
}

impl RouteQuery {
    fn target(&self) -> String {
        let mut pairs: Vec<(&str, String)> = Vec::new();
        match &self.table {
            RouteTable::Loc { peer } => pairs.extend(peer.iter().map(|peer| ("peer", peer.clone()))),
            RouteTable::Received { peer } => {
                pairs.extend([("view", "received".into()), ("peer", peer.clone())])
            }
            RouteTable::Advertised { peer } => {
                pairs.extend([("view", "advertised".into()), ("peer", peer.clone())])
            }
            RouteTable::Rejected { peer } => {
                pairs.push(("rejected", "true".into()));
                pairs.extend(peer.iter().map(|peer| ("peer", peer.clone())));
            }
            RouteTable::Kernel => pairs.push(("kernel", "true".into())),
        }
        match self.selection {
            Selection::All => {}
            Selection::Prefix(prefix) => pairs.push(("prefix", prefix.to_string())),
            Selection::Address(address) => pairs.push(("address", address.to_string())),
        }
        pairs.extend(self.family.map(|family| ("family", family.name().to_owned())));
        pairs.extend(self.after.map(|prefix| ("after", prefix.to_string())));

        query("/v1/routes", &pairs)
    }

    fn from_query(query: &str) -> Result<Self, ErrorView> {
        let mut parameters = Parameters::default();
        pairs(query, |key, value| parameters.take(key, value))?;
        parameters.into_query()
    }
}

/// The query of `/v1/routes` as written, each parameter at most once.
#[derive(Default)]
struct Parameters {
    view: Option<String>,
    peer: Option<String>,
    rejected: Option<bool>,
    kernel: Option<bool>,
    prefix: Option<IpNet>,
    address: Option<IpAddr>,
    family: Option<Family>,
    after: Option<IpNet>,
}

impl Parameters {
    fn take(&mut self, key: &str, value: String) -> Result<(), ErrorView> {
        match key {
            "view" => set(&mut self.view, key, value),
            "peer" => set(&mut self.peer, key, value),
            "rejected" => set(&mut self.rejected, key, truth(key, &value)?),
            "kernel" => set(&mut self.kernel, key, truth(key, &value)?),
            "prefix" => set(&mut self.prefix, key, prefix(key, &value)?),
            "after" => set(&mut self.after, key, prefix(key, &value)?),
            "address" => set(&mut self.address, key, parsed(key, &value, "10.1.2.3")?),
            "family" => set(&mut self.family, key, family(&value)?),
            _ => {
                let known = "view, peer, rejected, kernel, prefix, address, family, after";
                Err(bad_request(format!("unknown parameter `{key}`")).with_hint(format!("known are {known}")))
            }
        }
    }

    fn into_query(self) -> Result<RouteQuery, ErrorView> {
        let rejected = self.rejected.unwrap_or(false);
        let kernel = self.kernel.unwrap_or(false);
        let table = match (self.view.as_deref(), rejected, kernel, self.peer) {
            (None, false, false, peer) => RouteTable::Loc { peer },
            (None, true, false, peer) => RouteTable::Rejected { peer },
            (None, false, true, None) => RouteTable::Kernel,
            (Some("received"), false, false, Some(peer)) => RouteTable::Received { peer },
            (Some("advertised"), false, false, Some(peer)) => RouteTable::Advertised { peer },
            (Some(view @ ("received" | "advertised")), false, false, None) => {
                return Err(bad_request(format!("view={view} needs a peer")).with_hint("add peer=NAME"));
            }
            (Some(view), false, false, _) => {
                return Err(
                    bad_request(format!("unknown view `{view}`")).with_hint("use received or advertised")
                );
            }
            (_, false, true, _) => return Err(bad_request("kernel=true goes with neither view nor peer")),
            (..) => return Err(bad_request("view, rejected=true and kernel=true exclude each other")),
        };
        let selection = match (self.prefix, self.address) {
            (None, None) => Selection::All,
            (Some(prefix), None) => Selection::Prefix(prefix),
            (None, Some(address)) => Selection::Address(address),
            (Some(_), Some(_)) => return Err(bad_request("prefix and address exclude each other")),
        };
        Ok(RouteQuery { table, selection, family: self.family, after: self.after })
    }
}

/// Writes the peers a request is about as a query.
fn naming(peers: &[String]) -> String {
    let pairs: Vec<_> = peers.iter().map(|peer| format!("peer={}", escape(peer))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

fn named(query: &str) -> Result<Vec<String>, ErrorView> {
    let mut peers = Vec::new();
    pairs(query, |key, value| match key {
        "peer" => {
            peers.push(value);
            Ok(())
        }
        _ => Err(bad_request(format!("unknown parameter `{key}`")).with_hint("known is peer")),
    })?;
    Ok(peers)
}

fn behind(query: &str) -> Result<Option<IpNet>, ErrorView> {
    let mut after = None;
    pairs(query, |key, value| match key {
        "after" => set(&mut after, key, prefix(key, &value)?),
        _ => Err(bad_request(format!("unknown parameter `{key}`")).with_hint("known is after")),
    })?;
    Ok(after)
}

fn at_once(query: &str) -> Result<bool, ErrorView> {
    let mut now = None;
    pairs(query, |key, value| match key {
        "now" => set(&mut now, key, truth(key, &value)?),
        _ => Err(bad_request(format!("unknown parameter `{key}`")).with_hint("known is now")),
    })?;
    Ok(now.unwrap_or(false))
}

fn family(value: &str) -> Result<Family, ErrorView> {
    let family = [Family::Ipv4, Family::Ipv6].into_iter().find(|family| family.name() == value);
    family.ok_or_else(|| bad_request(format!("family: `{value}` is neither ipv4 nor ipv6")))
}

fn shutdown_message(body: &[u8]) -> Result<Option<String>, ErrorView> {
    if body.len() > SHUTDOWN_MESSAGE_MAX {
        let error = format!("the message has {} octets", body.len());
        return Err(bad_request(error).with_hint(format!("at most {SHUTDOWN_MESSAGE_MAX} fit (RFC 9003)")));
    }
    let text = std::str::from_utf8(body).map_err(|_| bad_request("the message is not UTF-8"))?.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn no_such_path(path: &str) -> ErrorView {
    ErrorView::new(ErrorCode::NotFound, format!("there is nothing at {path}")).with_hint(
        "try /v1/status, /v1/peers, /v1/routes, /v1/policy/test, /v1/history, /v1/cluster, /v1/cluster/approve, \
         /v1/reload, \
         /v1/peers/NAME/{up,down,reset,refresh,capture}, /v1/drain, /v1/drain/{start,cancel}, /v1/dump or /v1/shutdown",
    )
}
