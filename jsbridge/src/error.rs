//! What can go wrong, as one opaque error with predicates; each message says what to do.

use heddle_scheduler::{JoinError, JoinHandle};
use std::fmt;
use std::time::Duration;

/// Why a script has no value to return, or a bridge could not be built.
///
/// ```
/// use heddle_jsbridge::Bridge;
/// use heddle_scheduler::{Priority, Scheduler};
///
/// let scheduler = Scheduler::builder().workers(1).build()?;
/// let bridge = Bridge::builder(&scheduler).build()?;
/// let error = bridge.eval(Priority::Normal, "let a;\na.b").join().unwrap_err();
/// assert!(error.is_exception());
/// assert_eq!(error.to_string(), "TypeError: cannot read property 'b' of undefined");
/// assert_eq!(error.location().unwrap().line, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Kind>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Exception(Thrown),
    StackOverflow(Thrown),
    UnhandledRejection(Thrown),
    Timeout(Duration),
    OutOfMemory(usize),
    /// The Deferred's own timeout.
    Overdue,
    Cancelled,
    Pending,
    Exited(i32),
    Config(String),
    Conversion(String),
    Limit(usize),
    NestedLimit(usize, usize),
    NoIsolate(usize),
    Fiber(String),
}

/// What a script threw, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Thrown {
    /// Empty if it was no `Error`.
    pub(crate) name: String,
    pub(crate) message: String,
    pub(crate) stack: String,
    /// As `console.error` shows it; empty where that was not asked.
    pub(crate) shown: String,
}

/// Where in a script something happened. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Location {
    /// The script's [name](crate::Script::name).
    pub script: String,
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

impl Error {
    /// The engine's message for a recursion that is too deep, and its regular expressions' one.
    const TOO_DEEP: [(&str, &str); 2] =
        [("RangeError", "Maximum call stack size exceeded"), ("SyntaxError", "stack overflow")];

    pub(crate) fn thrown(thrown: Thrown) -> Error {
        let what = (thrown.name.as_str(), thrown.message.as_str());
        Error(Box::new(if Self::TOO_DEEP.contains(&what) {
            Kind::StackOverflow(thrown)
        } else {
            Kind::Exception(thrown)
        }))
    }

    /// It happened in a Deferred of that name.
    pub(crate) fn of(self, name: Option<&str>) -> Error {
        match (*self.0, name) {
            (Kind::UnhandledRejection(mut thrown), Some(name)) => {
                thrown.stack.push_str(&format!("\n    --- in Deferred '{name}'"));
                Error(Box::new(Kind::UnhandledRejection(thrown)))
            }
            (kind, _) => Error(Box::new(kind)),
        }
    }

    /// As an uncaught error is shown.
    pub(crate) fn with_stack(&self) -> String {
        self.js_stack().map_or_else(|| self.to_string(), |stack| format!("{self}\n{stack}"))
    }

    /// The same error, of a promise that nobody looked at.
    pub(crate) fn into_unhandled(self) -> Error {
        match *self.0 {
            Kind::Exception(thrown) => Error(Box::new(Kind::UnhandledRejection(thrown))),
            _ => self,
        }
    }

    pub(crate) fn timeout(limit: Duration) -> Error {
        Error(Box::new(Kind::Timeout(limit)))
    }

    pub(crate) fn out_of_memory(limit: usize) -> Error {
        Error(Box::new(Kind::OutOfMemory(limit)))
    }

    pub(crate) fn overdue() -> Error {
        Error(Box::new(Kind::Overdue))
    }

    /// As scripts see it: the error's name and message.
    pub(crate) fn as_js(&self) -> (&'static str, String) {
        let name = match &*self.0 {
            Kind::Cancelled => "AbortError",
            Kind::Overdue | Kind::Timeout(_) => "TimeoutError",
            Kind::OutOfMemory(_) => "OutOfMemoryError",
            Kind::Limit(_) | Kind::NestedLimit(..) | Kind::NoIsolate(_) => "IsolateLimitError",
            Kind::Pending => "NeverSettledError",
            _ => "Error",
        };
        (name, self.to_string())
    }

    pub(crate) fn more_rejections(count: usize) -> Error {
        let message = format!("{count} more promises were rejected, and nobody handled that");
        Error::thrown(Thrown { message, ..Thrown::default() }).into_unhandled()
    }

    /// It was a Deferred's own timeout.
    pub(crate) fn is_overdue(&self) -> bool {
        matches!(*self.0, Kind::Overdue)
    }

