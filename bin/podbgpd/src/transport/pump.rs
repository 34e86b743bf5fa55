//! One open connection: a task that reads and a task that writes.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Key, Overrun, Place, Signing, SocketEvent, signing, sockopt};

/// How much is read at once: a few dozen full UPDATEs.
const READ: usize = 64 * 1024;
/// How little room to read into is worth keeping: small messages share a buffer.
const LEAST: usize = READ / 4;
/// How many buffers a writer may be behind: more than may wait for a peer, even in the smallest messages there are.
const QUEUE: usize = 32 * 1024;
/// How long the last words of a connection may take to leave and to be read.
const LINGER: Duration = Duration::from_secs(2);

pub(super) struct Connection {
    queue: mpsc::Sender<Bytes>,
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
    peer: Place,
    /// A second descriptor of the socket, to set options by.
    socket: OwnedFd,
}

impl Connection {
    pub(super) fn start(key: Key, stream: TcpStream, events: mpsc::Sender<SocketEvent>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let peer = stream.peer_addr()?.into();
        let socket = stream.as_fd().try_clone_to_owned()?;
        let (read, write) = stream.into_split();
        let (queue, queued) = mpsc::channel(QUEUE);
        let failure = Arc::new(OnceLock::new());
        let reader = tokio::spawn(reading(key, read, events.clone(), Arc::clone(&failure)));
        let writer = tokio::spawn(writing(key, write, queued, events, failure));
        Ok(Self { queue, reader, writer, peer, socket })
    }

    pub(super) fn transmit(&self, octets: Bytes) -> Result<(), Overrun> {
        match self.queue.try_send(octets) {
            // A writer that has ended has already reported why.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Overrun),
        }
    }

    pub(super) fn peer(&self) -> Place {
        self.peer
    }

    pub(super) fn rekey(&self, before: Option<&Signing>, wanted: Option<&Signing>) -> io::Result<()> {
        signing::change(&self.socket, self.peer.address.into(), before, wanted)
    }

    /// Sends with another hop limit from now on.
    #[cfg(test)]
    pub(super) fn send_with(&self, hops: u8) -> io::Result<()> {
        super::sockopt::set_hop_limit(&self.socket, self.peer.address, hops, 0)
    }

    pub(super) fn measured(&self) -> io::Result<sockopt::Measured> {
        sockopt::measured(&self.socket)
    }

    /// Lets go at once, whatever is queued.
    pub(super) fn abort(self) {
        self.reader.abort();
        self.writer.abort();
    }

    /// Lets go: what is queued still leaves, for a little while.
    ///
    /// Reading goes on meanwhile. A socket closed with octets unread answers with a reset, and a reset may
    /// overtake the NOTIFICATION that says why we close.
    pub(super) async fn close(self) {
        let Self { queue, mut reader, mut writer, .. } = self;
        drop(queue);
        let flushed = async {
            // A task that failed has nothing left to flush.
            let _ = (&mut writer).await;
            let _ = (&mut reader).await;
        };
        if tokio::time::timeout(LINGER, flushed).await.is_err() {
            reader.abort();
            writer.abort();
        }
    }
}

/// Reads to the end and says that it is there. What the writer failed of is passed on, for the kernel tells an
/// error once, to whoever asks first.
async fn reading(
    key: Key,
    mut stream: OwnedReadHalf,
    events: mpsc::Sender<SocketEvent>,
    failure: Arc<OnceLock<String>>,
) {
    let mut buffer = BytesMut::new();
    loop {
        if buffer.capacity() < LEAST {
            buffer.reserve(READ);
        }
        let event = match stream.read_buf(&mut buffer).await {
            Ok(0) => {
                let why = failure.get().map_or("closed by the peer", String::as_str);
                SocketEvent::Closed(key, why.to_owned())
            }
            Ok(_) => SocketEvent::Received(key, buffer.split().freeze()),
            Err(error) => SocketEvent::Closed(key, error.to_string()),
        };
        let over = matches!(event, SocketEvent::Closed(..));
        if events.send(event).await.is_err() || over {
            return;
        }
    }
}

/// Writes until nothing more will come. A connection that takes no more octets may still have some for us, such
/// as the NOTIFICATION that says why; so the end is the reader's to tell.
async fn writing(
    key: Key,
    mut stream: OwnedWriteHalf,
    mut queue: mpsc::Receiver<Bytes>,
    events: mpsc::Sender<SocketEvent>,
    failure: Arc<OnceLock<String>>,
) {
    while let Some(mut octets) = queue.recv().await {
        while octets.has_remaining() {
            match stream.write_buf(&mut octets).await {
                Ok(written) => {
                    if events.send(SocketEvent::Written(key, written)).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    // Nobody else sets it.
                    let _ = failure.set(error.to_string());
                    return;
                }
            }
        }
    }
    let _ = stream.shutdown().await;
}
