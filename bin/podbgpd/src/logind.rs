//! The shutdown of the machine, as systemd-logind tells of it.
//!
//! Whoever holds a *delay lock* is told before a shutdown or reboot begins, and has the time until it lets go of the
//! lock or `InhibitDelayMaxSec` is over (5 seconds, unless the machine says otherwise). The lock is a file descriptor;
//! to let go of it is to close it. This module takes the lock, passes on the news together with it, and decides nothing.
//!
//! A machine without system bus or logind is nothing to complain about: it is asked again now and then, and otherwise
//! left alone. The bus is at `$DBUS_SYSTEM_BUS_ADDRESS`, or where it always is. Anybody on it may send us signals, so
//! only those of the owner of logind's name count.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use rustbus::connection::{Error, Timeout, ll_conn::force_finish_on_error};
use rustbus::message_builder::{MarshalledMessage, MessageType};
use rustbus::wire::UnixFd;
use rustbus::wire::errors::UnmarshalError;
use rustbus::wire::unmarshal::traits::Variant;
use rustbus::{MessageBuilder, RpcConn, standard_messages};
// The one of rustbus, which has addresses of sockets in its interface.
use rustbus_nix::sys::socket::UnixAddr;
use tokio::sync::mpsc;
use tracing::{debug, info};

const SERVICE: &str = "org.freedesktop.login1";
const OBJECT: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const BUS: &str = "org.freedesktop.DBus";
const SIGNALS: &str = "type='signal',sender='org.freedesktop.login1',path='/org/freedesktop/login1',\
                       interface='org.freedesktop.login1.Manager',member='PrepareForShutdown'";

/// How long the bus may take to answer.
const ANSWER: Timeout = Timeout::Duration(Duration::from_secs(5));
/// How long to wait before the bus is looked for again.
const PAUSE: Duration = Duration::from_secs(60);
/// What the machine gives everybody unless it says otherwise.
const DELAY: Duration = Duration::from_secs(5);
/// What of the time is left to the machine.
const MARGIN: Duration = Duration::from_millis(300);

/// What the machine is about to do.
#[derive(Debug)]
pub enum News {
    /// It shuts down, once the lock is dropped or the time is over.
    Goes {
        /// The time there is.
        within: Duration,
        /// What holds it up.
        lock: Lock,
    },
    /// It has changed its mind.
    Stays,
}

/// Holds up the machine's shutdown for as long as it lives.
#[derive(Debug)]
pub struct Lock {
    _descriptor: UnixFd,
}

/// Why nothing is heard of logind.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("no system bus: {0}")]
    Address(rustbus_nix::Error),
    #[error("the system bus does not answer: {0}")]
    Bus(#[from] Error),
    #[error("logind refuses: {0}")]
    Refused(String),
    #[error("an answer is not what it should be: {0:?}")]
    Answer(UnmarshalError),
    #[error("nobody listens any more")]
    Deaf,
}

/// Starts to listen, for as long as somebody receives the news.
///
/// # Errors
/// No thread can be had.
pub fn watch() -> std::io::Result<mpsc::Receiver<News>> {
    let (sender, news) = mpsc::channel(4);
    thread::Builder::new().name("logind".to_owned()).spawn(move || listen(&sender))?;
    Ok(news)
}

/// Listens again and again, and says why not only when that is news.
fn listen(news: &mpsc::Sender<News>) {
    let mut said = String::new();
    loop {
        let Err(trouble) = Logind::connect().and_then(|mut logind| logind.follow(news)) else { return };
        if matches!(trouble, Trouble::Deaf) {
            return;
        }
        let text = trouble.to_string();
        if text != said {
            debug!(target: "drain", why = text, "a shutdown of this machine will not wait for a drain");
            said = text;
        }
        thread::sleep(PAUSE);
    }
}

/// A connection to the bus that logind is on.
struct Logind(RpcConn);

impl Logind {
    fn connect() -> Result<Self, Trouble> {
        let address = std::env::var("DBUS_SYSTEM_BUS_ADDRESS").ok();
        let path =
            address.and_then(|list| path(&list)).unwrap_or_else(|| "/run/dbus/system_bus_socket".into());
        let address = UnixAddr::new(&path).map_err(Trouble::Address)?;
        Ok(Self(RpcConn::connect_to_path(address, ANSWER)?))
    }

