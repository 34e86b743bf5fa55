//! The sockets operators and collectors come in by.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use anyhow::Context as _;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::control::{self, ControlListener, ControlRequest, Owner};
use crate::metrics;

/// How many requests may wait for the owner.
const REQUESTS: usize = 64;

/// The servers of the control socket and of metrics, as long as this lives.
pub(super) struct Doors {
    owner: Owner,
    _control: Serving,
    metrics: Option<(SocketAddr, Serving)>,
}

/// A server that ends when this is dropped.
struct Serving(AbortHandle);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Doors {
    /// Opens the control socket and returns the requests that will come in.
    pub(super) fn open(socket: &Path) -> anyhow::Result<(Self, mpsc::Receiver<ControlRequest>)> {
        let (sender, requests) = mpsc::channel(REQUESTS);
        let owner = Owner::new(sender);
        let listener = ControlListener::bind(socket)?;
        let _control = Serving(tokio::spawn(control::serve(listener, owner.clone())).abort_handle());
        Ok((Self { owner, _control, metrics: None }, requests))
    }

    /// Serves metrics and health here, and nowhere else.
    pub(super) fn serve_metrics(&mut self, address: Option<SocketAddr>) -> anyhow::Result<()> {
        if self.metrics.as_ref().map(|(address, _)| *address) == address {
            return Ok(());
        }
        self.metrics = None;
        if let Some(address) = address {
            let listen = || {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                tokio::net::TcpListener::from_std(listener)
            };
            let listener = listen().with_context(|| format!("cannot serve metrics on {address}"))?;
            let server = tokio::spawn(metrics::serve(listener, self.owner.clone()));
            self.metrics = Some((address, Serving(server.abort_handle())));
        }
        Ok(())
    }
}
