//! Messages as they pass by.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// One message of a capture, a line of the answer to `GET /v1/peers/NAME/capture`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaptureView {
    /// When it came or left, in seconds since 1970-01-01 UTC, with a fraction.
    pub at: f64,
    /// Which way it went.
    pub direction: CaptureDirection,
    /// Our address and port on the connection.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// The whole message in hexadecimal, from its marker on.
    pub octets: String,
    /// What it says, in a line for people.
    pub text: String,
    /// How many messages before it were missed because the reader was slow.
    pub missed: u64,
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureDirection {
    /// From the peer to us.
    Received,
    /// From us to the peer.
    Sent,
}

impl CaptureView {
    /// Writes octets in hexadecimal.
    #[must_use]
    pub fn hexadecimal(octets: &[u8]) -> String {
        octets
            .iter()
            .flat_map(|octet| [octet >> 4, octet & 15])
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect()
    }

    /// Returns the message as it was on the wire; `None` when the text is not hexadecimal.
    #[must_use]
    pub fn message(&self) -> Option<Vec<u8>> {
        let digits: Option<Vec<u8>> = self
            .octets
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|digit| digit.try_into().ok()))
            .collect();
        let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
        Some(
            digits
                .chunks_exact(2)
                .map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit))
                .collect(),
        )
    }
}
