//! Socket options BGP needs and no library has: MD5 signatures, the TTL security check, what TCP measures.
//!
//! The only unsafe code of the daemon is here and in `tcp_ao`: `setsockopt` and `getsockopt` with structures of the
//! kernel's own.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use ipnet::IpNet;
use socket2::SockAddr;

/// The longest key the kernel takes (`TCP_MD5SIG_MAXKEYLEN`).
const MAX_KEY: usize = 80;
/// Takes the prefix length of `struct tcp_md5sig` for good (linux/tcp.h).
const TCP_MD5SIG_EXT: c_int = 32;
const TCP_MD5SIG_FLAG_PREFIX: u8 = 1;
/// Keep the packet a connection began with, and give it out once (linux/tcp.h).
const TCP_SAVE_SYN: c_int = 27;
const TCP_SAVED_SYN: c_int = 28;

/// `struct tcp_md5sig` of linux/tcp.h.
#[repr(C)]
struct TcpMd5Sig {
    address: libc::sockaddr_storage,
    flags: u8,
    prefix_length: u8,
    key_length: u16,
    interface: c_int,
    key: [u8; MAX_KEY],
}

/// Signs segments to and from a prefix with a key, or no longer (RFC 2385). Of several prefixes the narrowest counts.
///
/// On a listener it decides about connections to come, on a connection about the segments to come; an
/// established session may change its key without being reset, if both ends do.
///
/// # Errors
/// `InvalidInput` for a key that is empty or longer than 80 octets; else what the kernel says.
pub(super) fn set_md5_key(socket: &impl AsFd, of: IpNet, key: Option<&[u8]>) -> io::Result<()> {
    let key = match key {
        Some(key) if key.is_empty() || key.len() > MAX_KEY => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("an MD5 key has 1 to {MAX_KEY} octets, this one {}", key.len()),
            ));
        }
        key => key.unwrap_or_default(),
    };
    // SAFETY: all-zero bytes are a valid value of this plain C structure.
    let mut option: TcpMd5Sig = unsafe { MaybeUninit::zeroed().assume_init() };
    option.address = storage(of.addr());
    let name = if of.prefix_len() == of.max_prefix_len() {
        libc::TCP_MD5SIG
    } else {
        (option.flags, option.prefix_length) = (TCP_MD5SIG_FLAG_PREFIX, of.prefix_len());
        TCP_MD5SIG_EXT
    };
    option.key_length = key.len() as u16;
    for (into, octet) in option.key.iter_mut().zip(key) {
        *into = *octet;
    }
    match set(socket, libc::IPPROTO_TCP, name, &option) {
        // There was no key to take away.
        Err(error) if key.is_empty() && error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        result => result,
    }
}

/// Sends with a hop limit, and drops what arrives with less than `minimum` (RFC 5082); 0 accepts all.
///
/// # Errors
/// What the kernel says.
pub(super) fn set_hop_limit(socket: &impl AsFd, peer: IpAddr, send: u8, minimum: u8) -> io::Result<()> {
    let (send, minimum) = (c_int::from(send), c_int::from(minimum));
    match peer {
        IpAddr::V4(_) => {
            set(socket, libc::IPPROTO_IP, libc::IP_TTL, &send)?;
            set(socket, libc::IPPROTO_IP, libc::IP_MINTTL, &minimum)
        }
        IpAddr::V6(_) => {
            set(socket, libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, &send)?;
            set(socket, libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT, &minimum)
        }
    }
}

/// Has a raw ICMPv6 socket hear messages of these types and no others (RFC 3542 §3.2).
///
/// # Errors
/// What the kernel says.
pub(crate) fn hear_only(socket: &impl AsFd, types: &[u8]) -> io::Result<()> {
    /// `ICMPV6_FILTER` of linux/icmpv6.h: a bit for each type that is blocked.
    const FILTER: c_int = 1;
    let mut blocked = [u32::MAX; 8];
    for kind in types {
        blocked[usize::from(kind / 32)] &= !(1 << (kind % 32));
    }
    set(socket, libc::IPPROTO_ICMPV6, FILTER, &blocked)
}

/// What TCP has measured of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The smoothed round-trip time.
    pub round_trip: Duration,
    /// How many segments were sent again since it was opened.
    pub retransmissions: u32,
}

