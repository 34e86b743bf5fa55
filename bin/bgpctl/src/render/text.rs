//! Text for people: lines that line up and fit.
//!
//! Colours are laid out as invisible marks of no width and become escape codes, or nothing, at the very end. On that
//! way every control character is taken out: peers can write into error texts, and nobody's terminal obeys them.

mod cluster;
mod drain;
mod history;
mod peers;
mod policy;
mod restart;
mod routes;
mod status;
mod table;
#[cfg(test)]
mod tests;
mod words;

use clap::builder::styling::{AnsiColor, Style};

pub(crate) use cluster::{approved, cluster};
pub(crate) use drain::drains;
pub(crate) use history::history;
pub(crate) use peers::{peer, peers};
pub(crate) use policy::policy_test;
pub(crate) use routes::routes;
pub(crate) use status::{action, reload, status};

/// What the reader's screen can show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// Columns of characters; `None` if lines may be of any length.
    pub(crate) width: Option<usize>,
    /// Whether colours are welcome.
    pub(crate) colours: bool,
    /// Whether every column is wanted.
    pub(crate) wide: bool,
}

/// What a word says beside what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Good,
    Warning,
    Bad,
    Quiet,
}

/// Ends a mark. The five are Unicode's invisible operators: no width, no place in any name.
const END: char = '\u{2060}';

impl Tone {
    const ALL: [Self; 4] = [Self::Good, Self::Warning, Self::Bad, Self::Quiet];

    fn mark(self) -> char {
        match self {
            Self::Good => '\u{2061}',
            Self::Warning => '\u{2062}',
            Self::Bad => '\u{2063}',
            Self::Quiet => '\u{2064}',
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warning => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Quiet => Style::new().dimmed(),
        }
    }
}

/// Says a word in a tone.
fn say(tone: Tone, word: &str) -> String {
    format!("{}{word}{END}", tone.mark())
}

/// Breaks lines that are too long, turns marks into colours or nothing, and takes out what a terminal would obey.
fn finish(text: &str, screen: &Screen) -> String {
    let text = match screen.width {
        Some(width) => text.lines().map(|line| broken(line, width)).collect(),
        None => text.to_owned(),
    };
    let mut finished = String::with_capacity(text.len());
    for character in text.chars() {
        let tone = Tone::ALL.into_iter().find(|tone| tone.mark() == character);
        match (tone, character) {
            (Some(tone), _) if screen.colours => finished.push_str(&tone.style().render().to_string()),
            (None, END) if screen.colours => {
                finished.push_str(&Style::new().bold().render_reset().to_string())
            }
            (Some(_), _) | (None, END) => {}
            (None, '\n') => finished.push('\n'),
            (None, character) if character.is_control() => finished.push(char::REPLACEMENT_CHARACTER),
            (None, character) => finished.push(character),
        }
    }
    finished
}

/// Says whether a character is none of the marks.
fn takes_a_place(character: char) -> bool {
    character != END && Tone::ALL.into_iter().all(|tone| tone.mark() != character)
}

/// Breaks a line at spaces; what follows the first is indented below it.
fn broken(line: &str, width: usize) -> String {
    let indent = line.len() - line.trim_start().len() + 4;
    let mut text = String::new();
    let mut left = line.to_owned();
    while let Some((end, next)) = left.char_indices().filter(|(_, next)| takes_a_place(*next)).nth(width) {
        let fitting = if next == ' ' { end + 1 } else { end };
        // Not within the indentation, which would leave the rest as long as it was.
        let Some(space) = left[..fitting].rfind(' ').filter(|space| !left[..*space].trim().is_empty()) else {
            break;
        };
        text.push_str(left[..space].trim_end());
        text.push('\n');
        left = format!("{:indent$}{}", "", left[space..].trim_start());
    }
    text + &left + "\n"
}

/// Takes out of a message what a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    finish(text, &Screen { width: None, colours: false, wide: false })
}

/// Puts a foreign text on one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Writes `label` and `value` as a line of a block.
fn fact(block: &mut String, label: &str, value: impl AsRef<str>) {
    block.push_str(format!("  {label:<15}{}", value.as_ref()).trim_end());
    block.push('\n');
}
