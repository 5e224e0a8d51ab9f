//! The bridge: JavaScript on the fibers of a scheduler.

use crate::deferred::from_host::{Call, EvalHandle};
use crate::deferred::run;
use crate::deferred::work::{About, Stage, Task, Work};
use crate::error::Error;
use crate::function::{CodeCache, global_names};
use crate::host;
use crate::host::console::{Console, ConsoleLevel};
use crate::isolate::Isolate;
use crate::isolate::handle::{Handle, Scope};
use crate::isolate::pool::{Pool, RealmId, Recipe, Stock};
use crate::isolate::population::Population;
use crate::limits::{self, Limits};
use crate::loader::ModuleLoader;
use crate::script::Script;
use crate::stats::{Counters, Stats};
use heddle_scheduler::{Priority, Scheduler, Spawner};
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// Evaluates scripts on the fibers of one scheduler.
///
/// ```
/// use heddle_jsbridge::{Bridge, Value};
/// use heddle_scheduler::{Priority, Scheduler};
/// use std::time::Duration;
///
/// let scheduler = Scheduler::builder().workers(2).build()?;
/// let bridge = Bridge::builder(&scheduler).memory(8 << 20).time(Duration::from_millis(500)).build()?;
///
/// let squares = bridge.eval(Priority::High, "[1, 2, 3].map(n => n * n)");
/// let endless = bridge.eval(Priority::Background, "while (true) {}");
/// assert_eq!(squares.join()?, Value::Json("[1,4,9]".to_owned()));
/// assert!(endless.join().unwrap_err().is_timeout());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Bridge<'s> {
    pub(crate) shared: Arc<Shared>,
    /// It does not outlive its scheduler.
    scheduler: PhantomData<&'s Scheduler>,
}

/// What the fibers of a bridge share.
pub(crate) struct Shared {
    pub(crate) spawner: Spawner,
    pub(crate) pool: Arc<Pool<Arc<Work>>>,
    /// From `build` on.
    codes: OnceLock<CodeCache>,
    console: Console,
    pub(crate) limits: Limits,
    /// Of each fiber of the scheduler.
    pub(crate) stack_size: usize,
    /// How many CPUs the scheduler uses.
    pub(crate) cpus: usize,
    /// Errors tell where their Deferred was made.
    pub(crate) traces: bool,
    /// Of the functions that hosts call.
    pub(crate) realm: RealmId,
    uncaught: Arc<UncaughtSink>,
    pub(crate) counters: Arc<Counters>,
    loader: Option<Arc<dyn ModuleLoader>>,
    pub(crate) arguments: Option<Vec<String>>,
}

/// Rejections that are told one by one; of more at once only the number is told.
const REPORTS_AT_ONCE: usize = 16;

type UncaughtSink = dyn Fn(&Error) + Send + Sync;

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
            uncaught: None,
            eval: true,
            traces: true,
            loader: None,
            arguments: None,
        }
    }

    /// Evaluates a script, as a fiber of the given priority, in an isolate of its own. Never fails
    /// here: what is wrong is found at the handle's `join`.
    ///
    /// The result is that of the last statement. If it is a promise, what it is fulfilled with. What the script leaves
    /// pending ends with it. For scripts that share their globals, or `await` at their top level, there is
    /// [`realm`](Self::realm); a [module](Script::module) may `await`, too.
    pub fn eval(&self, priority: Priority, script: impl Into<Script>) -> EvalHandle {
        let script = script.into();
        let about = About { isolated: true, ..About::plain(RealmId::new()) };
        EvalHandle(Call::start(&self.shared, priority, about, Task::Script(script)))
    }

    /// What happens and has happened in it.
    pub fn stats(&self) -> Stats {
        Stats::of(&self.shared)
    }
}

impl fmt::Debug for Bridge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").field("limits", &self.shared.limits).field("stats", &self.stats()).finish()
    }
}

impl Shared {
    /// Puts what scripts have of the host on the global object of a new isolate.
    pub(crate) fn furnish(&self, scope: Scope<'_>) -> Result<(), Error> {
        host::furnish(scope, &self.console)?;
        scope.load_modules_from(self.loader.clone());
        Ok(())
    }

    /// For a main realm.
    pub(crate) fn make_realm_isolate(&self) -> Result<Isolate, Error> {
        let mut isolate = self.pool.make_open()?;
        if let Some(arguments) = &self.arguments {
            isolate.furnish(|scope| Ok(host::program::install(scope, arguments)?))?;
        }
        Ok(isolate)
    }

    pub(crate) fn codes(&self) -> &CodeCache {
        self.codes.get_or_init(|| CodeCache::new(Vec::new()))
    }

    /// Tells whoever writes a script.
    pub(crate) fn warn(&self, warning: &str) {
        self.console.write_line(ConsoleLevel::Warn, warning);
    }

