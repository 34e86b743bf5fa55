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

/// Finds out what the standard output can show. What goes to a file or a pipe is neither cut nor coloured.
pub(crate) fn screen(format: Format) -> Screen {
    let terminal = std::io::stdout().is_terminal();
    let unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let wide = format == Format::Wide;
    let width = (terminal && !wide).then(terminal_size::terminal_size).flatten();
    Screen {
        width: width.map(|(width, _)| usize::from(width.0)),
        colours: terminal && unset("NO_COLOR") && !dumb,
        wide,
    }
}
