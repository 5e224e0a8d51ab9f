//! Where a host finds the outcome of a Deferred: whoever asks gets it once, with its contents, and nobody waits beside it.

use crate::explore;
use crate::isolate_answer::Answer;
use loom::cell::UnsafeCell;
use loom::sync::{Condvar, Mutex};
use loom::thread;
use std::sync::Arc;

/// An outcome whose contents were written by whoever settles.
struct Outcome(UnsafeCell<u32>);

// SAFETY: it is handed over.
unsafe impl Send for Outcome {}

impl Outcome {
    fn new(value: u32) -> Outcome {
        let outcome = Outcome(UnsafeCell::new(0));
        // SAFETY: it is new and ours.
        outcome.0.with_mut(|cell| unsafe { *cell = value });
        outcome
    }

    fn read(self) -> u32 {
        // SAFETY: it was handed to us.
        self.0.with(|cell| unsafe { *cell })
    }
}

/// A channel for one value.
#[derive(Default)]
struct Channel {
    value: Mutex<Option<Outcome>>,
    changed: Condvar,
}

impl Channel {
    fn send(&self, outcome: Outcome) {
        *self.value.lock().unwrap() = Some(outcome);
        self.changed.notify_one();
    }

    /// An outcome that does not come is a deadlock, which loom reports.
    fn receive(&self) -> Outcome {
        let mut value = self.value.lock().unwrap();
        loop {
            match value.take() {
                Some(outcome) => return outcome,
                None => value = self.changed.wait(value).unwrap(),
            }
        }
    }
}

#[test]
fn who_asks_is_told_once_whoever_comes_first() {
    explore(4, || {
        let answer = Arc::new(Answer::<Outcome, Arc<Channel>>::new());
        let settles = {
            let answer = answer.clone();
            thread::spawn(move || {
                if let Some((asker, outcome)) = answer.tell(Outcome::new(7)) {
                    asker.send(outcome);
                }
            })
        };
        let channel = Arc::new(Channel::default());
        let outcome = match answer.take() {
            Some(outcome) => outcome,
            None => answer.ask(channel.clone()).unwrap_or_else(|| channel.receive()),
        };
        assert_eq!(outcome.read(), 7);
        settles.join().unwrap();
        assert!(answer.take().is_none());
    });
}
