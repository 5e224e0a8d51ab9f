//! Lanes: which thread a fiber of each priority runs on, and that nothing is lost between them.
//! What is about preemption is in `hogs.rs`.

use heddle_scheduler::{
    Fork, JoinHandle, Lane, Lanes, Priority, Raise, Scheduler, both, current, go, go_with_priority, join,
    scope, set_priority, sleep, yield_now,
};
use heddle_tests::{Event, Gate, Random, Rig, eventually, with_lanes};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread::ThreadId;
use std::time::Duration;

/// A priority of each lane, of three.
const RIDERS: [(Lane, Priority); 3] = [
    (Lane::Urgent, Priority::Critical),
    (Lane::Ordinary, Priority::Normal),
    (Lane::Background, Priority::Background),
];

/// With more workers than CPUs too, wherever this runs.
const SIZES: [usize; 4] = [1, 2, 4, 8];

/// Runs `body` on schedulers with three lanes.
fn laned(workers: &[usize], body: impl Fn(&Rig)) {
    with_lanes(Lanes::three(), workers, &|builder| builder, &body);
}

/// The lane that rides where, in three lanes.
fn lane_of(priority: Priority) -> Lane {
    match priority {
        Priority::Critical => Lane::Urgent,
        Priority::High | Priority::Normal => Lane::Ordinary,
        Priority::Low | Priority::Background => Lane::Background,
    }
}

/// The lanes of a scheduler's workers, for its fibers to know where they are.
#[derive(Clone)]
struct Map(Arc<Vec<Lane>>);

impl Map {
    fn of(scheduler: &Scheduler) -> Map {
        Map(Arc::new(scheduler.stats().workers.iter().map(|worker| worker.lane).collect()))
    }

    /// The lane on whose thread the calling fiber runs.
    fn here(&self) -> Lane {
        self.0[current().expect("called in a fiber").worker()]
    }
}

fn place() -> (usize, ThreadId) {
    (current().expect("called in a fiber").worker(), std::thread::current().id())
}

#[test]
fn each_priority_runs_in_its_lane_from_outside_and_from_every_lane() {
    laned(&SIZES, |rig| {
        let map = Map::of(rig);
        for priority in Priority::ALL {
            let theirs = map.clone();
            assert_eq!(
                rig.go_with_priority(priority, move || theirs.here()).join().unwrap(),
                lane_of(priority)
            );
            let theirs = map.clone();
            let children = rig.go_with_priority(priority, move || {
                let inherited = theirs.clone();
                let inherited = go(move || inherited.here());
                let others = Priority::ALL.map(|child| {
                    let theirs = theirs.clone();
                    go_with_priority(child, move || theirs.here())
                });
                (inherited, others)
            });
            let (inherited, others) = children.join().unwrap();
            assert_eq!(inherited.join().unwrap(), lane_of(priority), "inherited");
            let homes = others.map(|other| other.join().unwrap());
            assert_eq!(homes, Priority::ALL.map(lane_of), "made by a {priority} fiber");
        }
    });
}

#[test]
fn scopes_borrow_across_lanes_and_wait_for_all_of_them() {
    laned(&SIZES, |rig| {
        let map = Map::of(rig);
        let outside = Mutex::new(Vec::new());
        rig.scope(|s| {
            for priority in Priority::ALL {
                let (outside, map) = (&outside, &map);
                s.go_with_priority(priority, move || outside.lock().unwrap().push((priority, map.here())));
            }
        });
        let ran = outside.into_inner().unwrap();
        assert_eq!(ran.len(), 5);
        assert!(ran.iter().all(|&(priority, lane)| lane == lane_of(priority)), "{ran:?}");
        for maker in Priority::ALL {
            let theirs = map.clone();
            let counts = rig.go_with_priority(maker, move || {
                let counts = Priority::ALL.map(|_| AtomicUsize::new(0));
                scope(|s| {
                    for n in 0..100 {
                        let (priority, count, map) = (Priority::ALL[n % 5], &counts[n % 5], &theirs);
                        s.go_with_priority(priority, move || {
                            if n % 3 == 0 {
                                yield_now();
                            }
                            assert!(map.here() <= lane_of(priority), "{priority}: {:?}", map.here());
                            count.fetch_add(1, Ordering::Relaxed);
                        });
                    }
                })
                .unwrap();
                counts.map(AtomicUsize::into_inner)
            });
            assert_eq!(counts.join().unwrap(), [20; 5], "a scope of a {maker} fiber");
        }
    });
}

