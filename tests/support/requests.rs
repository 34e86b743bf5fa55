//! Who writes routes and nexthops in a namespace, request by request, whatever program it is.
//!
//! The kernel tells of every change with the port and the sequence number of the request that caused it. So the
//! distinct pairs are the requests; a change the kernel made by itself carries port zero.

use std::collections::HashSet;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Result, anyhow};
use lab::net::Namespace;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{MsgFlags, recv};

use crate::raw_netlink::{DEL_NEXT_HOP, NEW_NEXT_HOP, open, parts};

/// Room for a quarter of a million notifications.
const BUFFER: usize = 256 << 20;
/// The group `RTNLGRP_NEXTHOP`, as a mask.
const NEXT_HOPS: u32 = 1 << 31;

/// Counts requests until dropped.
#[derive(Debug)]
pub struct Requests {
    heard: Arc<Mutex<Vec<Instant>>>,
    overrun: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Requests {
    /// Starts listening in a namespace.
    ///
    /// # Errors
    /// Not allowed.
    pub fn watch(namespace: &Namespace) -> Result<Self> {
        let groups = (libc::RTMGRP_IPV4_ROUTE | libc::RTMGRP_IPV6_ROUTE).cast_unsigned() | NEXT_HOPS;
        let socket = namespace.run(|| open(groups, BUFFER))?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (overrun, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (record, lost, stopped) = (heard.clone(), overrun.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            let mut seen = HashSet::new();
            while !stopped.load(Ordering::Relaxed) {
                let length = match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                    Ok(length) => length,
                    Err(Errno::ENOBUFS) => {
                        lost.store(true, Ordering::Relaxed);
                        continue;
                    }
                    Err(_) => continue,
                };
                let now = Instant::now();
                for (header, body) in parts(&buffer[..length]) {
                    let is_dynamic =
                        protocol(header.kind, body).is_some_and(|number| number > libc::RTPROT_STATIC);
                    if header.port != 0 && is_dynamic && seen.insert((header.port, header.sequence)) {
                        record.lock().unwrap_or_else(PoisonError::into_inner).push(now);
                    }
                }
            }
        });
        Ok(Self { heard, overrun, stop, thread: Some(thread) })
    }

    /// When each request was heard of, in order.
    ///
    /// # Errors
    /// Some were not: the buffer was too small.
    pub fn heard(&self) -> Result<Vec<Instant>> {
        if self.overrun.load(Ordering::Relaxed) {
            return Err(anyhow!("notifications were lost, the count would be wrong"));
        }
        Ok(self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Whose route or nexthop a message is about.
fn protocol(kind: u16, body: &[u8]) -> Option<u8> {
    match kind {
        libc::RTM_NEWROUTE | libc::RTM_DELROUTE => body.get(5).copied(),
        NEW_NEXT_HOP | DEL_NEXT_HOP => body.get(2).copied(),
        _ => None,
    }
}
