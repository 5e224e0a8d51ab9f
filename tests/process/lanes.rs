//! Lanes where the system refuses something: scheduling policies, nice values, threads.

use super::child;
use heddle_scheduler::{Builder, Lane, Lanes, Priority, Raise, Scheduler, ThreadPolicy, current};
use heddle_tests::{Hogs, Rig, eventually, kernel};
use std::time::Duration;

/// What the kernel says in a fiber of each priority. `stats()` must say the same, of the worker too.
fn policies(scheduler: &Scheduler) -> [ThreadPolicy; 5] {
    Priority::ALL.map(|priority| {
        let look = || (current().unwrap().worker(), kernel::policy());
        let (worker, policy) = scheduler.go_with_priority(priority, look).join().unwrap();
        assert_eq!(scheduler.stats().workers[worker].policy, policy, "{priority}");
        policy
    })
}

/// All five levels run, and Critical beside hogs of every thread of the other lanes.
pub(super) fn assert_works(scheduler: &Scheduler) {
    for priority in Priority::ALL {
        assert_eq!(scheduler.go_with_priority(priority, || 7).join().unwrap(), 7);
    }
    let has_lane = |lane| scheduler.stats().lane(lane).is_some_and(|lane| !lane.priorities.is_empty());
    if has_lane(Lane::Urgent) {
        let background = if has_lane(Lane::Background) { scheduler.workers() } else { 0 };
        let below = Hogs::start(scheduler, Priority::Background, background);
        let beside = Hogs::start(scheduler, Priority::Normal, scheduler.workers());
        for _ in 0..10 {
            scheduler.go_with_priority(Priority::Critical, || ()).join().unwrap();
        }
        drop((below, beside));
    }
    scheduler.wait_all().unwrap();
}

fn three() -> Scheduler {
    Scheduler::builder().workers(2).lanes(3).build().unwrap()
}

/// Runs the body in a child where these calls are refused; it gets the nice value of the starter.
fn where_refused(calls: &[libc::c_long], body: impl FnOnce(i32)) {
    if child::is_child() {
        let nice = kernel::nice();
        if child::refuse_calls(calls) {
            body(nice);
        }
        return;
    }
    let ended = child::run(&[]);
    ended.assert_passed();
    println!("{}", ended.text);
}

#[test]
fn where_no_policy_may_be_chosen_background_is_as_nice_as_can_be_and_stats_say_so() {
    where_refused(&[libc::SYS_sched_setscheduler], |nice| {
        let scheduler = three();
        let (ordinary, last) = (ThreadPolicy::Nice((nice + 10).min(19)), ThreadPolicy::Nice(19));
        assert_eq!(policies(&scheduler), [ThreadPolicy::Nice(nice), ordinary, ordinary, last, last]);
        assert_eq!(scheduler.stats().lane(Lane::Background).unwrap().policy, last);
        assert_works(&scheduler);
        Rig::retire(&scheduler);
    });
}

#[test]
fn where_no_nice_value_may_be_chosen_ordinary_threads_stay_as_they_are_and_stats_say_so() {
    where_refused(&[libc::SYS_setpriority], |nice| {
        let scheduler = three();
        let (same, idle) = (ThreadPolicy::Nice(nice), idle_here());
        assert_eq!(policies(&scheduler), [same, same, same, idle, idle]);
        assert_works(&scheduler);
        Rig::retire(&scheduler);
    });
}

#[test]
fn where_nothing_may_be_chosen_all_lanes_are_equals_and_all_levels_run() {
    let calls = [libc::SYS_sched_setscheduler, libc::SYS_setpriority, libc::SYS_sched_setaffinity];
    where_refused(&calls, |nice| {
        let asked = Lanes::three().raise_urgent(Raise::RealTime(1));
        let scheduler = Scheduler::builder().workers(2).lanes(asked).build().unwrap();
        assert_eq!(policies(&scheduler), [ThreadPolicy::Nice(nice); 5]);
        assert!(scheduler.stats().workers.iter().all(|worker| worker.cpu.is_none()), "nobody is tied");
        assert_works(&scheduler);
        Rig::retire(&scheduler);
    });
}

