//! Whom to serve where more fibers have something to read than a worker gets to: the same few for a while, then the next.
//!
//! Of 10,000 connections that all ask again as soon as they have their answer, each that is served in its turn finds
//! nothing of itself in the caches: not its stack, and, which weighs more, not its socket in the kernel. So those whose
//! events come are put into *turns*. While one lasts, [`CROWD`] of them are resumed as often as something comes for them;
//! the others are put off, in line. Nobody idles for that: where all who were resumed have run, [`MORE`] of those
//! who were put off come in besides. And nobody is forgotten: a turn is over after [`TURN`], and the next takes the first
//! of the line.
//!
//! ```text
//! enter(mark) -> true      resume it: it is in the turn, or there was room
//!             -> false     it gets in line
//! resumed(), went_on()     one was resumed, and has run
//! let_in(clock) -> n       after each look: so many of the line are let in, each by join(mark)
//! ```
//!
//! *The longest wait*: with n in line, n / [`CROWD`] turns, and what the fibers of one run beyond its end. In turn, they
//! would have waited for n answers; a worker gives several hundred in a [`TURN`].

use super::{CROWD, MORE};
use std::cell::Cell;

/// One worker's, for the fibers of one level.
#[derive(Default)]
pub(crate) struct Crowd {
    /// The number of the turn. Marks are 0 at first, which none is.
    turn: Cell<u64>,
    /// When it is over.
    ends: Cell<u64>,
    /// How many are in it.
    members: Cell<usize>,
    /// How many were resumed and have not run since then.
    coming: Cell<usize>,
}

impl Crowd {
    /// Something has come for the one with this mark. `false`: it has to wait for its turn.
    #[inline]
    #[must_use]
    pub(crate) fn enter(&self, mark: &Cell<u64>) -> bool {
        let is_in = mark.get() == self.turn.get() && mark.get() != 0;
        if !is_in && self.members.get() >= CROWD {
            return false;
        }
        if !is_in {
            self.join(mark);
        }
        true
    }

    /// It is in this turn.
    #[inline]
    pub(crate) fn join(&self, mark: &Cell<u64>) {
        mark.set(self.turn.get());
        self.members.set(self.members.get() + 1);
    }

    #[inline]
    pub(crate) fn resumed(&self) {
        self.coming.set(self.coming.get() + 1);
    }

    #[inline]
    pub(crate) fn went_on(&self) {
        self.coming.set(self.coming.get() - 1);
    }

    /// How many of those in line come in now; a turn takes `length`.
    #[inline]
    pub(crate) fn let_in(&self, now: u64, length: u64) -> usize {
        if now >= self.ends.get() {
            self.turn.set(self.turn.get() + 1);
            self.ends.set(now.saturating_add(length));
            self.members.set(0);
            CROWD
        } else if self.coming.get() == 0 {
            MORE
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// A worker that serves one of those that were resumed in each step, which asks again at once.
    fn serve(connections: usize, steps: usize, length: u64) -> Vec<Vec<usize>> {
        let crowd = Crowd::default();
        let marks: Vec<Cell<u64>> = (0..connections).map(|_| Cell::default()).collect();
        let (mut line, mut ready) = (VecDeque::new(), VecDeque::new());
        let mut served = vec![Vec::new(); connections];
        let mut news: Vec<usize> = (0..connections).collect();
        for step in 0..steps {
            for one in news.drain(..) {
                if crowd.enter(&marks[one]) {
                    crowd.resumed();
                    ready.push_back(one);
                } else {
                    line.push_back(one);
                }
            }
            for one in 0..crowd.let_in(step as u64, length) {
                let Some(one) = line.pop_front().filter(|_| one < connections) else { break };
                crowd.join(&marks[one]);
                crowd.resumed();
                ready.push_back(one);
            }
            let Some(one) = ready.pop_front() else { continue };
            crowd.went_on();
            served[one].push(step);
            news.push(one);
        }
        served
    }

    fn longest_wait(times: &[usize], steps: usize) -> usize {
        let ends = [0].into_iter().chain(times.iter().copied()).chain([steps]);
        let ends: Vec<usize> = ends.collect();
        ends.windows(2).map(|two| two[1] - two[0]).max().expect("there is a beginning and an end")
    }

    #[test]
    fn where_all_fit_each_has_its_turn() {
        for times in serve(CROWD, 100 * CROWD, 700) {
            assert!(longest_wait(&times, 100 * CROWD) <= 2 * CROWD);
        }
    }

    #[test]
    fn the_same_are_served_several_times_in_a_row_and_nobody_for_ever() {
        let (connections, length) = (40 * CROWD, 8 * CROWD);
        let steps = 200 * length;
        let served = serve(connections, steps, length as u64);
        let (mut near, mut all) = (0, 0);
        for times in &served {
            let wait = longest_wait(times, steps);
            assert!(wait <= 44 * length, "{wait} steps");
            near += times.windows(2).filter(|two| two[1] - two[0] <= 3 * CROWD).count();
            all += times.len();
        }
        assert!(near * 10 > all * 7, "{near} of {all}");
    }

    #[test]
    fn whoever_is_put_off_comes_in_where_nobody_else_has_something_to_do() {
        let crowd = Crowd::default();
        assert_eq!(crowd.let_in(0, 1000), CROWD);
        let marks: Vec<Cell<u64>> = (0..=CROWD).map(|_| Cell::default()).collect();
        assert!(marks[..CROWD].iter().all(|mark| crowd.enter(mark)));
        assert!(!crowd.enter(&marks[CROWD]));
        crowd.resumed();
        assert_eq!(crowd.let_in(1, 1000), 0);
        crowd.went_on();
        assert_eq!(crowd.let_in(2, 1000), MORE);
        crowd.join(&marks[CROWD]);
        assert!(crowd.enter(&marks[CROWD]));
        // In the next turn all begin anew.
        assert_eq!(crowd.let_in(1000, 1000), CROWD);
        assert!(crowd.enter(&marks[CROWD]));
    }
}
