//! Asks the daemon: one connection, one request, one answer.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use control::{ErrorView, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

/// How long the daemon may be silent. It answers within ten seconds or says that it cannot.
const SILENCE: Duration = Duration::from_secs(15);

/// A caller of the daemon behind one socket. Needs a tokio runtime with I/O and time.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no socket.
    #[error(
        "there is no control socket at {0}: is podbgpd running? (--socket or PODBGP_SOCKET name another)"
    )]
    NoSocket(PathBuf),
    /// There is a socket, and nobody behind it.
    #[error("nobody answers at {0}: podbgpd is not running (any more), or has not got its socket yet")]
    NobodyThere(PathBuf),
    /// The socket is not for this user.
    #[error("no permission to use {0}: become root, or join the socket's group")]
    NotAllowed(PathBuf),
    /// Connecting failed in another way.
    #[error("cannot connect to {path}: {source}")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The daemon has said nothing for too long.
    #[error("podbgpd at {0} took the request but has been silent for {seconds} s", seconds = SILENCE.as_secs())]
    Silent(PathBuf),
    /// The connection broke, or what came is no HTTP.
    #[error("the answer of podbgpd at {path} ended early: {source}")]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What broke.
        source: hyper::Error,
    },
    /// The daemon said no.
    #[error("{}", .0.error)]
    Refused(ErrorView),
    /// The daemon speaks another version of the language.
    #[error(
        "podbgpd answered {status} in words bgpctl does not know ({source}): are both of the same version?"
    )]
    Unknown {
        /// The HTTP status.
        status: u16,
        /// What is not understood.
        source: serde_json::Error,
    },
    /// The answer could not be passed on.
    #[error("cannot write the answer: {0}")]
    Output(io::Error),
}

impl Client {
    /// Creates a client of the daemon that listens on `socket`. Connects with each request.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Asks, and reads the answer as the request's view.
    pub async fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, ClientError> {
        let mut exchange = self.send(request).await?;
        let body = exchange.body().await?;
        // A refused reload is an answer too, though curl should call it a failure.
        if exchange.status >= 400 && exchange.status != 422 {
            return Err(refusal(exchange.status, &body));
        }
        serde_json::from_slice(&body)
            .map_err(|source| ClientError::Unknown { status: exchange.status, source })
    }

    /// Asks, and copies the JSON of the answer to `out` as it comes, however long it is.
    pub async fn copy(&self, request: &Request, out: &mut impl Write) -> Result<(), ClientError> {
        let mut exchange = self.send(request).await?;
        if exchange.status >= 400 {
            let body = exchange.body().await?;
            return Err(refusal(exchange.status, &body));
        }
        while let Some(chunk) = exchange.chunk().await? {
            out.write_all(&chunk).map_err(ClientError::Output)?;
        }
        out.flush().map_err(ClientError::Output)
    }

    /// Asks, and hands on each line of the answer that is not empty, until `take` has had enough.
    pub async fn lines(
        &self,
        request: &Request,
        take: &mut impl FnMut(&[u8]) -> Result<bool, ClientError>,
    ) -> Result<(), ClientError> {
        let mut exchange = self.send(request).await?;
        if exchange.status >= 400 {
            let body = exchange.body().await?;
            return Err(refusal(exchange.status, &body));
        }
        let mut pending = Vec::new();
        while let Some(chunk) = exchange.chunk().await? {
            pending.extend_from_slice(&chunk);
            while let Some(end) = pending.iter().position(|&octet| octet == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).take(end).collect();
                if !line.is_empty() && !take(&line)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn send(&self, request: &Request) -> Result<Exchange, ClientError> {
        let stream =
            self.within(UnixStream::connect(&self.socket)).await?.map_err(|error| self.unreachable(error))?;
        let broken = |source| ClientError::Broken { path: self.socket.clone(), source };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // What fails here fails the request too, and is told there.
            let _ = connection.await;
        });
        let control::HttpRequest { method, target, body } = request.to_http();
        let request = hyper::Request::builder()
            .method(method.name())
            .uri(target)
            .header(HOST, "podbgpd")
            .body(Full::new(Bytes::from(body)))
            .expect("a request of the language is a request of HTTP: targets are percent-encoded");
        let response = self.within(sender.send_request(request)).await?.map_err(broken)?;
        let status = response.status().as_u16();
        Ok(Exchange { status, incoming: response.into_body(), client: self.clone(), _driver: driver })
    }

    async fn within<T>(&self, step: impl Future<Output = T>) -> Result<T, ClientError> {
        tokio::time::timeout(SILENCE, step).await.map_err(|_| ClientError::Silent(self.socket.clone()))
    }

    fn unreachable(&self, source: io::Error) -> ClientError {
        let path = self.socket.clone();
        match source.kind() {
            io::ErrorKind::NotFound => ClientError::NoSocket(path),
            io::ErrorKind::ConnectionRefused => ClientError::NobodyThere(path),
            io::ErrorKind::PermissionDenied => ClientError::NotAllowed(path),
            _ => ClientError::Connect { path, source },
        }
    }
}

/// An answer on its way.
struct Exchange {
    status: u16,
    incoming: Incoming,
    client: Client,
    /// Carries the bytes; ends with the exchange.
    _driver: JoinSet<()>,
}

impl Exchange {
    async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let Some(frame) = self.client.within(self.incoming.frame()).await? else { return Ok(None) };
            let broken = |source| ClientError::Broken { path: self.client.socket.clone(), source };
            if let Ok(data) = frame.map_err(broken)?.into_data() {
                return Ok(Some(data));
            }
        }
    }

    async fn body(&mut self) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn refusal(status: u16, body: &[u8]) -> ClientError {
    match serde_json::from_slice(body) {
        Ok(view) => ClientError::Refused(view),
        Err(source) => ClientError::Unknown { status, source },
    }
}
