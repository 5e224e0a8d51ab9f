//! The bridge: scripts as fibers of a scheduler.

use crate::error::Error;
use crate::host;
use crate::host::console::{Console, ConsoleLevel};
use crate::isolate::Isolate;
use crate::isolate::enter::StackTop;
use crate::isolate::handle::{CStrSource, Handle, JsResult, Scope};
use crate::isolate::population::Population;
use crate::limits::{self, Limits};
use crate::loader::ModuleLoader;
use crate::value::Value;
use heddle_scheduler::{JoinHandle, Priority, Scheduler};
use std::ffi::CString;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Evaluates scripts on the fibers of one scheduler.
///
/// ```
/// use heddle_jsbridge::{Bridge, Value};
/// use heddle_scheduler::{Priority, Scheduler};
/// use std::time::Duration;
///
/// let scheduler = Scheduler::builder().workers(2).build()?;
/// let bridge = Bridge::builder(&scheduler).memory(8 << 20).time(Duration::from_millis(50)).build()?;
///
/// let squares = bridge.eval(Priority::High, "[1, 2, 3].map(n => n * n)");
/// let endless = bridge.eval(Priority::Background, "while (true) {}");
/// assert_eq!(squares.join()?, Value::Json("[1,4,9]".to_owned()));
/// assert!(endless.join().unwrap_err().is_timeout());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Bridge<'s> {
    scheduler: &'s Scheduler,
    shared: Arc<Shared>,
}

/// What the fibers of a bridge share.
struct Shared {
    limits: Limits,
    /// Of each fiber of the scheduler.
    stack_size: usize,
    population: Arc<Population>,
    console: Console,
    loader: Option<Arc<dyn ModuleLoader>>,
    arguments: Option<Vec<String>>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    asked: AtomicU64,
    returned: AtomicU64,
    failed: AtomicU64,
    memory_most: AtomicUsize,
}

impl<'s> Bridge<'s> {
    /// Options, then [`build`](Builder::build).
    pub fn builder(scheduler: &'s Scheduler) -> Builder<'s> {
        Builder {
            scheduler,
            memory: limits::MEMORY_DEFAULT,
            stack: None,
            time: limits::TIME_DEFAULT,
            max_isolates: limits::ISOLATES_DEFAULT,
            console: None,
            loader: None,
            arguments: None,
        }
    }

    /// Evaluates a script, as a fiber of the given priority, in an isolate of its own. Never fails
    /// here: what is wrong is found at the handle's `join`.
    ///
    /// The result is that of the last statement. If it is a promise, what it is fulfilled with.
    pub fn eval(&self, priority: Priority, script: impl Into<Script>) -> EvalHandle {
        let (script, shared) = (script.into(), self.shared.clone());
        shared.counters.asked.fetch_add(1, Ordering::Relaxed);
        EvalHandle(self.scheduler.fiber().priority(priority).go(move || {
            let top = StackTop::here(shared.stack_size);
            let result = shared.eval(&script, top);
            let counter = if result.is_ok() { &shared.counters.returned } else { &shared.counters.failed };
            counter.fetch_add(1, Ordering::Relaxed);
            result
        }))
    }

    /// What happens and has happened in it.
    pub fn stats(&self) -> Stats {
        let counters = &self.shared.counters;
        Stats {
            evals: counters.asked.load(Ordering::Relaxed),
            returned: counters.returned.load(Ordering::Relaxed),
            failed: counters.failed.load(Ordering::Relaxed),
            isolates: self.shared.population.live(),
            memory_most: counters.memory_most.load(Ordering::Relaxed),
        }
    }
}

impl Shared {
    fn eval(&self, script: &Script, top: StackTop) -> Result<Value, Error> {
        let resident = self.population.enter()?;
        let mut isolate = Isolate::new(self.limits, resident, Box::new(()))?;
        let result = isolate.enter(top, |scope| {
            host::furnish(scope, &self.console)?;
            scope.load_modules_from(self.loader.clone());
            if let Some(arguments) = &self.arguments {
                host::program::install(scope, arguments)?;
            }
            let result = script.eval(scope)?;
            let settled = scope.settle(result)?;
            // A promise's handlers may have gone on.
            if let Some(code) = scope.exit_code() {
                return Err(Error::exited(code));
            }
            if script.kind == Kind::Module { Ok(Value::Undefined) } else { settled.to_value() }
        });
        self.counters.memory_most.fetch_max(isolate.memory_most(), Ordering::Relaxed);
        result
    }
}

impl fmt::Debug for Bridge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").field("limits", &self.shared.limits).field("stats", &self.stats()).finish()
    }
}

