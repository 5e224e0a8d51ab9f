//! What the options of the policy mean: shares, longest waits, ageing, and inversions that are counted.
//! The figures are the simulator's business and the benchmarks'; here it is what happens at all.

use heddle_scheduler::policy::Weights;
use heddle_scheduler::{
    Builder, Lanes, Priority, checkpoint, go, go_with_priority, set_priority, thread_time, yield_now,
};
use heddle_tests::{Gate, Rig, eventually, in_one_lane, occupy, strict, with_lanes};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Keeps the thread busy.
fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// The same by the clock that levels are charged by, which stands still while others have the CPU.
fn compute(time: Duration) {
    let start = thread_time();
    while thread_time() - start < time {}
}

/// Chains of fibers that make their successors until this is dropped, and the number of links.
struct Chains {
    end: Arc<AtomicBool>,
    links: [Arc<AtomicUsize>; 5],
}

impl Chains {
    /// Two a worker, of each of these priorities, whose links take that long.
    fn start(rig: &Rig, priorities: &[Priority], link: Duration) -> Chains {
        let chains = Chains { end: Arc::default(), links: Default::default() };
        for &priority in priorities {
            for _ in 0..2 * rig.workers() {
                let (end, links) = (chains.end.clone(), chains.links[priority as usize].clone());
                drop(rig.go_with_priority(priority, move || next(priority, link, end, links)));
            }
        }
        chains
    }

    fn links(&self, priority: Priority) -> usize {
        self.links[priority as usize].load(Ordering::Relaxed)
    }
}

fn next(priority: Priority, link: Duration, end: Arc<AtomicBool>, links: Arc<AtomicUsize>) {
    spin(link);
    links.fetch_add(1, Ordering::Relaxed);
    if !end.load(Ordering::Relaxed) {
        drop(go_with_priority(priority, move || next(priority, link, end, links)));
    }
}

