//! Other programs: their input, their output and their end, waited for by fibers.
//!
//! ```
//! use heddle_scheduler::{Scheduler, io::process::Command};
//!
//! let scheduler = Scheduler::builder().workers(1).build()?;
//! let output = scheduler.run(|| Command::new("echo").arg("hello").output())?;
//! assert!(output.status.success());
//! assert_eq!(output.stdout, b"hello\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To start a program takes the system about a millisecond, and is [`blocking`](crate::blocking()): done by a thread of
//! the pool, while the fiber is suspended.

use super::pipe::{PipeReader, PipeWriter};
use super::source::Source;
use crate::blocking::blocking;
use crate::runtime::scope::scope;
use crate::worker::reactor::Direction;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::Path;
use std::process::{self, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// How a program is to be started, as [`std::process::Command`].
#[derive(Debug)]
pub struct Command {
    inner: process::Command,
    kill_on_drop: bool,
    /// What was set, as `output` sets what was not.
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

impl Command {
    /// A program, by its name or its path.
    pub fn new(program: impl AsRef<OsStr>) -> Command {
        process::Command::new(program).into()
    }

    /// One more argument.
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Command {
        self.inner.arg(argument);
        self
    }

    /// More arguments.
    pub fn args(&mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Command {
        self.inner.args(arguments);
        self
    }

    /// A variable of its environment.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Command {
        self.inner.env(name, value);
        self
    }

    /// A variable that it does not get.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Command {
        self.inner.env_remove(name);
        self
    }

    /// It gets none but those that are set here.
    pub fn env_clear(&mut self) -> &mut Command {
        self.inner.env_clear();
        self
    }

    /// The folder that it begins in.
    pub fn current_dir(&mut self, folder: impl AsRef<Path>) -> &mut Command {
        self.inner.current_dir(folder);
        self
    }

    /// What it reads. Without this: what we do; with [`output`](Self::output): nothing.
    pub fn stdin(&mut self, from: impl Into<Stdio>) -> &mut Command {
        self.stdin = true;
        self.inner.stdin(from);
        self
    }

    /// Where it writes to. Without this: where we do; with [`output`](Self::output): to us.
    pub fn stdout(&mut self, to: impl Into<Stdio>) -> &mut Command {
        self.stdout = true;
        self.inner.stdout(to);
        self
    }

    /// Where it writes its errors to. Without this: where we do; with [`output`](Self::output): to us.
    pub fn stderr(&mut self, to: impl Into<Stdio>) -> &mut Command {
        self.stderr = true;
        self.inner.stderr(to);
        self
    }

    /// The program is killed when its [`Child`] is dropped before it has ended: also when a fiber that waits for it is
    /// cancelled. Otherwise it goes on by itself.
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Command {
        self.kill_on_drop = kill;
        self
    }

    /// For what is not here.
    pub fn as_std_mut(&mut self) -> &mut process::Command {
        &mut self.inner
    }

    /// Starts it.
    ///
    /// # Errors
    /// There is no such program, or the system refuses.
    pub fn spawn(&mut self) -> io::Result<Child> {
        let child = blocking(|| self.inner.spawn())?;
        // From here on it ends by `drop`, if something fails.
        let mut child = Child {
            inner: child,
            stdin: None,
            stdout: None,
            stderr: None,
            end: None,
            status: None,
            kill_on_drop: self.kill_on_drop,
        };
        child.end = open_pidfd(child.inner.id()).ok().map(Source::new);
        child.stdin = child.inner.stdin.take().map(|pipe| OwnedFd::from(pipe).try_into()).transpose()?;
        child.stdout = child.inner.stdout.take().map(|pipe| OwnedFd::from(pipe).try_into()).transpose()?;
        child.stderr = child.inner.stderr.take().map(|pipe| OwnedFd::from(pipe).try_into()).transpose()?;
        Ok(child)
    }

    /// Starts it and waits for its end.
    ///
    /// # Errors
    /// As for [`spawn`](Self::spawn).
    pub fn status(&mut self) -> io::Result<ExitStatus> {
        self.spawn()?.wait()
    }

    /// Starts it, and takes all it writes until its end.
    ///
    /// # Errors
    /// As for [`spawn`](Self::spawn).
    pub fn output(&mut self) -> io::Result<Output> {
        if !self.stdin {
            self.inner.stdin(Stdio::null());
        }
        if !self.stdout {
            self.inner.stdout(Stdio::piped());
        }
        if !self.stderr {
            self.inner.stderr(Stdio::piped());
        }
        self.spawn()?.wait_with_output()
    }
}

impl From<process::Command> for Command {
    /// What was set of its input and output is not known here: `output` sets all three.
    fn from(inner: process::Command) -> Command {
        Command { inner, kill_on_drop: false, stdin: false, stdout: false, stderr: false }
    }
}

/// A program that was started.
///
/// When this is dropped the program goes on, unless [`Command::kill_on_drop`] says otherwise. One that has ended and was
/// not waited for leaves a number behind with the system until we end.
#[derive(Debug)]
pub struct Child {
    inner: process::Child,
    /// What it reads is written here, if that was asked for.
    pub stdin: Option<PipeWriter>,
    /// What it writes is read here.
    pub stdout: Option<PipeReader>,
    /// So are its errors.
    pub stderr: Option<PipeReader>,
    /// Tells of its end; `None`: the system is too old (before 5.3) or has no descriptors left.
    end: Option<Source<OwnedFd>>,
    status: Option<ExitStatus>,
    kill_on_drop: bool,
}

/// Without a descriptor that tells of the end, it is asked for so often.
const ASK_EVERY: Duration = Duration::from_millis(5);

impl Child {
    /// Its number in the system.
    pub fn id(&self) -> u32 {
        self.inner.id()
    }

    /// Ends it (`SIGKILL`). It is still to be waited for. One that has ended is left alone.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(&mut self) -> io::Result<()> {
        self.inner.kill()
    }

    /// Has it ended?
    ///
    /// # Errors
    /// Somebody else has waited for it.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.inner.try_wait()?;
        }
        Ok(self.status)
    }

    /// Closes its input, and waits for its end.
    ///
    /// # Errors
    /// Somebody else has waited for it.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.wait_until(None)?.ok_or_else(|| io::Error::other("it has not ended"))
    }

    /// The same for so long at most; `None`: it has not ended.
    ///
    /// # Errors
    /// Somebody else has waited for it.
    pub fn wait_timeout(&mut self, time: Duration) -> io::Result<Option<ExitStatus>> {
        self.wait_until(Instant::now().checked_add(time))
    }

    fn wait_until(&mut self, due: Option<Instant>) -> io::Result<Option<ExitStatus>> {
        drop(self.stdin.take());
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(Some(status));
            }
            let Some(end) = &self.end else {
                if due.is_some_and(|due| Instant::now() >= due) {
                    return Ok(None);
                }
                crate::time::sleep(ASK_EVERY);
                continue;
            };
            let id = self.inner.id();
            let has_ended =
                |_: &OwnedFd| if has_ended(id)? { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) };
            match end.call_until(Direction::Read, due, |()| false, has_ended) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Closes its input, and takes all it writes until its end.
    ///
    /// # Errors
    /// A pipe cannot be read.
    pub fn wait_with_output(mut self) -> io::Result<Output> {
        drop(self.stdin.take());
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        // Both at once, as it may fill either while it waits for room in the other.
        let (stdout, stderr) = match (stdout, stderr) {
            (Some(stdout), Some(stderr)) => read_both(stdout, stderr),
            (stdout, stderr) => {
                let read = |pipe: Option<PipeReader>| pipe.map_or(Ok(Vec::new()), |pipe| read_all(&pipe));
                (read(stdout), read(stderr))
            }
        };
        Ok(Output { stdout: stdout?, stderr: stderr?, status: self.wait()? })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.kill_on_drop && matches!(self.try_wait(), Ok(None)) {
            // It cannot fail for a child of ours; and it ends at once, so that waiting is short.
            let _ = self.inner.kill();
            let _ = self.inner.wait();
        }
    }
}

type Outcome = io::Result<Vec<u8>>;

/// The second by another fiber, or another thread where this is none.
fn read_both(one: PipeReader, other: PipeReader) -> (Outcome, Outcome) {
    let in_fiber = scope(|s| {
        let second = s.go(|| read_all(&other));
        let first = read_all(&one);
        (first, second.join().unwrap_or_else(|error| Err(io::Error::other(error.to_string()))))
    });
    in_fiber.unwrap_or_else(|_| {
        std::thread::scope(|s| {
            let second = s.spawn(|| read_all(&other));
            let first = read_all(&one);
            (first, second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    })
}

fn read_all(mut pipe: &PipeReader) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Has a child of ours ended? It still can be waited for.
fn has_ended(id: u32) -> io::Result<bool> {
    // SAFETY: all zeros are this struct.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: writes one struct of ours.
    if unsafe { libc::waitid(libc::P_PID, id, &mut info, flags) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has filled it in for a child, or left it zero.
    Ok(unsafe { info.si_pid() } != 0)
}

fn open_pidfd(id: u32) -> io::Result<OwnedFd> {
    // SAFETY: takes integers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, id as libc::pid_t, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: made just now, and ours. The system closes it on exec.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
