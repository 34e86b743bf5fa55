//! The TCP Authentication Option (RFC 5925), where the kernel has it: Linux 6.7 built with `CONFIG_TCP_AO`.
//!
//! A key is changed without losing the session by having both for a while: the new one is added on both sides, then
//! put first, which asks the peer to sign with it (RNextKeyID, RFC 5925 §7.5), then the old one is taken away. What
//! we sign with follows what the peer asks for, so neither side has to hurry.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd};

use ipnet::IpNet;

use super::sockopt::{set, storage};
use crate::intent::{AoAlgorithm, AoKey};

/// The options of linux/tcp.h, which `libc` does not have.
const TCP_AO_ADD_KEY: c_int = 38;
const TCP_AO_DEL_KEY: c_int = 39;
const TCP_AO_INFO: c_int = 40;
/// The first bits of the flags of all three structures.
const SET_CURRENT: u32 = 1;
const SET_RNEXT: u32 = 2;
/// The octets of a signature: both algorithms of RFC 5926 make 96 bits.
const MAC: u8 = 12;

/// `struct tcp_ao_add` of linux/tcp.h.
#[repr(C, align(8))]
struct TcpAoAdd {
    address: libc::sockaddr_storage,
    algorithm: [u8; 64],
    interface: i32,
    flags: u32,
    reserved: u16,
    prefix: u8,
    send_id: u8,
    receive_id: u8,
    mac_length: u8,
    key_flags: u8,
    key_length: u8,
    key: [u8; 80],
}

/// `struct tcp_ao_del` of linux/tcp.h.
#[repr(C, align(8))]
struct TcpAoDel {
    address: libc::sockaddr_storage,
    interface: i32,
    flags: u32,
    reserved: u16,
    prefix: u8,
    send_id: u8,
    receive_id: u8,
    current: u8,
    rnext: u8,
    key_flags: u8,
}

/// `struct tcp_ao_info_opt` of linux/tcp.h.
#[repr(C, align(8))]
struct TcpAoInfo {
    flags: u32,
    reserved: u16,
    current: u8,
    rnext: u8,
    counters: [u64; 5],
}

/// Gives a socket these keys for a prefix in place of those it had.
///
/// # Errors
/// `Unsupported` where the kernel has no TCP-AO; else what the kernel says.
pub(super) fn change(socket: &impl AsFd, of: IpNet, before: &[AoKey], wanted: &[AoKey]) -> io::Result<()> {
    let listens = || listens(socket);
    // A key that keeps its number and is another has to go first, and the session with it if it is in use.
    let mut replaced = before.iter().filter(|old| wanted.iter().any(|new| new.id == old.id && new != *old));
    replaced.try_for_each(|old| remove(socket, of, old, None))?;
    for key in wanted.iter().filter(|key| !before.contains(key)) {
        add(socket, of, key)?;
    }
    let first = wanted.first();
    if let Some(first) = first.filter(|first| before.first() != Some(first))
        && !listens()
    {
        ask_for(socket, first, before.is_empty())?;
    }
    let mut gone = before.iter().filter(|old| wanted.iter().all(|new| new.id != old.id));
    gone.try_for_each(|old| remove(socket, of, old, first.filter(|_| !listens())))
}

/// Checks that a connection is signed.
///
/// # Errors
/// That it is not, or cannot be.
pub(super) fn expect(socket: &impl AsFd) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid value of this plain C structure.
    let mut info: TcpAoInfo = unsafe { MaybeUninit::zeroed().assume_init() };
    let mut length = mem::size_of::<TcpAoInfo>() as libc::socklen_t;
    // SAFETY: the descriptor is open as long as the borrow lives; the kernel writes at most `length` octets.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            TCP_AO_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(explained(io::Error::last_os_error())),
    }
}

