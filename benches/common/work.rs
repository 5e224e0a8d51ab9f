//! Work of a known length that is CPU time rather than a span of the clock: whoever is preempted in the middle of it
//! still has the rest to do. Each piece checks what it computed.

use crate::process::{burn, cpu_time};
use crate::thread::now_ns;
use std::hint::black_box;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A piece of work.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    steps: u32,
    answer: u64,
}

impl Work {
    /// Work that takes about so many microseconds of an undisturbed CPU; none for zero.
    #[must_use]
    pub fn lasting_us(us: u32) -> Self {
        let steps = (f64::from(us) * steps_per_us()) as u32;
        Work { steps, answer: burn(steps) }
    }

    /// Does it; `true` if the answer is right.
    #[must_use]
    pub fn is_done_right(&self) -> bool {
        burn(black_box(self.steps)) == self.answer
    }
}

/// How fast this machine burns: the best of many short tries, as others may disturb most of them.
fn steps_per_us() -> f64 {
    static FOUND: OnceLock<f64> = OnceLock::new();
    const STEPS: u32 = 100_000;
    *FOUND.get_or_init(|| {
        let once = || {
            let start = now_ns();
            black_box(burn(black_box(STEPS)));
            now_ns() - start
        };
        let best = (0..50).map(|_| once()).min().expect("50 tries");
        f64::from(STEPS) * 1e3 / best as f64
    })
}

/// What the CPUs can do: nanoseconds of CPU time that one piece takes where `threads` plain threads do nothing else for
/// a while. CPU time, because what other processes take meanwhile says nothing about the piece.
#[must_use]
pub fn ns_on_plain_threads(work: Work, threads: usize, time: Duration) -> f64 {
    let (pieces, before) = (AtomicU64::new(0), cpu_time());
    let end = now_ns() + time.as_nanos() as u64;
    let until_the_end = || {
        while now_ns() < end {
            assert!(work.is_done_right());
            pieces.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(until_the_end);
        }
    });
    (cpu_time() - before).as_nanos() as f64 / pieces.into_inner() as f64
}
