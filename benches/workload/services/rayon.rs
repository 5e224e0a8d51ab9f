//! `services` by rayon.
#![cfg(feature = "peers")]

use super::{CHILDREN, drive};
use crate::contender;
use heddle_benches::{Run, Sample, Timed};
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) fn run(run: &Run) -> Sample {
    let pool = contender::rayon::pool(run.case.workers);
    drive(run, "scope(), spawn() in it", |rounds| {
        pool.install(|| {
            Timed::of(|| {
                let sum = AtomicU64::new(0);
                for _ in 0..rounds {
                    rayon::scope(|scope| {
                        for _ in 0..CHILDREN {
                            scope.spawn(|_| {
                                sum.fetch_add(1, Ordering::Relaxed);
                            });
                        }
                    });
                }
                sum.into_inner()
            })
        })
    })
}
