//! What happens in an isolate besides the script that was called: outcomes, progress, timers.
//!
//! One thing at a time, the most urgent first, and after each all jobs (microtasks) that it made, as in a browser. A timer
//! that is due counts with the isolate's own priority. Where nothing is to be done the fiber sleeps; where nothing can
//! come any more, the loop is over.

use super::inbox::Opened;
use super::mailbox::{Letter, Mailbox};
use super::main::Asked;
use super::pending::{Pending, Settling, Table, Ticket};
use super::timers::{Due, Timer, Timers};
use super::traces::Traces;
use super::waits::Waits;
use crate::bridge::Shared;
use crate::clone;
use crate::deferred::options::Names;
use crate::deferred::work::{Failure, Outcome, Work};
use crate::error::Error;
use crate::host;
use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::kept::Kept;
use crate::isolate::pledge::Pair;
use crate::isolate::pool::RealmId;
use crate::stats::Ended;
use heddle_scheduler::Priority;
use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// CPU time for what a function does when its signal is aborted. Picked from thin air: closing a few things.
const CLEAN_UP: Duration = Duration::from_millis(5);

/// What an isolate has of its bridge, and what it waits for. Belongs to the fiber in the isolate.
#[derive(Default)]
pub(crate) struct Local {
    /// Of the visit. What an isolate has of its bridge between two visits would keep both of them alive.
    bridge: RefCell<Option<Arc<Shared>>>,
    realm: Cell<Option<RealmId>>,
    /// The priority of what runs here, if no Deferred does.
    base: Cell<Priority>,
    /// The Deferred that runs here.
    work: RefCell<Option<Arc<Work>>>,
    /// From the first time that something is waited for.
    mailbox: RefCell<Option<Arc<Mailbox>>>,
    opened: RefCell<Opened<Letter>>,
    pending: RefCell<Table>,
    timers: RefCell<Timers>,
    waits: Waits,
    /// Where Deferreds were made.
    traces: Traces,
    /// Functions of the `Deferred` class's script, once that is loaded.
    pub(crate) class: OnceCell<Class>,
    /// Of a main realm: the scripts whose results somebody waits for.
    asked: RefCell<Vec<Asked>>,
    /// How many allocations had been refused before the first of these.
    refusals_before: Cell<u32>,
    /// The controller of `Deferred.current.signal`, once a script has asked for that.
    controller: RefCell<Option<Kept>>,
    /// What was done last was a timer's function: a letter goes before the next one, so that timers which are always due
    /// hold up nothing for ever.
    timer_was_last: Cell<bool>,
    /// Somebody may still post, though nothing is pending: a main realm that was not closed.
    open: Cell<bool>,
}

/// What the host calls of the `Deferred` class's script.
pub(crate) struct Class {
    /// `(deferred, value)`: tells `onprogress`.
    pub(crate) tell: Kept,
    /// `(thrown, name, made)`: adds to an error's stack where its Deferred was made.
    pub(crate) origin: Kept,
    /// `(name, message)`: an error of the bridge's own.
    pub(crate) failure: Kept,
    /// `(deferred, signal)`: ties it to its signal; what is to be called when it is settled.
    pub(crate) follow: Kept,
    /// What settles Deferreds; `None`: each has functions for that.
    pub(crate) pair: Option<Pair>,
    /// `(option, value)`: the error of the constructor.
    pub(crate) refuse: Kept,
    /// `(deferred, name)`
    pub(crate) remember: Kept,
    /// The names of the constructor's options.
    pub(crate) options: Names,
}

impl Local {
    /// Of the isolate that we are in.
    pub(crate) fn of(scope: Scope<'_>) -> &Local {
        scope.note()
    }

    /// A visit begins: of a Deferred, or of something else with that priority.
    pub(crate) fn begin(
        &self,
        bridge: &Arc<Shared>,
        realm: RealmId,
        base: Priority,
        work: Option<Arc<Work>>,
    ) {
        *self.bridge.borrow_mut() = Some(bridge.clone());
        self.realm.set(Some(realm));
        self.base.set(base);
        *self.work.borrow_mut() = work;
    }

