//! What an isolate waits for by `Atomics.waitAsync`.
//!
//! ```text
//!   waiting ---- notified: it was taken from the list, a letter comes ---> woken: the promise is resolved to 'ok'
//!      |
//!      +-------- its time is over, and it was in the list yet -----------> the promise is resolved to 'timed-out'
//!      +-------- the visit is over --------------------------------------> it leaves the list; nobody looks at the promise
//! ```
//!
//! Whoever is taken from the list was notified: if its time ends before the letter is read, the letter counts.

use super::events::Local;
use super::mailbox::Letter;
use crate::isolate::atomics::{Place, Wish};
use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::kept::Kept;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// By the numbers of their places.
#[derive(Default)]
pub(crate) struct Waits(RefCell<HashMap<u64, Waiting>>);

struct Waiting {
    place: Place,
    /// It has the element, so that nobody else gets its address.
    buffer: Kept,
    resolve: Kept,
    timer: Option<u64>,
}

impl Waits {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    fn leave_lists(&self) -> Vec<Waiting> {
        let all: Vec<Waiting> = self.0.take().into_values().collect();
        if !all.is_empty() {
            Place::leave_all(&all.iter().map(|waiting| waiting.place).collect::<HashSet<_>>());
        }
        all
    }

    /// The visit is over.
    pub(crate) fn end(&self, scope: Scope<'_>) {
        for waiting in self.leave_lists() {
            drop((scope.release(waiting.buffer), scope.release(waiting.resolve)));
        }
    }
}

impl Drop for Waits {
    /// The isolate was ended in the middle; its values go with it.
    fn drop(&mut self) {
        self.leave_lists();
    }
}

impl Local {
    /// `Atomics.waitAsync`: `{ async, value }`.
    pub(crate) fn wait_async<'a>(&self, scope: Scope<'a>, wish: Wish<'a>) -> JsResult<'a, Handle<'a>> {
        if !wish.is_equal() {
            return answer(scope, false, scope.string("not-equal")?);
        }
        if wish.limit == Some(Duration::ZERO) {
            return answer(scope, false, scope.string("timed-out")?);
        }
        // What needs memory is made before others can see that it waits.
        let (promise, resolve) = scope.new_promise()?;
        let pending = answer(scope, true, promise)?;
        let (mailbox, level) = (self.mailbox(), self.priority());
        let told = move |number| {
            let told = Box::new(move |scope: Scope<'_>| Local::of(scope).end_wait(scope, number, "ok"));
            mailbox.post(level, Letter::Task(told));
        };
        let Some(place) = wish.join(told) else {
            return answer(scope, false, scope.string("not-equal")?);
        };
        let due = wish.limit.and_then(|limit| Instant::now().checked_add(limit));
        let timer = due.map(|due| self.timers().borrow_mut().set_wait(due, place.number));
        let (buffer, resolve) = (scope.keep(wish.buffer), scope.keep(resolve));
        self.waits().0.borrow_mut().insert(place.number, Waiting { place, buffer, resolve, timer });
        Ok(pending)
    }

    /// The time of one is over.
    pub(crate) fn wait_is_over(&self, scope: Scope<'_>, number: u64) {
        let place = self.waits().0.borrow().get(&number).map(|waiting| waiting.place);
        if place.is_some_and(Place::leave) {
            self.end_wait(scope, number, "timed-out");
        }
    }

    fn end_wait(&self, scope: Scope<'_>, number: u64, outcome: &str) {
        let Some(waiting) = self.waits().0.borrow_mut().remove(&number) else { return };
        if let Some(timer) = waiting.timer {
            self.timers().borrow_mut().clear(timer);
        }
        let resolve = (scope.release(waiting.buffer), scope.release(waiting.resolve)).1;
        // Without memory for six letters the script gets no further anyway.
        let _resolved = scope.string(outcome).and_then(|text| resolve.call(&scope.undefined(), &[&text]));
    }
}

fn answer<'a>(scope: Scope<'a>, is_async: bool, value: Handle<'a>) -> JsResult<'a, Handle<'a>> {
    let answer = scope.new_object()?;
    answer.set(c"async", scope.boolean(is_async))?;
    answer.set(c"value", value)?;
    Ok(answer)
}
