//! What a thread does that finds a [`Latch`](super::latch::Latch) held: a few instructions' time at first; longer where
//! the kernel seems to have stopped the thread that has it. To sleep gives that one our CPU.
//!
//! The kernel may not see that, or give the CPU to others first: a thread of the background lane gets nothing beside any other.
//! So where the latch is held by a worker of a lane below, that one is brought here, and those that run here for less
//! urgent work than ours are sent elsewhere, before each sleep. That changes nothing but where threads run next.

use crate::priority::Priority;
use crate::worker::current;
use std::time::Duration;

pub(crate) use crate::machine::thread::mark;

/// No thread's mark: nobody holds the latch.
pub(crate) const FREE: u64 = 0;

/// How often to look without leaving the CPU, in a round: about a microsecond.
const SPINS: u32 = 40;
/// So many rounds of that.
const SPINNING: u32 = 10;
/// After so many rounds: the others of our lane have had their turn.
const YIELDING: u32 = SPINNING + 10;
/// The shortest sleep, and how often it doubles.
const NAP: Duration = Duration::from_micros(20);
const DOUBLINGS: u32 = 5;

/// The `round`th time that it was found held, from 0 on. `holder` says by which thread.
pub(crate) fn stall(round: u32, holder: impl Fn() -> u64) {
    if round < SPINNING {
        for _ in 0..SPINS {
            std::hint::spin_loop();
            if holder() == FREE {
                return;
            }
        }
    } else if makes_way(holder()) {
        std::thread::sleep(NAP);
    } else if round < YIELDING {
        std::thread::yield_now();
    } else {
        std::thread::sleep(NAP * (1 << (round - YIELDING).min(DOUBLINGS)));
    }
}

/// Brings the thread with that mark to our CPU, if it is a worker's of a lane below ours.
#[cold]
fn makes_way(holder: u64) -> bool {
    let level = current::in_fiber().map_or(Priority::Normal.level(), |(_, fiber)| fiber.state.level());
    holder != FREE && current::worker().is_some_and(|worker| worker.make_way_for(holder, level))
}

/// A latch is free again. Nobody waits to be told; the models' threads do (`tests/loom/sync/stall.rs`).
#[inline(always)]
pub(crate) fn freed() {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Event;
    use crate::sync::latch::Latch;
    use crate::{Scheduler, thread_time};
    use std::sync::Arc;

    /// A latch that a Background fiber has for far longer than others wait without sleeping.
    #[test]
    fn who_is_more_urgent_gets_a_latch_from_one_in_a_lane_below() {
        for workers in [1, 2, 4] {
            let scheduler = Scheduler::builder().workers(workers).build().unwrap();
            let (latch, held) = (Arc::new(Latch::new(0)), Arc::new(Event::new()));
            let holder = scheduler.go_with_priority(Priority::Background, {
                let (latch, held) = (latch.clone(), held.clone());
                move || {
                    latch.with(|value| {
                        held.set();
                        let end = thread_time() + Duration::from_millis(3);
                        while thread_time() < end {
                            std::hint::spin_loop();
                        }
                        *value += 1;
                    });
                    mark()
                }
            });
            let others = [Priority::Critical, Priority::High, Priority::Low].map(|priority| {
                let (latch, held) = (latch.clone(), held.clone());
                scheduler.go_with_priority(priority, move || {
                    held.wait();
                    latch.with(|value| {
                        assert!(*value > 0, "the first one has had it");
                        *value += 1;
                    });
                    // Nobody has those marks.
                    assert!(!makes_way(FREE) && !makes_way(u64::MAX));
                    // Nor is our own lane below us.
                    assert!(!makes_way(mark()));
                })
            });
            assert_ne!(holder.join().unwrap(), FREE);
            others.into_iter().for_each(|other| other.join().unwrap());
            assert_eq!(latch.with(|value| *value), 4);
            scheduler.stop().unwrap();
        }
    }
}