/// Options of a [`Bridge`].
#[derive(Clone)]
#[must_use = "options do nothing until build()"]
pub struct Builder<'s> {
    scheduler: &'s Scheduler,
    memory: usize,
    stack: Option<usize>,
    time: Duration,
    max_isolates: usize,
    console: Option<Console>,
    loader: Option<Arc<dyn ModuleLoader>>,
    arguments: Option<Vec<String>>,
}

impl<'s> Builder<'s> {
    /// Bytes that one script may have allocated at once. Default 64 MiB, at least 256 KiB; an isolate
    /// itself takes 100 KiB of it.
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// Bytes of its fiber's stack that a script may use, at least 32 KiB; a JavaScript call takes about
    /// 700 bytes. Default: all but 32 KiB of what the scheduler gives its fibers
    /// ([`stack_size`](heddle_scheduler::Builder::stack_size)).
    pub fn stack(mut self, bytes: usize) -> Self {
        self.stack = Some(bytes);
        self
    }

    /// How long one script may run; the time in which it waits for more urgent fibers is not counted.
    /// Default 10 s. [`Duration::MAX`]: for ever.
    pub fn time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// The most isolates that may be in use at once, those of suspended scripts included; one more
    /// fails. Past half of it scripts no longer take turns with their equals. Default 256.
    pub fn max_isolates(mut self, isolates: usize) -> Self {
        self.max_isolates = isolates;
        self
    }

    /// Where lines written to `console` go. Default: standard output; warnings and errors to standard
    /// error. Called on the script's fiber, which may have no more than 32 KiB of stack left.
    pub fn console(mut self, sink: impl Fn(ConsoleLevel, &str) + Send + Sync + 'static) -> Self {
        self.console = Some(Console::new(sink));
        self
    }

    /// Where modules come from that scripts import. Without it they can import none.
    pub fn modules(mut self, loader: impl ModuleLoader + 'static) -> Self {
        self.loader = Some(Arc::new(loader));
        self
    }

    /// Gives scripts the global `heddle`: `heddle.args` are these, `heddle.exit(code)` ends the script with an error that
    /// has an [`exit_code`](Error::exit_code).
    pub fn arguments<T: Into<String>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments = Some(arguments.into_iter().map(Into::into).collect());
        self
    }

    /// Builds the bridge.
    ///
    /// # Errors
    /// An option cannot work. The message says which.
    pub fn build(self) -> Result<Bridge<'s>, Error> {
        if self.memory < limits::MEMORY_MIN {
            return Err(Error::config(format!(
                "memory({}): an isolate needs at least {} KiB",
                self.memory,
                limits::MEMORY_MIN / 1024
            )));
        }
        if self.time.is_zero() {
            return Err(Error::config("time(0): no script could run; use Duration::MAX for no limit"));
        }
        if self.max_isolates == 0 {
            return Err(Error::config("max_isolates(0): no script could run"));
        }
        let stack_size = self.scheduler.stats().stacks.size;
        let limits = Limits {
            memory: self.memory,
            stack: self.check_stack(stack_size)?,
            time: self.time,
            slice: limits::SLICE,
        };
        let shared = Shared {
            limits,
            stack_size,
            population: Arc::new(Population::new(self.max_isolates)),
            console: self.console.unwrap_or_else(Console::standard),
            loader: self.loader,
            arguments: self.arguments,
            counters: Counters::default(),
        };
        Ok(Bridge { scheduler: self.scheduler, shared: Arc::new(shared) })
    }

    /// What scripts may use of a stack of `size` bytes.
    fn check_stack(&self, size: usize) -> Result<usize, Error> {
        let room = size.saturating_sub(limits::STACK_MARGIN);
        let stack = self.stack.unwrap_or(room);
        if stack > room || room < limits::STACK_MIN {
            return Err(Error::config(format!(
                "a script needs {} KiB of its fiber's stack and a margin of {} KiB, but the scheduler gives \
                 its fibers {} KiB; raise the scheduler's stack_size",
                stack.max(limits::STACK_MIN) / 1024,
                limits::STACK_MARGIN / 1024,
                size / 1024
            )));
        }
        if stack < limits::STACK_MIN {
            return Err(Error::config(format!(
                "stack({stack}): a script needs at least {} KiB",
                limits::STACK_MIN / 1024
            )));
        }
        Ok(stack)
    }
}

