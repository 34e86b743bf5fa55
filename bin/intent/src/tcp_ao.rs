//! The TCP Authentication Option (RFC 5925): several keys, and which of them signs.

use std::fmt;

use super::Secret;

/// A master key and its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AoKey {
    /// What the segments say: both the SendID and the RecvID, so both ends write the same.
    pub id: u8,
    /// How segments are signed.
    pub algorithm: AoAlgorithm,
    /// The key itself.
    pub secret: Secret,
}

/// How segments are signed (RFC 5926 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AoAlgorithm {
    /// HMAC-SHA-1-96, which everybody must have.
    #[default]
    HmacSha1,
    /// AES-128-CMAC-96, which everybody must have too.
    AesCmac,
    /// HMAC-SHA-256, not of the RFC; the kernel cuts it to 96 bits.
    HmacSha256,
}

impl AoAlgorithm {
    /// Every algorithm as the file writes it.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("hmac-sha-1-96", Self::HmacSha1),
        ("aes-128-cmac-96", Self::AesCmac),
        ("hmac-sha-256-96", Self::HmacSha256),
    ];
}

impl fmt::Display for AoAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::WORDS.iter().find(|(_, algorithm)| algorithm == self);
        f.write_str(word.map_or("", |(word, _)| word))
    }
}

impl fmt::Display for AoKey {
    /// Renders the numbers, never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.algorithm)
    }
}
