//! What can go wrong between us and the API server, and what that means.

use std::time::Duration;

use cluster::Watch;
use serde::Deserialize;
use thiserror::Error;

use super::kinds::{Group, resource};

/// The longest wait a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Why something asked of the API server was not done.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Failure {
    /// How to reach the server is not known: the credentials of a pod or a kubeconfig are missing or wrong.
    #[error("{0}")]
    Unconfigured(String),
    /// There is no connection, or it fell silent.
    #[error("{0}")]
    Away(String),
    /// The server refused.
    #[error("{0}")]
    Refused(Refusal),
    /// The server said something that is not understood.
    #[error("the answer is not understood: {0}")]
    Garbled(String),
}

/// A refusal: `metav1.Status`, as far as it is used.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Error)]
#[error("{code} {reason}: {message}")]
#[serde(default)]
pub struct Refusal {
    /// The HTTP status.
    pub code: u16,
    /// A word for programs, such as `Expired`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// How long to wait before asking again.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Reads what came with an HTTP status.
    pub(super) fn read(code: u16, retry_after: Option<u64>, body: &[u8]) -> Self {
        let mut refusal: Self = serde_json::from_slice(body).unwrap_or_else(|_| {
            // A proxy in between says it in its own way.
            let message = String::from_utf8_lossy(body).chars().take(200).collect();
            Self { message, ..Self::default() }
        });
        refusal.code = code;
        refusal.retry_after = retry_after.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT));
        refusal
    }

    /// The version asked for is too old: only a list can tell what happened since.
    pub(super) fn is_expired(&self) -> bool {
        self.code == 410 || matches!(self.reason.as_str(), "Expired" | "Gone")
    }

    /// The version asked for is from a server that knew more than this one, such as one before a restored backup.
    pub(super) fn is_too_new(&self) -> bool {
        self.message.contains("Too large resource version")
    }

    /// The server has no such kind, or no such object.
    pub(super) fn is_absent(&self) -> bool {
        self.code == 404
    }

    /// Whether it may be the way of asking that is refused, rather than the question.
    pub(super) fn is_about_the_request(&self) -> bool {
        matches!(self.code, 400 | 422)
    }
}

impl Failure {
    pub(super) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Returns what an operator can do about it, if it is about permissions.
    #[must_use]
    pub fn remedy(&self, watch: &Watch) -> Option<String> {
        let of = resource(watch.kind);
        let group = match of.group {
            Group::Core => "\"\"",
            Group::Named(group, _) => group,
            Group::Calico => "crd.projectcalico.org or projectcalico.org",
        };
        match self.refusal()?.code {
            401 => Some("the credentials are not accepted: check the token or the kubeconfig".to_owned()),
            403 => Some(format!(
                "let the account of podbgpd get, list and watch `{}` in API group {group}{}",
                of.plural,
                match &watch.scope {
                    cluster::Scope::In { namespace, name } =>
                        format!(", namespace {namespace}, resource name {name}"),
                    _ => String::new(),
                }
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_read_from_a_status_or_from_whatever_a_proxy_says() {
        let status =
            br#"{"kind":"Status","reason":"Expired","message":"too old resource version","code":410}"#;
        let refusal = Refusal::read(410, None, status);
        assert!(refusal.is_expired());
        assert_eq!(refusal.to_string(), "410 Expired: too old resource version");
        let refusal = Refusal::read(503, Some(7), b"<html>busy</html>");
        assert_eq!((refusal.code, refusal.message.as_str()), (503, "<html>busy</html>"));
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_server_cannot_have_us_wait_for_days() {
        assert_eq!(Refusal::read(429, Some(1_000_000), b"").retry_after, Some(LONGEST_WAIT));
    }
}
