//! The socket file: made with the right mode from its first moment, and never taken from a living daemon.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

/// Owner and group may connect.
const MODE: u32 = 0o660;

/// The listening control socket. Dropping it removes the file.
#[derive(Debug)]
pub struct ControlListener {
    listener: UnixListener,
    path: PathBuf,
}

/// Why the control socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The directory is missing and could not be made.
    #[error("cannot make the directory of the control socket {path}: {source}")]
    Directory {
        /// The socket's path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Somebody answers there.
    #[error("another daemon listens on the control socket {path}: stop it, or set [control] socket")]
    InUse {
        /// The socket's path.
        path: PathBuf,
    },
    /// Something is there that is not ours to remove.
    #[error("{path} exists and is not a socket: remove it, or set [control] socket")]
    NotASocket {
        /// The socket's path.
        path: PathBuf,
    },
    /// The kernel refused.
    #[error("cannot listen on the control socket {path}: {source}")]
    Listen {
        /// The socket's path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl ControlListener {
    /// Listens on `path`, making its directory and replacing a socket nobody listens on. Needs a tokio runtime.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        let owned = || path.to_owned();
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)
                .map_err(|source| BindError::Directory { path: owned(), source })?;
        }
        match std::fs::symlink_metadata(path) {
            Ok(file) if !file.file_type().is_socket() => return Err(BindError::NotASocket { path: owned() }),
            Ok(_) if somebody_listens(path) => return Err(BindError::InUse { path: owned() }),
            // What is left of a dead daemon is replaced by the rename below; other errors come up there again.
            Ok(_) | Err(_) => {}
        }
        let listener = listen(path).map_err(|source| BindError::Listen { path: owned(), source })?;
        Ok(Self { listener, path: owned() })
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }
}

impl Drop for ControlListener {
    fn drop(&mut self) {
        // Gone already is as good, and at the end of the daemon there is nobody left to tell.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Binds under another name first: the path itself never shows a socket with a wrong mode.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&new)?;
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(MODE))?;
    std::fs::rename(&new, path)?;
    Ok(listener)
}

/// Knocks without waiting: a listener whose queue is full is a listener too.
fn somebody_listens(path: &Path) -> bool {
    let knock = || -> io::Result<()> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    !matches!(knock(), Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
}
