//! A BGP speaker that does only what the test tells it: no timers, no opinions.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bgp::wire::{CodecContext, decode, encode, next_frame, pack};
use bgp::{Asn, BgpId, Capability, Family, FamilySet, HoldTime, Message, Nlri, Open, PathAttributes};
use bytes::BytesMut;
use ipnet::IpNet;
use lab::net::Namespace;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, SockaddrIn, bind, connect, socket};

use crate::{SOON, eventually};

/// One session for IPv4, dialled from the peer's namespace.
#[derive(Debug)]
pub struct Puppet {
    stream: TcpStream,
    context: CodecContext,
    received: BytesMut,
    open: Option<Open>,
}

impl Puppet {
    /// Dials until somebody answers and both have said OPEN and KEEPALIVE.
    ///
    /// A hold time of zero means that neither side needs to speak.
    ///
    /// # Panics
    /// When that does not happen soon.
    #[must_use]
    pub fn connect(namespace: &Namespace, to: IpAddr, asn: u32, hold_time: u16) -> Self {
        Self::connect_with(namespace, to, asn, hold_time, &[])
    }

    /// As [`Puppet::connect`], with more capabilities than the usual.
    ///
    /// # Panics
    /// As [`Puppet::connect`].
    #[must_use]
    pub fn connect_with(
        namespace: &Namespace,
        to: IpAddr,
        asn: u32,
        hold_time: u16,
        capabilities: &[Capability],
    ) -> Self {
        eventually(SOON, "a session with the puppet", || {
            let mut puppet = Self::dial(namespace, to)?;
            puppet.say_open_with(asn, hold_time, capabilities)?;
            puppet.confirm()?;
            Ok(puppet)
        })
    }

    /// Dials and says nothing.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn dial(namespace: &Namespace, to: IpAddr) -> Result<Self> {
        let to = SocketAddr::new(to, 179);
        Self::over(namespace.run(|| TcpStream::connect_timeout(&to, Duration::from_secs(2)))?)
    }

    /// As [`Puppet::dial`], from one of the namespace's addresses.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn dial_from(namespace: &Namespace, from: Ipv4Addr, to: Ipv4Addr) -> Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let stream = namespace.run(|| -> Result<TcpStream> {
            let socket = socket(AddressFamily::Inet, SockType::Stream, flags, SockProtocol::Tcp)?;
            bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(from, 0)))?;
            connect(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(to, 179)))?;
            Ok(TcpStream::from(socket))
        })?;
        Self::over(stream)
    }

    /// Takes a connection that somebody else dialled.
    ///
    /// # Errors
    /// It is gone already.
    pub fn over(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(Self { stream, context: CodecContext::before_open(), received: BytesMut::new(), open: None })
    }

    /// Says OPEN. The BGP identifier is the AS number with 192 in front.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn say_open(&mut self, asn: u32, hold_time: u16) -> Result<()> {
        self.say_open_with(asn, hold_time, &[])
    }

    /// As [`Puppet::say_open`], with more capabilities than the usual.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn say_open_with(&mut self, asn: u32, hold_time: u16, capabilities: &[Capability]) -> Result<()> {
        let octets = asn.to_be_bytes();
        let identifier = Ipv4Addr::new(192, octets[1], octets[2], octets[3]);
        self.say(&Message::Open(Open {
            asn: Asn::from(asn),
            hold_time: HoldTime::new(hold_time).context("a hold time")?,
            bgp_id: BgpId::new(identifier).context("an identifier")?,
            capabilities: [
                Capability::Multiprotocol(Family::Ipv4.code()),
                Capability::RouteRefresh,
                Capability::FourOctetAsn(Asn::from(asn)),
            ]
            .into_iter()
            .chain(capabilities.iter().cloned())
            .collect(),
        }))
    }

    /// Hears OPEN, says KEEPALIVE and hears it: the session is up.
    ///
    /// # Errors
    /// The other side says something else.
    pub fn confirm(&mut self) -> Result<()> {
        match self.hear()? {
            Message::Open(open) => self.open = Some(open),
            other => bail!("{other:?} instead of an OPEN"),
        }
        self.context.four_octet_asn = true;
        self.context.families = [Family::Ipv4].into_iter().collect::<FamilySet>();
        self.say(&Message::Keepalive)?;
        match self.hear()? {
            Message::Keepalive => Ok(()),
            other => bail!("{other:?} instead of a KEEPALIVE"),
        }
    }

    /// The other side's OPEN, once it was heard.
    #[must_use]
    pub fn open(&self) -> Option<&Open> {
        self.open.as_ref()
    }

    /// Sends one message.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn say(&mut self, message: &Message) -> Result<()> {
        let mut octets = BytesMut::new();
        encode(message, &self.context, &mut octets)?;
        Ok(self.stream.write_all(&octets)?)
    }

    /// Sends octets as they are.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn send(&mut self, octets: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(octets)?)
    }

    /// Announces prefixes with the same attributes.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn announce(&mut self, attributes: &PathAttributes, prefixes: &[IpNet]) -> Result<()> {
        let nlri: Vec<_> = prefixes.iter().copied().map(Nlri::from).collect();
        let mut octets = BytesMut::new();
        pack::announce(attributes, Family::Ipv4, &nlri, &self.context, &mut octets)?;
        self.send(&octets)
    }

    /// Says that everything has been announced (RFC 4724 §2).
    ///
    /// # Errors
    /// The connection is gone.
    pub fn end_of_rib(&mut self) -> Result<()> {
        let mut octets = BytesMut::new();
        pack::end_of_rib(Family::Ipv4, &self.context, &mut octets);
        self.send(&octets)
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// None came in five seconds, or it is malformed, or the connection is gone.
    pub fn hear(&mut self) -> Result<Message> {
        loop {
            if let Some(frame) = next_frame(&mut self.received, &self.context)? {
                return Ok(decode(frame, &self.context)?.message);
            }
            let mut chunk = [0; 65536];
            match self.stream.read(&mut chunk) {
                Ok(0) => bail!("the other side closed the connection"),
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The connection itself, for those who do the rest by hand.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// What to encode with.
    #[must_use]
    pub fn context(&self) -> &CodecContext {
        &self.context
    }
}

/// The length of the message at the front, if all of it is there.
pub(crate) fn message_length(octets: &[u8]) -> Option<usize> {
    let header = octets.get(..19)?;
    let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
    (octets.len() >= length).then_some(length)
}
