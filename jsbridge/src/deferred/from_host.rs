//! Deferreds that Rust code makes.

use super::answer::Answer;
use super::run;
use super::work::{About, Failure, Outcome, Reply, Task, Work};
use crate::bridge::{Bridge, Shared};
use crate::clone::{self, Message};
use crate::error::Error;
use crate::function::Code;
use crate::value::Value;
use heddle_scheduler::sync::channel::{self, OneshotReceiver, RecvTimeoutError};
use heddle_scheduler::{NodeId, Priority};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The text of a JavaScript function, compiled when it is first called, and once.
///
/// ```
/// use heddle_jsbridge::{Bridge, Function};
/// use heddle_scheduler::Scheduler;
///
/// let scheduler = Scheduler::builder().workers(1).build()?;
/// let bridge = Bridge::builder(&scheduler).build()?;
/// let hypotenuse = Function::new("(a, b) => Math.hypot(a, b)").name("hypotenuse.js");
/// let handles = [(3, 4), (5, 12)].map(|sides| bridge.defer(&hypotenuse).args(sides).spawn::<f64>());
/// for (handle, expected) in handles.into_iter().zip([5.0, 13.0]) {
///     assert_eq!(handle?.join()?, expected);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Function(Arc<Source>);

/// A function's text, and its code once somebody has compiled it.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) code: OnceLock<Arc<Code>>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Function {
    /// An expression that is a function: `(a, b) => a + b`, `async function f() { .. }`.
    pub fn new(text: impl Into<String>) -> Function {
        Function(Arc::new(Source { name: "<function>".to_owned(), text: text.into(), code: OnceLock::new() }))
    }

    /// What its file is called in stacks.
    pub fn name(self, name: &str) -> Function {
        let name = name.replace('\0', "");
        Function(Arc::new(Source { name, text: self.0.text.clone(), code: OnceLock::new() }))
    }
}

impl<T: Into<String>> From<T> for Function {
    fn from(text: T) -> Function {
        Function::new(text)
    }
}

impl From<&Function> for Function {
    fn from(function: &Function) -> Function {
        function.clone()
    }
}

impl Bridge<'_> {
    /// A function to be called on a fiber, in an isolate of this bridge: options, then [`spawn`](Defer::spawn).
    ///
    /// ```
    /// use heddle_jsbridge::Bridge;
    /// use heddle_scheduler::{Priority, Scheduler};
    /// use std::time::Duration;
    ///
    /// let scheduler = Scheduler::builder().workers(2).build()?;
    /// let bridge = Bridge::builder(&scheduler).build()?;
    /// let sum: u64 = bridge
    ///     .defer("(a, b) => a + b")
    ///     .args((2, 3))
    ///     .priority(Priority::High)
    ///     .timeout(Duration::from_secs(1))
    ///     .spawn()?
    ///     .join()?;
    /// assert_eq!(sum, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn defer(&self, function: impl Into<Function>) -> Defer<'_> {
        Defer {
            bridge: &self.shared,
            function: function.into(),
            arguments: Ok(None),
            priority: heddle_scheduler::current().map_or(Priority::Normal, |fiber| fiber.base_priority()),
            timeout: None,
            about: About::plain(self.shared.realm),
        }
    }
}

/// Options of one call; see [`Bridge::defer`].
#[must_use = "nothing is called until spawn()"]
pub struct Defer<'b> {
    bridge: &'b Arc<Shared>,
    function: Function,
    arguments: Result<Option<Message>, Error>,
    priority: Priority,
    timeout: Option<Duration>,
    about: About,
}

impl Defer<'_> {
    /// The arguments: a tuple, or another sequence, has one for each of its elements; anything else is the only one.
    pub fn args<T: Serialize>(mut self, arguments: T) -> Self {
        self.arguments = clone::to_message(&arguments).map(Some);
        self
    }

    /// Its priority. Default: that of the fiber that makes it, else Normal.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// How long it may take, from `spawn` on, waiting included.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// What it is called in reports.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.about.name = Some(name.into());
        self
    }

    /// On that node, where its data is.
    pub fn on(mut self, node: NodeId) -> Self {
        self.about.node = Some(node);
        self
    }

    /// In an isolate that nothing else has run in, or will.
    pub fn isolated(mut self) -> Self {
        self.about.isolated = true;
        self
    }

    /// Calls the function soon.
    ///
    /// # Errors
    /// The arguments cannot be sent; the message says which part. What goes wrong later is found by
    /// [`join`](Deferred::join).
    pub fn spawn<T: DeserializeOwned>(self) -> Result<Deferred<T>, Error> {
        let task = Task::Source { function: self.function.0, arguments: self.arguments? };
        let mut about = self.about;
        about.due = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Ok(Deferred(Call::start(self.bridge, self.priority, about, task), PhantomData))
    }
}

