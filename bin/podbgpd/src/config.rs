//! The file of the operator, turned into an [`Intent`].
//!
//! Reading goes on after a mistake, so that an operator hears of all of them at once: unknown keys, wrong
//! types and what does not fit together alike. Only a text that is no TOML is left at that. What comes out
//! has nothing left to check.

mod add_path;
mod bfd;
mod drain;
mod facts;
mod graceful;
mod history;
mod kubernetes;
mod monitoring;
mod node;
mod password;
mod peer;
mod place;
mod policy;
mod problem;
mod range;
mod reader;
mod tcp_ao;
mod template;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use thiserror::Error;
use toml::de::DeTable;

pub use facts::Facts;
use problem::Problems;
pub use problem::{ConfigError, Mistakes};
use reader::Table;

use crate::intent::{Guard, Intent, Ownership, PeerSource};

/// The most octets a file may have.
pub const MAX_SIZE: u64 = 1 << 20;

/// What a file makes of a node.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the node should do.
    pub intent: Intent,
    /// What is allowed but surely not meant; its errors are empty.
    pub warnings: Mistakes,
}

/// Why a file makes nothing of a node.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {error}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is longer than [`MAX_SIZE`].
    #[error("{}: is larger than {MAX_SIZE} octets, which no configuration is", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
    /// The file is no text.
    #[error("{}: octet {offset} is not UTF-8; TOML is always UTF-8", file.display())]
    NotText {
        /// The file.
        file: PathBuf,
        /// The number of octets that are.
        offset: usize,
    },
    /// The file has mistakes.
    #[error(transparent)]
    Mistakes(Box<Mistakes>),
}

/// Reads a file and what it refers to.
///
/// # Errors
///
/// Returns every mistake in the file, or why it could not be read.
pub fn load(file: &Path, facts: &Facts) -> Result<Config, LoadError> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        File::open(file)?.take(MAX_SIZE + 1).read_to_end(&mut octets)?;
        Ok(octets)
    };
    let file = file.to_owned();
    let octets = match read() {
        Ok(octets) if octets.len() as u64 > MAX_SIZE => return Err(LoadError::TooLarge { file }),
        Ok(octets) => octets,
        Err(error) => return Err(LoadError::Read { file, error }),
    };
    match String::from_utf8(octets) {
        Ok(text) => parse(&text, &file, facts).map_err(|mistakes| LoadError::Mistakes(Box::new(mistakes))),
        Err(error) => Err(LoadError::NotText { file, offset: error.utf8_error().valid_up_to() }),
    }
}

/// Turns the text of a file into an intent. Paths in the text are relative to the folder of the file.
///
/// # Errors
///
/// Returns every mistake in the text.
pub fn parse(text: &str, file: &Path, facts: &Facts) -> Result<Config, Mistakes> {
    let problems = Problems::default();
    let directory = file.parent().unwrap_or(Path::new(""));
    let intent = match DeTable::parse(text) {
        Ok(table) => intent(&problems, Table::root(&problems, &table), directory, facts),
        Err(error) => {
            problems.error(syntax_error(&error, text));
            None
        }
    };
    let mistakes = problems.into_mistakes(&file.display().to_string(), text);
    match intent {
        Some(intent) if mistakes.errors.is_empty() => Ok(Config { intent, warnings: mistakes }),
        _ => Err(mistakes),
    }
}

/// Reads all tables. `None` only after a mistake was noted.
fn intent(problems: &Problems, mut root: Table<'_>, directory: &Path, facts: &Facts) -> Option<Intent> {
    let sets = root.table("set");
    let sets = policy::sets::read(sets.as_ref());
    let policies = root.table("policy");
    let policies = policy::read(policies.as_ref(), &sets);
    let kubernetes = kubernetes::read(root.table("kubernetes"), directory, facts);
    let (node, places) = node::read(&mut root, facts, kubernetes.as_ref());
    let fib = node::fib(root.table("fib"));
    let decision = node::decision(root.table("decision"));
    let bfd = bfd::timing(root.table("bfd"));
    let graceful_restart = graceful::read(root.table("graceful-restart"));
    let drain = drain::read(root.table("drain"));
    let history = history::read(root.table("history"));
    let control_socket = node::control_socket(root.table("control"));
    let metrics = node::metrics(root.table("metrics"), &places);
    let bmp = monitoring::stations(&mut root);
    let mrt = monitoring::mrt(root.table("mrt"));
    let templates = root.table("template");
    let templates = template::Templates::read(templates.as_ref());
    let around = peer::Around { directory, node: &places, policies: &policies, templates: &templates };
    let elsewhere = kubernetes.as_ref().is_some_and(|cluster| cluster.peers != PeerSource::None);
    let peers = peer::read(&mut root, &around, elsewhere);
    let ranges = range::read(&mut root, &around);
    root.finish();
    // A policy nobody uses because its name is mistyped elsewhere is one problem, not two.
    if problems.errors() == 0 {
        policies.warn_of_unused();
        sets.warn_of_unused();
        templates.warn_of_unused();
    }
    Some(Intent {
        node: node?,
        fib: fib?,
        decision: decision?,
        bfd,
        graceful_restart,
        drain,
        history,
        peers: peers?,
        ranges: ranges?,
        control_socket: control_socket?,
        metrics,
        bmp: bmp?,
        mrt,
        kubernetes,
        originated: BTreeMap::new(),
        host_routes: BTreeMap::new(),
        ownership: Ownership::default(),
        guard: Guard::default(),
        leave: None,
    })
}

fn syntax_error(error: &toml::de::Error, text: &str) -> ConfigError {
    let span = error.span().unwrap_or(text.len()..text.len());
    let start = text.floor_char_boundary(span.start);
    let line = text.get(..start).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
    let unquoted = line.contains('=') && !line.contains(['"', '\'']);
    ConfigError {
        key: String::new(),
        span,
        problem: format!("is not TOML: {}", error.message()),
        hint: if unquoted { "texts, addresses and prefixes are in quotes".to_owned() } else { String::new() },
        related: None,
    }
}

#[cfg(test)]
mod tests;