    /// What the scheduler has refused says why.
    pub(crate) fn refused<T>(fiber: JoinHandle<T>) -> Error {
        // What was refused has its answer already; nobody waits here.
        let refused = fiber.is_finished().then(|| fiber.join().err()).flatten();
        Error::not_started(refused.as_ref().and_then(JoinError::not_started_because))
    }

    /// `reason` is the scheduler's, where it refused at once.
    pub(crate) fn not_started(reason: Option<&heddle_scheduler::Error>) -> Error {
        let reason = reason.map_or_else(
            || "the scheduler was stopped meanwhile, or there was no memory for its stack".to_owned(),
            ToString::to_string,
        );
        Error(Box::new(Kind::Fiber(format!("its fiber could not be started: {reason}"))))
    }

    pub(crate) fn cancelled() -> Error {
        Error(Box::new(Kind::Cancelled))
    }

    pub(crate) fn pending() -> Error {
        Error(Box::new(Kind::Pending))
    }

    pub(crate) fn exited(code: i32) -> Error {
        Error(Box::new(Kind::Exited(code)))
    }

    pub(crate) fn config(message: impl Into<String>) -> Error {
        Error(Box::new(Kind::Config(message.into())))
    }

    /// A Rust value has no like in JavaScript, or the other way round; the message has the path.
    pub(crate) fn conversion(message: impl Into<String>) -> Error {
        Error(Box::new(Kind::Conversion(message.into())))
    }

    pub(crate) fn limit(most: usize) -> Error {
        Error(Box::new(Kind::Limit(most)))
    }

    pub(crate) fn nested_limit(most: usize, depth: usize) -> Error {
        Error(Box::new(Kind::NestedLimit(most, depth)))
    }

    pub(crate) fn no_isolate(memory: usize) -> Error {
        Error(Box::new(Kind::NoIsolate(memory)))
    }

    fn as_thrown(&self) -> Option<&Thrown> {
        match &*self.0 {
            Kind::Exception(thrown) | Kind::StackOverflow(thrown) | Kind::UnhandledRejection(thrown) => {
                Some(thrown)
            }
            _ => None,
        }
    }

    /// The script threw, or could not be compiled: [`message`](Self::message) and
    /// [`js_stack`](Self::js_stack) have more. True also where
    /// [`is_stack_overflow`](Self::is_stack_overflow) or
    /// [`is_unhandled_rejection`](Self::is_unhandled_rejection) is.
    pub fn is_exception(&self) -> bool {
        self.as_thrown().is_some()
    }

    /// The script recursed too deeply, and did not catch the `RangeError`. Known by its message.
    pub fn is_stack_overflow(&self) -> bool {
        matches!(*self.0, Kind::StackOverflow(_))
    }

    /// A promise was rejected, and at the script's end nothing had asked for its outcome.
    pub fn is_unhandled_rejection(&self) -> bool {
        matches!(*self.0, Kind::UnhandledRejection(_))
    }

    /// The script ran for longer than it may, and was ended.
    pub fn is_timeout(&self) -> bool {
        matches!(*self.0, Kind::Timeout(_) | Kind::Overdue)
    }

    /// The script needed more memory than it may have, and did not catch the error.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(*self.0, Kind::OutOfMemory(_))
    }

    /// The script was cancelled, or its scheduler was stopped while it ran.
    pub fn is_cancelled(&self) -> bool {
        matches!(*self.0, Kind::Cancelled)
    }

    /// The script's result is a promise that nothing is left to settle.
    pub fn is_pending(&self) -> bool {
        matches!(*self.0, Kind::Pending)
    }

    /// A Rust value could not become a JavaScript value, or a JavaScript value not the Rust value asked for. The message
    /// has the path to what did not fit.
    pub fn is_conversion(&self) -> bool {
        matches!(*self.0, Kind::Conversion(_))
    }

    /// An option of the bridge has a value that cannot work.
    pub fn is_config(&self) -> bool {
        matches!(*self.0, Kind::Config(_))
    }

    /// As many isolates are in use as may be, or the system has no memory for one more.
    pub fn is_limit(&self) -> bool {
        matches!(*self.0, Kind::Limit(_) | Kind::NestedLimit(..) | Kind::NoIsolate(_))
    }

    /// The script's fiber could not be started or waited for, or the host's code in it panicked.
    pub fn is_fiber(&self) -> bool {
        matches!(*self.0, Kind::Fiber(_))
    }

    /// The name of the JavaScript error, like `TypeError`; `None` if something else was thrown.
    pub fn name(&self) -> Option<&str> {
        self.as_thrown().map(|thrown| thrown.name.as_str()).filter(|name| !name.is_empty())
    }

    /// The message of the JavaScript error; of another value that was thrown, its text.
    pub fn message(&self) -> Option<&str> {
        self.as_thrown().map(|thrown| thrown.message.as_str())
    }

    /// The JavaScript stack at the place of the error, innermost first, one line a call.
    pub fn js_stack(&self) -> Option<&str> {
        self.as_thrown().map(|thrown| thrown.stack.as_str()).filter(|stack| !stack.is_empty())
    }

    /// What was thrown as `console.error` shows it: the stack, then properties, the cause, and the members of an
    /// `AggregateError`, each with its own.
    pub fn details(&self) -> Option<&str> {
        self.as_thrown().map(|thrown| thrown.shown.as_str()).filter(|shown| !shown.is_empty())
    }

    /// The script has ended itself by `heddle.exit(code)`.
    pub fn exit_code(&self) -> Option<i32> {
        if let Kind::Exited(code) = *self.0 { Some(code) } else { None }
    }

    /// Where the error was made, if that is a place in a script; where it was made inside of `Deferred` or another global
    /// that is written in JavaScript, where the script called that.
    pub fn location(&self) -> Option<Location> {
        let mut places = self.js_stack()?.lines().filter_map(Location::parse);
        let first = places.next()?;
        if !first.is_ours() {
            return Some(first);
        }
        Some(places.find(|place| !place.is_ours()).unwrap_or(first))
    }
}

