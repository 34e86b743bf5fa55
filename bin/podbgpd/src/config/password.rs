//! The file a password is in.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::reader::Value;
use crate::intent::Secret;

/// Reads the password a value names the file of. The end of the last line does not belong to it.
pub(super) fn read(value: &Value<'_>, directory: &Path) -> Option<Secret> {
    let name = value.text()?;
    if name.is_empty() || name.contains('\0') {
        return value
            .refuse("is not the name of a file", "write password-file = \"/etc/podbgp/tor-a.password\"");
    }
    let path = directory.join(name);
    let (octets, mode) = match read_start(&path) {
        Ok(read) => read,
        Err(error) => {
            let hint = format!("put the password alone into {} and let podbgpd read it", path.display());
            return value.refuse(format!("cannot be read: {error}"), hint);
        }
    };
    if mode & 0o007 != 0 {
        value.warn(
            "everybody on this machine can read the password",
            format!("run chmod 600 {}", path.display()),
        );
    }
    let line = octets.strip_suffix(b"\n").unwrap_or(&octets);
    let password = line.strip_suffix(b"\r").unwrap_or(line);
    if password.contains(&b'\n') {
        return value.refuse("the file has more than one line", "put the password alone into the file");
    }
    match Secret::new(password) {
        Some(secret) => Some(secret),
        None if password.is_empty() => {
            value.refuse("the file is empty", "put the password into it, or leave password-file out")
        }
        None => value.refuse(
            format!("the password is longer than {} octets", Secret::MAX),
            "choose a shorter one on both sides: TCP MD5 takes no more",
        ),
    }
}

/// Reads no more of a regular file than it takes to see that it is too long.
fn read_start(path: &Path) -> std::io::Result<(Vec<u8>, u32)> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("is not a regular file"));
    }
    let mut octets = Vec::new();
    File::open(path)?.take(4 * Secret::MAX as u64).read_to_end(&mut octets)?;
    Ok((octets, metadata.permissions().mode()))
}
