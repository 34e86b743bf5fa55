//! HTTP/1.1 for the few: the one server loop behind the control socket and the metrics.
//!
//! A connection carries one request, callers are few at a time, and neither a slow writer nor a slow reader keeps
//! its place for long: nothing here grows with what strangers do.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tracing::{debug, warn};

/// Connections served at a time; others wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 32;
/// How long a caller may take to send the head of a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// How long a connection may last, a whole table of routes included.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(120);
/// The longest head of a request.
const HEAD_MAX: usize = 16 * 1024;
/// How long to wait after a failed accept: no descriptors left is not cured by trying harder.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The body of an answer: whole, or streamed and then possibly cut short.
pub(crate) type Body = UnsyncBoxBody<Bytes, CutShort>;

/// The rest of a streamed answer is missing.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the rest of the answer is missing")]
pub(crate) struct CutShort;

/// Something that lets callers in and answers them.
pub(crate) trait Door: Send + Sync + 'static {
    /// The bytes of one caller.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Who the caller is.
    type Caller: Copy + Send + Sync + 'static;

    /// Waits for the next caller.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Self::Caller)>> + Send;

    /// Answers a request.
    fn answer(
        &self,
        caller: Self::Caller,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// Serves callers for ever. Dropping the future ends every connection.
pub(crate) async fn serve<D: Door>(door: Arc<D>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = door.accept() => match accepted {
                Ok((stream, caller)) => {
                    connections.spawn(serve_connection(door.clone(), stream, caller));
                }
                Err(error) => {
                    warn!(target: "control", %error, "accepting a connection failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

async fn serve_connection<D: Door>(door: Arc<D>, stream: D::Stream, caller: D::Caller) {
    let service = service_fn(move |request| {
        let door = door.clone();
        async move { Ok::<_, Infallible>(door.answer(caller, request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(HEAD_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION_DEADLINE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(target: "control", %error, "a control or metrics connection ended early"),
        Err(_) => debug!(target: "control", "a control or metrics connection took too long"),
    }
}

/// Makes an answer whose body is known.
pub(crate) fn answer(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
    answer_streaming(status, content_type, body)
}

/// Makes an answer around a body.
pub(crate) fn answer_streaming(status: u16, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
