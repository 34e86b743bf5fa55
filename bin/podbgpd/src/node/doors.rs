//! The sockets operators and collectors come in by.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::path::Path;

use anyhow::Context as _;
use socket2::Socket;
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
struct Serving {
    task: AbortHandle,
    /// A second descriptor of a TCP socket, to free its address by at once: the task lets go of it later.
    socket: Option<Socket>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(socket) = &self.socket {
            // One that is not listening any more is what we want.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Doors {
    /// Opens the control socket and returns the requests that will come in.
    pub(super) fn open(socket: &Path) -> anyhow::Result<(Self, mpsc::Receiver<ControlRequest>)> {
        let (sender, requests) = mpsc::channel(REQUESTS);
        let owner = Owner::new(sender);
        let listener = ControlListener::bind(socket)?;
        let task = tokio::spawn(control::serve(listener, owner.clone())).abort_handle();
        let _control = Serving { task, socket: None };
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
                let socket = Socket::from(listener.try_clone()?);
                Ok::<_, io::Error>((tokio::net::TcpListener::from_std(listener)?, socket))
            };
            let (listener, socket) =
                listen().with_context(|| format!("cannot serve metrics on {address}"))?;
            let task = tokio::spawn(metrics::serve(listener, self.owner.clone())).abort_handle();
            self.metrics = Some((address, Serving { task, socket: Some(socket) }));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn metrics_can_move_to_another_address_of_their_port() {
        let socket = std::env::temp_dir().join(format!("podbgpd-doors-{}.sock", std::process::id()));
        let (mut doors, _requests) = Doors::open(&socket).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let anywhere = SocketAddr::new([0, 0, 0, 0].into(), free.port());
        doors.serve_metrics(Some(free)).unwrap();
        doors.serve_metrics(Some(anywhere)).unwrap();
        doors.serve_metrics(None).unwrap();
        TcpListener::bind(free).unwrap();
    }
}
