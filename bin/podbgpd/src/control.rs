//! The control socket: lets operators look and act, and knows nothing of routing.
//!
//! Requests arrive as HTTP on a unix socket, travel to the [`Owner`] of all state over its bounded channel, and the
//! answer travels back as JSON. the crate [`::control`] defines both.
//!
//! The surprise is in long lists: the owner answers in [pages](Page) small enough not to delay a KEEPALIVE, and the
//! server asks page after page while it streams one JSON array. Between two pages the table may change; since each
//! page starts behind the last prefix of the one before, no prefix comes twice and none that stays is missed.
//!
//! Whoever may connect may look; only root and the daemon's own user may act. The kernel says who calls.

mod capture;
mod dump;
mod socket;
mod stream;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ::control::{
    ActionView, AdvertisedView, ApprovedView, ClusterView, DrainStatusView, ErrorCode, ErrorView,
    HistoryView, KernelRouteView, Method, PeerView, PolicyTestView, ReloadView, Request, RouteView,
    StatusView,
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::Response as HttpResponse;
use hyper::body::Incoming;
use ipnet::IpNet;
use serde::Serialize;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use crate::http::{self, Body};
use crate::speaker::DumpPage;
use crate::tap::Captured;

pub use socket::{BindError, ControlListener};

/// How long the owner may take to answer; a reload reads files.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// How long a caller may take to send a body.
const BODY_DEADLINE: Duration = Duration::from_secs(5);
/// The longest body read; the longest that makes sense is a shutdown message.
const BODY_MAX: usize = 4096;
/// The type of every body.
const JSON: &str = "application/json";

/// A request on its way to the owner of all state.
#[derive(Debug)]
pub struct ControlRequest {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes. Nobody may be waiting any more; that is no error.
    pub reply: oneshot::Sender<Result<Response, ErrorView>>,
}

/// The owner's answer to a [`Request`].
#[derive(Debug)]
pub enum Response {
    /// To [`Request::Status`].
    Status(Box<StatusView>),
    /// To [`Request::Peers`].
    Peers(Vec<PeerView>),
    /// To [`Request::Peer`].
    Peer(Box<PeerView>),
    /// To [`Request::Routes`] of the Loc-RIB, the received and the rejected.
    Routes(Page<RouteView>),
    /// To [`Request::Routes`] of what a peer was told.
    Advertised(Page<AdvertisedView>),
    /// To [`Request::Routes`] of the kernel.
    KernelRoutes(Page<KernelRouteView>),
    /// To [`Request::PolicyTest`].
    PolicyTest(Box<PolicyTestView>),
    /// To [`Request::Cluster`].
    Cluster(Box<ClusterView>),
    /// To [`Request::Approve`].
    Approved(ApprovedView),
    /// To [`Request::Reload`].
    Reload(ReloadView),
    /// To [`Request::PeerAction`].
    Action(ActionView),
    /// To everything about drains.
    Drain(DrainStatusView),
    /// To [`Request::Capture`]: the messages as they pass by, until this is dropped.
    Capture(mpsc::Receiver<Captured>),
    /// To [`Request::Dump`].
    Dump(Box<DumpPage>),
    /// To [`Request::History`].
    History(HistoryView),
}

/// A part of a long list, small enough to be made within a few milliseconds.
///
/// A page holds all paths of a prefix or none. It may be empty and still not be the last.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The entries, in the order of the prefixes.
    pub items: Vec<T>,
    /// The last prefix looked at, if there is more behind it: the `after` of the next query.
    pub next: Option<IpNet>,
}

/// The way to the task that owns all state.
#[derive(Clone, Debug)]
pub struct Owner(mpsc::Sender<ControlRequest>);

impl Owner {
    /// Wraps the sending end of the owner's channel.
    #[must_use]
    pub fn new(requests: mpsc::Sender<ControlRequest>) -> Self {
        Self(requests)
    }

