//! What lets us make namespaces: being root, or a user namespace in which we are.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid};

/// How this process came by the right to make namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// It has it outright.
    Root,
    /// It is root in a user namespace of its own.
    UserNamespace,
}

/// Gives the process namespaces of its own to work in: mounts with a private, empty `/run`, and users when it is
/// not root.
///
/// To be called first thing in `main`: a process with a second thread cannot enter a user namespace. What is
/// written below `/run` from here on is seen by this process and its children only and is gone with them.
///
/// # Errors
/// The kernel does not let this user make namespaces; the text says which switch to look at.
pub fn enter() -> Result<Privilege> {
    let privilege = match unshare(CloneFlags::CLONE_NEWNS) {
        Ok(()) => Privilege::Root,
        Err(Errno::EPERM) => {
            enter_user_namespace()?;
            Privilege::UserNamespace
        }
        Err(errno) => bail!("cannot make a mount namespace ({}){}", errno.desc(), who_forbids()),
    };
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
        .context("cannot make the mounts private")?;
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), Some("mode=0755"))
        .context("cannot mount a private /run")?;
    Ok(privilege)
}

fn enter_user_namespace() -> Result<()> {
    let (uid, gid) = (Uid::current(), Gid::current());
    if let Err(errno) = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS) {
        bail!("this user may not make namespaces ({}){}", errno.desc(), who_forbids());
    }
    let map = |file: &str, text: String| {
        fs::write(file, text).with_context(|| format!("cannot write {file}{}", who_forbids()))
    };
    map("/proc/self/setgroups", "deny".into())?;
    map("/proc/self/uid_map", format!("0 {uid} 1"))?;
    map("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// Names the setting that most likely stands in the way of an unprivileged user.
fn who_forbids() -> String {
    let switches = [
        ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
        ("/proc/sys/user/max_mnt_namespaces", "0", "user.max_mnt_namespaces=15000"),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ];
    let closed = switches.iter().find(|(path, closed, _)| {
        fs::read_to_string(Path::new(path)).is_ok_and(|value| value.trim() == *closed)
    });
    match closed {
        Some((_, _, open)) => format!("\nrun it as root, or open the switch: sysctl -w {open}"),
        None => "\nrun it as root; in a container it needs the capabilities SYS_ADMIN and NET_ADMIN".into(),
    }
}
