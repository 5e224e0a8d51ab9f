//! The limit on live fibers, if one was asked for: then, and only then, fibers are counted in one
//! shared place.

use super::builder::AtLimit;
use crate::error::{Cancelled, Error};
use crate::suspend::{Resumer, suspend};
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
            return Err(Error::limit(self.most));
        }
        state.live += 1;
        Ok(())
    }

    /// Counts one more fiber, or waits until it fits, or fails, as the policy says.
    pub(crate) fn enter(&self, is_running: impl Fn() -> bool) -> Result<(), Error> {
        if self.policy == AtLimit::Fail {
            return self.try_enter();
        }
        loop {
            {
                let mut state = self.state.lock();
                if state.live < self.most {
                    state.live += 1;
                    return Ok(());
                }
                if !is_running() {
                    return Err(Error::stopped());
                }
                if std::thread::panicking() {
                    // A fiber cannot wait while it unwinds.
                    return Err(Error::limit(self.most));
                }
                state.waiting.push_back(Resumer::current());
            }
            if let Err(Cancelled(())) = suspend() {
                // Somebody may have been chosen to wake us: the next one gets our turn.
                let me = Resumer::current();
                let mut state = self.state.lock();
                state.waiting.retain(|waiting| *waiting != me);
                if state.live < self.most
                    && let Some(next) = state.waiting.pop_front()
                {
                    next.resume();
                }
                return Err(Error::limit(self.most));
            }
            let me = Resumer::current();
            self.state.lock().waiting.retain(|waiting| *waiting != me);
        }
    }

    /// Counts a fiber that has failed at the limit and is about to end.
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
