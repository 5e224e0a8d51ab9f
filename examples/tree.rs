//! Fork-join over borrowed data: a parallel sum and a parallel quicksort, whose branches cost little
//! more than calls, and may block.
//!
//!     cargo run --release --example tree

use heddle_scheduler::{Fork, Scheduler, join};
use std::time::Instant;

fn sum(fork: &mut Fork, numbers: &[u64]) -> u64 {
    if numbers.len() <= 4096 {
        return numbers.iter().sum();
    }
    let (left, right) = numbers.split_at(numbers.len() / 2);
    let (a, b) = fork.join(|f| sum(f, left), |f| sum(f, right));
    a + b
}

fn quicksort(fork: &mut Fork, numbers: &mut [u64]) {
    if numbers.len() <= 1024 {
        return numbers.sort_unstable();
    }
    let middle = numbers.len() / 2;
    let (left, _, right) = numbers.select_nth_unstable(middle);
    fork.join(|f| quicksort(f, left), |f| quicksort(f, right));
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scheduler = Scheduler::new()?;
    let mut state = 88_172_645_463_325_252_u64;
    let mut numbers: Vec<u64> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 20
    })
    .take(2_000_000)
    .collect();

    let expected: u64 = numbers.iter().sum();
    let start = Instant::now();
    let (total, ()) = scheduler.run(|| join(|f| sum(f, &numbers), |_| ()));
    println!("sum of {} numbers: {total} in {:?}", numbers.len(), start.elapsed());
    assert_eq!(total, expected);

    let start = Instant::now();
    scheduler.run(|| join(|f| quicksort(f, &mut numbers), |_| ()));
    println!("sorted in {:?} on {} workers", start.elapsed(), scheduler.workers());
    assert!(numbers.is_sorted());
    Ok(())
}