#[test]
fn a_chain_of_joins_goes_through_all_lanes_and_back() {
    fn link(depth: usize) -> usize {
        if depth == 0 {
            return 0;
        }
        1 + go_with_priority(Priority::ALL[(3 * depth) % 5], move || link(depth - 1)).join().unwrap()
    }
    laned(&SIZES, |rig| {
        let chains: Vec<_> = (0..10).map(|_| rig.go(|| link(50))).collect();
        for chain in chains {
            assert_eq!(chain.join().unwrap(), 50);
        }
    });
}

#[test]
fn on_an_idle_machine_each_lane_runs_on_all_of_its_workers_at_once() {
    laned(&SIZES, |rig| {
        for priority in Priority::ALL {
            let all = Arc::new(Barrier::new(rig.workers()));
            let homes: Vec<_> = (0..rig.workers())
                .map(|_| {
                    let all = all.clone();
                    rig.go_with_priority(priority, move || {
                        all.wait();
                        place()
                    })
                })
                .collect();
            let homes: HashSet<_> = homes.into_iter().map(|home| home.join().unwrap()).collect();
            assert_eq!(homes.len(), rig.workers(), "{priority}");
        }
    });
}

#[test]
fn all_workers_of_all_lanes_run_at_once() {
    laned(&SIZES, |rig| {
        let all = Arc::new(Barrier::new(3 * rig.workers()));
        let fibers: Vec<_> = (0..rig.workers())
            .flat_map(|_| RIDERS)
            .map(|(_, priority)| {
                let all = all.clone();
                rig.go_with_priority(priority, move || _ = all.wait())
            })
            .collect();
        for fiber in fibers {
            fiber.join().unwrap();
        }
    });
}

#[test]
fn a_background_fiber_spreads_its_children_over_its_lane() {
    laned(&SIZES, |rig| {
        let workers = rig.workers();
        let homes = rig.go_with_priority(Priority::Background, move || {
            let all = Arc::new(Barrier::new(workers));
            let children: Vec<_> = (1..workers)
                .map(|_| {
                    let all = all.clone();
                    go(move || {
                        all.wait();
                        place()
                    })
                })
                .collect();
            all.wait();
            children.into_iter().map(|child| child.join().unwrap()).chain([place()]).collect::<HashSet<_>>()
        });
        assert_eq!(homes.join().unwrap().len(), workers);
    });
}

#[test]
fn forks_inside_a_lane_spread_over_its_workers() {
    fn tree(fork: &mut Fork, depth: u32, seen: &Mutex<HashSet<usize>>) -> u32 {
        seen.lock().unwrap().insert(place().0);
        if depth == 0 {
            std::thread::sleep(Duration::from_micros(50));
            return 1;
        }
        let (a, b) = fork.join(|f| tree(f, depth - 1, seen), |f| tree(f, depth - 1, seen));
        a + b
    }
    laned(&SIZES, |rig| {
        for priority in Priority::ALL {
            let (workers, map) = (rig.workers(), Map::of(rig));
            let seen = rig.go_with_priority(priority, move || {
                let seen = Mutex::new(HashSet::new());
                while seen.lock().unwrap().len() < workers {
                    let (a, b) = join(|f| tree(f, 4, &seen), |f| tree(f, 4, &seen));
                    assert_eq!(a + b, 32);
                }
                seen.into_inner().unwrap()
            });
            let seen = seen.join().unwrap();
            assert!(seen.iter().all(|&worker| map.0[worker] == lane_of(priority)), "{priority}: {seen:?}");
        }
    });
}

