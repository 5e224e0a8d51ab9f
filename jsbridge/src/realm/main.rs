//! Main realms: an isolate in which a host evaluates scripts, one after the other, on a fiber of its own.
//!
//! The fiber sleeps while there is nothing to do. It has the priority of the most urgent letter that waits for it: the
//! outcome of a Critical Deferred is told ahead of everything else that is Normal, also of other fibers.

use super::Local;
use super::events::write_one;
use super::mailbox::{Letter, Mailbox};
use crate::bridge::{Bridge, Shared};
use crate::clone::{self, Message};
use crate::deferred::slot::Slot;
use crate::error::Error;
use crate::isolate::Isolate;
use crate::isolate::enter::StackTop;
use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::kept::Kept;
use crate::isolate::pool::RealmId;
use crate::script::Script;
use crate::value::Value;
use heddle_scheduler::Priority;
use heddle_scheduler::sync::channel::{self, OneshotReceiver, OneshotSender};
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

/// An isolate that stays, and its event loop: scripts that are evaluated in it share their globals, and the Deferreds
/// that they make are settled in it. Made by [`Bridge::realm`].
///
/// Dropping it lets what is pending in it come to its end, by itself.
///
/// ```
/// use heddle_jsbridge::{Bridge, Value};
/// use heddle_scheduler::Scheduler;
///
/// let scheduler = Scheduler::builder().workers(2).build()?;
/// let bridge = Bridge::builder(&scheduler).build()?;
/// let realm = bridge.realm()?;
/// realm.eval("const limit = 10; let sum = 0;").join()?;
/// realm.eval("sum = await new Deferred(() => { let n = 0; while (n < limit) n++; return n })").join()?;
/// assert_eq!(realm.eval("sum").join()?, Value::Number(10.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Realm {
    mailbox: Arc<Mailbox>,
    ended: Option<OneshotReceiver<Result<(), Error>>>,
}

impl Bridge<'_> {
    /// A new main realm of Normal priority; see [`Realm`].
    ///
    /// # Errors
    /// The system has no memory for its isolate, or the scheduler takes no fibers.
    pub fn realm(&self) -> Result<Realm, Error> {
        self.realm_with(Priority::Normal)
    }

    /// A new main realm. Scripts in it, and its timers, have that priority; outcomes of Deferreds have theirs.
    ///
    /// # Errors
    /// The system has no memory for its isolate, or the scheduler takes no fibers.
    pub fn realm_with(&self, priority: Priority) -> Result<Realm, Error> {
        let mailbox = Arc::new(Mailbox::new());
        let (end, ended) = channel::oneshot();
        let shared = self.shared.clone();
        // Here and not on the fiber: so nobody waits for it to begin.
        let isolate = shared.make_realm_isolate()?;
        // Also if the fiber never begins.
        let closes = Closes(mailbox.clone());
        let fiber = shared.spawner.clone().fiber().name("realm").priority(priority).go(move || {
            let top = StackTop::here(shared.stack_size);
            // Whoever asked may have gone.
            let _ = end.send(live(&shared, closes, isolate, priority, top));
        });
        if mailbox.is_closed() {
            return Err(Error::refused(fiber));
        }
        mailbox.follow(fiber, priority);
        Ok(Realm { mailbox, ended: Some(ended) })
    }
}

/// The fiber of a realm.
fn live(
    shared: &Arc<Shared>,
    closes: Closes,
    mut isolate: Isolate,
    priority: Priority,
    top: StackTop,
) -> Result<(), Error> {
    let mailbox = &closes.0;
    mailbox.own();
    let id = RealmId::new();
    let lived = isolate.enter(top, |scope| {
        let local = Local::of(scope);
        local.begin(shared, id, priority, None);
        local.open(mailbox.clone());
        let lived = serve(shared, scope, local);
        local.end(scope);
        lived
    });
    shared.pool.forget_realm(id);
    lived
}

/// Whoever asks a realm that is over is told so.
struct Closes(Arc<Mailbox>);

impl Drop for Closes {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn serve(shared: &Shared, scope: Scope<'_>, local: &Local) -> Result<(), Error> {
    loop {
        scope.rearm();
        let jobs = scope.run_jobs();
        if let Err(error) = &jobs
            && error.is_timeout()
        {
            // A function that waits is not told that its job was ended, and its promise stays as it is. Whose script that
            // was is not known: those who wait for one would wait for ever.
            local.answer(scope);
            if local.give_up(scope, error) {
                continue;
            }
        }
        let step = jobs.and_then(|()| {
            local.answer(scope);
            shared.report_rejections(scope, None);
            local.turn(scope)
        });
        if let Some(code) = scope.exit_code() {
            local.give_up(scope, &Error::exited(code));
            return Err(Error::exited(code));
        }
        match step {
            Ok(true) => {}
            Ok(false) => {
                local.give_up(scope, &Error::pending());
                return Ok(());
            }
            Err(error) if error.is_cancelled() => return Err(error),
            Err(error) if error.is_out_of_memory() && local.give_up(scope, &error) => {}
            // A job or a timer's function took too long, and was ended.
            Err(error) => shared.uncaught_error(error),
        }
    }
}

impl Realm {
    /// Evaluates a script in it, after those before. `await` is allowed at its top level.
    ///
    /// The result is that of the last statement. If it is a promise, what it is fulfilled with.
    pub fn eval(&self, script: impl Into<Script>) -> RealmEval {
        let script = script.into();
        self.start(move |scope| {
            let value = script.eval_in_realm(scope)?;
            if script.is_module() { scope.only_settles(value) } else { Ok(value) }
        })
    }

