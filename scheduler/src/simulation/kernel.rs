//! The kernel's part: CPUs that divide their time among the threads that want it, and timers.
//!
//! A CPU gives each runnable thread time in proportion to its weight, as the kernel's fair scheduler
//! does at nice 0, nice 10 and in `SCHED_IDLE`: an urgent thread preempts the others for all practical
//! purposes, and a background thread beside an ordinary one gets a thirtieth.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The weights of the kernel for the urgent, ordinary and background lanes.
pub(super) const WEIGHTS: [u64; 3] = [1024, 110, 3];

/// Later than anything.
pub(super) const NEVER: u64 = u64::MAX;

/// The CPU with the earliest event: a tree of winners.
pub(super) struct Soonest {
    /// The times of all CPUs, padded to a power of two.
    times: Vec<u64>,
    /// `nodes[1]` is the winner of all, `nodes[n]` that of `nodes[2n]` and `nodes[2n + 1]`.
    nodes: Vec<u32>,
}

impl Soonest {
    pub(super) fn new(cpus: usize) -> Soonest {
        let width = cpus.next_power_of_two().max(2);
        let mut nodes = vec![0; 2 * width];
        for leaf in 0..width {
            nodes[width + leaf] = leaf as u32;
        }
        for node in (1..width).rev() {
            nodes[node] = nodes[2 * node];
        }
        Soonest { times: vec![NEVER; width], nodes }
    }

    /// The earliest event and its CPU.
    pub(super) fn first(&self) -> (u64, usize) {
        let cpu = self.nodes[1] as usize;
        (self.times[cpu], cpu)
    }

    pub(super) fn set(&mut self, cpu: usize, time: u64) {
        if self.times[cpu] == time {
            return;
        }
        self.times[cpu] = time;
        let mut node = (self.times.len() + cpu) / 2;
        while node > 0 {
            let (left, right) = (self.nodes[2 * node], self.nodes[2 * node + 1]);
            let right_wins = self.times[right as usize] < self.times[left as usize];
            self.nodes[node] = if right_wins { right } else { left };
            node /= 2;
        }
    }
}

/// What a timer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A thread that was unparked, or that stood aside, runs.
    Up(u32),
    /// The first timer of a worker that went to sleep is due.
    Alarm(u32),
    /// A source has its next burst.
    Arrive(u32),
}

/// Timers, earliest first.
#[derive(Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(u64, Event)>>);

impl Timers {
    pub(super) fn set(&mut self, time: u64, event: Event) {
        self.0.push(Reverse((time, event)));
    }

    pub(super) fn first(&self) -> u64 {
        self.0.peek().map_or(NEVER, |Reverse((time, _))| *time)
    }

    pub(super) fn take(&mut self) -> Option<Event> {
        self.0.pop().map(|Reverse((_, event))| event)
    }
}

/// One thread on a CPU, as the kernel sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thread {
    /// Wants the CPU.
    pub(super) runnable: bool,
    pub(super) weight: u64,
    /// CPU time until it has something to decide.
    pub(super) left: u64,
    /// CPU time that it has had.
    pub(super) used: u64,
}

/// One CPU with a thread for each lane.
#[derive(Clone, Debug)]
pub(super) struct Cpu {
    pub(super) threads: [Thread; 3],
    /// Its threads' times are accounted for until here.
    at: u64,
}

impl Cpu {
    pub(super) fn new() -> Cpu {
        let thread = |weight| Thread { runnable: false, weight, left: 0, used: 0 };
        Cpu { threads: WEIGHTS.map(thread), at: 0 }
    }

    fn weights(&self) -> u64 {
        let mut sum = 0;
        for thread in &self.threads {
            if thread.runnable {
                sum += thread.weight;
            }
        }
        sum
    }

    /// Gives the threads the time until `now`.
    pub(super) fn advance(&mut self, now: u64) {
        let time = now - self.at;
        if time == 0 {
            return;
        }
        self.at = now;
        let weights = self.weights();
        for thread in &mut self.threads {
            if thread.runnable {
                let got = if thread.weight == weights { time } else { time * thread.weight / weights };
                thread.used += got.min(thread.left);
                thread.left -= got.min(thread.left);
            }
        }
    }

    /// When the first of its threads has something to decide.
    pub(super) fn next(&self) -> u64 {
        let weights = self.weights();
        let mut next = NEVER;
        for thread in &self.threads {
            if thread.runnable {
                let alone = thread.weight == weights;
                // One more, as both divisions round down.
                let time = if alone { thread.left } else { thread.left * weights / thread.weight + 1 };
                next = next.min(self.at + time);
            }
        }
        next
    }

    /// The most urgent thread that has something to decide now.
    pub(super) fn deciding(&self) -> Option<usize> {
        (0..3).find(|&lane| self.threads[lane].runnable && self.threads[lane].left == 0)
    }
}
