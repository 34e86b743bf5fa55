//! A kernel of one's own: network namespaces for tests that need routes and links.

use std::env;
use std::panic;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use lab::net::Namespace;
use nix::unistd::geteuid;

use crate::skip::skip_test;

const INSIDE: &str = "PODBGP_TEST_INSIDE_NAMESPACE";

/// Runs `body` in a fresh network namespace, on a thread of its own; skips loudly where none may be made.
///
/// Without root the test binary is started again for `test`, the full name of the calling test, in a user
/// namespace, because a process of several threads cannot enter one.
pub fn in_namespace(test: &str, body: impl FnOnce() + Send + 'static) {
    if !geteuid().is_root() && env::var_os(INSIDE).is_none() {
        return again_as_root(test);
    }
    match Namespace::new(test) {
        Ok(namespace) => {
            if let Err(panic) = namespace.thread(body).join() {
                panic::resume_unwind(panic);
            }
        }
        Err(error) => skip_test(test, &format!("{error:#}")),
    }
}

/// Runs `ip` with these words and returns what it prints.
///
/// # Panics
/// If `ip` is not there or fails.
pub fn ip(words: &str) -> String {
    let output = Command::new("ip").args(words.split_whitespace()).output().expect("iproute2 is installed");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {words}: {complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes a pair of connected interfaces, both up.
pub fn veth(one: &str, other: &str) {
    ip(&format!("link add name {one} type veth peer name {other}"));
    ip(&format!("link set {one} up"));
    ip(&format!("link set {other} up"));
}

/// Waits until `condition` holds and returns how long that took.
///
/// # Panics
/// If it does not hold within `limit`.
pub fn until(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}

fn again_as_root(test: &str) {
    let allowed = Command::new("unshare").args(["-Urn", "true"]).stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        return skip_test(test, "user namespaces are not allowed");
    }
    let binary = env::current_exe().expect("the test binary has a path");
    let status = Command::new("unshare")
        .args(["-Urn", "--"])
        .arg(binary)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .expect("unshare has just been started");
    assert!(status.success(), "{test} failed inside its namespace");
}
