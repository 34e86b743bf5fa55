//! What the lab prints: calm lines that fit 100 columns, plain where there is no terminal.

use std::fmt::Display;
use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant};

/// Where the time of a check stands.
const WIDTH: usize = 96;

/// The output and the tally of checks.
#[derive(Debug)]
pub(crate) struct Screen {
    is_terminal: bool,
    is_coloured: bool,
    steps: usize,
    started: Instant,
    checks: Vec<Check>,
}

/// Something that is true or not.
#[derive(Debug)]
struct Check {
    what: String,
    passed: bool,
}

/// How a piece of text looks in a terminal.
#[derive(Clone, Copy)]
enum Style {
    Bold,
    Dim,
    Green,
    Red,
}

impl Default for Screen {
    fn default() -> Self {
        let is_terminal = stdout().is_terminal();
        let is_coloured = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { is_terminal, is_coloured, steps: 0, started: Instant::now(), checks: Vec::new() }
    }
}

impl Screen {
    /// A line as it is.
    pub(crate) fn line(&self, text: impl Display) {
        // A reader that has gone away is no reason to stop half way: the rack still has to come down.
        let _ = writeln!(stdout(), "{text}");
    }

    /// A line that explains.
    pub(crate) fn note(&self, text: impl Display) {
        for line in text.to_string().lines() {
            self.line(format!("     {}", self.styled(line, Style::Dim)));
        }
    }

    /// The heading of the next step.
    pub(crate) fn step(&mut self, title: &str) {
        self.steps += 1;
        self.line(format!(
            "\n{:>3}  {}",
            self.styled(&self.steps.to_string(), Style::Bold),
            self.styled(title, Style::Bold)
        ));
    }

    /// What is being waited for; the next line takes its place. A terminal only.
    pub(crate) fn waiting(&self, text: impl Display) {
        if self.is_terminal {
            let text = self.styled(&format!("… {text}"), Style::Dim);
            let _ = write!(stdout(), "\r\x1b[K     {text}");
            let _ = stdout().flush();
        }
    }

    /// Counts and shows a check. Measured things stand at the right.
    pub(crate) fn check(&mut self, passed: bool, what: &str, measured: &str) -> bool {
        if self.is_terminal {
            let _ = write!(stdout(), "\r\x1b[K");
        }
        let gap = WIDTH.saturating_sub(7 + what.chars().count() + measured.chars().count()).max(2);
        let dots = self.styled(&".".repeat(gap), Style::Dim);
        self.line(format!("     {} {what} {dots} {measured}", self.mark(passed)));
        self.checks.push(Check { what: what.to_owned(), passed });
        passed
    }

    /// A check that succeeds with a value and how long it took, or fails with a reason.
    pub(crate) fn outcome<T>(&mut self, what: &str, outcome: anyhow::Result<(T, Duration)>) -> Option<T> {
        match outcome {
            Ok((value, took)) => {
                self.check(true, what, &seconds(took));
                Some(value)
            }
            Err(reason) => {
                self.check(false, what, "failed");
                self.note(format!("{reason:#}"));
                None
            }
        }
    }

    /// What an operator types and sees.
    pub(crate) fn typed(&self, command: &str, output: &str) {
        self.line(format!("\n     $ {}", self.styled(command, Style::Bold)));
        for line in output.trim_end().lines() {
            let line = line.replace('\t', "        ");
            self.line(format!("     {line}").trim_end());
        }
    }

    /// The last lines; returns whether every check passed.
    pub(crate) fn verdict(&self) -> bool {
        let failed: Vec<_> = self.checks.iter().filter(|check| !check.passed).collect();
        let all = self.checks.len();
        let took = seconds(self.started.elapsed());
        self.line("");
        if failed.is_empty() && all > 0 {
            self.line(format!("  {} all {all} checks passed in {took}", self.mark(true)));
            return true;
        }
        self.line(format!("  {} {} of {all} checks failed, after {took}:", self.mark(false), failed.len()));
        for check in failed {
            self.line(format!("     {} {}", self.mark(false), check.what));
        }
        false
    }

    fn mark(&self, passed: bool) -> String {
        if passed { self.styled("✓", Style::Green) } else { self.styled("✗", Style::Red) }
    }

    fn styled(&self, text: &str, style: Style) -> String {
        let code = match style {
            Style::Bold => 1,
            Style::Dim => 2,
            Style::Red => 31,
            Style::Green => 32,
        };
        if self.is_coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A duration as people say it: `80 µs`, `4.1 ms`, `37 ms`, `2.97 s`.
#[must_use]
pub(crate) fn seconds(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1000.0;
    match milliseconds {
        tiny if tiny < 1.0 => format!("{:.0} µs", tiny * 1000.0),
        short if short < 10.0 => format!("{short:.1} ms"),
        middle if middle < 1000.0 => format!("{middle:.0} ms"),
        long => format!("{:.2} s", long / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_the_digits_that_matter() {
        assert_eq!(seconds(Duration::from_micros(43)), "43 µs");
        assert_eq!(seconds(Duration::from_micros(4130)), "4.1 ms");
        assert_eq!(seconds(Duration::from_millis(37)), "37 ms");
        assert_eq!(seconds(Duration::from_millis(2974)), "2.97 s");
    }
}
