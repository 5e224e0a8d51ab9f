//! What a thread does that finds a [`Latch`](super::latch::Latch) held: a few instructions' time at first; longer where
//! the kernel seems to have stopped the thread that has it. To sleep gives that one our CPU.

use std::time::Duration;

/// How often to look without leaving the CPU: some microseconds.
const SPINS: u32 = 200;
/// After so many rounds: the others of our lane have had their turn.
const YIELDS: u32 = SPINS + 10;
/// The shortest sleep, and how often it doubles.
const NAP: Duration = Duration::from_micros(20);
const DOUBLINGS: u32 = 5;

/// The `round`th time that it was found held, from 0 on.
pub(crate) fn stall(round: u32) {
    if round < SPINS {
        std::hint::spin_loop();
    } else if round < YIELDS {
        std::thread::yield_now();
    } else {
        std::thread::sleep(NAP * (1 << (round - YIELDS).min(DOUBLINGS)));
    }
}