    /// As a main realm, which others may post to at any time.
    pub(crate) fn open(&self, mailbox: Arc<Mailbox>) {
        *self.mailbox.borrow_mut() = Some(mailbox);
        self.open.set(true);
    }

    /// Nobody posts any more.
    pub(crate) fn close(&self) {
        self.open.set(false);
    }

    /// The visit is over: what it has left pending ends with it. Deferreds that are not detached are cancelled, timers
    /// are cleared.
    pub(crate) fn end(&self, scope: Scope<'_>) {
        let pending = self.pending.borrow_mut().drain();
        for pending in pending {
            if !pending.detached {
                pending.work.end(Ended::Cancelled);
            }
            drop(release_pending(scope, pending));
        }
        self.traces.forget(scope);
        let timers = self.timers.borrow_mut().clear_all();
        timers.into_iter().for_each(|timer| release_timer(scope, timer));
        self.waits.end(scope);
        if self.mailbox.take().is_some() {
            drop(self.opened.take());
        }
        drop(self.work.take());
        drop(self.bridge.take());
        let controller = self.controller.take();
        drop(controller.map(|kept| scope.release(kept)));
        // Their values go with the isolate; whoever waits learns that it is over.
        drop(self.asked.take());
        self.open.set(false);
    }

    /// The bridge whose fiber we are; `None` outside of any visit.
    pub(crate) fn bridge(&self) -> Option<Arc<Shared>> {
        self.bridge.borrow().clone()
    }

    fn uncaught(&self, scope: Scope<'_>, thrown: Handle<'_>) {
        if let Some(bridge) = self.bridge() {
            bridge.uncaught(scope, thrown);
        }
    }

    pub(crate) fn realm(&self) -> Option<RealmId> {
        self.realm.get()
    }

    pub(crate) fn work(&self) -> Option<Arc<Work>> {
        self.work.borrow().clone()
    }

    /// Of what runs here, now.
    pub(crate) fn priority(&self) -> Priority {
        self.work.borrow().as_ref().map_or(self.base.get(), |work| work.priority())
    }

    pub(crate) fn mailbox(&self) -> Arc<Mailbox> {
        self.mailbox
            .borrow_mut()
            .get_or_insert_with(|| {
                let mailbox = Mailbox::new();
                mailbox.own();
                Arc::new(mailbox)
            })
            .clone()
    }

    pub(crate) fn pending(&self) -> &RefCell<Table> {
        &self.pending
    }

    pub(crate) fn traces(&self) -> &Traces {
        &self.traces
    }

    pub(crate) fn asked(&self) -> &RefCell<Vec<Asked>> {
        &self.asked
    }

    /// A script is about to be evaluated, and somebody will wait for its result.
    pub(crate) fn about_to_ask(&self, scope: Scope<'_>) {
        if self.asked.borrow().is_empty() {
            self.refusals_before.set(scope.memory().refusals());
        }
    }

    pub(crate) fn timers(&self) -> &RefCell<Timers> {
        &self.timers
    }

    pub(crate) fn waits(&self) -> &Waits {
        &self.waits
    }

