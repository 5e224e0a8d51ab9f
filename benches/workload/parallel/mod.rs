//! Loops, maps, sums and sorts over slices, in milliseconds, beside the serial code. The answer is a checksum of what
//! was written, or of the sorted order.

mod floor;
mod heddle;
mod rayon;

use heddle_benches::{Case, Contender, Metric, Run, Sample, Timed, Workload};
use std::hint::black_box;
use std::time::Instant;

const EACH: &str = "parallel, ms";
const FOR: Case = Case { name: "loop, 2 workers", workers: 2, detail: 0 };
const MAP: Case = Case { name: "map, 2 workers", workers: 2, detail: 1 };
const SUM: Case = Case { name: "sum, 2 workers", workers: 2, detail: 2 };
const SORT: Case = Case { name: "sort, numbers, 2 workers", workers: 2, detail: 3 };
const UNSTABLE: Case = Case { name: "unstable sort, numbers, 2 workers", workers: 2, detail: 4 };
const TEXTS: Case = Case { name: "sort, texts, 2 workers", workers: 2, detail: 5 };

pub(crate) static WORKLOAD: Workload = Workload {
    name: "parallel",
    question: "How long does it take to change, map and sum 10,000,000 floats, and to sort 1,000,000 numbers or texts?",
    cases: &[FOR, MAP, SUM, SORT, UNSTABLE, TEXTS],
    metrics: &[Metric::lower(EACH)],
    goals: &[],
    contenders: &[Contender::runs("heddle", heddle::run), peer!(rayon), Contender::runs("floor", floor::run)],
};

/// How a contender does it.
trait Parallel {
    fn change(&self, floats: &mut [f64]);
    fn map(&self, floats: &[f64]) -> Vec<f64>;
    fn sum(&self, floats: &[f64]) -> f64;
    fn sort<T: Ord + Send>(&self, values: &mut [T]);
    fn sort_unstable<T: Ord + Send>(&self, values: &mut [T]);
}

/// What is done with each float: a few nanoseconds.
fn of(float: f64) -> f64 {
    (float * 1.5 + 2.0).sqrt()
}

/// What is added up: whole numbers, whose sum has no rounding.
fn whole(float: f64) -> f64 {
    (float * 3.0).floor()
}

fn drive(run: &Run, says: &str, how: &impl Parallel) -> Sample {
    let (floats, values) = (run.size(10_000_000), run.size(1_000_000));
    let took = match run.case.detail {
        0..=2 => {
            let from: Vec<f64> = (0..floats).map(|n| (n % 1000) as f64).collect();
            let mapped = from.iter().map(|&float| of(float)).fold(0, fold);
            match run.case.detail {
                0 => {
                    let mut changed = from.clone();
                    run.counted(mapped, || {
                        changed.copy_from_slice(&from);
                        let timed = Timed::of(|| {
                            how.change(black_box(&mut changed));
                            0
                        });
                        Timed { answer: changed.iter().copied().fold(0, fold), ..timed }
                    })
                }
                1 => run.counted(mapped, || {
                    let start = Instant::now();
                    let made = how.map(black_box(&from));
                    let timed = Timed::since(start, 0);
                    Timed { answer: made.into_iter().fold(0, fold), ..timed }
                }),
                _ => {
                    let sum = from.iter().map(|&float| whole(float)).sum::<f64>();
                    run.counted(sum as u64, || Timed::of(|| how.sum(black_box(&from)) as u64))
                }
            }
        }
        3 => sorted(run, &numbers(values), |values| how.sort(values)),
        4 => sorted(run, &numbers(values), |values| how.sort_unstable(values)),
        _ => {
            let texts: Vec<String> =
                numbers(values).iter().map(|n| format!("key {}", n % 1_000_000)).collect();
            sorted(run, &texts, |values| how.sort(values))
        }
    };
    Sample::new(says).with(EACH, took.as_secs_f64() * 1e3)
}

/// A checksum that knows the order.
fn fold(sum: u64, float: f64) -> u64 {
    sum.wrapping_mul(31).wrapping_add(float.to_bits())
}

fn numbers(count: usize) -> Vec<u64> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..count).map(next).collect()
}

/// Sorts copies; the answer is how many are in their place.
fn sorted<T: Ord + Clone>(run: &Run, values: &[T], sort: impl Fn(&mut [T])) -> std::time::Duration {
    let mut expected = values.to_vec();
    expected.sort();
    run.counted(values.len() as u64, || {
        let mut sorted = values.to_vec();
        let timed = Timed::of(|| {
            sort(black_box(&mut sorted));
            0
        });
        let in_place = sorted.iter().zip(&expected).filter(|(a, b)| a == b).count();
        Timed { answer: in_place as u64, ..timed }
    })
}
