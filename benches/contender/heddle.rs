//! Heddle with its defaults: statistics on, five levels, guarded stacks of the default size, the default spin.
//! A channel and a baton are built here on the two verbs of `heddle_scheduler::suspend`, as all blocking is.

use heddle_benches::process::thread_mark;
use heddle_benches::{Run, Sample};
use heddle_scheduler::suspend::{Resumer, suspend};
use heddle_scheduler::{Lanes, Scheduler};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

/// Whether this process asks for one lane instead of the default.
static ONE_LANE: AtomicBool = AtomicBool::new(false);

pub(crate) fn scheduler(workers: usize) -> Scheduler {
    let builder = Scheduler::builder().workers(workers);
    let builder = if ONE_LANE.load(Ordering::Relaxed) { builder.lanes(Lanes::one()) } else { builder };
    // Where instructions are counted each takes fifty times as long: what is no hog would be taken for one, and rescued.
    let counted = std::env::var_os("HEDDLE_COUNTED").is_some();
    let builder = if counted { builder.hog_after(Duration::MAX) } else { builder };
    builder.build().expect("threads can be started")
}

/// The same run with lanes switched off; a run has a process of its own.
pub(crate) fn with_one_lane(run: &Run, measure: fn(&Run) -> Sample) -> Sample {
    ONE_LANE.store(true, Ordering::Relaxed);
    let mut sample = measure(run);
    sample.says += "; one lane";
    sample
}

/// Counts messages without content; a fiber that receives sleeps until there is one for it.
#[derive(Default)]
pub(crate) struct Channel(Mutex<ChannelState>);

#[derive(Default)]
struct ChannelState {
    messages: usize,
    closed: bool,
    sleepers: VecDeque<Resumer>,
}

impl Channel {
    /// Takes a message, or learns that the channel is closed (`false`).
    pub(crate) fn receive(&self) -> bool {
        loop {
            let mut state = self.state();
            if state.messages > 0 {
                state.messages -= 1;
                return true;
            }
            if state.closed {
                return false;
            }
            state.sleepers.push_back(Resumer::current());
            drop(state);
            suspend().expect("nobody cancels");
        }
    }

    pub(crate) fn send(&self) {
        let mut state = self.state();
        state.messages += 1;
        let sleeper = state.sleepers.pop_front();
        drop(state);
        if let Some(sleeper) = sleeper {
            sleeper.resume();
        }
    }

    /// Wakes all; whoever receives from now on gets nothing.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let sleepers = std::mem::take(&mut state.sleepers);
        drop(state);
        sleepers.iter().for_each(Resumer::resume);
    }

    /// No fiber suspends while it holds this lock.
    fn state(&self) -> MutexGuard<'_, ChannelState> {
        self.0.lock().expect("no one panics")
    }
}

/// A token that two fibers hand to and fro.
#[derive(Default)]
pub(crate) struct Baton {
    turn: AtomicUsize,
    players: [OnceLock<Resumer>; 2],
}

impl Baton {
    /// One side of a rally: `rounds` times waits for its turn, then passes. Returns how often it had the token on the
    /// thread on which it began.
    pub(crate) fn play(&self, me: usize, rounds: u64) -> u64 {
        let _ = self.players[me].set(Resumer::current());
        let here = thread_mark();
        let mut on_the_same_thread = 0;
        for _ in 0..rounds {
            // ORDERING: Acquire and Release pair with each other; a token given before `suspend` is not lost.
            while self.turn.load(Ordering::Acquire) != me {
                suspend().expect("nobody cancels");
            }
            on_the_same_thread += u64::from(thread_mark() == here);
            self.turn.store(1 - me, Ordering::Release);
            if let Some(other) = self.players[1 - me].get() {
                other.resume();
            }
        }
        on_the_same_thread
    }
}