#[test]
fn started_fibers_stay_on_their_thread_when_their_priority_crosses_lanes() {
    laned(&SIZES, |rig| {
        for first in Priority::ALL {
            let inside = rig.go_with_priority(first, || {
                let home = place();
                for priority in Priority::ALL.into_iter().chain(Priority::ALL.into_iter().rev()) {
                    set_priority(priority).unwrap();
                    yield_now();
                    assert_eq!(place(), home, "after a yield as {priority}");
                    assert_eq!(current().unwrap().priority(), priority);
                    sleep(Duration::from_micros(10));
                    assert_eq!(place(), home, "after a sleep as {priority}");
                    both(yield_now, yield_now);
                    assert_eq!(place(), home, "after branches as {priority}");
                    assert_eq!(go(|| current().unwrap().priority()).join().unwrap(), priority);
                    assert_eq!(place(), home, "after a child as {priority}");
                }
            });
            inside.join().unwrap();
            let events = Priority::ALL.map(|_| Event::new());
            let theirs = events.clone();
            let waits = rig.go_with_priority(first, move || {
                let home = place();
                for event in theirs {
                    event.wait().unwrap();
                    assert_eq!(place(), home);
                }
                current().unwrap().priority()
            });
            for (event, priority) in events.iter().zip(Priority::ALL) {
                eventually(|| event.waiting() == 1);
                waits.set_priority(priority);
                event.fire();
            }
            assert_eq!(waits.join().unwrap(), Priority::Background);
        }
    });
}

/// Changes priorities from one place: outside, or a fiber of a lane that blocks its worker meanwhile.
struct Changer {
    orders: Option<mpsc::Sender<(JoinHandle<Lane>, Priority)>>,
    done: mpsc::Receiver<JoinHandle<Lane>>,
}

impl Changer {
    fn in_fiber(rig: &Rig, priority: Priority) -> Changer {
        let (orders, their_orders) = mpsc::channel::<(JoinHandle<Lane>, Priority)>();
        let (their_done, done) = mpsc::channel();
        drop(rig.go_with_priority(priority, move || {
            for (handle, priority) in their_orders {
                handle.set_priority(priority);
                their_done.send(handle).unwrap();
            }
        }));
        Changer { orders: Some(orders), done }
    }

    fn outside() -> Changer {
        Changer { orders: None, done: mpsc::channel().1 }
    }

    fn change(&self, handle: JoinHandle<Lane>, priority: Priority) -> JoinHandle<Lane> {
        let Some(orders) = &self.orders else {
            handle.set_priority(priority);
            return handle;
        };
        orders.send((handle, priority)).unwrap();
        self.done.recv().unwrap()
    }
}

#[test]
fn a_fiber_that_has_not_started_moves_to_the_lane_of_its_new_priority_whoever_says_so() {
    laned(&[1, 2, 8], |rig| {
        let map = Map::of(rig);
        let callers = RIDERS.map(Some).into_iter().chain([None]);
        for caller in callers {
            for (from, old) in RIDERS {
                let block = Gate::new();
                let changer =
                    caller.map_or_else(Changer::outside, |(_, rider)| Changer::in_fiber(rig, rider));
                let is_there = caller.is_some_and(|(lane, _)| lane == from);
                let (ready, blocked) = (Arc::new(AtomicUsize::new(0)), rig.workers() - usize::from(is_there));
                let blockers: Vec<_> = (0..blocked)
                    .map(|_| {
                        let (block, ready) = (block.clone(), ready.clone());
                        rig.go_with_priority(old, move || {
                            ready.fetch_add(1, Ordering::Relaxed);
                            block.wait();
                        })
                    })
                    .collect();
                eventually(|| ready.load(Ordering::Relaxed) == blocked);
                for (to, new) in RIDERS.into_iter().filter(|&(to, _)| to != from) {
                    let caller_blocks = caller.is_some_and(|(lane, _)| lane == to && rig.workers() == 1);
                    let theirs = map.clone();
                    let handle = rig.go_with_priority(old, move || theirs.here());
                    let handle = changer.change(handle, new);
                    assert_eq!(handle.priority(), new);
                    if !caller_blocks {
                        assert_eq!(handle.join().unwrap(), to, "from {from}, said by {caller:?}");
                    }
                    let theirs = map.clone();
                    let handle = rig.go_with_priority(old, move || theirs.here());
                    let handle = changer.change(changer.change(handle, new), new);
                    assert!(caller_blocks || handle.join().unwrap() == to);
                }
                block.open();
                drop(changer);
                blockers.into_iter().for_each(|blocker| blocker.join().unwrap());
                rig.wait_all().unwrap();
            }
        }
    });
}

