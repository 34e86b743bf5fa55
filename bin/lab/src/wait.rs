//! Waiting for something to become true, within a limit.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often [`wait_until`] looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks every ten milliseconds until the closure has an answer; returns it and how long that took.
///
/// # Errors
/// The limit passed: the text names what was waited for and the last reason why it is not there (the closure's
/// own error).
pub fn wait_until<T>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<T>,
) -> Result<(T, Duration)> {
    let start = Instant::now();
    loop {
        match look() {
            Ok(found) => return Ok((found, start.elapsed())),
            Err(reason) if start.elapsed() >= limit => {
                bail!("waited {:.1} s for {what}: {reason:#}", limit.as_secs_f32())
            }
            Err(_) => sleep(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_answer_ends_the_wait() {
        let mut looks = 0;
        let (found, _) = wait_until(Duration::from_secs(5), "the third look", || {
            looks += 1;
            if looks < 3 { bail!("not yet") } else { Ok(looks) }
        })
        .unwrap();
        assert_eq!(found, 3);
    }

    #[test]
    fn a_wait_in_vain_tells_what_for_and_why() {
        let error = wait_until(Duration::ZERO, "spring", || -> Result<()> { bail!("it is November") });
        assert_eq!(error.unwrap_err().to_string(), "waited 0.0 s for spring: it is November");
    }
}
