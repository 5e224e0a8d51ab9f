//! The token: given from the same worker, another worker, another scheduler and other threads; before,
//! during and after the wait; and sleeping.

use heddle_scheduler::suspend::{Resumer, suspend};
use heddle_scheduler::{Priority, go, sleep, sleep_until, yield_now};
use heddle_tests::{Event, Random, eventually, everywhere, on_workers};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A cell that two fibers pass a turn through.
struct Turns {
    turn: AtomicUsize,
    who: std::sync::Mutex<[Option<Resumer>; 2]>,
}

fn play(turns: &Turns, me: usize, rounds: usize) {
    turns.who.lock().unwrap()[me] = Some(Resumer::current());
    for round in 0..rounds {
        while turns.turn.load(Ordering::Acquire) != 2 * round + me {
            suspend().unwrap();
        }
        turns.turn.store(2 * round + me + 1, Ordering::Release);
        let other = turns.who.lock().unwrap()[1 - me].clone();
        if let Some(other) = other {
            other.resume();
        }
    }
}

fn turns() -> Arc<Turns> {
    Arc::new(Turns { turn: AtomicUsize::new(0), who: std::sync::Mutex::new([None, None]) })
}

#[test]
fn two_fibers_take_turns_on_one_worker_and_on_two() {
    everywhere(|rig| {
        let turns = turns();
        let players: Vec<_> = (0..2)
            .map(|me| {
                let turns = turns.clone();
                rig.go(move || play(&turns, me, 1000))
            })
            .collect();
        for player in players {
            player.join().unwrap();
        }
        assert_eq!(turns.turn.load(Ordering::SeqCst), 2000);
    });
}

#[test]
fn a_fiber_and_a_thread_take_turns() {
    everywhere(|rig| {
        let turns = turns();
        let theirs = turns.clone();
        let fiber = rig.go(move || play(&theirs, 0, 300));
        play(&turns, 1, 300);
        fiber.join().unwrap();
    });
}

#[test]
fn fibers_of_two_schedulers_take_turns() {
    everywhere(|rig| {
        let other = rig.another(1);
        let turns = turns();
        let (first, second) = (turns.clone(), turns.clone());
        let here = rig.go(move || play(&first, 0, 300));
        let there = other.go(move || play(&second, 1, 300));
        here.join().unwrap();
        there.join().unwrap();
        drop(turns);
        super::retire_when_sole(other);
    });
}

#[test]
fn a_token_that_comes_before_the_wait_is_kept_and_two_are_one() {
    everywhere(|rig| {
        let waited = rig.go(|| {
            let me = Resumer::current();
            me.resume();
            me.resume();
            suspend().unwrap();
            // The second one was the same token: another wait needs another.
            let again = me.clone();
            let resumed = Arc::new(AtomicBool::new(false));
            let theirs = resumed.clone();
            drop(go(move || {
                theirs.store(true, Ordering::Release);
                again.resume();
            }));
            while !resumed.load(Ordering::Acquire) {
                suspend().unwrap();
            }
            assert_eq!(me, Resumer::current());
            true
        });
        assert!(waited.join().unwrap());
    });
}

#[test]
fn resuming_a_fiber_that_has_ended_does_nothing() {
    everywhere(|rig| {
        let (give, take) = mpsc::channel();
        rig.go(move || give.send(Resumer::current()).unwrap()).join().unwrap();
        let resumer = take.recv().unwrap();
        resumer.resume();
        let clone = resumer.clone();
        drop(resumer);
        let theirs = clone.clone();
        rig.go(move || theirs.resume()).join().unwrap();
        let neighbour = rig.go(|| {
            yield_now();
            1
        });
        clone.resume();
        assert_eq!(neighbour.join().unwrap(), 1);
    });
}

#[test]
fn a_resumer_may_outlive_its_scheduler() {
    everywhere(|rig| {
        let other = rig.another(2);
        let (give, take) = mpsc::channel();
        drop(other.go(move || give.send(Resumer::current()).unwrap()));
        let resumer = take.recv().unwrap();
        super::retire_when_sole(other);
        resumer.resume();
        assert!(format!("{resumer:?}").contains("fiber"));
    });
}

