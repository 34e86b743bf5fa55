//! Socket options that no library of ours sets.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use rtnetlink::sys::Socket;

use crate::message::next_hop;

/// Asks for a receive buffer of `octets`, beyond the system's limit if we may.
pub(super) fn set_receive_buffer(socket: &Socket, octets: c_int) -> io::Result<()> {
    // In a user namespace we may write routes but not exceed the limit.
    set(socket, libc::SO_RCVBUFFORCE, &octets).or_else(|_| set(socket, libc::SO_RCVBUF, &octets))
}

/// Ends a wait for an answer that never comes.
pub(super) fn set_receive_timeout(socket: &Socket, timeout: Duration) -> io::Result<()> {
    let timeout = libc::timeval {
        tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_usec: timeout.subsec_micros().into(),
    };
    set(socket, libc::SO_RCVTIMEO, &timeout)
}

/// Keeps notifications about the writes of `port` away from `socket`.
///
/// A notification carries the port number of whoever caused it. The program drops what tells of routes and
/// nexthop objects by that one port, so that our own writes do not fill our own ears, and passes all else.
pub(super) fn ignore_writes_of(socket: &Socket, port: u32) -> io::Result<()> {
    /// Offsets in `struct nlmsghdr`.
    const TYPE: u32 = 4;
    const PORT: u32 = 12;
    let mut program = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, PORT),
        jump_if(port.to_be(), 0, 6),
        statement(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, TYPE),
        jump_if(libc::RTM_NEWROUTE.to_be().into(), 3, 0),
        jump_if(libc::RTM_DELROUTE.to_be().into(), 2, 0),
        jump_if(next_hop::RTM_NEWNEXTHOP.to_be().into(), 1, 0),
        jump_if(next_hop::RTM_DELNEXTHOP.to_be().into(), 0, 1),
        statement(libc::BPF_RET | libc::BPF_K, 0),
        statement(libc::BPF_RET | libc::BPF_K, u32::MAX),
    ];
    attach(socket, &mut program)
}

/// Keeps from `socket` what is told of neighbours, except that the kernel itself gave one up.
///
/// A notification that somebody caused carries that somebody's port number: an operator who deletes an entry
/// of the table says nothing about the neighbour. Of a flood of neighbours that appear nothing gets through.
pub(super) fn only_failed_neighbours(socket: &Socket) -> io::Result<()> {
    /// Offsets in `struct nlmsghdr`, and behind it in `struct ndmsg`.
    const TYPE: u32 = 4;
    const PORT: u32 = 12;
    const STATE: u32 = 16 + 8;
    let load = |size: u32, at: u32| statement(libc::BPF_LD | size | libc::BPF_ABS, at);
    let mut program = [
        load(libc::BPF_H, TYPE),
        jump_if(libc::RTM_DELNEIGH.to_be().into(), 6, 0),
        jump_if(libc::RTM_NEWNEIGH.to_be().into(), 0, 4),
        load(libc::BPF_H, STATE),
        jump_if(libc::NUD_FAILED.to_be().into(), 0, 3),
        load(libc::BPF_W, PORT),
        jump_if(0, 0, 1),
        statement(libc::BPF_RET | libc::BPF_K, u32::MAX),
        statement(libc::BPF_RET | libc::BPF_K, 0),
    ];
    attach(socket, &mut program)
}

/// Keeps from `socket` what is told of routes of one protocol, but for answers to its own questions: those are of many
/// parts, and the program sees only the first of them.
pub(super) fn ignore_routes_of(socket: &Socket, protocol: u8) -> io::Result<()> {
    /// Offsets in `struct nlmsghdr`, and behind it in `struct rtmsg`.
    const TYPE: u32 = 4;
    const FLAGS: u32 = 6;
    const PROTOCOL: u32 = 16 + 5;
    let load = |size: u32, at: u32| statement(libc::BPF_LD | size | libc::BPF_ABS, at);
    let many_parts = (libc::NLM_F_MULTI as u16).to_be();
    let mut program = [
        load(libc::BPF_H, FLAGS),
        jump_if_any(many_parts.into(), 5, 0),
        load(libc::BPF_H, TYPE),
        jump_if(libc::RTM_NEWROUTE.to_be().into(), 1, 0),
        jump_if(libc::RTM_DELROUTE.to_be().into(), 0, 2),
        load(libc::BPF_B, PROTOCOL),
        jump_if(protocol.into(), 1, 0),
        statement(libc::BPF_RET | libc::BPF_K, u32::MAX),
        statement(libc::BPF_RET | libc::BPF_K, 0),
    ];
    attach(socket, &mut program)
}

/// Jumps if the loaded value has any of these bits.
fn jump_if_any(k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16, jt, jf, k }
}

fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

/// Jumps by the loaded value; the machine loads in network order what netlink wrote in host order.
fn jump_if(k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, jt, jf, k }
}

fn attach(socket: &Socket, program: &mut [libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    set(socket, libc::SO_ATTACH_FILTER, &program)
}

fn set<T>(socket: &Socket, name: c_int, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the socket is open, the kernel reads `length` octets from `value` during the call and keeps
    // no pointer; the program behind a `sock_fprog` outlives the call in the only caller that passes one.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, std::ptr::from_ref(value).cast(), length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