#[test]
fn nothing_is_lost_or_run_twice_when_background_fibers_make_others_at_random() {
    const FIBERS: usize = 3_000;
    /// Counts the run of number `me`, and makes some more while there are numbers left.
    fn grow(me: usize, next: &Arc<AtomicUsize>, runs: &Arc<Vec<AtomicUsize>>, mut random: Random) {
        runs[me].fetch_add(1, Ordering::Relaxed);
        for _ in 0..random.below(5) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= FIBERS {
                return;
            }
            let (next, runs, theirs) = (next.clone(), runs.clone(), random.split());
            // Mostly one of this lane.
            let priority = match random.below(20) {
                0 => Priority::Critical,
                1 => Priority::Normal,
                2..=9 => Priority::Low,
                _ => Priority::Background,
            };
            let child = go_with_priority(priority, move || grow(number, &next, &runs, theirs));
            match random.below(8) {
                0 => child.set_priority(*random.pick(&Priority::ALL)),
                1 => child.join().unwrap(),
                2 => yield_now(),
                _ => {}
            }
        }
    }
    laned(&[1, 2, 8], |rig| {
        let mut random = Random::new();
        let (next, runs) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(Vec::from_iter((0..FIBERS).map(|_| AtomicUsize::new(0)))),
        );
        while next.load(Ordering::Relaxed) < FIBERS {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number < FIBERS {
                let (next, runs, theirs) = (next.clone(), runs.clone(), random.split());
                drop(rig.go_with_priority(Priority::Background, move || grow(number, &next, &runs, theirs)));
            }
        }
        rig.wait_all().unwrap();
        let wrong: Vec<_> = (0..FIBERS).filter(|&n| runs[n].load(Ordering::Relaxed) != 1).collect();
        assert!(wrong.is_empty(), "not run once: {wrong:?}");
    });
}

#[test]
fn cancelling_reaches_fibers_of_other_lanes_queued_and_suspended() {
    laned(&SIZES, |rig| {
        for (_, caller) in RIDERS {
            for (_, other) in RIDERS {
                let event = Event::new();
                let theirs = event.clone();
                let suspended = rig.go_with_priority(other, move || theirs.wait().is_err());
                eventually(|| event.waiting() == 1);
                // Held back by a blocker on each worker of that lane, unless the caller needs one.
                let told = rig.go_with_priority(caller, move || {
                    suspended.cancel();
                    let never = go_with_priority(other, || sleep(Duration::from_secs(3600)));
                    never.cancel();
                    (suspended.join().unwrap(), never.join().unwrap_err().is_cancelled())
                });
                assert_eq!(told.join().unwrap(), (true, true), "{caller} cancels {other}");
            }
        }
    });
}

#[test]
fn a_fiber_that_joins_another_lane_can_be_cancelled() {
    laned(&SIZES, |rig| {
        for (_, waiter) in RIDERS {
            for (_, waited) in RIDERS {
                let (event, joins) = (Event::new(), Event::new());
                let (theirs, begun) = (event.clone(), joins.clone());
                let waiting = rig.go_with_priority(waiter, move || {
                    let child = go_with_priority(waited, move || theirs.wait().unwrap());
                    begun.fire();
                    child.join().unwrap_err().is_interrupted()
                });
                eventually(|| joins.has_fired() && event.waiting() == 1);
                waiting.cancel();
                assert!(waiting.join().unwrap(), "a {waiter} fiber waits for a {waited} one");
                event.fire();
                rig.wait_all().unwrap();
            }
        }
    });
}

