//! Everything at once, at random, for a few seconds, or for `HEDDLE_STRESS_SECONDS`. The seed is
//! printed; `SEED=n` makes the same choices again (the threads interleave as they like).
//!
//! | file       | what it has                                                        |
//! |------------|--------------------------------------------------------------------|
//! | [`world`]  | what the fibers of a round share, and what a fiber does in its life |
//! | [`primitives`] | all that fibers wait for, at once                              |
//! | [`movable`] | fibers that move                                                  |
//! | `main.rs`  | rounds: in peace, with stops in the middle, at limits, across two   |
//!
//! Each round has other lanes and another policy.

mod movable;
mod primitives;
mod world;

use heddle_scheduler::{AtLimit, Builder, Lanes, Numa, Pinning, Priority, Scheduler, StackGuard};
use heddle_tests::{Census, Random, Rig, machines, watchdog};
use std::sync::Arc;
use std::time::{Duration, Instant};
use world::World;

/// How long each of these tests goes on making rounds.
fn asked() -> Duration {
    let text = std::env::var("HEDDLE_STRESS_SECONDS").unwrap_or_else(|_| "3".into());
    Duration::from_secs_f64(text.parse().expect("HEDDLE_STRESS_SECONDS is a number"))
}

/// Makes rounds until the time is over, each with a scheduler of its own.
fn rounds(options: impl Fn(Builder, &mut Random) -> Builder, round: impl Fn(&Arc<World>, &mut Random)) {
    let test = std::thread::current().name().unwrap_or("stress").to_owned();
    let mut random = Random::new();
    let end = Instant::now() + asked();
    let mut count = 0;
    while count == 0 || Instant::now() < end {
        count += 1;
        let mut random = random.split();
        let workers = *random.pick(&[1, 1, 2, 2, 3, 4, 8, 16]);
        // Short enough that fibers which keep their thread for some ms get spares.
        let builder =
            Scheduler::builder().workers(workers).name("stress").hog_after(Duration::from_millis(1));
        let builder = options(policy(builder, &mut random), &mut random);
        let watch = watchdog::watch(format!("{test}, round {count}: {builder:?}"));
        let scheduler = Arc::new(builder.build().expect("the options are good"));
        watch.add(Arc::downgrade(&scheduler));
        let census = Census::new();
        let world = Arc::new(World::new(scheduler.clone(), census.clone()));
        world.with_a_waker(|| round(&world, &mut random));
        world.let_go();
        Rig::retire(&scheduler);
        drop(world);
        assert_eq!(census.live(), 0, "round {count}: values are left");
        assert_levels_are_empty(&scheduler);
    }
    println!("{count} rounds");
}

/// Lanes, shares and longest waits: the usual ones, or any.
fn policy(builder: Builder, random: &mut Random) -> Builder {
    let lanes = match random.below(4) {
        0 => Lanes::one(),
        1 => Lanes::two(),
        2 => Lanes::three(),
        _ => {
            let lanes = Lanes::one().ordinary_nice(random.below(20) as i32);
            match random.below(3) {
                0 => lanes.urgent_to(Priority::Critical).background_from(Priority::Normal),
                1 => lanes.urgent_to(Priority::Normal).background_from(Priority::Background),
                _ => lanes.urgent_to(*random.pick(&[Priority::Critical, Priority::Low])),
            }
        }
    };
    let builder = builder.lanes(lanes);
    let builder = match random.below(3) {
        0 => builder.numa(Numa::Always).topology(machines::nodes(2, 1 + random.below(3) as u32)),
        1 => builder.numa(Numa::Always).topology(machines::nodes(4, 1)).pinning(Pinning::Off),
        _ => builder,
    };
    if random.chance(70) {
        return builder;
    }
    let weights = std::array::from_fn(|_| *random.pick(&[0, 1, 10, u32::MAX]));
    let waits = [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(50)];
    let builder = builder.weights(weights);
    Priority::ALL
        .into_iter()
        .fold(builder, |builder, priority| builder.max_wait(priority, *random.pick(&waits)))
}

/// Each level by itself: what was counted in was counted out.
fn assert_levels_are_empty(scheduler: &Scheduler) {
    let stats = scheduler.stats();
    for level in &stats.levels {
        assert_eq!((level.queued, level.running, level.ready, level.suspended), (0, 0, 0, 0), "{stats}");
    }
}

#[test]
fn a_random_life_leaves_nothing_behind() {
    rounds(
        |builder, _| builder,
        |world, random| {
            world.populate(random, 200);
            world.scheduler.wait_all().expect("this is no fiber");
        },
    );
}

#[test]
fn a_stop_in_the_middle_of_everything_ends_everything() {
    rounds(
        |builder, _| builder,
        |world, random| {
            for _ in 0..4 {
                std::thread::scope(|s| {
                    let mut theirs = random.split();
                    s.spawn(move || world.populate(&mut theirs, 100));
                    for _ in 0..random.below(2000) {
                        std::thread::yield_now();
                    }
                    if random.chance(30) {
                        world.scheduler.stop_soon();
                    }
                    world.scheduler.stop().expect("this is no fiber");
                });
                world.let_go();
                world.scheduler.wait_all().expect("this is no fiber");
                assert_levels_are_empty(&world.scheduler);
                world.scheduler.start().expect("there are threads to be had");
            }
        },
    );
}

