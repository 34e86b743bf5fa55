//! A system bus of one's own with a logind on it that does what the test says.

use std::fs;
use std::io::Read;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use lab::net::Namespace;
use lab::process::Process;
use lab::speakers::find_program;
use rustbus::connection::{Error, Timeout};
use rustbus::message_builder::MarshalledMessage;
use rustbus::wire::UnixFd;
use rustbus::{MessageBuilder, RpcConn, standard_messages};
use rustbus_nix::sys::socket::UnixAddr;

use crate::{SOON, eventually};

const SERVICE: &str = "org.freedesktop.login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const OBJECT: &str = "/org/freedesktop/login1";
/// How long a lock is respected.
const DELAY: Duration = Duration::from_secs(15);

/// A bus that lets everybody do everything.
const CONFIGURATION: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=SOCKET</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
  </policy>
</busconfig>
"#;

/// The bus and the service.
pub struct Logind {
    socket: PathBuf,
    signals: Sender<bool>,
    locks: Receiver<(Lock, String)>,
    /// Who took the last lock.
    holder: Option<String>,
    _bus: Process,
}

/// A lock somebody took.
pub struct Lock(Arc<AtomicBool>);

impl Lock {
    /// Tells whether it has not been let go of.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Logind {
    /// Starts both.
    ///
    /// # Panics
    /// When one does not start; see [`crate::missing`].
    #[must_use]
    pub fn start(namespace: &Namespace, directory: &Path) -> Self {
        let socket = directory.join("bus");
        let file = directory.join("bus.conf");
        let text = CONFIGURATION.replace("SOCKET", &socket.display().to_string());
        fs::write(&file, text).expect("the configuration is written");
        let mut command = Command::new(find_program("dbus-daemon").expect("dbus-daemon is installed"));
        command.arg("--nofork").arg("--nopidfile").arg("--config-file").arg(&file);
        let bus = Process::start(namespace, "dbus-daemon", command, directory).expect("dbus-daemon starts");
        let connection = eventually(SOON, "the bus", || connect(&socket).context("it does not answer"));
        let (signals, wanted) = mpsc::channel();
        let (taken, locks) = mpsc::channel();
        let mut service = Service { connection, taken };
        service.call(standard_messages::request_name(SERVICE, 0));
        thread::spawn(move || service.run(&wanted));
        Self { socket, signals, locks, holder: None, _bus: bus }
    }

    /// Returns the address of the bus.
    #[must_use]
    pub fn address(&self) -> String {
        format!("unix:path={}", self.socket.display())
    }

    /// Waits until somebody takes a lock.
    ///
    /// # Panics
    /// When nobody does.
    pub fn await_lock(&mut self) -> Lock {
        let (lock, holder) = self.locks.recv_timeout(SOON).expect("somebody takes a lock");
        self.holder = Some(holder);
        lock
    }

    /// Says that the machine shuts down, or after all does not.
    ///
    /// # Panics
    /// When the service has died.
    pub fn prepare_for_shutdown(&self, start: bool) {
        self.signals.send(start).expect("the service runs");
    }

    /// Has somebody else say so to whoever holds the lock.
    ///
    /// # Panics
    /// When the bus does not take it, or nobody holds a lock.
    pub fn impersonate(&self, start: bool) {
        let mut liar = connect(&self.socket).expect("the bus answers");
        let holder = self.holder.as_deref().expect("somebody holds a lock");
        say(&mut liar, start, Some(holder));
    }
}

struct Service {
    connection: RpcConn,
    taken: Sender<(Lock, String)>,
}

impl Service {
    fn run(&mut self, wanted: &Receiver<bool>) {
        loop {
            match self.connection.wait_call(Timeout::Duration(Duration::from_millis(50))) {
                Ok(call) => self.answer(&call),
                Err(Error::TimedOut) => {}
                // The bus ends with the test.
                Err(_) => return,
            }
            for start in wanted.try_iter() {
                say(&mut self.connection, start, None);
            }
        }
    }

    fn answer(&mut self, call: &MarshalledMessage) {
        let mut answer = call.dynheader.make_response();
        match call.dynheader.member.as_deref() {
            Some("Inhibit") => {
                let (what, _, _, mode): (&str, &str, &str, &str) =
                    call.body.parser().get4().expect("four texts");
                assert_eq!((what, mode), ("shutdown", "delay"));
                let (mut theirs, ours) = std::io::pipe().expect("a pipe");
                let held = Arc::new(AtomicBool::new(true));
                let flag = Arc::clone(&held);
                thread::spawn(move || {
                    // It ends when every copy of the other end is closed.
                    let _ = theirs.read(&mut [0]);
                    flag.store(false, Ordering::SeqCst);
                });
                let descriptor = UnixFd::new(OwnedFd::from(ours).into_raw_fd());
                answer.body.push_param(descriptor).expect("it fits");
                let holder = call.dynheader.sender.clone().unwrap_or_default();
                // A test that is over takes no locks.
                let _ = self.taken.send((Lock(held), holder));
            }
            Some("Get") => {
                let delay = u64::try_from(DELAY.as_micros()).expect("it fits");
                answer.body.push_variant(delay).expect("it fits");
            }
            other => panic!("logind is asked for {other:?}"),
        }
        self.connection
            .send_message(&mut answer)
            .and_then(|sending| sending.write_all().map_err(|(_, e)| e))
            .expect("the bus reads");
    }

    fn call(&mut self, mut message: MarshalledMessage) {
        let sending = self.connection.send_message(&mut message).expect("the bus reads");
        let serial = sending.write_all().map_err(|(_, error)| error).expect("the bus reads");
        self.connection.wait_response(serial, Timeout::Duration(SOON)).expect("the bus answers");
    }
}

fn connect(socket: &Path) -> Result<RpcConn, Error> {
    RpcConn::connect_to_path(UnixAddr::new(socket)?, Timeout::Duration(SOON))
}

fn say(connection: &mut RpcConn, start: bool, to: Option<&str>) {
    let signal = MessageBuilder::new().signal(MANAGER, "PrepareForShutdown", OBJECT);
    let mut signal = match to {
        Some(to) => signal.to(to).build(),
        None => signal.build(),
    };
    signal.body.push_param(start).expect("it fits");
    let sending = connection.send_message(&mut signal).expect("the bus reads");
    sending.write_all().map_err(|(_, error)| error).expect("the bus reads");
}
