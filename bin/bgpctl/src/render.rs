//! Views in, characters out: nothing here asks or decides.

pub(crate) mod text;

use std::io::IsTerminal as _;

use serde::Serialize;

use crate::args::Format;
use text::Screen;

/// Renders any view as JSON for people and programs.
pub(crate) fn json(view: &impl Serialize) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(view)? + "\n")
}

/// Finds out what the standard output can show. What goes to a file or a pipe is not coloured, and not cut unless
/// `$COLUMNS` says where.
pub(crate) fn screen(format: Format) -> Screen {
    let terminal = std::io::stdout().is_terminal();
    let unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let wide = format == Format::Wide;
    let told =
        std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    let seen = || Some(usize::from(terminal_size::terminal_size()?.0.0));
    Screen {
        width: told.or_else(|| terminal.then(seen).flatten()).filter(|_| !wide),
        colours: terminal && unset("NO_COLOR") && !dumb,
        wide,
    }
}
