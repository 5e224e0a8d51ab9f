//! What the scheduler asks of the machine: barriers between threads, a clock, randomness.
//! Everything that differs between systems is in here or in [`fiber::memory`](crate::fiber::memory).

pub(crate) mod barrier;
pub(crate) mod clock;
pub(crate) mod random;
