//! What the scheduler asks of the machine: barriers between threads, a clock, sleep, randomness.
//! Everything that differs between systems is in here or in [`fiber::memory`](crate::fiber::memory).

pub(crate) mod barrier;
pub(crate) mod clock;
mod futex;
#[cfg_attr(not(test), expect(dead_code, reason = "the workers park by std's means until the lanes come"))]
pub(crate) mod park;
#[cfg(test)]
mod park_tests;
pub(crate) mod random;