#[test]
fn resumes_from_many_threads_and_fibers_are_never_lost() {
    everywhere(|rig| {
        let waiting = 20;
        let counts: Arc<Vec<AtomicUsize>> = Arc::new((0..waiting).map(|_| AtomicUsize::new(0)).collect());
        let (give, take) = mpsc::channel();
        let fibers: Vec<_> = (0..waiting)
            .map(|index| {
                let (counts, give) = (counts.clone(), give.clone());
                rig.go(move || {
                    give.send((index, Resumer::current())).unwrap();
                    while counts[index].load(Ordering::Acquire) < 200 {
                        suspend().unwrap();
                    }
                })
            })
            .collect();
        drop(give);
        let resumers: Arc<Vec<(usize, Resumer)>> = Arc::new(take.iter().take(waiting).collect());
        let resume_all = |counts: &[AtomicUsize], resumers: &[(usize, Resumer)]| {
            for _ in 0..50 {
                for (index, resumer) in resumers {
                    counts[*index].fetch_add(1, Ordering::Release);
                    resumer.resume();
                }
            }
        };
        std::thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| resume_all(&counts, &resumers));
            }
            for _ in 0..2 {
                let (counts, resumers) = (counts.clone(), resumers.clone());
                drop(rig.go_with_priority(Priority::High, move || resume_all(&counts, &resumers)));
            }
        });
        for fiber in fibers {
            fiber.join().unwrap();
        }
    });
}

#[test]
fn a_suspended_fiber_gives_its_worker_away() {
    on_workers(&[1], |rig| {
        let event = Event::new();
        let suspended: Vec<_> = (0..1000)
            .map(|_| {
                let event = event.clone();
                rig.go(move || event.wait().unwrap())
            })
            .collect();
        eventually(|| rig.stats().levels[2].suspended == 1000);
        assert_eq!(rig.stats().stacks.in_use, 1000);
        assert_eq!(rig.go(|| 3).join().unwrap(), 3);
        event.fire();
        for handle in suspended {
            handle.join().unwrap();
        }
    });
}

#[test]
fn sleepers_wake_in_the_order_of_their_times_and_not_too_early() {
    const SLEEPERS: u64 = 50;
    on_workers(&[1], |rig| {
        let mut random = Random::from_seed(3);
        // All have to sleep before the first is due: on a busy machine that takes another attempt, with more time.
        for lead in (0..).map(|attempt| Duration::from_millis(5 << attempt)) {
            let order = Arc::new(std::sync::Mutex::new(Vec::new()));
            let first = Instant::now() + lead;
            let mut numbers: Vec<u64> = (0..SLEEPERS).collect();
            for index in (1..numbers.len()).rev() {
                numbers.swap(index, random.below(index as u64 + 1) as usize);
            }
            let sleepers: Vec<_> = numbers
                .into_iter()
                .map(|number| {
                    let order = order.clone();
                    rig.go(move || {
                        let due = first + Duration::from_micros(200 * number);
                        sleep_until(due);
                        assert!(Instant::now() >= due, "woken too early");
                        order.lock().unwrap().push(number);
                    })
                })
                .collect();
            let asleep = || rig.stats().levels[2].suspended;
            eventually(|| asleep() == SLEEPERS || Instant::now() >= first);
            let in_time = asleep() == SLEEPERS && Instant::now() < first;
            for sleeper in sleepers {
                sleeper.join().unwrap();
            }
            if in_time {
                let order = order.lock().unwrap();
                assert!(order.is_sorted_by(|a, b| *a <= *b + 1), "{order:?}");
                break;
            }
        }
    });
}

#[test]
fn thousands_sleep_at_once_and_a_thread_may_sleep_too() {
    everywhere(|rig| {
        let sleepers: Vec<_> =
            (0..1000).map(|n| rig.go(move || sleep(Duration::from_micros(n % 700)))).collect();
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        let before = Instant::now();
        sleep(Duration::from_millis(1));
        assert!(before.elapsed() >= Duration::from_millis(1));
        rig.go(|| sleep(Duration::ZERO)).join().unwrap();
    });
}

#[test]
fn a_resume_does_not_end_a_sleep() {
    everywhere(|rig| {
        let (give, take) = mpsc::channel();
        let handle = rig.go(move || {
            give.send(Resumer::current()).unwrap();
            let before = Instant::now();
            sleep(Duration::from_millis(5));
            before.elapsed()
        });
        let resumer = take.recv().unwrap();
        while !handle.is_finished() {
            resumer.resume();
            std::thread::yield_now();
        }
        assert!(handle.join().unwrap() >= Duration::from_millis(5));
    });
}
