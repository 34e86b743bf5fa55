//! Scripts: inputs and the outputs they must cause, as text a reader can follow.
//!
//! A line that begins with `>` is an input, `at +90s` moves the clock, and the indented lines below either are
//! the outputs. Everything else is for the reader. `BLESS=1` writes the outputs that were seen into the file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};

/// What a script is played to.
pub trait Stage {
    /// Plays an input, without its `>`, and returns a line for each output.
    ///
    /// # Errors
    ///
    /// The input is none of those known.
    fn play(&mut self, input: &str) -> anyhow::Result<Vec<String>>;

    /// Lets time pass, and returns a line for each output.
    ///
    /// # Errors
    ///
    /// Time cannot pass on this stage.
    fn pass(&mut self, time: Duration) -> anyhow::Result<Vec<String>>;
}

/// Plays every script of a folder, each to a stage of its own.
///
/// # Errors
///
/// Names the first line of each script that came out differently.
pub fn play_all<S: Stage>(folder: &Path, stage: impl Fn() -> S) -> anyhow::Result<()> {
    let mut failures = Vec::new();
    let scripts = scripts(folder)?;
    ensure!(!scripts.is_empty(), "no scripts in {}", folder.display());
    for script in scripts {
        let written = fs::read_to_string(&script)?;
        let seen = played(&written, &mut stage()).with_context(|| script.display().to_string())?;
        if seen == written {
            continue;
        }
        if std::env::var_os("BLESS").is_some() {
            fs::write(&script, seen)?;
        } else {
            failures.push(format!("{}:{}", script.display(), first_difference(&written, &seen)));
        }
    }
    ensure!(failures.is_empty(), "scripts came out differently (BLESS=1 accepts):\n{}", failures.join("\n"));
    Ok(())
}

/// Returns the scripts in the order of their names.
fn scripts(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths: Vec<_> = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    Ok(paths)
}

/// Returns the script with the outputs as they were seen.
fn played(script: &str, stage: &mut impl Stage) -> anyhow::Result<String> {
    let mut seen = String::new();
    for (number, line) in script.lines().enumerate() {
        if line.starts_with(' ') {
            continue;
        }
        seen.push_str(line);
        seen.push('\n');
        let outputs = if let Some(input) = line.strip_prefix('>') {
            stage.play(input.trim())
        } else if let Some(time) = line.strip_prefix("at +") {
            seconds(time).and_then(|time| stage.pass(time))
        } else {
            continue;
        };
        for output in outputs.with_context(|| format!("line {}: {line}", number + 1))? {
            seen.push_str("  ");
            seen.push_str(&output);
            seen.push('\n');
        }
    }
    Ok(seen)
}

fn seconds(time: &str) -> anyhow::Result<Duration> {
    let seconds = time.trim().strip_suffix('s').context("times are like +90s")?;
    Ok(Duration::try_from_secs_f64(seconds.parse()?)?)
}

fn first_difference(written: &str, seen: &str) -> String {
    let (mut written, mut seen) = (written.lines(), seen.lines());
    for number in 1.. {
        match (written.next(), seen.next()) {
            (None, None) => break,
            (expected, actual) if expected == actual => {}
            (expected, actual) => {
                let show = |line: Option<&str>| line.unwrap_or("(nothing)").to_owned();
                return format!("{number}\n  expected: {}\n  saw:      {}", show(expected), show(actual));
            }
        }
    }
    String::from("1\n  only line endings differ")
}
