//! What can go wrong, as opaque errors with predicates; each message says what to do.

use std::any::Any;
use std::fmt;

/// Why a scheduler could not be built, started or stopped, or would not take a fiber.
///
/// ```
/// use heddle_scheduler::Scheduler;
/// let error = Scheduler::builder().workers(0).build().unwrap_err();
/// assert!(error.is_config());
/// assert!(error.to_string().contains("workers(0)"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Config(String),
    Thread(String),
    Stopped,
    Limit(usize),
    Inside(&'static str),
    Outside(&'static str),
    NoMemory(String),
    Busy(String),
}

impl Error {
    pub(crate) fn config(message: impl Into<String>) -> Error {
        Error(Kind::Config(message.into()))
    }

    pub(crate) fn thread(message: impl Into<String>) -> Error {
        Error(Kind::Thread(message.into()))
    }

    pub(crate) fn stopped() -> Error {
        Error(Kind::Stopped)
    }

    pub(crate) fn limit(limit: usize) -> Error {
        Error(Kind::Limit(limit))
    }

    pub(crate) fn inside(call: &'static str) -> Error {
        Error(Kind::Inside(call))
    }

    pub(crate) fn outside(call: &'static str) -> Error {
        Error(Kind::Outside(call))
    }

    pub(crate) fn no_memory(message: impl Into<String>) -> Error {
        Error(Kind::NoMemory(message.into()))
    }

    pub(crate) fn busy(message: impl Into<String>) -> Error {
        Error(Kind::Busy(message.into()))
    }

    /// It cannot be done while fibers run that it would concern.
    pub fn is_busy(&self) -> bool {
        matches!(self.0, Kind::Busy(_))
    }

    /// An option has a value that cannot work.
    pub fn is_config(&self) -> bool {
        matches!(self.0, Kind::Config(_))
    }

    /// The system refused to create a worker thread.
    pub fn is_thread(&self) -> bool {
        matches!(self.0, Kind::Thread(_))
    }

    /// The scheduler has been stopped.
    pub fn is_stopped(&self) -> bool {
        matches!(self.0, Kind::Stopped)
    }

    /// The limit on live fibers is reached.
    pub fn is_limit(&self) -> bool {
        matches!(self.0, Kind::Limit(_))
    }

    /// The call cannot be made from inside a fiber of the same scheduler.
    pub fn is_inside_fiber(&self) -> bool {
        matches!(self.0, Kind::Inside(_))
    }

    /// The call can only be made from inside a fiber.
    pub fn is_outside_fiber(&self) -> bool {
        matches!(self.0, Kind::Outside(_))
    }

    /// The system has no memory for a stack.
    pub fn is_no_memory(&self) -> bool {
        matches!(self.0, Kind::NoMemory(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Config(message) | Kind::Thread(message) | Kind::NoMemory(message) | Kind::Busy(message) => {
                f.write_str(message)
            }
            Kind::Stopped => f.write_str("the scheduler has been stopped; call start() to use it again"),
            Kind::Limit(limit) => write!(
                f,
                "{limit} fibers are live, which is the limit set by Builder::max_fibers; \
                 wait for some to finish, raise the limit, or choose AtLimit::Wait"
            ),
            Kind::Inside(call) => write!(
                f,
                "{call} was called from a fiber of the same scheduler, which it would have to wait for; \
                 call it from another thread, or use stop_soon() to begin stopping without waiting"
            ),
            Kind::Outside(call) => write!(
                f,
                "{call} was called outside of any fiber; call it from code that runs in Scheduler::go"
            ),
        }
    }
}

impl std::error::Error for Error {}

/// Why [`JoinHandle::join`](crate::JoinHandle::join) has no value to return.
///
/// ```
/// use heddle_scheduler::Scheduler;
/// let scheduler = Scheduler::builder().workers(1).build()?;
/// let error = scheduler.go(|| panic!("no oil")).join().unwrap_err();
/// assert!(error.is_panic());
/// assert_eq!(error.to_string(), "the fiber panicked: no oil");
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
pub struct JoinError(Box<Cause>);

// SAFETY: whoever shares it sees no more of a panic's payload than its text, if it is a `&str` or a `String`.
unsafe impl Sync for JoinError {}

enum Cause {
    Panicked(Box<dyn Any + Send>),
    Cancelled,
    NotStarted(Error),
    Interrupted,
    JoinsItself,
    CannotWait,
    Failed,
    TooLate { started: bool },
}

impl JoinError {
    pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> JoinError {
        JoinError(Box::new(Cause::Panicked(payload)))
    }

    pub(crate) fn cancelled() -> JoinError {
        JoinError(Box::new(Cause::Cancelled))
    }

    pub(crate) fn not_started(error: Error) -> JoinError {
        JoinError(Box::new(Cause::NotStarted(error)))
    }

    pub(crate) fn interrupted() -> JoinError {
        JoinError(Box::new(Cause::Interrupted))
    }

    pub(crate) fn joins_itself() -> JoinError {
        JoinError(Box::new(Cause::JoinsItself))
    }

    pub(crate) fn cannot_wait() -> JoinError {
        JoinError(Box::new(Cause::CannotWait))
    }

    pub(crate) fn too_late(started: bool) -> JoinError {
        JoinError(Box::new(Cause::TooLate { started }))
    }

    pub(crate) fn failed() -> JoinError {
        JoinError(Box::new(Cause::Failed))
    }

    /// The fiber panicked; [`into_panic`](Self::into_panic) has what it panicked with.
    pub fn is_panic(&self) -> bool {
        matches!(*self.0, Cause::Panicked(_))
    }

    /// The fiber was cancelled, before it started or at a blocking call; also by its deadline.
    pub fn is_cancelled(&self) -> bool {
        matches!(*self.0, Cause::Cancelled | Cause::TooLate { .. })
    }

    /// The fiber's [deadline](crate::FiberBuilder::deadline), or that of one it descends from, passed before it started
    /// or while it waited.
    pub fn is_deadline_exceeded(&self) -> bool {
        matches!(*self.0, Cause::TooLate { .. })
    }

    /// The scheduler was stopped before the fiber could start.
    pub fn is_stopped(&self) -> bool {
        matches!(&*self.0, Cause::NotStarted(error) if error.is_stopped())
    }

    /// The fiber never ran: a limit was reached, the scheduler was stopped, or there was no memory.
    /// The error says which.
    pub fn not_started_because(&self) -> Option<&Error> {
        match &*self.0 {
            Cause::NotStarted(error) => Some(error),
            _ => None,
        }
    }

    /// The *waiting* fiber was cancelled; the one it waited for goes on, detached.
    pub fn is_interrupted(&self) -> bool {
        matches!(*self.0, Cause::Interrupted)
    }

    /// A fiber tried to wait for its own end.
    pub fn is_self_join(&self) -> bool {
        matches!(*self.0, Cause::JoinsItself)
    }

    /// `join` was called where nothing can wait: by a destructor, during a panic or on a worker's own
    /// stack.
    pub fn is_unable_to_wait(&self) -> bool {
        matches!(*self.0, Cause::CannotWait)
    }

    /// The fiber returned an error, which its [`try_scope`](crate::Scheduler::try_scope) returns.
    pub fn is_failure(&self) -> bool {
        matches!(*self.0, Cause::Failed)
    }

    /// The text of the panic, if it was one.
    pub(crate) fn panic_text(&self) -> Option<&str> {
        match &*self.0 {
            Cause::Panicked(payload) => Some(panic_text(&**payload)),
            _ => None,
        }
    }

    /// What the fiber panicked with, to be passed to [`std::panic::resume_unwind`]; or the error
    /// itself, if it did not panic.
    pub fn into_panic(self) -> Result<Box<dyn Any + Send>, JoinError> {
        match *self.0 {
            Cause::Panicked(payload) => Ok(payload),
            other => Err(JoinError(Box::new(other))),
        }
    }
}

/// The text of a panic, where it has one.
fn panic_text(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "(a value that is not text)"
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Cause::Panicked(payload) => write!(f, "the fiber panicked: {}", panic_text(&**payload)),
            Cause::Cancelled => f.write_str("the fiber was cancelled"),
            Cause::NotStarted(error) => write!(f, "the fiber was never started: {error}"),
            Cause::Interrupted => f.write_str("the waiting fiber was cancelled while it joined another"),
            Cause::JoinsItself => {
                f.write_str("a fiber cannot join itself; move the handle to whoever should wait for it")
            }
            Cause::TooLate { started: true } => f.write_str("the fiber was cancelled, as its deadline had passed"),
            Cause::TooLate { started: false } => f.write_str("the fiber was never started, as its deadline had passed"),
            Cause::Failed => f.write_str("the fiber returned an error, which its try_scope returns"),
            Cause::CannotWait => f.write_str(
                "join() was called by a destructor where nothing can wait: while its fiber panics, or for a value \
                 that a worker drops because nobody joined its fiber; join before that, or let the handle go",
            ),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}

/// The current fiber was asked to end, or the time of a [`timeout`](crate::timeout) that it is in is over; see
/// [`suspend`](crate::suspend::suspend).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled(pub(crate) ());

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the fiber was cancelled, or the time of a timeout that it is in is over")
    }
}

impl std::error::Error for Cancelled {}

/// The time of a section was over before it came to its end; see [`timeout`](crate::timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(pub(crate) ());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was over before the section had come to its end")
    }
}

impl std::error::Error for Elapsed {}