/// Asks what TCP has measured of a connection.
///
/// # Errors
/// What the kernel says.
pub(super) fn measured(socket: &impl AsFd) -> io::Result<Measured> {
    // SAFETY: all-zero bytes are a valid value of this plain C structure.
    let mut info: libc::tcp_info = unsafe { MaybeUninit::zeroed().assume_init() };
    let mut length = mem::size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the descriptor is open as long as the borrow lives; the kernel writes at most `length` octets.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Measured {
        round_trip: Duration::from_micros(info.tcpi_rtt.into()),
        retransmissions: info.tcpi_total_retrans,
    })
}

/// Has a listener keep the first packet of each connection, for [`first_hop_limit`].
///
/// # Errors
/// What the kernel says.
pub(super) fn keep_first_packets(listener: &impl AsFd) -> io::Result<()> {
    set(listener, libc::IPPROTO_TCP, TCP_SAVE_SYN, &c_int::from(true))
}

/// Returns the hop limit the first packet of an incoming connection arrived with; `None` when it was not kept.
///
/// What arrives before [`set_hop_limit`] was not checked by the kernel: this tells whether anything could.
pub(super) fn first_hop_limit(socket: &impl AsFd) -> Option<u8> {
    // An IP header with a TCP header, options and all.
    let mut packet = [0_u8; 512];
    let mut length = packet.len() as libc::socklen_t;
    // SAFETY: the descriptor is open as long as the borrow lives; the kernel writes at most `length` octets.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            TCP_SAVED_SYN,
            packet.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let packet = packet.get(..length as usize).filter(|packet| result == 0 && !packet.is_empty())?;
    match packet.first()? >> 4 {
        4 => packet.get(8).copied(),
        6 => packet.get(7).copied(),
        _ => None,
    }
}

/// Returns an address as the kernel's structures hold it.
pub(super) fn storage(address: IpAddr) -> libc::sockaddr_storage {
    let address = SockAddr::from(SocketAddr::new(address, 0));
    // SAFETY: all-zero bytes are a valid value of this plain C structure.
    let mut storage: libc::sockaddr_storage = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: a SockAddr never holds more octets than a sockaddr_storage has room for, and both are plain data.
    unsafe {
        std::ptr::copy_nonoverlapping(
            address.as_ptr().cast::<u8>(),
            (&raw mut storage).cast::<u8>(),
            address.len() as usize,
        );
    }
    storage
}

/// Sets an option of the kernel's.
///
/// # Errors
/// What the kernel says.
pub(super) fn set<T>(socket: &impl AsFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as the borrow lives; the kernel reads size_of::<T>() octets of value.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            mem::size_of::<T>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_structure_is_as_long_as_the_kernels() {
        assert_eq!(mem::size_of::<TcpMd5Sig>(), 216);
    }

    #[test]
    fn a_key_is_set_changed_and_taken_away() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = IpNet::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        set_md5_key(&listener, peer, Some(b"first")).unwrap();
        set_md5_key(&listener, peer, Some(b"second")).unwrap();
        set_md5_key(&listener, peer, None).unwrap();
        set_md5_key(&listener, peer, None).unwrap();
        assert_eq!(
            set_md5_key(&listener, peer, Some(&[7; 81])).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }

    #[test]
    fn an_open_connection_has_a_round_trip_time() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let measured = measured(&stream).unwrap();
        assert!(!measured.round_trip.is_zero(), "{measured:?}");
        assert_eq!(measured.retransmissions, 0);
    }

    #[test]
    fn a_prefix_has_a_key_of_its_own() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let range = "10.0.0.0/8".parse().unwrap();
        set_md5_key(&listener, range, Some(b"first")).unwrap();
        set_md5_key(&listener, range, None).unwrap();
    }

    #[test]
    fn both_families_take_a_hop_limit() {
        let v4 = TcpListener::bind("127.0.0.1:0").unwrap();
        set_hop_limit(&v4, Ipv4Addr::LOCALHOST.into(), 255, 255).unwrap();
        let v6 = TcpListener::bind("[::1]:0").unwrap();
        set_hop_limit(&v6, Ipv6Addr::LOCALHOST.into(), 255, 254).unwrap();
    }
}
