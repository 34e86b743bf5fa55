//! Where log lines go and which ones.
//!
//! A line names the part of the daemon it is from, so that scripts can choose and levels can differ:
//!
//! | part | tells of |
//! |---|---|
//! | `node` | start, listening sockets, stop |
//! | `session` | peers: every change of state with whence, whither and why; what was wrong with UPDATEs |
//! | `config` | warnings of the file, each change of a reload |
//! | `control` | what operators did; broken connections of operators and collectors |
//! | `bfd` | what BFD says of peers, and why it cannot |
//! | `fib` | kernel routes found, repaired and deleted; interfaces next hops are reached by |

use std::io::IsTerminal;

use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt, registry};

/// The variable that says what to log where the command line does not.
const LEVELS: &str = "PODBGP_LOG";

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people: time, level, part, message, fields.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Why nothing can be logged.
#[derive(Debug, Error)]
pub enum LoggingError {
    /// The levels make no sense.
    #[error(
        "the log levels {levels:?} make no sense: {error}; \
         write off, error, warn, info, debug or trace, alone or as part=level, separated by commas"
    )]
    Levels {
        /// What was written.
        levels: String,
        /// Why.
        error: ParseError,
    },
    /// Logging was started before.
    #[error(transparent)]
    Started(#[from] TryInitError),
}

/// Starts to log to standard error, with the levels of the command line, of `$PODBGP_LOG`, or `info`.
///
/// # Errors
///
/// Returns why the levels make no sense, or that logging was started before.
pub fn start(format: Format, levels: Option<&str>) -> Result<(), LoggingError> {
    let targets = match levels.map(str::to_owned).or_else(|| std::env::var(LEVELS).ok()) {
        Some(levels) if !levels.is_empty() => targets(&levels)?,
        _ => Targets::new().with_default(LevelFilter::INFO),
    };
    subscriber(format, targets, std::io::stderr, std::io::stderr().is_terminal()).try_init()?;
    Ok(())
}

fn targets(levels: &str) -> Result<Targets, LoggingError> {
    levels.parse().map_err(|error| LoggingError::Levels { levels: levels.to_owned(), error })
}

fn subscriber<W>(format: Format, targets: Targets, writer: W, color: bool) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer);
    let layer = match format {
        Format::Text => layer.with_ansi(color).boxed(),
        Format::Json => layer.json().flatten_event(true).boxed(),
    };
    registry().with(layer.with_filter(targets))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A page that lines are written to.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, levels: &str) -> String {
        let page = Page::default();
        let writer = page.clone();
        let subscriber = subscriber(format, targets(levels).unwrap(), move || writer.clone(), false);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "node", peer = "tor-a", from = "idle", "state changed");
            tracing::debug!(target: "node", "a detail");
        });
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_line_has_time_level_part_message_and_fields() {
        let line = logged(Format::Text, "info");
        assert!(line.starts_with("20"), "{line}");
        for part in ["INFO", "node", "state changed", "peer=\"tor-a\"", "from=\"idle\""] {
            assert!(line.contains(part), "{part} in {line}");
        }
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn a_json_line_is_one_object_with_the_same() {
        let line: serde_json::Value = serde_json::from_str(&logged(Format::Json, "info")).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "state changed");
        assert_eq!(line["peer"], "tor-a");
        assert!(line["timestamp"].is_string());
    }

    #[test]
    fn each_part_has_its_own_level() {
        assert_eq!(logged(Format::Text, "info,node=debug").lines().count(), 2);
        assert_eq!(logged(Format::Text, "debug,node=error"), "");
    }

    #[test]
    fn levels_that_make_no_sense_are_refused_with_the_words_that_do() {
        let error = targets("node=loud").unwrap_err().to_string();
        assert!(error.contains("loud") && error.contains("debug"), "{error}");
    }
}
