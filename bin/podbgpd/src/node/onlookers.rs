//! Those who look on: stations, captures and files. They take what there is to see; the rest of the node hardly
//! notices.

use std::io;
use std::time::{Instant, SystemTime};

use bgp::mrt::Direction;
use bytes::Bytes;
use control::{ErrorCode, ErrorView, MrtView, StationView};
use tokio::net::TcpStream;
use tracing::error;

use super::Node;
use crate::control::Response;
use crate::mrt::Writer;
use crate::speaker::Notice;
use crate::stations::Event;
use crate::transport::Key;

impl Node {
    /// Goes over to the stations and files of the intent.
    pub(super) fn follow_onlookers(&mut self) {
        let intent = self.speaker.intent();
        let (bmp, mrt) = (intent.bmp.clone(), intent.mrt.clone());
        self.stations.follow(&bmp, &mut self.speaker, Instant::now());
        if self.tap.mrt.as_ref().map(Writer::intent) != mrt.as_ref() {
            // What is queued is still written.
            self.tap.mrt = None;
            self.tap.mrt = mrt.and_then(|mrt| match Writer::spawn(mrt) {
                Ok(writer) => Some(writer),
                Err(error) => {
                    error!(target: "mrt", %error, "messages are not written down");
                    None
                }
            });
        }
        self.listen();
    }

    /// Returns when the speaker, a station or the cluster has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let cluster = self.cluster.as_ref().and_then(super::cluster::Follower::next_deadline);
        self.speaker.next_deadline().into_iter().chain(self.stations.next_deadline()).chain(cluster).min()
    }

    pub(super) fn station_news(&mut self, event: Option<Event>) {
        if let Some(event) = event {
            self.stations.handle(event, &mut self.speaker, Instant::now());
        }
    }

    /// Tells the stations what is new.
    pub(super) fn tell_stations(&mut self) {
        if self.tap.forget_ended() {
            self.listen();
        }
        self.stations.tell(&mut self.speaker, &self.tap, Instant::now());
    }

    fn listen(&mut self) {
        let tap = &self.tap;
        self.speaker.listen(|peer| tap.wants(peer));
    }

    /// Begins to capture a peer's messages.
    pub(super) fn capture(&mut self, peer: &str) -> Result<Response, ErrorView> {
        let Some(id) = self.speaker.peer_named(peer) else { return Err(self.speaker.no_such_peer(peer)) };
        let Some(captured) = self.tap.capture(id) else {
            let error = "too many captures are running";
            return Err(ErrorView::new(ErrorCode::Unavailable, error).with_hint("end one of them"));
        };
        self.listen();
        Ok(Response::Capture(captured))
    }

    /// Shows who looks on.
    pub(super) fn onlooker_views(&self) -> (Vec<StationView>, Option<MrtView>) {
        let mrt = self.tap.mrt.as_ref().map(|writer| {
            let (written, dropped) = writer.counts();
            MrtView { directory: writer.intent().directory.display().to_string(), written, dropped }
        });
        (self.stations.views(), mrt)
    }

    /// Takes note of a connection that stands.
    ///
    /// # Errors
    /// It does not stand any more.
    pub(super) fn note_connection(&mut self, key: Key, stream: &TcpStream) -> io::Result<()> {
        self.tap.opened(key, stream.local_addr()?, stream.peer_addr()?);
        Ok(())
    }

    /// Hands messages to whoever listens.
    pub(super) fn overhear(&mut self, key: Key, direction: Direction, octets: &Bytes) {
        if self.tap.note(key, direction, octets)
            && let Some(reading) = self.speaker.reading(key.0)
        {
            self.tap.deliver(key, direction, octets, &reading);
        }
    }

    /// Writes down that a peer's state machine moved.
    pub(super) fn note_state(&self, notice: &Notice) {
        if let (Some(mrt), Notice::State { peer, from, to, .. }) = (&self.tap.mrt, notice)
            && let Some(reading) = self.speaker.peer_named(peer).and_then(|peer| self.speaker.reading(peer))
        {
            mrt.state_change(SystemTime::now(), &reading, *from, *to);
        }
    }
}