impl Location {
    /// In what every isolate is furnished with.
    fn is_ours(&self) -> bool {
        self.script.starts_with("heddle:")
    }

    /// Of a line like `    at inner (script.js:3:14)` or `    at script.js:3:14`.
    fn parse(line: &str) -> Option<Location> {
        let place = line.trim().strip_prefix("at ")?;
        let place = match place.rsplit_once('(') {
            Some((_, inside)) => inside.strip_suffix(')')?,
            None => place,
        };
        let (rest, column) = place.rsplit_once(':')?;
        let (script, line) = rest.rsplit_once(':')?;
        Some(Location { script: script.to_owned(), line: line.parse().ok()?, column: column.parse().ok()? })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.script, self.line, self.column)
    }
}

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name.as_str(), self.message.as_str()) {
            ("", message) => write!(f, "{message} (thrown, and no Error)"),
            (name, "") => f.write_str(name),
            (name, message) => write!(f, "{name}: {message}"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Exception(thrown) | Kind::StackOverflow(thrown) => thrown.fmt(f),
            Kind::UnhandledRejection(thrown) => write!(f, "{thrown} (in a promise that nobody handled)"),
            Kind::Timeout(limit) => write!(
                f,
                "the script ran for longer than {limit:?} and was ended; raise Builder::time (or --time) if it needs \
                 more"
            ),
            Kind::OutOfMemory(limit) => write!(
                f,
                "the script needed more than {} KiB of memory; raise Builder::memory (or --memory) if it needs more",
                limit / 1024
            ),
            Kind::Overdue => f.write_str("it took longer than its timeout"),
            Kind::Cancelled => f.write_str("the script was cancelled"),
            Kind::Pending => f.write_str(
                "the script's result is a promise that was never settled, and nothing is left to run that could",
            ),
            Kind::Exited(code) => write!(f, "the script has ended itself, with the code {code}"),
            Kind::Config(message) | Kind::Fiber(message) | Kind::Conversion(message) => f.write_str(message),
            Kind::Limit(most) => write!(
                f,
                "{most} isolates are in use, which is the limit set by Builder::max_isolates; wait for scripts \
                 to end, or raise it"
            ),
            Kind::NestedLimit(most, depth) => write!(
                f,
                "no isolate for nested work: {most} may be in use for it, all of those are, and those who have one may \
                 wait for this, at depth {depth}; nest less deeply, or raise Builder::max_isolates"
            ),
            Kind::NoIsolate(memory) => write!(
                f,
                "no memory for an isolate: the system has none, or the {} KiB of Builder::memory are too few",
                memory / 1024
            ),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_in_both_forms_of_a_stack_line() {
        let place = |line| Location::parse(line).map(|place| place.to_string());
        assert_eq!(place("    at f (a.js:3:14)").as_deref(), Some("a.js:3:14"));
        assert_eq!(place("    at C:\\a.js:1:2").as_deref(), Some("C:\\a.js:1:2"));
        assert_eq!(place("    at f (native)"), None);
        assert_eq!(place("nonsense"), None);
    }

    #[test]
    fn an_error_can_cross_threads() {
        fn check<T: Send + Sync + 'static>() {}
        check::<Error>();
    }
}
