//! What an operator has drained, in a file of its own, so that a restart of the daemon does not undo it.
//!
//! Only `bgpctl drain cancel` ends a drain that an operator began; a crash or an upgrade in the middle of the work on a
//! rack must not. The file is there only while somebody is drained, and is written before the operator has the answer.
//!
//! The surprise is that a boot of the machine ends drains too. While the node is drained the kernel keeps the routes it
//! has, so that the node itself gets out; after a boot there are none to keep, and a node that reaches nobody could not
//! even be told to come back.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::snapshot::Moment;

/// The name of the file in the state directory.
const NAME: &str = "drained";
/// The most octets it may have: names and messages of thousands of peers.
const MAX_SIZE: u64 = 1 << 20;

/// Whom operators have drained, and what those are told with the Cease.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// The message for every peer; `None` where the node is not drained.
    pub node: Option<String>,
    /// The messages for peers that are drained by themselves.
    pub peers: BTreeMap<String, String>,
}

/// Writes down who is drained.
pub struct Memory {
    directory: PathBuf,
    kept: Drained,
}

/// The file.
#[derive(Serialize, Deserialize)]
struct Record {
    /// The boot of the machine it is about.
    boot: [u8; 16],
    #[serde(flatten)]
    drained: Drained,
}

impl Drained {
    fn is_empty(&self) -> bool {
        self.node.is_none() && self.peers.is_empty()
    }
}

impl Memory {
    /// Opens it, and returns who is still drained. What cannot be read is told of and is as good as nothing.
    #[must_use]
    pub fn open(directory: PathBuf) -> (Self, Drained) {
        let file = directory.join(NAME);
        let drained = match read(&file) {
            Ok(drained) => drained,
            Err(error) => {
                warn!(target: "drain", file = %file.display(), error = format!("{error:#}"),
                    "cannot tell who was drained before; nobody is now");
                Drained::default()
            }
        };
        if !drained.is_empty() {
            let peers: Vec<_> = drained.peers.keys().collect();
            info!(target: "drain", node = drained.node.is_some(), ?peers,
                "drained before, drained still; `bgpctl drain cancel` ends it");
        }
        (Self { directory, kept: drained.clone() }, drained)
    }

    /// Writes down who is drained, if that has changed.
    pub fn keep(&mut self, drained: &Drained) {
        if self.kept == *drained {
            return;
        }
        self.kept.clone_from(drained);
        if let Err(error) = write(&self.directory, drained) {
            warn!(target: "drain", error = format!("{error:#}"), "a restart of podbgpd will not know who is drained");
        }
    }
}

fn read(file: &Path) -> anyhow::Result<Drained> {
    let mut text = Vec::new();
    match fs::File::open(file) {
        Ok(file) => file.take(MAX_SIZE).read_to_end(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Drained::default()),
        Err(error) => return Err(error.into()),
    };
    let record: Record = serde_json::from_slice(&text)?;
    if record.boot != Moment::now()?.boot {
        info!(target: "drain", "the machine was started: what was drained before is not any more");
        return Ok(Drained::default());
    }
    Ok(record.drained)
}

/// Writes beside, then renames. Nothing waits for the disk: what a power failure takes would not be used after it.
fn write(directory: &Path, drained: &Drained) -> anyhow::Result<()> {
    let file = directory.join(NAME);
    if drained.is_empty() {
        return match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", file.display()))
            }
            _ => Ok(()),
        };
    }
    let record = Record { boot: Moment::now()?.boot, drained: drained.clone() };
    let beside = file.with_extension("new");
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    fs::write(&beside, serde_json::to_vec(&record)?)
        .and_then(|()| fs::rename(&beside, &file))
        .with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("podbgp-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        directory
    }

    fn drained() -> Drained {
        let peers = BTreeMap::from([("tor-a".to_owned(), "said \"bye\"\nand went".to_owned())]);
        Drained { node: Some(String::new()), peers }
    }

    #[test]
    fn what_is_drained_is_still_drained_in_the_next_run() {
        let directory = directory("drained");
        let (mut memory, before) = Memory::open(directory.clone());
        assert_eq!(before, Drained::default());
        memory.keep(&drained());
        let (mut memory, before) = Memory::open(directory.clone());
        assert_eq!(before, drained());
        memory.keep(&Drained::default());
        assert!(!directory.join(NAME).exists(), "the file is there only while somebody is drained");
        assert_eq!(Memory::open(directory.clone()).1, Drained::default());
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn another_boot_and_garbage_drain_nobody() {
        let directory = directory("drained-odd");
        fs::create_dir_all(&directory).unwrap();
        let other = Record { boot: [3; 16], drained: drained() };
        let other = serde_json::to_vec(&other).unwrap();
        for text in [other.as_slice(), b"", b"{}", b"\xFF", &other[..20]] {
            fs::write(directory.join(NAME), text).unwrap();
            assert_eq!(Memory::open(directory.clone()).1, Drained::default());
        }
        fs::remove_dir_all(directory).unwrap();
    }
}