    /// A Deferred has another priority: it may be one that waits for an isolate.
    pub(crate) fn relevel(&self, work: &Arc<Work>) {
        if work.stage() == Stage::Queued {
            self.pool.relevel(work.priority(), |parked| Arc::ptr_eq(parked, work));
        }
    }

    /// Something was thrown that no script can catch any more.
    pub(crate) fn uncaught(&self, scope: Scope<'_>, thrown: Handle<'_>) {
        // Of a script that was ended, what was thrown is the engine's way to do so.
        if scope.check_stopped().is_ok() {
            self.uncaught_error(thrown.into_error());
        }
    }

    pub(crate) fn uncaught_error(&self, error: Error) {
        (self.uncaught)(&error);
    }

    /// Tells of the promises that were rejected and that nobody has handled.
    pub(crate) fn report_rejections(&self, scope: Scope<'_>, name: Option<&str>) {
        let reasons = scope.take_rejections();
        if scope.check_stopped().is_err() {
            // The engine's way to end a script.
            return;
        }
        let more = reasons.len().saturating_sub(REPORTS_AT_ONCE);
        for reason in reasons.into_iter().take(REPORTS_AT_ONCE) {
            self.uncaught_error(reason.into_error().into_unhandled().of(name));
        }
        if more > 0 {
            self.uncaught_error(Error::more_rejections(more));
        }
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
    uncaught: Option<Arc<UncaughtSink>>,
    eval: bool,
    traces: bool,
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

    /// The most isolates that may be in use at once, those of suspended scripts included. Work that finds none waits for one,
    /// the most urgent first; what leased isolates make themselves is refused ([`Error::is_limit`]) where it might wait for
    /// ever. A part of the isolates is kept for such work, and for urgent work. Past half of it scripts no longer take turns
    /// with their equals. Default 256, at most 65536.
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

    /// Who is told of errors that nothing catches: rejections that nobody has handled, what a timer's function throws.
    /// Default: a line to the console.
    pub fn on_uncaught(mut self, tell: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.uncaught = Some(Arc::new(tell));
        self
    }

    /// May scripts compile texts, with `eval` and `Function`? Default: yes. Otherwise that is a `TypeError`.
    pub fn allow_eval(mut self, allow: bool) -> Self {
        self.eval = allow;
        self
    }

    /// Whether the stacks of errors that come from a Deferred tell also where that was made. It costs about a
    /// microsecond for each Deferred. Default: yes.
    pub fn traces(mut self, traces: bool) -> Self {
        self.traces = traces;
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
        if self.max_isolates > limits::ISOLATES_MAX {
            return Err(Error::config(format!(
                "max_isolates({}): at most {} are possible; work that finds none waits",
                self.max_isolates,
                limits::ISOLATES_MAX
            )));
        }
        let stack_size = self.scheduler.stats().stacks.size;
        let limits = Limits {
            memory: self.memory,
            stack: self.check_stack(stack_size)?,
            time: self.time,
            slice: limits::SLICE,
            eval: self.eval,
        };
        let console = self.console.unwrap_or_else(Console::standard);
        let uncaught = self.uncaught.unwrap_or_else(|| {
            let console = console.clone();
            Arc::new(move |error: &Error| {
                console.write_line(ConsoleLevel::Error, &format!("Uncaught {}", error.with_stack()))
            })
        });
        let spawner = self.scheduler.spawner();
        let shared = Arc::new_cyclic(|this: &Weak<Shared>| {
            let furnisher = this.clone();
            let recipe = Recipe {
                limits,
                furnish: Arc::new(move |scope| {
                    furnisher.upgrade().map_or(Ok(()), |shared| shared.furnish(scope))
                }),
            };
            let resubmitter = this.clone();
            let resubmit = move |work: Arc<Work>, place| {
                if let Some(shared) = resubmitter.upgrade() {
                    run::spawn_with(&shared, &work, place);
                }
            };
            let population = Arc::new(Population::new(self.max_isolates));
            Shared {
                pool: Pool::new(
                    spawner.clone(),
                    population,
                    self.max_isolates,
                    recipe,
                    Stock { fresh: 2, idle: 16 },
                    resubmit,
                ),
                spawner,
                codes: OnceLock::new(),
                console,
                limits,
                stack_size,
                cpus: self.scheduler.stats().workers.len(),
                traces: self.traces,
                loader: self.loader,
                arguments: self.arguments,
                realm: RealmId::new(),
                uncaught,
                counters: Arc::default(),
            }
        });
        let names =
            shared.pool.make_open()?.furnish(|scope| global_names(scope).map_err(Handle::into_error))?;
        let _ = shared.codes.set(CodeCache::new(names));
        Ok(Bridge { shared, scheduler: PhantomData })
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
