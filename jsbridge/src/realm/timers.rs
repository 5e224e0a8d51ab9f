//! What happens in one isolate at a time: the functions of `setTimeout` and `setInterval`, the timeouts of the
//! Deferreds that it made, and those of `Atomics.waitAsync`.

use super::pending::Ticket;
use crate::isolate::kept::Kept;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant};

/// The shortest time of an interval, so that one of zero lets other things happen.
const INTERVAL_MIN: Duration = Duration::from_millis(1);
/// Longer ones than this are at once, as in browsers and Node: they count in 32 bits.
const LONGEST_MS: f64 = 2_147_483_647.0;

/// What is due then.
pub(crate) enum Due {
    /// A script's function is to be called.
    Call { function: Kept, arguments: Vec<Kept> },
    /// A Deferred has taken too long.
    Timeout(Ticket),
    /// The time of this `Atomics.waitAsync` is over.
    Wait(u64),
}

/// A timer.
pub(crate) struct Timer {
    pub(crate) due: Due,
    every: Option<Duration>,
}

/// All of an isolate's.
#[derive(Default)]
pub(crate) struct Timers {
    queue: BinaryHeap<Reverse<(Instant, u64)>>,
    timers: HashMap<u64, Timer>,
    last: u64,
    /// Of functions.
    calls: usize,
}

/// What a script's milliseconds mean.
pub(crate) fn delay(milliseconds: f64) -> Duration {
    // Also what is no number is at once.
    if (1.0..=LONGEST_MS).contains(&milliseconds) {
        Duration::from_secs_f64(milliseconds.trunc() / 1000.0)
    } else {
        Duration::ZERO
    }
}

impl Timers {
    /// A function to be called later; the number that clears it.
    pub(crate) fn set(
        &mut self,
        after: Duration,
        repeats: bool,
        function: Kept,
        arguments: Vec<Kept>,
    ) -> u64 {
        let every = repeats.then(|| after.max(INTERVAL_MIN));
        self.calls += 1;
        self.insert(Instant::now() + after, Timer { due: Due::Call { function, arguments }, every })
    }

    /// The timeout of a Deferred; the number that clears it.
    pub(crate) fn set_timeout(&mut self, due: Instant, ticket: Ticket) -> u64 {
        self.insert(due, Timer { due: Due::Timeout(ticket), every: None })
    }

    /// The end of an `Atomics.waitAsync`; the number that clears it.
    pub(crate) fn set_wait(&mut self, due: Instant, number: u64) -> u64 {
        self.insert(due, Timer { due: Due::Wait(number), every: None })
    }

    fn insert(&mut self, due: Instant, timer: Timer) -> u64 {
        self.last += 1;
        self.queue.push(Reverse((due, self.last)));
        self.timers.insert(self.last, timer);
        self.last
    }

    /// Forgets one; its values are the caller's to release.
    pub(crate) fn clear(&mut self, number: u64) -> Option<Timer> {
        let timer = self.timers.remove(&number)?;
        self.calls -= usize::from(matches!(timer.due, Due::Call { .. }));
        // What is left of it in the queue is skipped; where most of the queue is such, it is cleaned.
        if self.queue.len() > 64 && self.queue.len() > 2 * self.timers.len() {
            self.queue.retain(|Reverse((_, number))| self.timers.contains_key(number));
        }
        Some(timer)
    }

    /// Is a function to be called, ever?
    pub(crate) fn any_calls(&self) -> bool {
        self.calls > 0
    }

    /// When the first is due.
    pub(crate) fn first(&mut self) -> Option<Instant> {
        while let Some(Reverse((due, number))) = self.queue.peek() {
            if self.timers.contains_key(number) {
                return Some(*due);
            }
            self.queue.pop();
        }
        None
    }

    /// The number of one that is due; see [`fired`](Self::fired).
    pub(crate) fn due(&mut self, now: Instant) -> Option<u64> {
        if self.first()? > now {
            return None;
        }
        self.queue.pop().map(|Reverse((_, number))| number)
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Timer> {
        self.timers.get(&number)
    }

    /// That one is about to be called. It comes back if it does so only once; an interval waits anew.
    pub(crate) fn fired(&mut self, number: u64, now: Instant) -> Option<Timer> {
        match self.timers.get(&number)?.every {
            Some(every) => {
                self.queue.push(Reverse((now + every, number)));
                None
            }
            None => self.clear(number),
        }
    }

    /// Forgets all; their values are the caller's to release.
    pub(crate) fn clear_all(&mut self) -> Vec<Timer> {
        self.queue.clear();
        self.calls = 0;
        self.timers.drain().map(|(_, timer)| timer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_times_are_at_once() {
        for odd in [-1.0, 0.0, 0.9, f64::NAN, f64::INFINITY, 2_147_483_648.0] {
            assert_eq!(delay(odd), Duration::ZERO, "{odd}");
        }
        assert_eq!(delay(1.9), Duration::from_millis(1));
        assert_eq!(delay(LONGEST_MS), Duration::from_millis(2_147_483_647));
    }
}