fn add(socket: &impl AsFd, of: IpNet, key: &AoKey) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid value of this plain C structure.
    let mut option: TcpAoAdd = unsafe { MaybeUninit::zeroed().assume_init() };
    option.address = storage(of.addr());
    option.prefix = of.prefix_len();
    fill(&mut option.algorithm, kernel_name(key.algorithm).as_bytes());
    (option.send_id, option.receive_id, option.mac_length) = (key.id, key.id, MAC);
    // A secret is at most 80 octets long.
    option.key_length = key.secret.reveal().len() as u8;
    fill(&mut option.key, key.secret.reveal());
    set(socket, libc::IPPROTO_TCP, TCP_AO_ADD_KEY, &option).map_err(explained)
}

/// Takes a key off; one that is in use gives way to another.
fn remove(socket: &impl AsFd, of: IpNet, key: &AoKey, instead: Option<&AoKey>) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid value of this plain C structure.
    let mut option: TcpAoDel = unsafe { MaybeUninit::zeroed().assume_init() };
    option.address = storage(of.addr());
    option.prefix = of.prefix_len();
    (option.send_id, option.receive_id) = (key.id, key.id);
    if let Some(instead) = instead {
        option.flags = SET_CURRENT | SET_RNEXT;
        (option.current, option.rnext) = (instead.id, instead.id);
    }
    set(socket, libc::IPPROTO_TCP, TCP_AO_DEL_KEY, &option).map_err(explained)
}

/// Asks the peer to sign with a key, and signs with it ourselves where nothing has been said yet.
fn ask_for(socket: &impl AsFd, key: &AoKey, at_once: bool) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid value of this plain C structure.
    let mut option: TcpAoInfo = unsafe { MaybeUninit::zeroed().assume_init() };
    option.flags = if at_once { SET_CURRENT | SET_RNEXT } else { SET_RNEXT };
    (option.current, option.rnext) = (key.id, key.id);
    set(socket, libc::IPPROTO_TCP, TCP_AO_INFO, &option).map_err(explained)
}

/// Tells whether a socket waits for connections: it asks nobody for anything.
fn listens(socket: &impl AsFd) -> bool {
    socket2::SockRef::from(socket).is_listener().unwrap_or(false)
}

fn kernel_name(algorithm: AoAlgorithm) -> &'static str {
    match algorithm {
        AoAlgorithm::HmacSha1 => "hmac(sha1)",
        AoAlgorithm::AesCmac => "cmac(aes128)",
        AoAlgorithm::HmacSha256 => "hmac(sha256)",
    }
}

fn fill(into: &mut [u8], octets: &[u8]) {
    into.iter_mut().zip(octets).for_each(|(into, octet)| *into = *octet);
}

/// Says what the kernel's error means for the operator.
fn explained(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ENOPROTOOPT) => io::Error::new(
            io::ErrorKind::Unsupported,
            "this kernel has no TCP-AO: it takes Linux 6.7 with CONFIG_TCP_AO, or tcp-ao left out",
        ),
        Some(libc::ENOENT) => {
            io::Error::new(io::ErrorKind::PermissionDenied, "the connection is not signed with TCP-AO")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::intent::Secret;

    fn key(id: u8) -> AoKey {
        AoKey { id, algorithm: AoAlgorithm::default(), secret: Secret::new(b"sesame").unwrap() }
    }

    #[test]
    fn the_structures_are_as_long_as_the_kernels() {
        assert_eq!(mem::size_of::<TcpAoAdd>(), 288);
        assert_eq!(mem::size_of::<TcpAoDel>(), 144);
        assert_eq!(mem::size_of::<TcpAoInfo>(), 48);
    }

    #[test]
    fn keys_are_rolled_over_or_the_kernel_has_none() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer: IpNet = "127.0.0.1/32".parse().unwrap();
        match change(&listener, peer, &[], &[key(1)]) {
            Ok(()) => {
                change(&listener, peer, &[key(1)], &[key(2), key(1)]).unwrap();
                change(&listener, peer, &[key(2), key(1)], &[key(2)]).unwrap();
                change(&listener, peer, &[key(2)], &[]).unwrap();
            }
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error}"),
        }
    }

    #[test]
    fn a_connection_without_signature_is_none() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(expect(&listener.accept().unwrap().0).is_err());
    }
}
