//! How a file is written for the next run: a mark, a number for the way it is written, the contents, and a SHA-1 over
//! all of it against chance, not against malice.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use sha1::{Digest, Sha1};

use super::Unusable;

/// The most octets a file may have.
const MAX_SIZE: u64 = 256 << 20;
const CHECKSUM: usize = 20;

/// What a file is, and how it is written.
pub(super) struct Seal {
    /// The name of the file in its folder.
    pub(super) name: &'static str,
    /// What it begins with.
    pub(super) mark: &'static [u8; 12],
    /// The way it is written. Another number for every other way.
    pub(super) format: u16,
}

impl Seal {
    /// Begins a file.
    pub(super) fn begin(&self) -> Vec<u8> {
        let mut octets = self.mark.to_vec();
        octets.extend(self.format.to_be_bytes());
        octets
    }

    /// Ends a file whose contents are there.
    pub(super) fn end(mut octets: Vec<u8>) -> Vec<u8> {
        let checksum = Sha1::digest(&octets);
        octets.extend(checksum.as_slice());
        octets
    }

    /// Returns the contents of a file.
    pub(super) fn contents<'a>(&self, octets: &'a [u8]) -> Result<&'a [u8], Unusable> {
        let rest = octets.strip_prefix(self.mark).ok_or(Unusable::Damaged)?;
        let (format, _) = rest.split_first_chunk().ok_or(Unusable::Damaged)?;
        let format = u16::from_be_bytes(*format);
        if format != self.format {
            return Err(Unusable::Format(format));
        }
        let (said, checksum) = octets.split_last_chunk::<CHECKSUM>().ok_or(Unusable::Damaged)?;
        if Sha1::digest(said).as_slice() != checksum {
            return Err(Unusable::Damaged);
        }
        said.get(self.mark.len() + size_of_val(&format)..).ok_or(Unusable::Damaged)
    }

    /// Reads the file in a folder.
    pub(super) fn read(&self, directory: &Path) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        File::open(directory.join(self.name))?.take(MAX_SIZE + 1).read_to_end(&mut octets)?;
        if octets.len() as u64 > MAX_SIZE { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(octets) }
    }

    /// Writes beside, then renames: whoever reads finds the old one or the new one. Nothing waits for the disk: what a
    /// power failure takes would not be used after it.
    pub(super) fn write(&self, directory: &Path, octets: &[u8]) -> anyhow::Result<()> {
        let file = directory.join(self.name);
        let beside = file.with_extension("new");
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let fill = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?.write_all(octets)?;
            fs::rename(&beside, &file)
        };
        fill().with_context(|| format!("cannot write {}", file.display()))
    }
}
