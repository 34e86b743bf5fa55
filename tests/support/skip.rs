use std::fs::File;
use std::io::Write;

use lab::speakers::find_program;
use nix::unistd::geteuid;

/// Says that a test did not run, and why, on standard error and in the file named by `PODBGP_SKIPS`.
///
/// # Panics
/// When that file cannot be written: the count would be wrong.
pub fn skip(reason: &str) {
    skip_test(std::thread::current().name().unwrap_or("main"), reason);
}

/// As [`skip()`], for a test whose thread does not have its name.
///
/// # Panics
/// As [`skip()`].
pub fn skip_test(test: &str, reason: &str) {
    let line = format!("SKIPPED {test}: {reason}\n");
    // Not through `eprint!`, which the test runner swallows when a test passes.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(file) = std::env::var_os("PODBGP_SKIPS") {
        let mut file =
            File::options().create(true).append(true).open(&file).expect("PODBGP_SKIPS is writable");
        file.write_all(line.as_bytes()).expect("PODBGP_SKIPS is writable");
    }
}

/// Returns why tests with namespaces and these programs cannot run here, if they cannot.
#[must_use]
pub fn missing(programs: &[&str]) -> Option<String> {
    if !geteuid().is_root() {
        return Some("needs root for network namespaces (run tests/run)".to_owned());
    }
    if let Err(error) = lab::net::Namespace::new("probe") {
        return Some(format!("{error:#}"));
    }
    let absent: Vec<_> = programs.iter().filter(|program| find_program(program).is_err()).copied().collect();
    (!absent.is_empty()).then(|| format!("{} not installed (run tests/run)", absent.join(", ")))
}

/// Returns from the test, counted as skipped, when it needs root or programs that are not here.
#[macro_export]
macro_rules! requires {
    ($programs:expr) => {
        if let Some(reason) = $crate::missing($programs) {
            $crate::skip(&reason);
            return;
        }
    };
}
