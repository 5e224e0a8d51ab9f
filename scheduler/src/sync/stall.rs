//! What a thread does that finds a [`Latch`](super::latch::Latch) held: a few instructions' time at first; longer where
//! the kernel seems to have stopped the thread that has it. To sleep gives that one our CPU.

use std::time::Duration;

/// How often to look without leaving the CPU, in a round: about a microsecond.
const SPINS: u32 = 40;
/// So many rounds of that.
const SPINNING: u32 = 10;
/// After so many rounds: the others of our lane have had their turn.
const YIELDING: u32 = SPINNING + 10;
/// The shortest sleep, and how often it doubles.
const NAP: Duration = Duration::from_micros(20);
const DOUBLINGS: u32 = 5;

/// The `round`th time that it was found held, from 0 on.
pub(crate) fn stall(round: u32, is_held: impl Fn() -> bool) {
    if round < SPINNING {
        for _ in 0..SPINS {
            std::hint::spin_loop();
            if !is_held() {
                return;
            }
        }
    } else if round < YIELDING {
        std::thread::yield_now();
    } else {
        std::thread::sleep(NAP * (1 << (round - YIELDING).min(DOUBLINGS)));
    }
}

/// A latch is free again. Nobody waits to be told; the models' threads do (`tests/loom/sync/stall.rs`).
#[inline(always)]
pub(crate) fn freed() {}
