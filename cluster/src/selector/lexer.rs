//! The words of a selector.

use std::fmt;

use super::parser::SelectorError;

/// A word of a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `(`
    Open,
    /// `)`
    Close,
    /// `{`
    OpenSet,
    /// `}`
    CloseSet,
    /// `,`
    Comma,
    /// `!`
    Not,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// What is in quotes.
    Text(&'a str),
    /// A label, or a word of the language: which it is, its place says.
    Word(&'a str),
}

/// Splits a selector into its words, each with the octet it begins at.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>, SelectorError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches(BLANK);
    while !rest.is_empty() {
        let at = text.len() - rest.len();
        let (token, length) = token(rest, at)?;
        tokens.push((at, token));
        rest = rest.get(length..).unwrap_or_default().trim_start_matches(BLANK);
    }
    Ok(tokens)
}

const BLANK: [char; 2] = [' ', '\t'];

const MARKS: [(&str, Token<'static>); 10] = [
    ("&&", Token::And),
    ("||", Token::Or),
    ("==", Token::Equal),
    ("!=", Token::NotEqual),
    ("!", Token::Not),
    ("(", Token::Open),
    (")", Token::Close),
    ("{", Token::OpenSet),
    ("}", Token::CloseSet),
    (",", Token::Comma),
];

/// Reads the word a text begins with, and its length in octets.
fn token(rest: &str, at: usize) -> Result<(Token<'_>, usize), SelectorError> {
    if let Some((mark, token)) = MARKS.iter().find(|(mark, _)| rest.starts_with(mark)) {
        return Ok((*token, mark.len()));
    }
    for quote in ['\'', '"'] {
        if let Some(quoted) = rest.strip_prefix(quote) {
            let (text, _) = quoted.split_once(quote).ok_or(SelectorError::Unterminated { at })?;
            return Ok((Token::Text(text), text.len() + 2));
        }
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    match rest.get(..length) {
        Some(word) if !word.is_empty() => Ok((Token::Word(word), length)),
        _ => Err(SelectorError::Odd { at, found: rest.chars().next().unwrap_or_default() }),
    }
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Word(word) => write!(f, "`{word}`"),
            mark => match MARKS.iter().find(|(_, token)| token == mark) {
                Some((mark, _)) => write!(f, "`{mark}`"),
                None => f.write_str("nothing"),
            },
        }
    }
}
