//! Freezes a background thread at every step it takes, and looks whether the other lanes go on: nothing
//! that they need may wait for a thread that the kernel can stop for seconds.
//!
//! A step is an atomic operation, a fence, a lock or a call to the system in the runtime's own code; in
//! a build with `--cfg heddle_steps` each is a place to stop at (`scheduler/src/steps/on.rs`). Without
//! it there is nothing here. To run it:
//!
//! ```text
//! RUSTFLAGS="--cfg heddle_steps" CARGO_TARGET_DIR=target/steps cargo test -p heddle-tests --test freeze
//! ```
//!
//! `HEDDLE_FREEZE_STRIDE=n` takes every nth step only, from a place that depends on `SEED`.
//! `HEDDLE_FREEZE_FROM=n` begins at the nth step.
//! `HEDDLE_FREEZE_LIST=1` goes on where the other lanes do not, and lists all those places in the end.
//!
//! | file         | what it has                                                            |
//! |--------------|------------------------------------------------------------------------|
//! | `main.rs`    | one frozen thread after the other                                      |
//! | [`life`]     | what the fibers of the background lane do: everything they can         |
//! | [`probe`]    | what the other lanes do meanwhile, and must get done                   |
//! | [`world`]    | what both reach                                                        |
//! | [`memory`]   | how much memory there is                                               |

#![cfg(heddle_steps)]

mod life;
mod memory;
mod probe;
mod world;

use heddle_scheduler::steps::{Trap, restrict, trespasses};
use heddle_scheduler::{Priority, Scheduler};
use heddle_tests::{Random, watchdog};
use probe::Patience;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use world::World;

/// Workers of each lane: two, so that those of the background lane take from each other.
const WORKERS: usize = 2;
/// The number of the one that is frozen: the first of the background lane.
const VICTIM: usize = 2 * WORKERS;
/// Fibers that live a [`life`], so many that the victim surely gets some.
const LIVES: usize = 3;
/// Never reached, but counted to.
const FIBERS: usize = 100_000;
/// The end is reached when so many runs in a row had no such step: the threads interleave as they like,
/// so not every run has as many.
const MISSES: usize = 20;

/// The measurements of memory are the whole process's.
static ALONE: Mutex<()> = Mutex::new(());

/// A scheduler whose first background thread stops before its `at`th step.
struct Run {
    world: Arc<World>,
    trap: Trap,
    watch: watchdog::Watch,
}

impl Run {
    fn new(at: u64) -> Run {
        let trap = Trap::new();
        let armed = trap.clone();
        let watch = watchdog::watch(format!("a background thread frozen before its step {at}"));
        let scheduler = Scheduler::builder()
            .workers(WORKERS)
            .name("freeze")
            .spin(Duration::ZERO)
            .warm_stacks(2)
            .max_fibers(FIBERS)
            .on_thread_start(move |worker| {
                if worker >= VICTIM {
                    world::leave_idle_policy();
                    restrict();
                }
                if worker == VICTIM {
                    armed.arm(at);
                }
            })
            .build()
            .expect("the options are good");
        let world = Arc::new(World::new(Arc::new(scheduler)));
        watch.add(Arc::downgrade(&world.scheduler));
        Run { world, trap, watch }
    }

    /// Lets the background lane live until the victim is frozen, then does `meanwhile` with the place
    /// where that is. `false`: it has lived to the end without.
    fn live(self, meanwhile: impl FnOnce(&Arc<World>, String)) -> bool {
        let Run { world, trap, watch } = self;
        world.open();
        let lives: Vec<_> = (0..LIVES)
            .map(|number| {
                let priority = if number % 2 == 0 { Priority::Low } else { Priority::Background };
                let world = world.clone();
                world.scheduler.clone().go_with_priority(priority, move || life::live(&world))
            })
            .collect();
        let mut frozen = None;
        while frozen.is_none() && !lives.iter().all(heddle_scheduler::JoinHandle::is_finished) {
            frozen = trap.caught();
            std::thread::sleep(Duration::from_micros(20));
        }
        frozen = frozen.or_else(|| trap.withdraw());
        if let Some(place) = frozen {
            meanwhile(&world, place.to_string());
            trap.release();
        }
        for life in lives {
            life.join().expect("a life does not panic");
        }
        world.close();
        let scheduler = world.scheduler.clone();
        heddle_tests::Rig::retire(&scheduler);
        drop(watch);
        frozen.is_some()
    }
}

/// The steps to freeze at: all, or those that the environment asks for.
fn steps() -> impl Iterator<Item = u64> {
    let stride = stride();
    let first = number("HEDDLE_FREEZE_FROM");
    let first = if stride > 1 { first + Random::new().below(stride) } else { first };
    (first..).step_by(stride as usize)
}

fn stride() -> u64 {
    number("HEDDLE_FREEZE_STRIDE")
}

/// A number of the environment's; 1 without.
fn number(name: &str) -> u64 {
    std::env::var(name).map_or(1, |n| n.parse::<u64>().expect("a number").max(1))
}

#[test]
fn the_other_lanes_go_on_wherever_a_background_thread_is_frozen() {
    let _alone = ALONE.lock().unwrap_or_else(|error| error.into_inner());
    let list = std::env::var_os("HEDDLE_FREEZE_LIST").is_some();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut stuck: BTreeMap<String, usize> = BTreeMap::new();
    let (mut misses, mut frozen) = (0, 0);
    for at in steps() {
        let was_frozen = Run::new(at).live(|world, place| {
            *places.entry(place.clone()).or_default() += 1;
            let patience = Patience { gives_up: list, place };
            for what in probe::probe(world, &patience) {
                println!("step {at}: {what}");
                *stuck.entry(what).or_default() += 1;
            }
        });
        frozen += u64::from(was_frozen);
        misses = if was_frozen { 0 } else { misses + 1 };
        if misses == MISSES {
            break;
        }
    }
    println!("frozen {frozen} times, at {} places of the source", places.len());
    let report: Vec<String> = stuck.iter().map(|(what, times)| format!("{times} times: {what}")).collect();
    assert!(stuck.is_empty(), "what waits for a frozen background thread:\n{}", report.join("\n"));
    let whole = number("HEDDLE_FREEZE_FROM") == 1;
    assert!(!whole || frozen > 2000 / stride(), "the background thread was frozen {frozen} times only");
    assert_eq!(trespasses(), Vec::<String>::new(), "a background thread has called");
}

/// The queues of the other lanes grow and shrink, and what they leave behind is freed.
#[test]
fn memory_stays_flat_while_a_background_thread_is_frozen() {
    let _alone = ALONE.lock().unwrap_or_else(|error| error.into_inner());
    memory::in_small_pages();
    let mut misses = 0;
    for at in steps().step_by(memory::STRIDE) {
        let was_frozen = Run::new(at).live(|world, place| {
            for _ in 0..memory::WARM_UP {
                probe::load(world);
            }
            let before = memory::Size::now(&world.scheduler);
            for _ in 0..memory::ROUNDS {
                probe::load(world);
            }
            let after = memory::Size::now(&world.scheduler);
            after.expect_no_more_than(&before, &place);
        });
        misses = if was_frozen { 0 } else { misses + 1 };
        if misses == 2 {
            break;
        }
    }
}