#[test]
fn panics_stay_in_their_fiber_in_every_lane() {
    laned(&SIZES, |rig| {
        for priority in Priority::ALL {
            // Joined out here: a fiber that waits would lend its priority.
            let makers = Priority::ALL.map(|child| {
                rig.go_with_priority(priority, move || {
                    yield_now();
                    drop(go_with_priority(child, || panic!("the child's")));
                    panic!("its own");
                })
            });
            for maker in makers {
                let result: Result<(), _> = maker.join();
                assert_eq!(result.unwrap_err().to_string(), "the fiber panicked: its own");
            }
        }
        rig.wait_all().unwrap();
        let stats = rig.stats();
        for (lane, _) in RIDERS {
            let panics: u64 =
                stats.workers.iter().filter(|worker| worker.lane == lane).map(|worker| worker.panics).sum();
            let riders =
                Priority::ALL.into_iter().filter(|&priority| lane_of(priority) == lane).count() as u64;
            assert_eq!(panics, riders * 5 * 2, "{lane}:\n{stats}");
        }
    });
}

#[test]
fn each_way_to_divide_the_priorities_is_what_stats_say_and_what_happens() {
    let riders = |scheduler: &Scheduler| -> Vec<(Lane, Vec<Priority>, usize)> {
        let lanes = scheduler.stats().lanes;
        lanes.into_iter().map(|lane| (lane.lane, lane.priorities, lane.threads)).collect()
    };
    let [critical, high, normal, low, background] = Priority::ALL;
    let cases: [(Lanes, [&[Priority]; 3]); 10] = [
        (Lanes::from(1), [&[], &Priority::ALL, &[]]),
        (Lanes::from(2), [&[], &[critical, high, normal], &[low, background]]),
        (Lanes::from(3), [&[critical], &[high, normal], &[low, background]]),
        (Lanes::default(), [&[critical], &[high, normal], &[low, background]]),
        (Lanes::one().urgent_to(critical), [&[critical], &[high, normal, low, background], &[]]),
        (Lanes::one().urgent_to(low), [&[critical, high, normal, low], &[background], &[]]),
        (Lanes::one().background_from(high), [&[], &[critical], &[high, normal, low, background]]),
        (Lanes::two().background_from(background), [&[], &[critical, high, normal, low], &[background]]),
        (Lanes::three().urgent_to(high), [&[critical, high], &[normal], &[low, background]]),
        (Lanes::three().background_from(background), [&[critical], &[high, normal, low], &[background]]),
    ];
    for (lanes, expected) in cases {
        with_lanes(lanes, &[1, 2], &|builder| builder, &|rig| {
            let expected: Vec<_> = Lane::ALL
                .into_iter()
                .zip(expected)
                .filter(|(_, riders)| !riders.is_empty())
                .map(|(lane, riders)| (lane, riders.to_vec(), rig.workers()))
                .collect();
            assert_eq!(riders(rig), expected);
            let map = Map::of(rig);
            for (lane, riders, _) in expected {
                for priority in riders {
                    let theirs = map.clone();
                    assert_eq!(rig.go_with_priority(priority, move || theirs.here()).join().unwrap(), lane);
                }
            }
        });
    }
}

