//! Calico's selectors: which objects, by their labels.
//!
//! ```text
//!   or    = and { "||" and }
//!   and   = not { "&&" not }
//!   not   = { "!" } ( "(" or ")" | test )
//!   test  = "all()" | "global()" | "has(" label ")"
//!         | label ( "==" | "!=" | "contains" | "starts with" | "ends with" ) string
//!         | label ( "in" | "not in" ) "{" [ string { "," string } [ "," ] ] "}"
//! ```
//!
//! A string is in single or double quotes and ends at the next of its kind; there is no escape. A label that is not
//! there equals nothing: `!=` and `not in` hold for it, every other test does not.

mod lexer;
mod parser;

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

pub use parser::SelectorError;

/// Which objects, by their labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector(Expression);

/// Something that is true of labels or not.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expression {
    /// True of all.
    All,
    /// A label is there.
    Has(String),
    /// A label is there and this is true of its value.
    Is(String, Test),
    /// All of these are true; never nested deeper than [`parser::DEPTH`].
    And(Vec<Self>),
    /// One of these is true.
    Or(Vec<Self>),
    /// This is not true.
    Not(Box<Self>),
}

/// Something that is true of the value of a label or not.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(BTreeSet<String>),
    Contains(String),
    StartsWith(String),
    EndsWith(String),
}

/// Labels by name.
pub trait Labels {
    /// Returns the value of a label, if it is there.
    fn label(&self, name: &str) -> Option<&str>;
}

impl Labels for BTreeMap<String, String> {
    fn label(&self, name: &str) -> Option<&str> {
        self.get(name).map(String::as_str)
    }
}

impl Selector {
    /// Tells whether an object with these labels is one of those meant.
    #[must_use]
    pub fn matches(&self, labels: &impl Labels) -> bool {
        self.0.holds(labels)
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    /// Reads a selector; one that says nothing matches all.
    fn from_str(text: &str) -> Result<Self, SelectorError> {
        parser::parse(text).map(Self)
    }
}

impl Expression {
    fn holds(&self, labels: &impl Labels) -> bool {
        match self {
            Self::All => true,
            Self::Has(name) => labels.label(name).is_some(),
            Self::Is(name, test) => labels.label(name).is_some_and(|value| test.holds(value)),
            Self::And(all) => all.iter().all(|one| one.holds(labels)),
            Self::Or(any) => any.iter().any(|one| one.holds(labels)),
            Self::Not(other) => !other.holds(labels),
        }
    }
}

impl Test {
    fn holds(&self, value: &str) -> bool {
        match self {
            Self::In(values) => values.contains(value),
            Self::Contains(part) => value.contains(part.as_str()),
            Self::StartsWith(part) => value.starts_with(part.as_str()),
            Self::EndsWith(part) => value.ends_with(part.as_str()),
        }
    }
}

#[cfg(test)]
mod tests;
