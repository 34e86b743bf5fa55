//! What the kernel tells of its routes while it changes them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{Socket, SocketAddr};

use super::{KernelRoute, Namespace, enlarge_receive_buffer};

/// Room for some fifty thousand notifications while the witness does not get to run.
const BUFFER: usize = 128 << 20;
/// More than any one datagram.
const DATAGRAM: usize = 64 << 10;

/// Hears of every route the kernel deletes, as `ip monitor route` would. A route that is replaced is not deleted.
///
/// What goes with its nexthop object or with its link goes without a word: whether a route is there is another
/// question. Dropping the witness ends it.
#[derive(Debug)]
pub struct Witness {
    account: Arc<Mutex<Account>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Account {
    deleted: BTreeSet<IpNet>,
    /// Why it is not a whole one.
    failed: Option<io::Error>,
}

impl Witness {
    /// Starts listening in a namespace.
    ///
    /// # Errors
    /// The kernel's.
    pub fn start(namespace: &Namespace) -> Result<Self> {
        let socket = namespace
            .run(open)
            .with_context(|| format!("cannot listen to the kernel of {}", namespace.name()))?;
        let account = Arc::new(Mutex::new(Account::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (record, stopped) = (account.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Err(error) = hear(&socket, &record) {
                    lock(&record).failed = Some(error);
                    return;
                }
            }
        });
        Ok(Self { account, stop, thread: Some(thread) })
    }

    /// Returns the destinations of the main table's routes that were deleted since it listens.
    ///
    /// # Errors
    /// It is not a whole account: the kernel told more than there was room for.
    pub fn deleted(&self) -> Result<BTreeSet<IpNet>> {
        let account = lock(&self.account);
        ensure!(account.failed.is_none(), "the witness has missed something: {:?}", account.failed);
        Ok(account.deleted.clone())
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open() -> Result<Socket> {
    let groups = [libc::RTMGRP_IPV4_ROUTE, libc::RTMGRP_IPV6_ROUTE];
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.set_non_blocking(true)?;
    enlarge_receive_buffer(&socket, BUFFER);
    socket.bind(&SocketAddr::new(0, groups.iter().fold(0, |all, group| all | group.cast_unsigned())))?;
    Ok(socket)
}

/// Waits a little for what the kernel tells, and writes it down.
fn hear(socket: &Socket, account: &Mutex<Account>) -> io::Result<()> {
    let _ = poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], PollTimeout::from(50_u8));
    let mut buffer = Vec::with_capacity(DATAGRAM);
    loop {
        buffer.clear();
        match socket.recv(&mut buffer, 0) {
            Ok(_) => lock(account).deleted.extend(deletions(&buffer)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn deletions(mut octets: &[u8]) -> Vec<IpNet> {
    let mut deleted = Vec::new();
    while let Some(length) = octets.first_chunk().map(|length| u32::from_ne_bytes(*length) as usize) {
        let Some(message) = octets.get(..length).filter(|message| !message.is_empty()) else { break };
        if let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(message)
            && let NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelRoute(route)) = message.payload
        {
            let route = KernelRoute::from_message(&route, &BTreeMap::new());
            deleted.extend(route.map(|route| route.destination));
        }
        octets = octets.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    deleted
}