#[test]
fn lanes_that_cannot_be_are_refused_and_the_error_says_which_option() {
    let refused = |lanes: Lanes, words: &str| {
        let error = Scheduler::builder().workers(1).lanes(lanes).build().unwrap_err();
        assert!(error.is_config(), "{error}");
        assert!(error.to_string().contains(words), "'{words}' is not in: {error}");
    };
    for count in [0, 4, 5, 64, usize::MAX] {
        refused(Lanes::from(count), &format!("lanes({count})"));
        let error = Scheduler::builder().lanes(count).build().unwrap_err();
        assert!(error.is_config() && error.to_string().contains(&format!("lanes({count})")), "{error}");
    }
    // Crossed, or nothing left between.
    for (urgent, background) in [
        (Priority::Critical, Priority::High),
        (Priority::High, Priority::Normal),
        (Priority::Low, Priority::Low),
        (Priority::Background, Priority::Background),
        (Priority::Low, Priority::Critical),
    ]
    .into_iter()
    .filter(|&(urgent, background)| urgent as usize + 1 >= background as usize)
    {
        refused(Lanes::one().urgent_to(urgent).background_from(background), "ordinary lane");
    }
    refused(Lanes::one().urgent_to(Priority::Background), "urgent_to()");
    refused(Lanes::one().background_from(Priority::Critical), "background_from()");
    for nice in [20, -1, i32::MAX, i32::MIN] {
        refused(Lanes::three().ordinary_nice(nice), &format!("ordinary_nice({nice})"));
    }
    for nice in [0, 1, -21, i32::MIN] {
        refused(Lanes::three().raise_urgent(Raise::Nice(nice)), &format!("raise_urgent(Nice({nice}))"));
    }
    for priority in [0, 100, -1, i32::MAX] {
        let words = format!("raise_urgent(RealTime({priority}))");
        refused(Lanes::three().raise_urgent(Raise::RealTime(priority)), &words);
    }
}

#[test]
fn hooks_are_called_once_for_each_thread_of_each_lane_and_run() {
    const RUNS: usize = 50;
    let starts: Arc<[AtomicUsize; 6]> = Arc::default();
    let stops: Arc<[AtomicUsize; 6]> = Arc::default();
    let (at_start, at_stop) = (starts.clone(), stops.clone());
    let options = move |builder: heddle_scheduler::Builder| {
        let (starts, stops) = (at_start.clone(), at_stop.clone());
        builder
            .on_thread_start(move |worker| _ = starts[worker].fetch_add(1, Ordering::SeqCst))
            .on_thread_stop(move |worker| _ = stops[worker].fetch_add(1, Ordering::SeqCst))
    };
    with_lanes(3, &[2], &options, &|rig| {
        for run in 1..=RUNS {
            let fibers: Vec<_> = (0..20)
                .map(|n| {
                    let tracked = rig.track();
                    rig.go_with_priority(Priority::ALL[n % 5], move || {
                        let _held = tracked;
                        if n % 2 == 0 {
                            yield_now();
                        }
                        go_with_priority(Priority::ALL[n / 4], || ()).join().unwrap();
                    })
                })
                .collect();
            if run % 2 == 0 {
                fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
            } else {
                // In the middle of it.
                drop(fibers);
            }
            Rig::retire(rig);
            let counts = |of: &[AtomicUsize; 6]| of.each_ref().map(|count| count.load(Ordering::SeqCst));
            assert_eq!((counts(&starts), counts(&stops)), ([run; 6], [run; 6]));
            rig.start().unwrap();
        }
    });
}

#[cfg(target_os = "linux")]
mod in_the_kernels_eyes {
    use super::*;
    use heddle_scheduler::ThreadPolicy;
    use heddle_tests::kernel;

    /// What the kernel says inside a fiber of each priority; it must be what `stats()` say.
    fn policies(rig: &Rig) -> [ThreadPolicy; 5] {
        Priority::ALL.map(|priority| {
            let (worker, policy) =
                rig.go_with_priority(priority, || (place().0, kernel::policy())).join().unwrap();
            let stats = rig.stats();
            assert_eq!(stats.workers[worker].policy, policy, "{priority}");
            policy
        })
    }

    #[test]
    fn urgent_threads_are_as_their_starter_ordinary_ones_ten_nicer_and_background_ones_idle() {
        let here = kernel::nice();
        let ordinary = ThreadPolicy::Nice((here + 10).min(19));
        laned(&[1, 2, 8], |rig| {
            let expected =
                [ThreadPolicy::Nice(here), ordinary, ordinary, ThreadPolicy::Idle, ThreadPolicy::Idle];
            assert_eq!(policies(rig), expected);
            let stats = rig.stats();
            for lane in &stats.lanes {
                assert!(lane.priorities.iter().all(|&priority| expected[priority as usize] == lane.policy));
            }
            // After a restart too.
            Rig::retire(rig);
            rig.start().unwrap();
            assert_eq!(policies(rig), expected);
        });
    }