    /// What `value` comes to: of a promise, what it is settled to; so with whatever has a `then`. Lets happen what has
    /// to happen before.
    ///
    /// # Errors
    /// Outer: the visit has to end, or nothing is left that could settle the promise. Inner: what it was rejected with.
    pub(crate) fn settle<'a>(
        &self,
        scope: Scope<'a>,
        value: Handle<'a>,
    ) -> Result<JsResult<'a, Handle<'a>>, Error> {
        let promise = match scope.promise_of(value) {
            Ok(promise) => promise,
            Err(thrown) => return Ok(Err(thrown)),
        };
        // What is no promise, and has left nothing to be done, is what it comes to.
        if !promise.is_promise() && !scope.has_jobs() {
            return Ok(Ok(promise));
        }
        loop {
            self.rest(scope)?;
            if scope.run_job()? {
                continue;
            }
            if let Some(settled) = scope.settled(&promise) {
                return Ok(settled);
            }
            if !self.turn(scope)? {
                return Err(Error::pending());
            }
        }
    }

    /// Does one thing, or waits until there may be one. False: nothing will ever come.
    pub(crate) fn turn(&self, scope: Scope<'_>) -> Result<bool, Error> {
        let first_timer = self.timers.borrow_mut().first();
        let mailbox = self.mailbox.borrow().clone();
        let own = self.priority();
        let urgent = mailbox.as_ref().and_then(|mailbox| mailbox.most_urgent(&self.opened.borrow()));
        if let Some(due) = first_timer
            && urgent.is_none_or(|letter| letter >= own && !self.timer_was_last.get())
        {
            let now = Instant::now();
            if due <= now {
                self.timer_was_last.set(true);
                self.fire(scope, now)?;
                return Ok(true);
            }
        }
        if urgent.is_some() {
            self.timer_was_last.set(false);
            let letter = mailbox.as_ref().and_then(|mailbox| mailbox.take(&mut self.opened.borrow_mut()));
            if let Some((_, letter)) = letter {
                self.deliver(scope, letter)?;
            }
            return Ok(true);
        }
        let waits_for_nothing =
            self.pending.borrow().len() == 0 && !self.timers.borrow().any_calls() && self.waits.is_empty();
        if !self.open.get() && waits_for_nothing {
            return Ok(false);
        }
        let memory = scope.memory();
        if waits_for_nothing
            && !self.asked.borrow().is_empty()
            && memory.refusals() != self.refusals_before.get()
        {
            // The engine forgets a function that waits, where it has no memory to go on with it.
            return Err(Error::out_of_memory(memory.limit()));
        }
        let mailbox = self.mailbox();
        mailbox.settle_down(&self.opened.borrow(), self.base.get());
        // That it was cancelled is seen by whoever runs the next job.
        let _woken = scope.away(|| mailbox.wait(first_timer));
        self.rest(scope)?;
        Ok(true)
    }

    /// No script is in the middle of anything: may they go on? If not, and they were cancelled, they may clean up.
    fn rest(&self, scope: Scope<'_>) -> Result<(), Error> {
        // One that was ended in the middle may not.
        scope.check_stopped()?;
        scope.go_on().inspect_err(|error| {
            if error.is_cancelled() {
                self.abort(scope);
            }
        })
    }

    /// `Deferred.current.signal`
    pub(crate) fn signal<'a>(&self, scope: Scope<'a>) -> JsResult<'a, Handle<'a>> {
        let made = self.controller.borrow().as_ref().map(|kept| scope.kept(kept));
        let controller = match made {
            Some(controller) => controller,
            None => {
                let controller = host::events::abort_controller(scope)?.construct(&[])?;
                *self.controller.borrow_mut() = Some(scope.keep(controller.clone()));
                controller
            }
        };
        controller.get(c"signal")
    }

    /// Tells a function that was cancelled while it waited, if it has asked for the signal.
    fn abort(&self, scope: Scope<'_>) {
        let Some(controller) = self.controller.borrow().as_ref().map(|kept| scope.kept(kept)) else { return };
        scope.clean_up(CLEAN_UP, || {
            let reason = self.error(scope, &Error::cancelled());
            let told = controller.get(c"abort").and_then(|abort| abort.call(&controller, &[&reason]));
            if let Err(thrown) = told {
                self.uncaught(scope, thrown);
            }
            // What it leaves undone by then is not done.
            let _ = scope.run_jobs();
        });
    }

    fn deliver(&self, scope: Scope<'_>, letter: Letter) -> Result<(), Error> {
        match letter {
            Letter::Settled { ticket, outcome } => self.settled(scope, ticket, outcome),
            Letter::Progress { ticket, work } => {
                work.take_progress().map_or(Ok(()), |said| self.progress(scope, ticket, said))
            }
            Letter::Task(task) => {
                task(scope);
                Ok(())
            }
        }
    }

    /// A Deferred has its outcome: its promise is settled.
    fn settled(&self, scope: Scope<'_>, ticket: Ticket, outcome: Outcome) -> Result<(), Error> {
        let Some(said) = self.pending.borrow().get(ticket).map(|pending| pending.work.take_progress()) else {
            return Ok(());
        };
        // What it had to say before goes before.
        if let Some(said) = said {
            self.progress(scope, ticket, said)?;
        }
        let value = match outcome {
            Ok(message) => clone::read_one(scope, message),
            Err(Failure::Thrown(message, _)) => Err(match clone::read_one(scope, message) {
                Ok(thrown) | Err(thrown) => thrown,
            }),
            Err(Failure::Other(error)) => Err(self.error(scope, &error)),
        };
        if let Err(thrown) = &value {
            self.add_origin(scope, ticket, thrown);
        }
        Ok(self.resolve(scope, ticket, value)?)
    }

    /// A Deferred has taken too long.
    fn overdue(&self, scope: Scope<'_>, ticket: Ticket) -> Result<(), Error> {
        let Some(work) = self.pending.borrow().get(ticket).map(|pending| pending.work.clone()) else {
            return Ok(());
        };
        if !work.end(Ended::TimedOut) {
            // Its outcome is on the way.
            return Ok(());
        }
        let thrown = self.error(scope, &Error::overdue());
        self.add_origin(scope, ticket, &thrown);
        Ok(self.resolve(scope, ticket, Err(thrown))?)
    }

    /// An error of the bridge's own, as scripts see it.
    pub(crate) fn error<'a>(&self, scope: Scope<'a>, error: &Error) -> Handle<'a> {
        let (name, message) = error.as_js();
        let made = || {
            let class = self.class.get()?;
            let name = scope.string(name).ok()?;
            let message = scope.string(&message).ok()?;
            scope.kept(&class.failure).call(&scope.undefined(), &[&name, &message]).ok()
        };
        made().unwrap_or_else(|| scope.type_error(&message))
    }

    /// Adds to an error's stack where the Deferred was made.
    fn add_origin<'a>(&self, scope: Scope<'a>, ticket: Ticket, thrown: &Handle<'a>) {
        let (name, made) = match self.pending.borrow().get(ticket) {
            Some(Pending { work, made_at: Some(made), .. }) => (work.about.name.clone(), made.clone()),
            _ => return,
        };
        let Some(class) = self.class.get() else { return };
        // Where there is no memory for it, the error goes without.
        let _added = scope.string(&made).and_then(|made| {
            let name = name.map_or(Ok(scope.undefined()), |name| scope.string(&name))?;
            scope.kept(&class.origin).call(&scope.undefined(), &[thrown, &name, &made])
        });
    }

    /// Settles the promise of a Deferred, which is pending no more.
    pub(crate) fn resolve<'a>(
        &self,
        scope: Scope<'a>,
        ticket: Ticket,
        value: JsResult<'a, Handle<'a>>,
    ) -> JsResult<'a, ()> {
        let Some(pending) = self.pending.borrow_mut().remove(ticket) else { return Ok(()) };
        if let Some(number) = pending.timer {
            self.timers.borrow_mut().clear(number);
        }
        let (object, settling, leave) = release_pending(scope, pending);
        self.settle_promise(scope, &object, settling, &value)?;
        // What a changed `removeEventListener` throws comes after.
        leave.map_or(Ok(()), |leave| leave.call(&scope.undefined(), &[]).map(drop))
    }

    /// Settles the promise that a Deferred is, by its two functions or, as a pledge.
    pub(crate) fn settle_promise<'a>(
        &self,
        scope: Scope<'a>,
        object: &Handle<'a>,
        functions: Option<[Handle<'a>; 2]>,
        value: &JsResult<'a, Handle<'a>>,
    ) -> JsResult<'a, ()> {
        if let Some([resolve, reject]) = functions {
            let done = match value {
                Ok(value) => resolve.call(&scope.undefined(), &[value]),
                Err(thrown) => reject.call(&scope.undefined(), &[thrown]),
            };
            return done.map(drop);
        }
        let pair = self.class.get().and_then(|class| class.pair.as_ref());
        pair.map_or(Ok(()), |pair| pair.settle(scope, object, value))
    }

    fn progress(&self, scope: Scope<'_>, ticket: Ticket, message: clone::Message) -> Result<(), Error> {
        let object = match self.pending.borrow().get(ticket) {
            Some(pending) => scope.kept(&pending.object),
            // It is settled, and says nothing any more.
            None => return Ok(()),
        };
        let Some(class) = self.class.get() else { return Ok(()) };
        let told = clone::read_one(scope, message)
            .and_then(|value| scope.kept(&class.tell).call(&scope.undefined(), &[&object, &value]));
        // The script's `onprogress` threw.
        if let Err(thrown) = told {
            self.uncaught(scope, thrown);
        }
        scope.run_jobs()
    }

    /// Does what is due.
    fn fire(&self, scope: Scope<'_>, now: Instant) -> Result<(), Error> {
        let Some(number) = self.timers.borrow_mut().due(now) else { return Ok(()) };
        let (function, arguments) = {
            let timers = self.timers.borrow();
            match timers.get(number).map(|timer| &timer.due) {
                Some(Due::Call { function, arguments }) => {
                    let arguments: Vec<Handle<'_>> = arguments.iter().map(|kept| scope.kept(kept)).collect();
                    (scope.kept(function), arguments)
                }
                Some(&Due::Timeout(ticket)) => {
                    drop(timers);
                    return self.overdue(scope, ticket);
                }
                Some(&Due::Wait(number)) => {
                    drop(timers);
                    self.wait_is_over(scope, number);
                    return Ok(());
                }
                None => return Ok(()),
            }
        };
        let over = self.timers.borrow_mut().fired(number, now);
        if let Some(timer) = over {
            release_timer(scope, timer);
        }
        let arguments: Vec<&Handle<'_>> = arguments.iter().collect();
        if let Err(thrown) = function.call(&scope.undefined(), &arguments) {
            self.uncaught(scope, thrown);
        }
        // One that was ended by force is told of by whoever runs the loop.
        scope.check_stopped()
    }

    /// A script's timer is not wanted any more.
    pub(crate) fn clear_timer(&self, scope: Scope<'_>, number: u64) {
        let is_call = matches!(self.timers.borrow().get(number), Some(Timer { due: Due::Call { .. }, .. }));
        if is_call && let Some(timer) = self.timers.borrow_mut().clear(number) {
            release_timer(scope, timer);
        }
    }
}

/// A message of one value, which messages call by that name.
pub(crate) fn write_one<'a>(
    scope: Scope<'a>,
    value: Handle<'a>,
    name: &'static str,
) -> JsResult<'a, clone::Message> {
    clone::write(scope, &[value], &[], &|_| name.to_owned())
}

fn release_timer(scope: Scope<'_>, timer: Timer) {
    if let Due::Call { function, arguments } = timer.due {
        drop(scope.release(function));
        arguments.into_iter().for_each(|kept| drop(scope.release(kept)));
    }
}

/// Gives back its object, its promise's two functions if it has them, and what is to be called then.
fn release_pending<'a>(
    scope: Scope<'a>,
    pending: Pending,
) -> (Handle<'a>, Option<[Handle<'a>; 2]>, Option<Handle<'a>>) {
    let functions = match pending.settling {
        Settling::Pledge => None,
        Settling::Functions { resolve, reject } => Some([scope.release(resolve), scope.release(reject)]),
    };
    (scope.release(pending.object), functions, pending.leave.map(|leave| scope.release(leave)))
}
