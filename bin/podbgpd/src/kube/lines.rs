//! The lines of an answer, as they arrive.

use std::time::Duration;

use ::kube::client::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

use super::failure::Failure;

/// The longest line; the server itself takes no object beyond a few megaoctets.
const LONGEST: usize = 16 << 20;

/// Reads an answer line by line.
pub(super) struct Lines {
    body: Body,
    buffer: BytesMut,
    /// How much of it has no end of a line.
    scanned: usize,
}

impl Lines {
    pub(super) fn new(body: Body) -> Self {
        Self { body, buffer: BytesMut::new(), scanned: 0 }
    }

    /// Waits for the next line; `None` when the answer is over. Half a line at its end is nothing.
    ///
    /// # Errors
    /// The connection broke or nothing came by then. The answer cannot be read on after that.
    pub(super) async fn next(&mut self, by: Instant) -> Result<Option<Bytes>, Failure> {
        loop {
            if let Some(line) = self.line() {
                return Ok(Some(line));
            }
            if self.buffer.len() > LONGEST {
                return Err(Failure::Garbled(format!("a line of more than {LONGEST} octets")));
            }
            match more(&mut self.body, by).await? {
                Some(octets) => self.buffer.extend_from_slice(&octets),
                None => return Ok(None),
            }
        }
    }

    fn line(&mut self) -> Option<Bytes> {
        let rest = self.buffer.get(self.scanned..)?;
        let Some(found) = rest.iter().position(|&octet| octet == b'\n') else {
            self.scanned = self.buffer.len();
            return None;
        };
        let line = self.buffer.split_to(self.scanned + found + 1).freeze();
        self.scanned = 0;
        Some(line)
    }
}

/// Waits for more of an answer; `None` at its end.
pub(super) async fn more(body: &mut Body, by: Instant) -> Result<Option<Bytes>, Failure> {
    loop {
        let frame = timeout_at(by, body.frame()).await.map_err(|_| silent())?;
        match frame.transpose().map_err(|error| Failure::Away(chain(&error)))? {
            Some(frame) => {
                if let Ok(octets) = frame.into_data() {
                    return Ok(Some(octets));
                }
            }
            None => return Ok(None),
        }
    }
}

/// Reads an answer to its end, up to a limit.
pub(super) async fn whole(mut body: Body, limit: usize, within: Duration) -> Result<Vec<u8>, Failure> {
    let (mut read, by) = (Vec::new(), Instant::now() + within);
    while let Some(octets) = more(&mut body, by).await? {
        if read.len() + octets.len() > limit {
            return Err(Failure::Garbled(format!("an answer of more than {limit} octets")));
        }
        read.extend_from_slice(&octets);
    }
    Ok(read)
}

pub(super) fn silent() -> Failure {
    Failure::Away("the server has fallen silent".to_owned())
}

/// An error with what caused it: the outermost alone says "client error".
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let words = error.to_string();
    // What `kube` puts in front of everything.
    let mut words = words.trim_start_matches("ServiceError: ").to_owned();
    let mut cause = error.source();
    while let Some(error) = cause {
        let word = error.to_string();
        if !words.contains(&word) {
            words = format!("{words}: {word}");
        }
        cause = error.source();
    }
    words
}