    /// Asks, and waits for the answer at most `deadline`.
    pub async fn ask_within(&self, deadline: Duration, request: Request) -> Result<Response, ErrorView> {
        let (reply, answer) = oneshot::channel();
        let conversation = async {
            self.0.send(ControlRequest { request, reply }).await.map_err(|_| stopping())?;
            answer.await.map_err(|_| stopping())?
        };
        let too_slow = |_| {
            let error = format!("podbgpd did not answer within {} s", deadline.as_secs());
            ErrorView::new(ErrorCode::Unavailable, error).with_hint("it is very busy; try again")
        };
        tokio::time::timeout(deadline, conversation).await.map_err(too_slow)?
    }

    async fn ask(&self, request: Request) -> Result<Response, ErrorView> {
        self.ask_within(ANSWER_DEADLINE, request).await
    }
}

fn stopping() -> ErrorView {
    ErrorView::new(ErrorCode::Unavailable, "podbgpd is stopping")
}

/// Serves the control socket for ever. Dropping the future ends every connection and removes the socket.
pub async fn serve(listener: ControlListener, owner: Owner) {
    http::serve(Arc::new(ControlDoor { listener, owner })).await;
}

struct ControlDoor {
    listener: ControlListener,
    owner: Owner,
}

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rights {
    Look,
    Act,
}

impl http::Door for ControlDoor {
    type Stream = UnixStream;
    type Caller = Rights;

    async fn accept(&self) -> io::Result<(UnixStream, Rights)> {
        let stream = self.listener.accept().await?;
        let caller = stream.peer_cred()?.uid();
        Ok((stream, rights(caller, nix::unistd::geteuid().as_raw())))
    }

    async fn answer(&self, rights: Rights, request: hyper::Request<Incoming>) -> HttpResponse<Body> {
        match self.respond(rights, request).await {
            Ok(response) => response,
            Err(error) => json(error.code.status(), &error),
        }
    }
}

fn rights(caller: u32, daemon: u32) -> Rights {
    if caller == 0 || caller == daemon { Rights::Act } else { Rights::Look }
}

impl ControlDoor {
    async fn respond(
        &self,
        rights: Rights,
        request: hyper::Request<Incoming>,
    ) -> Result<HttpResponse<Body>, ErrorView> {
        let (head, body) = request.into_parts();
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let body = read_body(body).await?;
        let request = Request::from_http(head.method.as_str(), target, &body)?;
        if request.method() == Method::Post && rights == Rights::Look {
            let error = "you may look, but not act";
            return Err(
                ErrorView::new(ErrorCode::Forbidden, error).with_hint("become root, or podbgpd's own user")
            );
        }
        let response = match self.owner.ask(request.clone()).await? {
            Response::Status(view) => json(200, &view),
            Response::Peers(view) => json(200, &view),
            Response::Peer(view) => json(200, &view),
            Response::PolicyTest(view) => json(200, &view),
            Response::Cluster(view) => json(200, &view),
            Response::Approved(view) => json(200, &view),
            Response::Reload(view) => json(if view.applied { 200 } else { 422 }, &view),
            Response::Action(view) => json(200, &view),
            Response::Drain(view) => json(200, &view),
            Response::Capture(captured) => capture::lines(captured),
            Response::Dump(page) => dump::stream(self.owner.clone(), *page),
            Response::History(view) => json(200, &view),
            Response::Routes(page) => stream::list(self.owner.clone(), request, page),
            Response::Advertised(page) => stream::list(self.owner.clone(), request, page),
            Response::KernelRoutes(page) => stream::list(self.owner.clone(), request, page),
        };
        Ok(response)
    }
}

async fn read_body(body: Incoming) -> Result<bytes::Bytes, ErrorView> {
    let bad = |error| ErrorView::new(ErrorCode::BadRequest, error);
    match tokio::time::timeout(BODY_DEADLINE, Limited::new(body, BODY_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(ErrorView::new(ErrorCode::TooLarge, format!("the body is longer than {BODY_MAX} octets")))
        }
        Ok(Err(_)) => Err(bad("the body ended early")),
        Err(_) => Err(bad("the body did not come in time")),
    }
}

fn json(status: u16, view: &impl Serialize) -> HttpResponse<Body> {
    match serde_json::to_vec(view) {
        Ok(mut body) => {
            body.push(b'\n');
            http::answer(status, JSON, body)
        }
        Err(error) => http::answer(500, "text/plain", error.to_string()),
    }
}