impl fmt::Debug for Builder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("memory", &self.memory)
            .field("stack", &self.stack)
            .field("time", &self.time)
            .field("max_isolates", &self.max_isolates)
            .finish_non_exhaustive()
    }
}

/// A script: its text and its name. Made from a string.
#[derive(Clone, Debug)]
pub struct Script {
    source: String,
    name: CString,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Script,
    Module,
    Either,
}

impl Script {
    /// A script called `<eval>`.
    pub fn new(source: impl Into<String>) -> Script {
        Script { source: source.into(), name: c"<eval>".to_owned(), kind: Kind::Script }
    }

    /// What it is called in stacks: the name of its file. What follows a zero byte is cut off.
    pub fn name(mut self, name: &str) -> Script {
        let name = name.split('\0').next().unwrap_or_default();
        self.name = CString::new(name).unwrap_or_default();
        self
    }
}

impl Script {
    /// It is an ES module, called by its name in the imports of others; its result is undefined, when all that it imports
    /// is evaluated.
    ///
    /// ```
    /// use heddle_jsbridge::{Bridge, Script, Value};
    /// use heddle_scheduler::{Priority, Scheduler};
    ///
    /// let scheduler = Scheduler::builder().workers(1).build()?;
    /// let bridge = Bridge::builder(&scheduler).build()?;
    /// let module = Script::new("export const x = await 1; if (this !== undefined) throw 'sloppy';").module();
    /// assert_eq!(bridge.eval(Priority::Normal, module).join()?, Value::Undefined);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn module(mut self) -> Script {
        self.kind = Kind::Module;
        self
    }

    /// It is a script, or a module if it cannot be a script.
    pub fn script_or_module(mut self) -> Script {
        self.kind = Kind::Either;
        self
    }

    fn eval<'a>(&self, scope: Scope<'a>) -> JsResult<'a, Handle<'a>> {
        match self.kind {
            Kind::Script => scope.eval(&self.name, &CStrSource::new(&self.source)),
            Kind::Module => scope.eval_module(&self.name.to_string_lossy(), &self.source),
            Kind::Either => scope.eval_either(&self.name, &self.source),
        }
    }
}

impl<T: Into<String>> From<T> for Script {
    fn from(source: T) -> Script {
        Script::new(source)
    }
}

/// A script that was given to [`Bridge::eval`], and its result to come. Dropping it lets the script
/// go on by itself.
#[derive(Debug)]
pub struct EvalHandle(JoinHandle<Result<Value, Error>>);

impl EvalHandle {
    /// Waits for the result. In a fiber this suspends; elsewhere it blocks the thread.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn join(self) -> Result<Value, Error> {
        self.0.join().unwrap_or_else(|error| Err(Error::fiber(&error)))
    }

    /// Has the script ended? Then [`join`](Self::join) does not wait.
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// Ends the script: one that has not started never will; one that runs ends where the engine next
    /// asks, in ordinary code within 0.2 ms of running.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Changes the priority, at once: also while the script runs.
    pub fn set_priority(&self, priority: Priority) {
        self.0.set_priority(priority);
    }
}

/// What happens and has happened in a bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Scripts that were given to it.
    pub evals: u64,
    /// Of those, how many returned a value.
    pub returned: u64,
    /// How many ran, or would have, and have an error. (Those that were cancelled before they began
    /// are in neither.)
    pub failed: u64,
    /// Isolates in use now.
    pub isolates: usize,
    /// The most bytes that one isolate had in use.
    pub memory_most: usize,
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "scripts: {} given, {} returned, {} failed; {} isolates in use; the largest had {} KiB",
            self.evals,
            self.returned,
            self.failed,
            self.isolates,
            self.memory_most / 1024
        )
    }
}