    /// Passes on what logind says until the connection breaks.
    fn follow(&mut self, news: &mpsc::Sender<News>) -> Result<(), Trouble> {
        // First the signal, then the lock: a shutdown between the two is heard of all the same.
        self.ask(standard_messages::add_match(SIGNALS))?;
        let mut lock = Some(self.inhibit()?);
        info!(target: "drain", "a shutdown of this machine waits until the node is drained");
        loop {
            let signal = self.0.wait_signal(Timeout::Infinite)?;
            let Some(goes) = self.prepares_for_shutdown(&signal)? else { continue };
            let said = match (goes, lock.take()) {
                (true, Some(lock)) => News::Goes { within: self.delay().saturating_sub(MARGIN), lock },
                (true, None) => continue,
                (false, held) => {
                    lock = Some(held.map_or_else(|| self.inhibit(), Ok)?);
                    News::Stays
                }
            };
            news.blocking_send(said).map_err(|_| Trouble::Deaf)?;
        }
    }

    /// Reads the signal, if it is logind's.
    fn prepares_for_shutdown(&mut self, signal: &MarshalledMessage) -> Result<Option<bool>, Trouble> {
        let head = &signal.dynheader;
        if (head.interface.as_deref(), head.member.as_deref()) != (Some(MANAGER), Some("PrepareForShutdown"))
        {
            return Ok(None);
        }
        let mut question = MessageBuilder::new()
            .call("GetNameOwner")
            .with_interface(BUS)
            .on("/org/freedesktop/DBus")
            .at(BUS)
            .build();
        push(question.body.push_param(SERVICE));
        let answer = self.ask(question)?;
        let owner: &str = answer.body.parser().get().map_err(Trouble::Answer)?;
        match head.sender.as_deref() == Some(owner) {
            true => signal.body.parser().get().map(Some).map_err(Trouble::Answer),
            false => Ok(None),
        }
    }

    fn inhibit(&mut self) -> Result<Lock, Trouble> {
        let mut question =
            MessageBuilder::new().call("Inhibit").with_interface(MANAGER).on(OBJECT).at(SERVICE).build();
        push(question.body.push_param4("shutdown", "podbgpd", "traffic leaves this node first", "delay"));
        let answer = self.ask(question)?;
        let descriptor: UnixFd = answer.body.parser().get().map_err(Trouble::Answer)?;
        Ok(Lock { _descriptor: descriptor })
    }

    /// Returns how long a lock is respected.
    fn delay(&mut self) -> Duration {
        let mut question = MessageBuilder::new()
            .call("Get")
            .with_interface("org.freedesktop.DBus.Properties")
            .on(OBJECT)
            .at(SERVICE)
            .build();
        push(question.body.push_param2(MANAGER, "InhibitDelayMaxUSec"));
        let microseconds = self.ask(question).ok().and_then(|answer| {
            let value: Variant<'_, '_> = answer.body.parser().get().ok()?;
            value.get::<u64>().ok()
        });
        microseconds.map_or(DELAY, Duration::from_micros)
    }

    fn ask(&mut self, mut question: MarshalledMessage) -> Result<MarshalledMessage, Trouble> {
        let serial = self.0.send_message(&mut question)?.write(ANSWER).map_err(force_finish_on_error)?;
        let answer = self.0.wait_response(serial, ANSWER)?;
        match answer.typ {
            MessageType::Error => Err(Trouble::Refused(answer.dynheader.error_name.unwrap_or_default())),
            _ => Ok(answer),
        }
    }
}

/// Short texts without a zero always fit into a message.
fn push<E: std::fmt::Debug>(pushed: Result<(), E>) {
    debug_assert!(pushed.is_ok(), "{pushed:?}");
}

/// Finds the first socket in a list of addresses of the bus.
fn path(addresses: &str) -> Option<PathBuf> {
    let sockets = addresses.split(';').filter_map(|address| address.strip_prefix("unix:"));
    let mut paths = sockets.flat_map(|keys| keys.split(',')).filter_map(|pair| pair.strip_prefix("path="));
    paths.next().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_socket_of_an_address_is_taken() {
        let of = |text| path(text).map(|path| path.display().to_string());
        assert_eq!(of("unix:path=/run/bus"), Some("/run/bus".to_owned()));
        assert_eq!(of("tcp:host=x;unix:guid=12,path=/run/bus,x=y"), Some("/run/bus".to_owned()));
        assert_eq!(of("unix:abstract=/run/bus"), None);
    }
}
