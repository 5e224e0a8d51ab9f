//! `parallel` by rayon.
#![cfg(feature = "peers")]

use super::{Parallel, drive, of, whole};
use crate::contender;
use heddle_benches::{Run, Sample};
use rayon::ThreadPool;
use rayon::prelude::*;

struct Rayon(ThreadPool);

pub(crate) fn run(run: &Run) -> Sample {
    let pool = Rayon(contender::rayon::pool(run.case.workers));
    drive(run, "rayon's parallel iterators and sorts", &pool)
}

impl Parallel for Rayon {
    fn change(&self, floats: &mut [f64]) {
        self.0.install(|| floats.par_iter_mut().for_each(|float| *float = of(*float)));
    }

    fn map(&self, floats: &[f64]) -> Vec<f64> {
        self.0.install(|| floats.par_iter().map(|&float| of(float)).collect())
    }

    fn sum(&self, floats: &[f64]) -> f64 {
        self.0.install(|| floats.par_iter().map(|&float| whole(float)).sum())
    }

    fn sort<T: Ord + Send>(&self, values: &mut [T]) {
        self.0.install(|| values.par_sort());
    }

    fn sort_unstable<T: Ord + Send>(&self, values: &mut [T]) {
        self.0.install(|| values.par_sort_unstable());
    }
}