    fn start(
        &self,
        evaluate: impl for<'a> FnOnce(Scope<'a>) -> JsResult<'a, Handle<'a>> + Send + 'static,
    ) -> RealmEval {
        let (tell, outcome) = channel::oneshot();
        let task = Box::new(move |scope: Scope<'_>| {
            Local::of(scope).about_to_ask(scope);
            match evaluate(scope).and_then(|value| scope.promise_of(value)) {
                Ok(value) => {
                    let value = scope.keep(value);
                    Local::of(scope).asked().borrow_mut().push(Asked { value, tell: Slot::new(Some(tell)) });
                }
                Err(thrown) => {
                    let error = thrown.into_error();
                    let exited = scope.exit_code().map(Error::exited);
                    let _ = tell.send(Err(exited.or(scope.check_stopped().err()).unwrap_or(error)));
                }
            }
        });
        self.mailbox.post(Priority::Normal, Letter::Task(task));
        RealmEval(outcome)
    }

    /// Ends it, whatever is pending in it: what runs ends where the engine next asks, Deferreds that were made in it (and are
    /// not `detached`) are cancelled, timers do not come. Scripts that somebody waits for, and those that are evaluated later,
    /// end with an error ([`is_cancelled`](Error::is_cancelled)), and so does [`finish`](Self::finish).
    ///
    /// ```
    /// use heddle_jsbridge::Bridge;
    /// use heddle_scheduler::Scheduler;
    ///
    /// let scheduler = Scheduler::builder().workers(1).build()?;
    /// let bridge = Bridge::builder(&scheduler).build()?;
    /// let realm = bridge.realm()?;
    /// let endless = realm.eval("await new Promise(() => setInterval(() => {}, 1))");
    /// realm.cancel();
    /// assert!(endless.join().unwrap_err().is_cancelled());
    /// assert!(realm.finish().unwrap_err().is_cancelled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) {
        self.mailbox.cancel();
    }

    /// No more scripts: it ends when nothing is pending in it any more. Scripts that wait for what can then never come
    /// end with an error ([`is_pending`](Error::is_pending)).
    pub fn close(mut self) -> RealmEnd {
        RealmEnd(self.ended.take())
    }

    /// The same, and waits for the end.
    ///
    /// # Errors
    /// As for [`RealmEnd::join`].
    pub fn finish(self) -> Result<(), Error> {
        self.close().join()
    }
}

/// The end to come of a realm.
pub struct RealmEnd(Option<OneshotReceiver<Result<(), Error>>>);

impl RealmEnd {
    /// Waits until nothing is pending in the realm any more.
    ///
    /// # Errors
    /// A script has ended it ([`exit_code`](Error::exit_code)), it was [cancelled](Realm::cancel), or the scheduler was stopped.
    pub fn join(self) -> Result<(), Error> {
        let Some(ended) = self.0 else { return Ok(()) };
        ended.recv().unwrap_or_else(|_| Err(Error::cancelled()))
    }
}

impl fmt::Debug for RealmEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealmEnd").finish_non_exhaustive()
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        let close = Box::new(|scope: Scope<'_>| Local::of(scope).close());
        // Behind all that was asked before.
        self.mailbox.post(Priority::Normal, Letter::Task(close));
    }
}

impl fmt::Debug for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Realm").finish_non_exhaustive()
    }
}

/// A script that was evaluated, and whoever waits for its result.
pub(crate) struct Asked {
    value: Kept,
    tell: Slot<OneshotSender<Result<Message, Error>>>,
}

impl Local {
    /// Tells all who wait that their scripts will have none. False: nobody waits.
    fn give_up(&self, scope: Scope<'_>, why: &Error) -> bool {
        let asked = self.asked().take();
        let anybody = !asked.is_empty();
        for Asked { value, tell } in asked {
            drop(scope.release(value));
            if let Some(tell) = tell.take() {
                let _ = tell.send(Err(why.clone()));
            }
        }
        anybody
    }

    /// Tells those whose scripts have a result by now.
    fn answer(&self, scope: Scope<'_>) {
        let asked: &RefCell<Vec<Asked>> = self.asked();
        let mut index = 0;
        while index < asked.borrow().len() {
            let value = scope.kept(&asked.borrow()[index].value);
            let Some(settled) = scope.settled(&value) else {
                index += 1;
                continue;
            };
            let Asked { value, tell } = asked.borrow_mut().remove(index);
            drop(scope.release(value));
            let outcome =
                settled.and_then(|value| write_one(scope, value, "result")).map_err(Handle::into_error);
            if let Some(tell) = tell.take() {
                let _ = tell.send(outcome);
            }
        }
    }
}

/// A script that was given to [`Realm::eval`], and its result to come. Dropping it lets the script go on by itself.
pub struct RealmEval(OneshotReceiver<Result<Message, Error>>);

impl RealmEval {
    /// Waits for the result. In a fiber this suspends; elsewhere it blocks the thread.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn join(self) -> Result<Value, Error> {
        let message = self.0.recv().unwrap_or_else(|_| Err(Error::cancelled()))?;
        clone::to_value(&message)
    }

    /// The same, as a type of the caller's.
    ///
    /// # Errors
    /// See [`Error`]; also if the result is no `T`.
    pub fn join_as<T: DeserializeOwned>(self) -> Result<T, Error> {
        let message = self.0.recv().unwrap_or_else(|_| Err(Error::cancelled()))?;
        clone::from_message(&message)
    }
}

impl IntoFuture for RealmEval {
    type Output = Result<Value, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Value, Error>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let message = self.0.into_future().await.unwrap_or_else(|_| Err(Error::cancelled()))?;
            clone::to_value(&message)
        })
    }
}

impl fmt::Debug for RealmEval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealmEval").finish_non_exhaustive()
    }
}
