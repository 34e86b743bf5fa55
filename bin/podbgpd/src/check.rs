//! `podbgpd --check`: what is wrong with a file, and what a reload of it would change.

use std::io::{self, Write};
use std::path::Path;

use crate::config::{self, Config, Facts, LoadError, Mistakes};
use crate::intent::{Effect, Intent, reconcile};

/// The exit code when all is well.
pub const FINE: u8 = 0;
/// The exit code when a file has mistakes.
pub const MISTAKEN: u8 = 2;

/// Checks a file, and if asked compares it with the one before. Returns the exit code.
///
/// The summary goes to `out`, mistakes and warnings go to `problems`, in colour if that is for eyes.
///
/// # Errors
///
/// Returns that something could not be written.
pub fn check(
    file: &Path,
    against: Option<&Path>,
    facts: &Facts,
    out: &mut dyn Write,
    problems: &mut dyn Write,
    color: bool,
) -> io::Result<u8> {
    let config = match config::load(file, facts) {
        Ok(config) => config,
        Err(error) => return refuse(&error, problems, color),
    };
    write!(problems, "{}", config.warnings.render(color))?;
    writeln!(out, "{}", summary(file, &config))?;
    let Some(against) = against else { return Ok(FINE) };
    match config::load(against, facts) {
        Ok(before) => compare(&before.intent, &config.intent, out)?,
        Err(error) => return refuse(&error, problems, color),
    }
    Ok(FINE)
}

/// Writes why a file cannot be used, for an operator. Returns the exit code.
///
/// # Errors
///
/// Returns that something could not be written.
pub fn refuse(error: &LoadError, problems: &mut dyn Write, color: bool) -> io::Result<u8> {
    match error {
        LoadError::Mistakes(mistakes) => {
            write!(problems, "{}", mistakes.render(color))?;
            writeln!(problems, "{}: {}", mistakes.file, count(mistakes))?;
        }
        LoadError::Read { .. } | LoadError::TooLarge { .. } | LoadError::NotText { .. } => {
            writeln!(problems, "error: {error}")?;
        }
    }
    Ok(MISTAKEN)
}

/// Writes what a reload from one intent to another would do, a line for each change.
fn compare(old: &Intent, new: &Intent, out: &mut dyn Write) -> io::Result<()> {
    let changes = reconcile(old, new);
    if changes.is_empty() {
        return writeln!(out, "a reload would change nothing");
    }
    changes.iter().try_for_each(|change| writeln!(out, "  {change}"))?;
    let refused = changes.iter().any(|change| change.effect() == Effect::Restart);
    let resets = changes.iter().filter(|change| change.effect() == Effect::SessionReset).count();
    let verdict = match (refused, resets) {
        (true, _) => "a reload would be refused: restart podbgpd for the settings marked restart".to_owned(),
        (false, 0) => "a reload would keep all sessions".to_owned(),
        (false, resets) => format!("a reload would end {}", plural(resets, "session")),
    };
    writeln!(out, "{verdict}")
}

fn summary(file: &Path, config: &Config) -> String {
    let Intent { node, peers, kubernetes, .. } = &config.intent;
    let cluster = kubernetes.as_ref().map_or_else(String::new, |cluster| {
        format!(", and what the cluster says of node {}", cluster.node_name)
    });
    let warnings = match config.warnings.warnings.len() {
        0 => String::new(),
        warnings => format!(", {}", plural(warnings, "warning")),
    };
    format!(
        "{}: fine: node {}, AS {}, router id {}, {}, {}{cluster}{warnings}",
        file.display(),
        node.name,
        node.asn,
        node.router_id,
        plural(node.blocks.len(), "block"),
        plural(peers.len(), "peer"),
    )
}

fn count(mistakes: &Mistakes) -> String {
    let errors = plural(mistakes.errors.len(), "mistake");
    match mistakes.warnings.len() {
        0 => errors,
        warnings => format!("{errors}, {}", plural(warnings, "warning")),
    }
}

fn plural(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