#[test]
fn limits_and_small_pools_and_every_guard_bear_a_random_life() {
    rounds(
        |builder, random| {
            let builder = match random.below(3) {
                0 => builder.max_fibers(5 + random.below(50) as usize),
                1 => builder.max_fibers(20).at_limit(AtLimit::Wait),
                _ => builder.max_stacks(3 + random.below(30) as usize),
            };
            let guard = *random.pick(&[StackGuard::Auto, StackGuard::Mapped, StackGuard::Canary]);
            builder.warm_stacks(random.below(4) as usize).stack_guard(guard).stack_size(256 * 1024)
        },
        |world, random| {
            // A fiber that waits at the limit for its own children's places would wait for ever, so
            // these are told of the end if they do not find it themselves.
            std::thread::scope(|s| {
                let mut theirs = random.split();
                s.spawn(move || world.populate(&mut theirs, 100));
                for _ in 0..random.below(5000) {
                    std::thread::yield_now();
                }
                world.scheduler.stop().expect("this is no fiber");
            });
        },
    );
}

#[test]
fn two_schedulers_in_one_process_live_through_each_other() {
    rounds(
        |builder, _| builder,
        |world, random| {
            let other = Arc::new(Scheduler::builder().workers(2).name("other").build().expect("builds"));
            world.meet(other.clone());
            world.populate(random, 150);
            if random.chance(50) {
                // Whoever waits for somebody there is told.
                other.stop().expect("this is no fiber");
            }
            // Fibers here make fibers there and the other way round, so quiet here is not quiet there.
            loop {
                world.scheduler.wait_all().expect("this is no fiber");
                other.wait_all().expect("this is no fiber");
                if world.scheduler.stats().live() + other.stats().live() == 0 {
                    break;
                }
            }
            world.part();
            Rig::retire(&other);
        },
    );
}

#[test]
fn all_that_fibers_wait_for_bears_cancellations_timeouts_changes_and_threads() {
    rounds(
        |builder, _| builder,
        |world, random| {
            let census = Census::new();
            let things = Arc::new(primitives::Things::new(census.clone()));
            let fibers: Vec<_> = (0..60)
                .map(|_| {
                    let (things, mut random) = (things.clone(), random.split());
                    world.scheduler.go_with_priority(*random.pick(&Priority::ALL), move || {
                        (0..40).for_each(|_| things.deed(&mut random));
                    })
                })
                .collect();
            std::thread::scope(|s| {
                for _ in 0..2 {
                    let (mut random, fibers, things) = (random.split(), &fibers, &things);
                    s.spawn(move || {
                        for _ in 0..200 {
                            match random.below(4) {
                                0 => things.deed(&mut random),
                                1 if random.chance(20) => random.pick(fibers).cancel(),
                                _ => random.pick(fibers).set_priority(*random.pick(&Priority::ALL)),
                            }
                        }
                    });
                }
            });
            for fiber in fibers {
                if let Err(error) = fiber.join() {
                    assert!(error.is_cancelled(), "{error}");
                }
            }
            things.check();
            drop(things);
            assert_eq!(census.live(), 0, "values are left in a channel");
        },
    );
}

/// Changes of priority and cancellations by threads, until they have come to the end.
fn harass(fibers: &[heddle_scheduler::JoinHandle<()>], random: &mut Random, times: u64) {
    for _ in 0..times {
        let fiber = random.pick(fibers);
        match random.below(20) {
            0 => fiber.cancel(),
            _ => fiber.set_priority(*random.pick(&Priority::ALL)),
        }
    }
}

#[test]
fn fibers_that_move_bear_cancellations_changes_of_priority_and_blocking() {
    rounds(
        |builder, _| builder,
        |world, random| {
            let census = Census::new();
            let things = Arc::new(movable::Things::new(census.clone()));
            let fibers = things.start(&world.scheduler, random, 60);
            std::thread::scope(|s| {
                for _ in 0..2 {
                    let (mut random, fibers) = (random.split(), &fibers);
                    s.spawn(move || harass(fibers, &mut random, 300));
                }
            });
            for fiber in fibers {
                if let Err(error) = fiber.join() {
                    assert!(error.is_cancelled(), "{error}");
                }
            }
            world.scheduler.wait_all().expect("this is no fiber");
            println!("{} moves", things.moves.load(std::sync::atomic::Ordering::Relaxed));
            drop(things);
            assert_eq!(census.live(), 0, "values are left");
            assert_levels_are_empty(&world.scheduler);
        },
    );
}

#[test]
fn a_stop_in_the_middle_ends_all_that_move() {
    rounds(
        |builder, _| builder,
        |world, random| {
            let census = Census::new();
            for _ in 0..4 {
                let things = Arc::new(movable::Things::new(census.clone()));
                let fibers = things.start(&world.scheduler, random, 60);
                std::thread::scope(|s| {
                    let (mut theirs, fibers) = (random.split(), &fibers);
                    s.spawn(move || harass(fibers, &mut theirs, 200));
                    for _ in 0..random.below(200) {
                        std::thread::yield_now();
                    }
                    world.scheduler.stop().expect("this is no fiber");
                });
                fibers.into_iter().for_each(|fiber| drop(fiber.join()));
                drop(things);
                assert_eq!(census.live(), 0, "values are left");
                assert_levels_are_empty(&world.scheduler);
                world.scheduler.start().expect("there are threads to be had");
            }
        },
    );
}
