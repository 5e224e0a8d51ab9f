//! `parallel` by the floor: one thread, and the standard library.

use super::{Parallel, drive, of, whole};
use heddle_benches::{Run, Sample};

struct Serial;

pub(crate) fn run(run: &Run) -> Sample {
    drive(run, "one thread: iterators, and the standard library's sorts", &Serial)
}

impl Parallel for Serial {
    fn change(&self, floats: &mut [f64]) {
        floats.iter_mut().for_each(|float| *float = of(*float));
    }

    fn map(&self, floats: &[f64]) -> Vec<f64> {
        floats.iter().map(|&float| of(float)).collect()
    }

    fn sum(&self, floats: &[f64]) -> f64 {
        floats.iter().map(|&float| whole(float)).sum()
    }

    fn sort<T: Ord + Send>(&self, values: &mut [T]) {
        values.sort();
    }

    fn sort_unstable<T: Ord + Send>(&self, values: &mut [T]) {
        values.sort_unstable();
    }
}
