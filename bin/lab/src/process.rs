//! Child processes whose output is kept and who never outlive us.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::net::Namespace;
use crate::wait::wait_until;

/// A program running in a namespace, its output going to a file. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program; what it prints goes to `DIRECTORY/NAME.log`, appended when that file exists.
    ///
    /// # Errors
    /// The program is not there or the log cannot be written.
    pub fn start(namespace: &Namespace, name: &str, mut command: Command, directory: &Path) -> Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = namespace.spawn(command).with_context(|| format!("cannot start {program}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// The name it was started with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has printed so far, earlier runs of the same name included.
    #[must_use]
    pub fn output(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The last lines it printed, for an error text.
    #[must_use]
    pub fn last_words(&self) -> String {
        let output = self.output();
        let lines: Vec<_> = output.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The kernel's.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Fails with its last words when it is no longer running.
    ///
    /// # Errors
    /// It has ended.
    pub fn expect_alive(&mut self) -> Result<()> {
        match self.exited()? {
            Some(status) => bail!("{} ended ({status}):\n{}", self.name, self.last_words()),
            None => Ok(()),
        }
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It has ended and been waited for.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.pid(), signal).with_context(|| format!("cannot send {signal} to {}", self.name))
    }

    /// Sends it and its children a signal.
    ///
    /// # Errors
    /// It has ended and been waited for.
    pub fn signal_all(&self, signal: Signal) -> Result<()> {
        self.signal(signal)?;
        for child in self.children() {
            kill(child, signal)
                .with_context(|| format!("cannot send {signal} to a child of {}", self.name))?;
        }
        Ok(())
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// It is still running after the limit.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("{} to end", self.name);
        let (status, _) = wait_until(limit, &what, || self.exited()?.context("it is still running"))?;
        Ok(status)
    }

    /// Asks it to end (SIGTERM) and kills it when it does not within the limit.
    ///
    /// # Errors
    /// It ignored SIGTERM.
    pub fn stop(&mut self, limit: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.exited()? {
            return Ok(status);
        }
        self.signal(Signal::SIGTERM)?;
        self.wait(limit).inspect_err(|_| {
            self.kill();
        })
    }

    /// Kills it (SIGKILL) and waits until it is gone. Its children go with it: a frozen one would not see that it
    /// is alone.
    pub fn kill(&mut self) {
        if let Ok(None) = self.exited() {
            for child in self.children() {
                let _ = kill(child, Signal::SIGKILL);
            }
        }
        // It may have ended already, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn children(&self) -> Vec<Pid> {
        let id = self.id();
        let list = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        list.split_whitespace().filter_map(|child| child.parse().ok()).map(Pid::from_raw).collect()
    }

    fn pid(&self) -> Pid {
        // A process id fits: the kernel's limit is 2²².
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
