//! What goes into the log: one line per change of state, with whence, whither and why.
//!
//! What a peer or a stranger can cause as often as it likes is told a few times a minute, and then counted.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bgp::fsm::State;
use tracing::{debug, info, warn};

use crate::speaker::{Ending, Notice};

/// How many lines one source of trouble gets each minute.
const LINES: u32 = 5;
const MINUTE: Duration = Duration::from_secs(60);

/// The log, and what has been left out of it lately.
#[derive(Default)]
pub(super) struct Log {
    /// By the peer's name.
    offences: BTreeMap<String, Allowance>,
    strangers: Allowance,
    oversized: Allowance,
    surplus: Allowance,
}

impl Log {
    /// Logs what the speaker has to say. The kernel's thread logs for itself.
    pub(super) fn tell(&mut self, notice: &Notice, now: Instant) {
        match notice {
            Notice::State { peer, from, to, cause } => {
                // Up, down and refused are news; the steps of trying are for those who look closer.
                let refused = *to == State::Idle && *from > State::Active;
                if *from == State::Established || *to == State::Established || refused {
                    info!(target: "session", peer, %from, %to, %cause, "session state");
                } else {
                    debug!(target: "session", peer, %from, %to, %cause, "session state");
                }
            }
            Notice::Offence { peer, offence } => {
                if !self.offences.contains_key(peer) {
                    self.offences.insert(peer.clone(), Allowance::default());
                }
                let allowance = self.offences.get_mut(peer);
                if let Some(left_out) = allowance.and_then(|allowance| allowance.take(now)) {
                    warn!(target: "session", peer, attribute = offence.attribute, error = %offence.error,
                        disposition = ?offence.disposition, left_out, "malformed attribute in an UPDATE");
                }
            }
            Notice::Oversized { peer, example, prefixes } => {
                if let Some(left_out) = self.oversized.take(now) {
                    warn!(target: "session", peer, %example, prefixes, left_out,
                        "not advertised: the attributes do not fit into a message");
                }
            }
            Notice::MaxPrefixes { peer, limit, wait: None } => {
                warn!(target: "session", peer, limit, "too many prefixes; the session stays down until `bgpctl peer NAME up`");
            }
            Notice::Surplus { peer, paths } => {
                if let Some(left_out) = self.surplus.take(now) {
                    warn!(target: "session", peer, paths, left_out,
                        "paths not taken in: the peer has as many of their prefixes as peer.add-path lets it have");
                }
            }
            Notice::MaxPrefixes { peer, limit, wait: Some(wait) } => {
                warn!(target: "session", peer, limit, wait = ?wait, "too many prefixes; the session stays down for a while");
            }
            Notice::NearMaxPrefixes { peer, family, prefixes, limit } => {
                warn!(target: "session", peer, %family, prefixes, limit, "the peer comes near its limit of prefixes");
            }
            Notice::RangeFull { range, limit, from } => {
                if let Some(left_out) = self.strangers.take(now) {
                    warn!(target: "session", range, limit, %from, left_out, "refused a connection: the range is full");
                }
            }
            Notice::Stranger(from) => {
                if let Some(left_out) = self.strangers.take(now) {
                    warn!(target: "session", %from, left_out, "refused a connection: no peer has this address");
                }
            }
            Notice::Found { peer, address, interface } => {
                info!(target: "session", peer, %address, interface, "found the peer on its link");
            }
            Notice::PeerRestarts { .. }
            | Notice::PeerIsLate { .. }
            | Notice::PeerRestarted { .. }
            | Notice::Selected { .. }
            | Notice::Returned { .. } => tell_restart(notice),
            Notice::PeerRefreshed { peer, family, gone, late: false } => {
                info!(target: "session", peer, %family, gone, "said everything again; what it did not say again is gone");
            }
            Notice::PeerRefreshed { peer, family, gone, late: true } => {
                warn!(target: "session", peer, %family, gone, "began to say everything again and came to no end; the rest is gone");
            }
            Notice::Duplicate { prefix, peer, as_path, next_hop } => {
                warn!(target: "session", peer, %prefix, as_path, next_hop = next_hop.map(tracing::field::display),
                    "a block of ours is announced by somebody else, too: two nodes may have it");
            }
            Notice::DuplicateGone { prefix, peer } => {
                info!(target: "session", peer, %prefix, "a block of ours is no longer announced by somebody else");
            }
            Notice::Drain { peer, stage } => {
                let whom = peer.as_deref().unwrap_or("the node");
                info!(target: "drain", whom, %stage, "drain");
            }
            Notice::Converged { deadline: false } => {
                info!(target: "session", "every peer has sent End-of-RIB")
            }
            Notice::Converged { deadline: true } => {
                warn!(target: "session", "not every peer has sent End-of-RIB; leftovers in the kernel go all the same");
            }
        }
    }
}

/// Logs how a restart goes, ours or a peer's.
fn tell_restart(notice: &Notice) {
    match notice {
        Notice::PeerRestarts { peer, routes, wait } => {
            info!(target: "restart", peer, routes, wait = ?wait, "the session is lost; its routes are kept for now");
        }
        Notice::PeerIsLate { peer, family, routes, wait } => {
            warn!(target: "restart", peer, %family, routes, wait = ?wait, "not back in time; its routes are the last resort");
        }
        Notice::PeerRestarted { peer, away: Some(away), kept, gone } => {
            info!(target: "restart", peer, away = ?away, kept, gone, "back again, and everything has been said");
        }
        Notice::PeerRestarted { peer, away: None, kept, gone } => {
            warn!(target: "restart", peer, kept, gone, "not back; its routes are kept no longer");
        }
        Notice::Selected { took, ending: Ending::EndOfRib } => {
            info!(target: "restart", took = ?took, "every peer that matters has told its routes; the kernel follows");
        }
        Notice::Selected { took, ending: Ending::Deadline(missing) } => {
            warn!(target: "restart", took = ?took, ?missing, "peers have not told all their routes; the kernel follows all the same");
        }
        Notice::Returned { peer, before, missing: 0, .. } => {
            info!(target: "restart", peer, before, "everything it announced before our restart is back");
        }
        Notice::Returned { peer, before, missing, named } => {
            warn!(target: "restart", peer, before, missing, examples = ?named, "not all it announced before our restart is back");
        }
        _ => {}
    }
}

/// How many lines may still be written in this minute.
#[derive(Default)]
struct Allowance {
    /// When the minute began.
    since: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl Allowance {
    /// Takes a line, if there is one, and returns how many were left out before it.
    fn take(&mut self, now: Instant) -> Option<u64> {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= MINUTE) {
            (self.since, self.lines) = (Some(now), 0);
        }
        if self.lines == LINES {
            self.left_out += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gets_a_few_lines_a_minute_and_the_rest_is_counted() {
        let (mut allowance, start) = (Allowance::default(), Instant::now());
        let told = (0..1000).filter_map(|_| allowance.take(start)).count();
        assert_eq!(told, LINES as usize);
        assert_eq!(allowance.take(start + MINUTE), Some(1000 - u64::from(LINES)));
        assert_eq!(allowance.take(start + MINUTE), Some(0));
    }
}
