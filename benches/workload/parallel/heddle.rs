//! `parallel` by Heddle.

use super::{Parallel, drive, of, whole};
use crate::contender;
use heddle_benches::{Run, Sample};
use heddle_scheduler::Scheduler;
use heddle_scheduler::parallel::{Grain, for_each, map, map_reduce, par_sort, par_sort_unstable};

struct Heddle(Scheduler);

pub(crate) fn run(run: &Run) -> Sample {
    let heddle = Heddle(contender::heddle::scheduler(run.case.workers));
    drive(run, "heddle_scheduler::parallel with Grain::Auto", &heddle)
}

impl Parallel for Heddle {
    fn change(&self, floats: &mut [f64]) {
        self.0.run(|| for_each(floats, Grain::Auto, |float| *float = of(*float)));
    }

    fn map(&self, floats: &[f64]) -> Vec<f64> {
        self.0.run(|| map(floats, Grain::Auto, |&float| of(float)))
    }

    fn sum(&self, floats: &[f64]) -> f64 {
        self.0.run(|| map_reduce(floats, Grain::Auto, |&float| whole(float), |a, b| a + b)).unwrap_or(0.0)
    }

    fn sort<T: Ord + Send>(&self, values: &mut [T]) {
        self.0.run(|| par_sort(values));
    }

    fn sort_unstable<T: Ord + Send>(&self, values: &mut [T]) {
        self.0.run(|| par_sort_unstable(values));
    }
}
