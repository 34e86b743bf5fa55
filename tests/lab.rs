//! The rack in a box, from end to end: every check of the lab must pass.
//!
//! Without the right to make namespaces it says so and passes.

use std::ffi::OsString;
use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;

use lab::speakers::Kind;
use lab::story::Story;

const NAME: &str = "the_rack_in_a_box_tells_its_story";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let words: Vec<_> = arguments.iter().skip(1).filter_map(|word| word.to_str()).collect();
    if matches!(words.first(), Some(&"podbgpd" | &"bgpctl")) {
        return lab::run(arguments);
    }
    let filter = words.iter().find(|word| !word.starts_with('-'));
    if words.contains(&"--list") || filter.is_some_and(|filter| !"lab".contains(filter)) {
        return ExitCode::SUCCESS;
    }
    let told = lab::net::enter().map_err(|reason| {
        support::skip_test(NAME, &format!("needs the right to make namespaces: {reason:#}"))
    });
    let Ok(privilege) = told else { return verdict(true) };
    match (Story { tor: Kind::Podbgp, keep: false }).tell(privilege, Path::new("/run/podbgp-lab")) {
        Ok(passed) => verdict(passed),
        Err(error) => {
            let _ = writeln!(stdout(), "the rack fell apart: {error:#}");
            verdict(false)
        }
    }
}

/// Ends as a test does that the usual runner has run, so that `tests/run` counts it.
fn verdict(passed: bool) -> ExitCode {
    let (word, result) =
        if passed { ("ok", "ok. 1 passed; 0 failed") } else { ("FAILED", "FAILED. 0 passed; 1 failed") };
    let _ = writeln!(stdout(), "test {NAME} ... {word}\n\ntest result: {result}");
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
