//! What a run came to, and what several seeds say together.

use super::hardware::DISTANCES;

/// What happened in one run. Times in ns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// From the first fiber to the end of the last.
    pub makespan: u64,
    /// Fibers dispatched.
    pub dispatches: u64,
    /// Lines read, by distance of their home from the reader.
    pub lines: [f64; DISTANCES],
    /// Time in which fibers ran, all workers together.
    pub busy: f64,
    /// What that time would have been with all memory near and nobody else reading.
    pub ideal: f64,
    /// Time in which workers had nothing to run, all together.
    pub idle: f64,
    /// Fibers taken from other workers, by distance.
    pub steals: [u64; DISTANCES],
    /// Fibers taken from inboxes, by distance.
    pub fetched: [u64; DISTANCES],
    /// Times that a worker looked everywhere it may and found nothing.
    pub vain: u64,
    /// Parked workers that were woken, by distance from who woke them.
    pub wakes: [u64; DISTANCES],
    /// The busy time of the worker that had least, as a part of the average.
    pub fairness: f64,
    /// The longest that a fiber had waited to start while somebody had been idle for as long.
    pub neglect: u64,
    /// How long requests took from their coming to their end, sorted; not of the first quarter of them.
    pub latencies: Vec<u64>,
}

impl Outcome {
    /// The part of the lines that were read on another node than their home.
    pub fn remote(&self) -> f64 {
        (self.lines[1] + self.lines[2]) / self.lines.iter().sum::<f64>().max(1.0)
    }

    /// How many times longer the fibers ran than with all memory near and to themselves.
    pub fn inflation(&self) -> f64 {
        self.busy / self.ideal.max(1.0)
    }

    /// The latency that this part of the requests kept to, from 0 to 1.
    pub fn latency(&self, part: f64) -> u64 {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * part) as usize).copied().unwrap_or(0)
    }
}

/// A mean, and how far the true one may be from it (95 %, by Student's t).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// The mean of what was seen.
    pub mean: f64,
    /// Half of the interval's width.
    pub margin: f64,
}

/// Student's t for 95 % on both sides, from one degree of freedom on.
const STUDENT: [f64; 20] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086,
];

impl Estimate {
    /// Of at least two values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Estimate {
        let values: Vec<f64> = values.into_iter().collect();
        let count = values.len().max(2) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let free = values.len().max(2) - 1;
        let t = STUDENT.get(free - 1).copied().unwrap_or(1.96 + 2.5 / free as f64);
        Estimate { mean, margin: t * (variance / count).sqrt() }
    }

    /// The smallest that the true mean may be.
    pub fn low(&self) -> f64 {
        self.mean - self.margin
    }

    /// The largest that it may be.
    pub fn high(&self) -> f64 {
        self.mean + self.margin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_students() {
        for (count, t) in [(2, 12.706), (3, 4.303), (5, 2.776), (20, 2.093), (41, 2.021), (121, 1.980)] {
            let values: Vec<f64> = (0..count).map(f64::from).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64;
            let estimate = Estimate::of(values.iter().copied());
            assert!((estimate.mean - mean).abs() < 1e-12);
            let seen = estimate.margin / (variance / values.len() as f64).sqrt();
            assert!((seen / t - 1.0).abs() < 0.002, "{count}: {seen}, not {t}");
        }
        assert_eq!(Estimate::of([3.0, 3.0]), Estimate { mean: 3.0, margin: 0.0 });
    }

    #[test]
    fn latencies_are_told_by_their_rank() {
        let outcome = Outcome { latencies: (0..=100).collect(), ..Outcome::default() };
        assert_eq!((outcome.latency(0.5), outcome.latency(0.99), outcome.latency(1.0)), (50, 99, 100));
        assert_eq!(Outcome::default().latency(0.5), 0);
    }
}
