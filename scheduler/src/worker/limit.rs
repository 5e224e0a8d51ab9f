//! The limit on live fibers, if one was asked for: then, and only then, fibers are counted in one
//! shared place.

use super::resumer::Resumer;
use crate::config::AtLimit;
use crate::error::Error;
use parking_lot::Mutex;
use std::collections::VecDeque;

pub(crate) struct Limit {
    most: usize,
    policy: AtLimit,
    state: Mutex<State>,
}

struct State {
    live: usize,
    waiting: VecDeque<Resumer>,
}

impl Limit {
    pub(crate) fn new(most: usize, policy: AtLimit) -> Limit {
        Limit { most, policy, state: Mutex::new(State { live: 0, waiting: VecDeque::new() }) }
    }

    /// Counts one more fiber, if it fits.
    pub(crate) fn try_enter(&self) -> Result<(), Error> {
        let mut state = self.state.lock();
        if state.live >= self.most {
            return Err(self.error());
        }
        state.live += 1;
        Ok(())
    }

    /// May `go` wait?
    pub(crate) fn waits(&self) -> bool {
        self.policy == AtLimit::Wait
    }

    /// Counts one more fiber, or notes who is to be resumed when one has ended (`false`).
    pub(crate) fn enter_or_queue(&self, waiter: &Resumer) -> bool {
        let mut state = self.state.lock();
        let fits = state.live < self.most;
        if fits {
            state.live += 1;
        } else {
            state.waiting.push_back(waiter.clone());
        }
        fits
    }

    /// `waiter` waits no longer. If it `gives_up`, its turn goes to the next.
    pub(crate) fn unqueue(&self, waiter: &Resumer, gives_up: bool) {
        let mut state = self.state.lock();
        state.waiting.retain(|waiting| waiting != waiter);
        if gives_up
            && state.live < self.most
            && let Some(next) = state.waiting.pop_front()
        {
            next.resume();
        }
    }

    /// The error of a fiber too many.
    pub(crate) fn error(&self) -> Error {
        Error::limit(self.most)
    }

    /// Counts a fiber whatever the limit: one that has failed at it and is about to end, or a branch
    /// that others wait for.
    pub(crate) fn enter_beyond(&self) {
        self.state.lock().live += 1;
    }

    /// A fiber has ended.
    pub(crate) fn leave(&self) {
        let mut state = self.state.lock();
        state.live -= 1;
        if let Some(next) = state.waiting.pop_front() {
            next.resume();
        }
    }

    /// The scheduler stops: nobody waits any longer.
    pub(crate) fn give_up(&self) {
        for waiting in self.state.lock().waiting.drain(..) {
            waiting.resume();
        }
    }
}
