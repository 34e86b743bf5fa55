//! What the tests of whole programs stand on: `podbgpd` under test, other people's BGP daemons, and the wires between.
//!
//! Everything runs in network namespaces of its own and goes when the test does. A test that cannot run here says so
//! through [`skip()`] and returns; `tests/run` counts those lines.

pub mod apiserver;
pub mod cluster;
pub mod config;
pub mod failover;
pub mod fib_thread;
pub mod full_table;
pub mod install;
pub mod internet;
pub mod kernel;
pub mod logind;
pub mod machine;
pub mod measure;
pub mod netns;
pub mod podbgpd;
pub mod puppet;
pub mod rack;
pub mod raw_netlink;
pub mod rbac;
pub mod reflector;
pub mod requests;
pub mod script;
pub mod session;
mod skip;
pub mod traffic;

pub use podbgpd::Podbgpd;
pub use rack::Rack;
pub use session::Session;
pub use skip::{missing, skip, skip_test};

use std::time::Duration;

use anyhow::Result;

/// Long enough for anything that happens at once, on a busy machine; a test that waits this long has failed.
pub const SOON: Duration = Duration::from_secs(20);

/// Looks ten times a second until the closure has an answer.
///
/// # Panics
/// When it has none within the limit, with its last error.
pub fn eventually<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Result<T>) -> T {
    let start = std::time::Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(reason) if start.elapsed() >= limit => {
                panic!("waited {} s for {what}: {reason:#}", limit.as_secs())
            }
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Looks ten times a second, as long as it takes, and never finds what must not be.
///
/// # Panics
/// When the closure returns an error, with that error.
pub fn throughout(span: Duration, what: &str, mut look: impl FnMut() -> Result<()>) {
    let start = std::time::Instant::now();
    while start.elapsed() < span {
        if let Err(reason) = look() {
            panic!("{what} lasted {:.1} s: {reason:#}", start.elapsed().as_secs_f32());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