#[test]
fn where_the_system_does_not_say_stats_say_unknown() {
    where_refused(&[libc::SYS_getpriority, libc::SYS_sched_getscheduler], |_| {
        let scheduler = three();
        for priority in Priority::ALL {
            let worker = scheduler.go_with_priority(priority, || current().unwrap().worker()).join().unwrap();
            assert_eq!(scheduler.stats().workers[worker].policy, ThreadPolicy::Unknown);
        }
        assert_works(&scheduler);
        Rig::retire(&scheduler);
    });
    where_refused(&[libc::SYS_getpriority], |_| {
        let scheduler = three();
        let worker = scheduler.go(|| current().unwrap().worker()).join().unwrap();
        assert_eq!(scheduler.stats().workers[worker].policy, ThreadPolicy::Unknown, "-1 is no answer");
    });
}

#[test]
fn without_the_barrier_of_the_kernel_nothing_is_lost() {
    where_refused(&[libc::SYS_membarrier], |_| {
        let scheduler = three();
        for round in 0..200 {
            let fibers: Vec<_> = (0..20)
                .map(|n| scheduler.go_with_priority(Priority::ALL[n % 5], move || n + round))
                .collect();
            for (n, fiber) in fibers.into_iter().enumerate() {
                assert_eq!(fiber.join().unwrap(), n + round);
            }
        }
        assert_works(&scheduler);
        Rig::retire(&scheduler);
    });
}

/// What a plain thread of this process gets that wants only what nobody else does; containers may refuse that, too.
fn idle_here() -> ThreadPolicy {
    std::thread::spawn(|| {
        // SAFETY: all-zero is a valid value of this struct of integers.
        let param: libc::sched_param = unsafe { std::mem::zeroed() };
        // SAFETY: reads the struct; the other takes integers.
        unsafe {
            if libc::sched_setscheduler(0, libc::SCHED_IDLE, &param) != 0 {
                libc::setpriority(libc::PRIO_PROCESS, 0, 19);
            }
        }
        kernel::policy()
    })
    .join()
    .unwrap()
}

/// What a plain thread of this process gets that asks for the same.
fn granted(raise: Raise) -> ThreadPolicy {
    std::thread::spawn(move || {
        match raise {
            // SAFETY: takes integers.
            Raise::Nice(nice) => unsafe { _ = libc::setpriority(libc::PRIO_PROCESS, 0, nice) },
            Raise::RealTime(priority) => {
                // SAFETY: all-zero is a valid value of this struct of integers.
                let mut param: libc::sched_param = unsafe { std::mem::zeroed() };
                param.sched_priority = priority;
                // SAFETY: reads the struct.
                unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &param) };
            }
            _ => {}
        }
        kernel::policy()
    })
    .join()
    .unwrap()
}

/// Asks for it, and compares. The result is whether it was granted.
fn raised(raise: Raise) -> bool {
    let expected = granted(raise);
    let lanes = Lanes::three().raise_urgent(raise);
    let scheduler = Scheduler::builder().workers(2).lanes(lanes).build().unwrap();
    let seen = policies(&scheduler);
    assert_eq!(seen[0], expected, "asked for {raise:?}");
    assert_eq!(scheduler.stats().lane(Lane::Urgent).unwrap().policy, expected);
    let ordinary = ThreadPolicy::Nice((kernel::nice() + 10).min(19));
    assert_eq!(seen[1..], [ordinary, ordinary, idle_here(), idle_here()]);
    assert_works(&scheduler);
    Rig::retire(&scheduler);
    match raise {
        Raise::Nice(nice) => expected == ThreadPolicy::Nice(nice),
        Raise::RealTime(priority) => expected == ThreadPolicy::RealTime(priority),
        _ => true,
    }
}

#[test]
fn raising_the_urgent_lane_is_granted_or_not_and_stats_say_which() {
    if child::is_child() {
        for raise in [Raise::No, Raise::Nice(-1), Raise::Nice(-20), Raise::RealTime(1)] {
            println!("{raise:?} granted here: {}", raised(raise));
        }
        return;
    }
    let ended = child::run(&[]);
    ended.assert_passed();
    println!("{}", ended.text);
}

