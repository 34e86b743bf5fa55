//! Text that must not be shown.

use std::fmt;

/// A key of TCP MD5 signatures: 1 to 80 octets that appear in no log, no view and no dump.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// The most octets the kernel takes (`TCP_MD5SIG_MAXKEYLEN`).
    pub const MAX: usize = 80;

    /// Makes a secret of octets; `None` when there are none or too many.
    #[must_use]
    pub fn new(octets: &[u8]) -> Option<Self> {
        (!octets.is_empty() && octets.len() <= Self::MAX).then(|| Self(octets.into()))
    }

    /// Returns the octets, for the kernel and nobody else.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_format_shows_a_secret() {
        let secret = Secret::new(b"hunter2").unwrap();
        assert!(!format!("{secret:?} {secret:#?} {secret}").contains("hunter2"));
    }

    #[test]
    fn what_the_kernel_would_refuse_is_no_secret() {
        assert_eq!(Secret::new(b""), None);
        assert!(Secret::new(&[b'x'; 80]).is_some());
        assert_eq!(Secret::new(&[b'x'; 81]), None);
    }
}
