//! What the scheduler asks of the machine: barriers between threads, a clock, sleep, randomness.
//! Everything that differs between systems is in here or in [`fiber::memory`](crate::fiber::memory).

pub(crate) mod barrier;
pub(crate) mod clock;
pub(crate) mod futex;
pub(crate) mod park;
#[cfg(test)]
mod park_tests;
pub(crate) mod random;
pub(crate) mod thread;