#[test]
fn raising_the_urgent_lane_is_refused_to_nobody_and_everything_works_all_the_same() {
    if child::is_child() {
        child::limit(libc::RLIMIT_NICE, 0);
        child::limit(libc::RLIMIT_RTPRIO, 0);
        if child::become_nobody() {
            for raise in [Raise::Nice(-1), Raise::Nice(-20), Raise::RealTime(1), Raise::RealTime(99)] {
                assert!(!raised(raise), "{raise:?}");
            }
        }
        return;
    }
    child::run(&[]).assert_passed();
}

#[test]
fn raising_the_urgent_lane_is_granted_to_nobody_within_the_limits() {
    if child::is_child() {
        // A limit of n allows nice values down to 20 - n.
        let limit = libc::rlimit { rlim_cur: 25, rlim_max: 25 };
        // SAFETY: the struct is complete.
        if unsafe { libc::setrlimit(libc::RLIMIT_NICE, &limit) } != 0 || !child::become_nobody() {
            println!("SKIPPED: the limit cannot be raised");
            return;
        }
        assert!(raised(Raise::Nice(-5)));
        assert!(!raised(Raise::Nice(-6)), "it is not cut to what would be allowed");
        return;
    }
    child::run(&[]).assert_passed();
}

/// The lanes that have priorities, and the number of threads that this says there are.
fn manned(scheduler: &Scheduler) -> ([bool; 3], usize) {
    let stats = scheduler.stats();
    let lanes = Lane::ALL.map(|lane| {
        let lane = stats.lane(lane).expect("asked for");
        assert_eq!(lane.threads, if lane.priorities.is_empty() { 0 } else { scheduler.workers() }, "{stats}");
        !lane.priorities.is_empty()
    });
    let riders: Vec<_> = stats.lanes.iter().flat_map(|lane| lane.priorities.clone()).collect();
    let mut sorted = riders.clone();
    sorted.sort();
    assert_eq!(sorted, Priority::ALL, "each rides somewhere: {riders:?}");
    (lanes, stats.lanes.iter().map(|lane| lane.threads).sum())
}

/// Three lanes, and no monitor, which would be one thread more.
fn unwatched(workers: usize) -> Builder {
    Scheduler::builder().workers(workers).lanes(3).hog_after(Duration::ZERO)
}

#[test]
fn wherever_the_creation_of_threads_fails_there_are_fewer_lanes_or_a_typed_error_and_nothing_leaks() {
    if child::is_child() {
        let before = kernel::threads().len();
        // What the first one of a process sets up is there.
        unwatched(2).build().unwrap().stop().unwrap();
        if !child::become_nobody() {
            return;
        }
        let allow = |more: usize| child::soft_limit(libc::RLIMIT_NPROC, (before + more) as u64);
        for workers in [1, 2, 3] {
            allow(1000);
            let again = unwatched(workers).build().unwrap();
            again.stop().unwrap();
            for n in 0..=3 * workers {
                eventually(|| kernel::threads().len() == before);
                allow(n);
                let expected = [n >= 2 * workers, true, n >= 3 * workers];
                let new = unwatched(workers).build();
                if n < workers {
                    let error = new.unwrap_err();
                    assert!(error.is_thread(), "{error}");
                    assert!(error.to_string().contains("use fewer workers, or raise the limit"), "{error}");
                    eventually(|| kernel::threads().len() == before);
                    // The same one later, when there are threads again.
                    assert!(again.start().unwrap_err().is_thread());
                    assert!(!again.is_running());
                    assert!(again.go(|| ()).join().unwrap_err().is_stopped());
                } else {
                    let scheduler = new.unwrap();
                    let (lanes, threads) = manned(&scheduler);
                    assert_eq!(lanes, expected, "{workers} workers, {n} threads allowed");
                    assert_works(&scheduler);
                    eventually(|| kernel::threads().len() - before <= threads);
                    Rig::retire(&scheduler);
                    eventually(|| kernel::threads().len() == before);
                    again.start().unwrap();
                    assert_eq!(manned(&again).0, expected);
                    assert_works(&again);
                    Rig::retire(&again);
                }
                eventually(|| kernel::threads().len() == before);
                allow(1000);
                again.start().unwrap();
                assert_eq!(manned(&again).0, [true; 3], "after {n} threads");
                assert_works(&again);
                Rig::retire(&again);
            }
        }
        return;
    }
    child::run(&[]).assert_passed();
}
