//! Who goes first.
//!
//! These tests are about the order alone: nobody is owed time. What shares do is in `fairness.rs`.

use heddle_scheduler::{
    Priority, Scheduler, checkpoint, current, go, go_with_priority, set_priority, yield_now,
};
use heddle_tests::{Event, Gate, Random, Rig, WORKERS, eventually, everywhere, in_one_lane, occupy, strict};
use std::sync::{Arc, Mutex};

/// What ran, in its order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Priority>>>);

impl Log {
    fn add(&self) {
        self.0.lock().unwrap().push(current().unwrap().priority());
    }

    fn take(&self) -> Vec<Priority> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn queue(scheduler: &Scheduler, log: &Log, priority: Priority) {
    let log = log.clone();
    drop(scheduler.go_with_priority(priority, move || log.add()));
}

/// Most urgent first.
fn assert_in_order(ran: &[Priority], what: &str) {
    assert!(ran.is_sorted(), "{what}: {ran:?}");
}

#[test]
fn a_worker_takes_the_most_urgent_first_from_outside() {
    in_one_lane(&WORKERS, strict, |rig| {
        let log = Log::default();
        let mut held = occupy(rig);
        let mut random = Random::from_seed(1);
        for _ in 0..50 {
            queue(rig, &log, *random.pick(&Priority::ALL));
        }
        held.release_one();
        eventually(|| log.0.lock().unwrap().len() == 50);
        assert_in_order(&log.take(), "from outside");
    });
}

#[test]
fn a_worker_takes_the_most_urgent_first_of_what_its_fiber_made() {
    in_one_lane(&WORKERS, strict, |rig| {
        let log = Log::default();
        let mut held = occupy(rig);
        let theirs = log.clone();
        drop(rig.go_with_priority(Priority::Critical, move || {
            let mut random = Random::from_seed(2);
            for _ in 0..50 {
                let log = theirs.clone();
                drop(go_with_priority(*random.pick(&Priority::ALL), move || log.add()));
            }
        }));
        held.release_one();
        eventually(|| log.0.lock().unwrap().len() == 50);
        assert_in_order(&log.take(), "of its own");
    });
}

#[test]
fn a_worker_takes_the_most_urgent_first_over_its_own_work_other_workers_and_outside() {
    in_one_lane(&[2, 4, 8, 64], strict, |rig| {
        let log = Log::default();
        // Each busy worker has fibers of its own that it cannot run: they are for the free one.
        let (all_busy, free) = (Arc::new(std::sync::Barrier::new(rig.workers() + 1)), Gate::new());
        let busy = Gate::new();
        for worker in 0..rig.workers() {
            let (log, all_busy) = (log.clone(), all_busy.clone());
            let gate = if worker == 0 { free.clone() } else { busy.clone() };
            drop(rig.go_with_priority(Priority::Critical, move || {
                all_busy.wait();
                let mine = Priority::ALL[worker % 5];
                for _ in 0..2 {
                    let log = log.clone();
                    drop(go_with_priority(mine, move || log.add()));
                }
                all_busy.wait();
                gate.wait();
            }));
        }
        all_busy.wait();
        all_busy.wait();
        for priority in Priority::ALL.into_iter().rev() {
            queue(rig, &log, priority);
        }
        let expected = rig.workers() * 2 + 5;
        free.open();
        eventually(|| log.0.lock().unwrap().len() == expected);
        busy.open();
        assert_in_order(&log.take(), "from everywhere");
    });
}

#[test]
fn a_critical_fiber_overtakes_a_thousand_queued_normal_ones() {
    in_one_lane(&WORKERS, strict, |rig| {
        let log = Log::default();
        let mut held = occupy(rig);
        for _ in 0..1000 {
            queue(rig, &log, Priority::Normal);
        }
        queue(rig, &log, Priority::Critical);
        held.release_one();
        eventually(|| log.0.lock().unwrap().len() == 1001);
        let place = log.take().iter().position(|&ran| ran == Priority::Critical).unwrap();
        assert!(place <= 1, "it was number {place}; only a share turn may come before it");
    });
}

#[test]
fn a_resumed_fiber_keeps_its_priority_among_new_ones() {
    in_one_lane(&[1], strict, |rig| {
        let (log, event) = (Log::default(), Event::new());
        for priority in [Priority::Low, Priority::High] {
            let (log, event) = (log.clone(), event.clone());
            drop(rig.go_with_priority(priority, move || {
                event.wait().unwrap();
                log.add();
            }));
        }
        eventually(|| event.waiting() == 2);
        let mut held = occupy(rig);
        queue(rig, &log, Priority::Normal);
        queue(rig, &log, Priority::Background);
        event.fire();
        held.release_one();
        eventually(|| log.0.lock().unwrap().len() == 4);
        assert_in_order(&log.take(), "old and new");
    });
}

#[test]
fn set_priority_moves_a_queued_fiber_up_and_down() {
    in_one_lane(&WORKERS, strict, |rig| {
        let log = Log::default();
        let mut held = occupy(rig);
        let mut handles = Vec::new();
        for _ in 0..10 {
            let log = log.clone();
            handles.push(rig.go(move || log.add()));
        }
        handles[9].set_priority(Priority::Critical);
        handles[0].set_priority(Priority::Background);
        handles[1].set_priority(Priority::Background);
        handles[1].set_priority(Priority::High);
        assert_eq!(handles[1].priority(), Priority::High);
        for priority in [Priority::Low, Priority::Critical, Priority::Normal, Priority::Low, Priority::Normal]
        {
            handles[5].set_priority(priority);
        }
        held.release_one();
        eventually(|| log.0.lock().unwrap().len() == 10);
        let ran = log.take();
        assert_in_order(&ran, "moved");
        let count = |priority| ran.iter().filter(|&&ran| ran == priority).count();
        let counts = Priority::ALL.map(count);
        assert_eq!(counts, [1, 1, 7, 0, 1], "each ran once, at its last priority");
        for handle in handles {
            handle.join().unwrap();
        }
    });
}

#[test]
fn set_priority_moves_fibers_that_were_made_inside_while_they_are_queued() {
    in_one_lane(&[1], strict, |rig| {
        let log = Log::default();
        let theirs = log.clone();
        rig.go(move || {
            let children: Vec<_> = (0..20)
                .map(|_| {
                    let log = theirs.clone();
                    go(move || log.add())
                })
                .collect();
            for (n, child) in children.iter().enumerate() {
                child.set_priority(Priority::ALL[n % 5]);
            }
            for child in children {
                child.join().unwrap();
            }
        })
        .join()
        .unwrap();
        assert_in_order(&log.take(), "moved inside");
    });
}

#[test]
fn set_priority_moves_a_suspended_and_a_ready_fiber() {
    in_one_lane(&[1], strict, |rig| {
        let (log, event, second) = (Log::default(), Event::new(), Event::new());
        let spawn = |event: &Event| {
            let (log, event) = (log.clone(), event.clone());
            rig.go(move || {
                event.wait().unwrap();
                log.add();
            })
        };
        let (up, down) = (spawn(&event), spawn(&event));
        let ready = spawn(&second);
        eventually(|| event.waiting() == 2 && second.waiting() == 1);
        eventually(|| rig.stats().levels[2].suspended == 3);
        up.set_priority(Priority::Critical);
        down.set_priority(Priority::Background);
        let mut held = occupy(rig);
        second.fire();
        ready.set_priority(Priority::Low);
        event.fire();
        queue(rig, &log, Priority::Normal);
        queue(rig, &log, Priority::High);
        held.release_one();
        eventually(|| log.0.lock().unwrap().len() == 5);
        let ran = log.take();
        assert_in_order(&ran, "suspended and ready");
        let mut sorted = ran.clone();
        sorted.sort();
        assert_eq!(sorted, Priority::ALL);
    });
}

#[test]
fn set_priority_of_a_running_fiber_counts_from_its_next_wait_on() {
    everywhere(|rig| {
        let (gate, running) = (Gate::new(), Gate::new());
        let handle = rig.go({
            let (gate, running) = (gate.clone(), running.clone());
            move || {
                running.open();
                gate.wait();
                let told = current().unwrap().priority();
                yield_now();
                let child = go(|| current().unwrap().priority()).join().unwrap();
                (told, current().unwrap().priority(), child)
            }
        });
        running.wait();
        handle.set_priority(Priority::High);
        assert_eq!(handle.priority(), Priority::High);
        gate.open();
        assert_eq!(handle.join().unwrap(), (Priority::High, Priority::High, Priority::High));
    });
}

#[test]
fn a_fiber_changes_its_own_priority_inside() {
    everywhere(|rig| {
        let handle = rig.go(|| {
            let mut seen = Vec::new();
            for priority in Priority::ALL {
                set_priority(priority).unwrap();
                yield_now();
                seen.push(current().unwrap().priority());
            }
            seen
        });
        assert_eq!(handle.join().unwrap(), Priority::ALL);
    });
}

#[test]
fn a_fiber_that_lowers_itself_lets_the_others_go_first() {
    in_one_lane(&[1], strict, |rig| {
        let log = Log::default();
        let theirs = log.clone();
        rig.go(move || {
            for _ in 0..10 {
                let log = theirs.clone();
                drop(go(move || log.add()));
            }
            set_priority(Priority::Background).unwrap();
            yield_now();
            theirs.add();
        })
        .join()
        .unwrap();
        rig.wait_all().unwrap();
        assert_in_order(&log.take(), "lowered");
    });
}

#[test]
fn set_priority_of_a_finished_fiber_does_nothing() {
    everywhere(|rig| {
        let handle = rig.go(|| ());
        eventually(|| handle.is_finished());
        handle.set_priority(Priority::Critical);
        handle.join().unwrap();
    });
}

#[test]
fn a_checkpoint_lets_a_more_urgent_fiber_in_and_nobody_else() {
    in_one_lane(&[1], strict, |rig| {
        let log = Log::default();
        let (gate, running) = (Gate::new(), Gate::new());
        let long = rig.go_with_priority(Priority::Low, {
            let (log, gate, running) = (log.clone(), gate.clone(), running.clone());
            move || {
                running.open();
                gate.wait();
                // The urgent one is in its queue; one of these finds it.
                while log.0.lock().unwrap().is_empty() {
                    checkpoint();
                }
                log.add();
            }
        });
        running.wait();
        queue(rig, &log, Priority::Low);
        queue(rig, &log, Priority::Background);
        queue(rig, &log, Priority::High);
        gate.open();
        long.join().unwrap();
        rig.wait_all().unwrap();
        let ran = log.take();
        assert_eq!(ran.len(), 4);
        assert_in_order(&ran, "around a checkpoint");
    });
}

#[test]
fn waits_of_critical_fibers_are_all_timed_and_others_are_sampled() {
    everywhere(|rig| {
        let before = rig.stats().waits(Priority::Critical).timed();
        assert_eq!(before, 0);
        for _ in 0..100 {
            rig.go_with_priority(Priority::Critical, || ()).join().unwrap();
        }
        for _ in 0..1000 {
            rig.go_with_priority(Priority::Low, || ()).join().unwrap();
        }
        rig.wait_all().unwrap();
        let stats = rig.stats();
        let waits = stats.waits(Priority::Critical);
        assert_eq!(waits.timed(), 100);
        assert!(waits.quantile(0.5) <= waits.quantile(0.99) && waits.quantile(0.99) <= waits.longest());
        let sampled = stats.waits(Priority::Low).timed();
        assert!((1000 / 64..=1000 / 64 + 2).contains(&sampled), "{sampled} of 1000 were timed");
        Rig::retire(rig);
    });
}
