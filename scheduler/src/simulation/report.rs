//! What a simulation came to.

use crate::priority::{LEVELS, Priority};
use std::fmt;

/// What happened in a simulation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many times a fiber was started or resumed.
    pub dispatches: u64,
    /// How many fibers ended.
    pub ended: u64,
    /// How long it took, in simulated ns.
    pub time: u64,
    /// How many fibers were stolen.
    pub steals: u64,
    /// The work done at each level, in ns of CPU time.
    pub busy: [u64; LEVELS],
    /// The longest that a fiber of each level waited to be dispatched, in ns. It has no bound where more
    /// work comes than can be done.
    pub longest_wait: [u64; LEVELS],
    /// How often a fiber of the second level was dispatched while one of the first was waiting.
    pub inversions: [[u64; LEVELS]; LEVELS],
    /// The longest that this went on at one worker, in ns of CPU time.
    pub longest_inversion: [[u64; LEVELS]; LEVELS],
    /// The longest between two turns of a level that had work, at one worker, in ns of CPU time.
    pub longest_gap: [u64; LEVELS],
}

impl Report {
    #[inline]
    pub(super) fn waited(&mut self, level: usize, time: u64) {
        if time > self.longest_wait[level] {
            self.longest_wait[level] = time;
        }
    }

    /// What part of the work was done at each level.
    pub fn shares(&self) -> [f64; LEVELS] {
        let all = self.busy.iter().sum::<u64>().max(1) as f64;
        self.busy.map(|busy| busy as f64 / all)
    }

    /// Both together, as if one machine had run after the other.
    pub fn add(&mut self, other: &Report) {
        self.dispatches += other.dispatches;
        self.ended += other.ended;
        self.time += other.time;
        self.steals += other.steals;
        for level in 0..LEVELS {
            self.busy[level] += other.busy[level];
            self.waited(level, other.longest_wait[level]);
            self.longest_gap[level] = self.longest_gap[level].max(other.longest_gap[level]);
            for below in 0..LEVELS {
                self.inversions[level][below] += other.inversions[level][below];
                let longest = &mut self.longest_inversion[level][below];
                *longest = (*longest).max(other.longest_inversion[level][below]);
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { dispatches, ended, steals, .. } = self;
        let seconds = self.time as f64 / 1e9;
        writeln!(f, "{dispatches} dispatches, {ended} fibers, {steals} stolen, {seconds:.3} s simulated")?;
        writeln!(f, "{:<12}{:>9}{:>22}{:>22}", "level", "share", "longest wait us", "between turns us")?;
        for (level, share) in self.shares().into_iter().enumerate() {
            let micros = |nanos: u64| nanos as f64 / 1e3;
            let (wait, gap) = (micros(self.longest_wait[level]), micros(self.longest_gap[level]));
            let name = Priority::from_level(level);
            writeln!(f, "{name:<12}{:>8.2}%{wait:>22.1}{gap:>22.1}", 100.0 * share)?;
        }
        for level in 0..LEVELS {
            for below in level + 1..LEVELS {
                let (waiting, ran) = (Priority::from_level(level), Priority::from_level(below));
                let (count, longest) = (self.inversions[level][below], self.longest_inversion[level][below]);
                if count > 0 {
                    let longest = longest as f64 / 1e3;
                    writeln!(f, "{ran} ran while {waiting} waited: {count} times, {longest:.1} us in a row")?;
                }
            }
        }
        Ok(())
    }
}