    #[test]
    fn ordinary_threads_have_the_nice_value_that_was_asked_for_where_there_is_an_urgent_lane() {
        let here = kernel::nice();
        let nice = |nice: i32| ThreadPolicy::Nice((here + nice).min(19));
        for value in [0, 1, 19] {
            let asked = |lanes: Lanes, expected: [ThreadPolicy; 5]| {
                with_lanes(lanes.ordinary_nice(value), &[2], &|builder| builder, &|rig| {
                    assert_eq!(policies(rig), expected)
                });
            };
            let idle = ThreadPolicy::Idle;
            asked(Lanes::three(), [nice(0), nice(value), nice(value), idle, idle]);
            asked(Lanes::two(), [nice(0), nice(0), nice(0), idle, idle]);
            asked(Lanes::one(), [nice(0); 5]);
        }
    }

    #[test]
    fn urgent_threads_are_tied_to_cpus_of_their_own_where_there_are_enough_and_others_never() {
        let cpus = kernel::cpus();
        let sizes = [1, 2, cpus.len(), cpus.len() + 1, 2 * cpus.len()];
        laned(&sizes, |rig| {
            let all = Arc::new(Barrier::new(rig.workers()));
            for (lane, priority) in RIDERS {
                let fibers: Vec<_> = (0..rig.workers())
                    .map(|_| {
                        let all = all.clone();
                        rig.go_with_priority(priority, move || {
                            all.wait();
                            (place().0, kernel::cpus())
                        })
                    })
                    .collect();
                let seen: Vec<_> = fibers.into_iter().map(|fiber| fiber.join().unwrap()).collect();
                let stats = rig.stats();
                for (worker, allowed) in &seen {
                    let tied = (allowed.len() == 1 && cpus.len() > 1).then(|| allowed[0] as u32);
                    if cpus.len() > 1 {
                        assert_eq!(stats.workers[*worker].cpu, tied, "{lane} worker {worker}");
                    }
                }
                let used: HashSet<_> = seen.iter().flat_map(|(_, allowed)| allowed.iter().copied()).collect();
                assert_eq!(used.len(), cpus.len(), "{lane} threads can use every CPU between them");
                let tied = seen.iter().filter(|(_, allowed)| allowed.len() < cpus.len()).count();
                let expected = if lane == Lane::Urgent && rig.workers() >= cpus.len() && cpus.len() > 1 {
                    rig.workers()
                } else {
                    0
                };
                assert_eq!(tied, expected, "{lane} threads of {} workers", rig.workers());
            }
        });
    }

    #[test]
    fn a_scheduler_that_is_started_by_a_fiber_is_scheduled_like_its_starter_and_says_so() {
        laned(&[2], |rig| {
            for (lane, priority) in RIDERS {
                let started = rig.go_with_priority(priority, || {
                    let inner = Scheduler::builder().workers(1).lanes(3).name("inner").build().unwrap();
                    (inner, kernel::policy(), kernel::nice())
                });
                let (inner, starter, nice) = started.join().unwrap();
                for child in Priority::ALL {
                    let seen = inner.go_with_priority(child, kernel::policy).join().unwrap();
                    assert_eq!(inner.stats().lane(lane_of(child)).unwrap().policy, seen);
                    let expected = match lane_of(child) {
                        Lane::Background => ThreadPolicy::Idle,
                        Lane::Ordinary if starter != ThreadPolicy::Idle => {
                            ThreadPolicy::Nice((nice + 10).min(19))
                        }
                        _ => starter,
                    };
                    assert_eq!(seen, expected, "{child}, started by a {lane} fiber");
                }
                Rig::retire(&inner);
            }
        });
    }
}
