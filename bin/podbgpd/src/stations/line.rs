//! A station's connection: made again and again, and written to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rib::Monitor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};

/// How many chunks may wait for a station: enough to keep it busy, little enough to be current.
const QUEUE: usize = 4;
/// How long a station may take to answer.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a station may read nothing.
const READS_NOTHING: Duration = Duration::from_secs(60);
/// The wait after the first failure; it doubles with each further one. RFC 7854 §3.2 suggests no less.
const FIRST_REST: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// What happened to a station's connection.
#[derive(Debug)]
pub struct Event {
    pub(super) station: Monitor,
    pub(super) happened: Happened,
}

#[derive(Debug)]
pub(super) enum Happened {
    /// It stands, and takes octets here.
    Connected(mpsc::Sender<Bytes>),
    /// It is over, or did not come about.
    Failed(String),
}

/// Keeps a station connected, until the owner ends it by dropping the queue of a connection.
pub(super) async fn keep(
    station: Monitor,
    address: SocketAddr,
    events: mpsc::Sender<Event>,
    room: Arc<Notify>,
) {
    let mut rest = FIRST_REST;
    loop {
        let why = match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let (queue, queued) = mpsc::channel(QUEUE);
                let happened = Happened::Connected(queue);
                if events.send(Event { station, happened }).await.is_err() {
                    return;
                }
                let since = Instant::now();
                let Err(why) = carry(stream, queued, &room).await else { return };
                if since.elapsed() > LONGEST_REST {
                    rest = FIRST_REST;
                }
                why
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", CONNECT.as_secs()),
        };
        if events.send(Event { station, happened: Happened::Failed(why) }).await.is_err() {
            return;
        }
        sleep(rest).await;
        rest = (rest * 2).min(LONGEST_REST);
    }
}

/// Writes what is queued, and is done when nothing more will be.
///
/// # Errors
/// Why the connection is over before.
async fn carry(
    mut stream: TcpStream,
    mut queued: mpsc::Receiver<Bytes>,
    room: &Notify,
) -> Result<(), String> {
    let (mut read, mut write) = stream.split();
    let mut ignored = [0; 512];
    loop {
        tokio::select! {
            chunk = queued.recv() => {
                let Some(chunk) = chunk else {
                    // A station that has closed already needs no end of stream.
                    let _ = write.shutdown().await;
                    return Ok(());
                };
                match timeout(READS_NOTHING, write.write_all(&chunk)).await {
                    Ok(Ok(())) => room.notify_one(),
                    Ok(Err(error)) => return Err(error.to_string()),
                    Err(_) => return Err(format!("it reads nothing for {} s", READS_NOTHING.as_secs())),
                }
            }
            // A station has nothing to say, but its end is seen this way.
            count = read.read(&mut ignored) => match count {
                Ok(0) => return Err("the station closed the connection".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            },
        }
    }
}