impl fmt::Debug for Defer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Defer")
            .field("function", &self.function.0.name)
            .field("priority", &self.priority)
            .finish_non_exhaustive()
    }
}

/// A function that was called on a fiber, and its result to come. Dropping it lets the function go on by itself.
#[must_use = "dropping it lets the function go on by itself"]
pub struct Deferred<T>(Call, PhantomData<fn() -> T>);

/// What is common to all that hosts wait for.
pub(crate) struct Call {
    bridge: Arc<Shared>,
    work: Arc<Work>,
}

impl Call {
    pub(crate) fn start(bridge: &Arc<Shared>, priority: Priority, about: About, task: Task) -> Call {
        let work = Arc::new(Work::new(priority, about, task, Reply::Host(Answer::new()), &bridge.counters));
        run::spawn(bridge, &work, false);
        Call { bridge: bridge.clone(), work }
    }

    pub(crate) fn join(&self) -> Result<Message, Error> {
        let outcome = match self.ask() {
            Ok(outcome) => Some(outcome),
            Err(told) => self.wait(told),
        };
        opened(outcome)
    }

    /// The outcome if it is there, else where it will be told.
    fn ask(&self) -> Result<Outcome, OneshotReceiver<Outcome>> {
        let there = self.work.answer().and_then(Answer::take);
        there.map_or_else(
            || {
                let (tell, told) = channel::oneshot();
                self.work.answer().and_then(|answer| answer.ask(tell)).ok_or(told)
            },
            Ok,
        )
    }

    async fn joined(self) -> Result<Message, Error> {
        let call = Arc::new(self);
        if call.work.about.due.is_some() && !call.is_finished() {
            // While it waits for its turn only a clock can end it, and the executor's is not ours to ask for.
            let (spawner, joins) = (call.bridge.spawner.clone(), call.clone());
            let fiber = spawner.fiber().independent().priority(Priority::High);
            match fiber.go(move || joins.join()).await {
                Ok(ended) => return ended,
                // No fiber can be had: then it ends at the time that it was given only once it runs.
                Err(error) if error.not_started_because().is_some() => {}
                Err(_) => return Err(Error::cancelled()),
            }
        }
        opened(match call.ask() {
            Ok(outcome) => Some(outcome),
            Err(told) => told.into_future().await.ok(),
        })
    }

    fn wait(&self, told: OneshotReceiver<Outcome>) -> Option<Outcome> {
        let Some(due) = self.work.about.due else { return told.recv().ok() };
        match told.recv_deadline(due) {
            Ok(outcome) => Some(outcome),
            // It may have been queued all the time.
            Err(RecvTimeoutError::Timeout) => {
                self.work.cancel(Error::overdue);
                told.recv().ok()
            }
            Err(_) => None,
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.work.is_settled()
    }

    pub(crate) fn cancel(&self) {
        self.work.cancel(Error::cancelled);
    }

    pub(crate) fn set_priority(&self, priority: Priority) {
        self.work.set_priority(priority);
        self.bridge.relevel(&self.work);
    }
}

fn opened(outcome: Option<Outcome>) -> Result<Message, Error> {
    match outcome {
        Some(Ok(message)) => Ok(message),
        Some(Err(Failure::Thrown(_, error) | Failure::Other(error))) => Err(error),
        None => Err(Error::cancelled()),
    }
}

impl<T: DeserializeOwned> Deferred<T> {
    /// Waits for the result. In a fiber this suspends; elsewhere it blocks the thread.
    ///
    /// # Errors
    /// See [`Error`]; also if the result is no `T`.
    pub fn join(self) -> Result<T, Error> {
        clone::from_message(&self.0.join()?)
    }

    /// Is there a result? Then [`join`](Self::join) does not wait.
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// Ends it: one that has not started never will; one that runs ends where the engine next asks.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Changes the priority, at once: also while it runs.
    pub fn set_priority(&self, priority: Priority) {
        self.0.set_priority(priority);
    }
}

impl<T> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").field("stage", &self.0.work.stage()).finish()
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for Deferred<T> {
    type Output = Result<T, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { clone::from_message(&self.0.joined().await?) })
    }
}

/// A script that was given to [`Bridge::eval`], and its result to come. Dropping it lets the script
/// go on by itself.
pub struct EvalHandle(pub(crate) Call);

impl EvalHandle {
    /// Waits for the result. In a fiber this suspends; elsewhere it blocks the thread.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn join(self) -> Result<Value, Error> {
        clone::to_value(&self.0.join()?)
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

impl IntoFuture for EvalHandle {
    type Output = Result<Value, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Value, Error>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { clone::to_value(&self.0.joined().await?) })
    }
}

impl fmt::Debug for EvalHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvalHandle").field("stage", &self.0.work.stage()).finish()
    }
}