impl Drop for Chains {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

/// Every priority goes on while all have endless work.
fn all_move(weights: [u32; 5], wait: impl Fn(Priority) -> Duration) {
    let options = |builder: Builder| {
        let builder = builder.weights(weights);
        Priority::ALL
            .into_iter()
            .fold(builder, |builder, priority| builder.max_wait(priority, wait(priority)))
    };
    for lanes in [1, 3] {
        with_lanes(lanes, &[1, 2], &options, &|rig| {
            let chains = Chains::start(rig, &Priority::ALL, Duration::ZERO);
            let before = Priority::ALL.map(|priority| chains.links(priority));
            eventually(|| {
                Priority::ALL.iter().all(|&priority| chains.links(priority) > before[priority as usize] + 3)
            });
        });
    }
}

const DEFAULT: Duration = heddle_scheduler::policy::MAX_WAIT;

#[test]
fn a_level_of_weight_zero_still_has_its_turn_at_its_longest_wait() {
    for level in 0..5 {
        let mut weights = [10; 5];
        weights[level] = 0;
        all_move(weights, |_| DEFAULT);
    }
}

#[test]
fn weights_that_are_all_zero_leave_everybody_a_turn_at_the_longest_wait() {
    all_move([0; 5], |_| DEFAULT);
    all_move([0; 5], |_| Duration::from_millis(1));
}

#[test]
fn huge_weights_count_as_a_million_and_starve_nobody() {
    assert_eq!(Weights::new([u32::MAX; 5]).levels(), [1_000_000; 5]);
    all_move([u32::MAX; 5], |_| DEFAULT);
    all_move([u32::MAX, 1, 0, 1, u32::MAX], |_| DEFAULT);
}

#[test]
fn a_longest_wait_of_zero_makes_a_level_take_turns_with_all_others() {
    for impatient in Priority::ALL {
        all_move([16, 8, 4, 2, 1], |priority| if priority == impatient { Duration::ZERO } else { DEFAULT });
    }
    all_move([16, 8, 4, 2, 1], |_| Duration::ZERO);
    all_move([0; 5], |_| Duration::ZERO);
}

#[test]
fn without_a_longest_wait_those_with_weight_still_have_their_share() {
    all_move([16, 8, 4, 2, 1], |_| Duration::MAX);
    all_move([1; 5], |_| Duration::from_secs(u64::MAX / 2));
}

#[test]
fn without_weights_and_longest_waits_the_order_is_strict() {
    in_one_lane(&[1, 2], strict, |rig| {
        let ran = Arc::new(Mutex::new(Vec::new()));
        let mut held = occupy(rig);
        for n in 0..100 {
            let (ran, priority) = (ran.clone(), Priority::ALL[n % 5]);
            drop(rig.go_with_priority(priority, move || {
                // A long one too changes nothing.
                spin(Duration::from_micros(if n % 10 == 0 { 3000 } else { 1 }));
                ran.lock().unwrap().push(priority);
            }));
        }
        held.release_one();
        eventually(|| ran.lock().unwrap().len() == 100);
        assert!(ran.lock().unwrap().is_sorted(), "{ran:?}");
    });
}

#[test]
fn who_weighs_a_hundred_times_more_gets_more() {
    // Of the two the less urgent one: by urgency alone it would get nothing.
    let options = |builder: Builder| {
        let builder = builder.weights([0, 0, 1, 100, 0]);
        Priority::ALL.into_iter().fold(builder, |builder, level| builder.max_wait(level, Duration::MAX))
    };
    in_one_lane(&[1], options, |rig| {
        let chains = Chains::start(rig, &[Priority::Normal, Priority::Low], Duration::from_micros(20));
        eventually(|| chains.links(Priority::Low) > 2000);
        let (normal, low) = (chains.links(Priority::Normal), chains.links(Priority::Low));
        assert!(low > normal, "Low had {low} turns, Normal {normal}");
    });
}

#[test]
fn old_background_fibers_are_served_while_new_ones_keep_coming() {
    for lanes in [Lanes::one(), Lanes::three()] {
        for priority in [Priority::Low, Priority::Background] {
            with_lanes(lanes, &[1, 2], &|builder| builder, &|rig| {
                let (end, links) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
                let (give, take) = std::sync::mpsc::channel();
                let (theirs, count) = (end.clone(), links.clone());
                drop(rig.go_with_priority(priority, move || {
                    // They are at the bottom, and each link of the chain comes on top.
                    for _ in 0..100 {
                        give.send(go(|| ())).unwrap();
                    }
                    drop(go(move || next(priority, Duration::ZERO, theirs, count)));
                }));
                for _ in 0..100 {
                    take.recv().unwrap().join().unwrap();
                }
                assert!(!end.load(Ordering::Relaxed));
                let had = links.load(Ordering::Relaxed);
                eventually(|| links.load(Ordering::Relaxed) > had);
                end.store(true, Ordering::Relaxed);
            });
        }
    }
}

#[test]
fn an_inversion_is_listed_with_the_pair_of_levels_when_code_runs_for_long_without_a_checkpoint() {
    in_one_lane(
        &[1],
        |builder| builder,
        |rig| {
            let mut held = occupy(rig);
            let normal: Vec<_> = (0..4).map(|_| rig.go(|| compute(Duration::from_millis(20)))).collect();
            // What the first Normal one has used, Low is owed a third of: several of these, one after the
            // other, and each makes the next Normal one wait for longer than promised.
            let low: Vec<_> = (0..10)
                .map(|_| rig.go_with_priority(Priority::Low, || compute(Duration::from_millis(2))))
                .collect();
            assert!(rig.stats().inversions.is_empty());
            held.release_one();
            normal.into_iter().chain(low).for_each(|fiber| fiber.join().unwrap());
            let stats = rig.stats();
            let pair = stats
                .inversions
                .iter()
                .find(|listed| (listed.waited, listed.ran) == (Priority::Normal, Priority::Low));
            assert!(pair.is_some_and(|pair| pair.count > 0), "{stats}");
            for listed in &stats.inversions {
                assert_eq!((listed.waited, listed.ran), (Priority::Normal, Priority::Low), "{stats}");
            }
        },
    );
}

#[test]
fn no_inversion_is_listed_where_one_level_is_used() {
    for priority in Priority::ALL {
        for lanes in [1, 3] {
            with_lanes(lanes, &[1, 2], &|builder| builder, &|rig| {
                let fibers: Vec<_> = (0..50)
                    .map(|_| {
                        rig.go_with_priority(priority, || {
                            spin(Duration::from_micros(200));
                            yield_now();
                            go(|| ()).join().unwrap();
                        })
                    })
                    .collect();
                fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
                assert!(rig.stats().inversions.is_empty(), "{}", rig.stats());
            });
        }
    }
}

#[test]
fn what_is_listed_as_an_inversion_is_a_less_urgent_level_before_a_more_urgent_one() {
    // Between lanes too: on a CPU that others use a thread of a lane above may have to wait.
    with_lanes(3, &[1, 2], &|builder| builder, &|rig| {
        let chains = Chains::start(rig, &Priority::ALL, Duration::from_micros(500));
        eventually(|| Priority::ALL.iter().all(|&priority| chains.links(priority) > 5));
        drop(chains);
        rig.wait_all().unwrap();
        let stats = rig.stats();
        for listed in &stats.inversions {
            assert!(listed.waited < listed.ran && listed.count > 0, "{stats}");
        }
    });
}

/// A fiber of `first` that reaches checkpoints until it is told to end, and one of Normal that says when it
/// has run. `change` is called when the first one runs and the other one is queued.
fn beside_a_normal_one(
    rig: &Rig,
    first: Priority,
    change: impl FnOnce(&heddle_scheduler::JoinHandle<bool>),
) -> bool {
    let (running, told, ran) =
        (Gate::new(), Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (here, end, seen) = (running.clone(), told.clone(), ran.clone());
    let long = rig.go_with_priority(first, move || {
        here.open();
        // A thousand more after it was told, so that what is to happen at one has happened.
        let mut left = 1000;
        while left > 0 {
            checkpoint();
            left -= usize::from(end.load(Ordering::Relaxed));
        }
        seen.load(Ordering::Relaxed)
    });
    running.wait();
    let normal = ran.clone();
    let normal = rig.go(move || normal.store(true, Ordering::Relaxed));
    change(&long);
    told.store(true, Ordering::Relaxed);
    let first_ran = long.join().unwrap();
    normal.join().unwrap();
    first_ran
}

#[test]
fn a_running_fiber_that_is_lowered_by_its_handle_makes_room_at_its_next_checkpoint() {
    in_one_lane(&[1], strict, |rig| {
        assert!(!beside_a_normal_one(rig, Priority::High, |_| ()), "as High it goes on");
        assert!(beside_a_normal_one(rig, Priority::High, |long| long.set_priority(Priority::Low)));
        assert!(beside_a_normal_one(rig, Priority::High, |long| long.set_priority(Priority::Background)));
    });
}

#[test]
fn a_running_fiber_that_is_raised_by_its_handle_goes_on_where_it_would_have_made_room() {
    in_one_lane(&[1], strict, |rig| {
        for _ in 0..20 {
            // Before the other one comes.
            let (running, raised, seen) = (Gate::new(), Gate::new(), Arc::new(AtomicBool::new(false)));
            let (here, open, ran) = (running.clone(), raised.clone(), seen.clone());
            let long = rig.go_with_priority(Priority::Low, move || {
                here.open();
                open.wait();
                (0..1000).for_each(|_| checkpoint());
                ran.load(Ordering::Relaxed)
            });
            running.wait();
            long.set_priority(Priority::High);
            let ran = seen.clone();
            let normal = rig.go(move || ran.store(true, Ordering::Relaxed));
            raised.open();
            assert!(!long.join().unwrap(), "it was overtaken by a less urgent one");
            normal.join().unwrap();
        }
    });
}

#[test]
fn a_running_fiber_that_changes_itself_makes_room_at_its_next_checkpoint_or_not() {
    in_one_lane(&[1], strict, |rig| {
        for (own, makes_room) in [
            (Priority::Critical, false),
            (Priority::High, false),
            (Priority::Low, true),
            (Priority::Background, true),
        ] {
            let (running, queued) = (Gate::new(), Gate::new());
            let (here, open) = (running.clone(), queued.clone());
            let ran = Arc::new(AtomicBool::new(false));
            let seen = ran.clone();
            let long = rig.go(move || {
                here.open();
                open.wait();
                set_priority(own).unwrap();
                checkpoint();
                seen.load(Ordering::Relaxed)
            });
            running.wait();
            let normal = rig.go(move || ran.store(true, Ordering::Relaxed));
            queued.open();
            assert_eq!(long.join().unwrap(), makes_room, "as {own}");
            normal.join().unwrap();
        }
    });
}
