//! `select!`: one of several, exactly one, and the others as if nothing had been.

use heddle_scheduler::sync::channel::{self, Receiver, RecvError, SendError, Sender};
use heddle_scheduler::{Priority, Scheduler, go, select, yield_now};
use heddle_tests::{Gate, Random, Tracked, eventually, everywhere};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn until_suspended(scheduler: &Scheduler, count: u64) {
    eventually(|| scheduler.stats().levels.iter().map(|level| level.suspended).sum::<u64>() == count);
}

#[test]
fn what_is_ready_is_chosen_and_the_others_are_left_alone() {
    everywhere(|rig| {
        rig.go(|| {
            let (a, from_a) = channel::unbounded();
            let (_b, from_b) = channel::bounded::<u32>(0);
            a.send(1).unwrap();
            let got = select! {
                recv(from_a) -> n => n.unwrap(),
                recv(from_b) -> n => n.unwrap() + 100,
            };
            assert_eq!(got, 1);
            // As statements, with blocks, and with what an arm borrows or breaks out of.
            let mut turns = 0;
            loop {
                a.send(turns).unwrap();
                select! {
                    recv(from_b) -> _ => { unreachable!() }
                    recv(from_a) -> n => {
                        turns += 1;
                        if n == Ok(3) {
                            break;
                        }
                    }
                }
            }
            assert_eq!(turns, 4);
        })
        .join()
        .unwrap();
    });
}

#[test]
fn it_waits_until_somebody_sends_receives_or_goes() {
    everywhere(|rig| {
        let (a, from_a) = channel::bounded::<u32>(0);
        let (b, from_b) = channel::bounded::<u32>(0);
        let select = move |a: Receiver<u32>, b: Sender<u32>| {
            move || {
                select! {
                    recv(a) -> n => format!("{n:?}"),
                    send(b, 7) -> sent => format!("{sent:?}"),
                }
            }
        };
        let fiber = rig.go(select(from_a.clone(), b.clone()));
        until_suspended(rig, 1);
        a.send(1).unwrap();
        assert_eq!(fiber.join().unwrap(), "Ok(1)");
        let fiber = rig.go(select(from_a.clone(), b.clone()));
        until_suspended(rig, 1);
        assert_eq!(from_b.recv(), Ok(7));
        assert_eq!(fiber.join().unwrap(), "Ok(())");
        let fiber = rig.go(select(from_a.clone(), b.clone()));
        until_suspended(rig, 1);
        drop(a);
        assert_eq!(fiber.join().unwrap(), format!("{:?}", Err::<u32, _>(RecvError)));
        let (_a, from_a) = channel::bounded::<u32>(0);
        let fiber = rig.go(select(from_a, b));
        until_suspended(rig, 1);
        drop(from_b);
        assert_eq!(fiber.join().unwrap(), format!("{:?}", Err::<(), _>(SendError(7))));
    });
}

#[test]
fn default_is_for_when_nothing_else_is() {
    everywhere(|rig| {
        let body = || {
            let (sender, receiver) = channel::bounded::<u32>(1);
            let nothing = |receiver: &Receiver<u32>| {
                select! {
                    recv(receiver) -> _ => false,
                    default => true,
                }
            };
            assert!(nothing(&receiver));
            sender.send(1).unwrap();
            assert!(!nothing(&receiver));
            let begin = Instant::now();
            let late = select! {
                recv(receiver) -> _ => false,
                default(Duration::from_millis(3)) => true,
            };
            assert!(late && begin.elapsed() >= Duration::from_millis(3));
            let late = select! {
                recv(receiver) -> _ => false,
                default(begin) => true,
            };
            assert!(late, "the past");
            sender.send(2).unwrap();
            let soon = select! {
                recv(receiver) -> n => n == Ok(2),
                default(Duration::MAX) => false,
            };
            assert!(soon);
            assert_eq!(select! { default => 5 }, 5);
            assert_eq!(select! { default(Duration::from_micros(10)) => 6 }, 6);
        };
        rig.go(body).join().unwrap();
        body();
    });
}

#[test]
fn the_end_of_a_fiber_can_be_waited_for_beside_channels() {
    everywhere(|rig| {
        let (sender, receiver) = channel::bounded::<u32>(0);
        let gate = Gate::new();
        let select = {
            let gate = gate.clone();
            move || {
                let mut work = go(move || {
                    yield_now();
                    gate.is_open()
                });
                let mut values = 0;
                loop {
                    select! {
                        recv(receiver) -> _ => values += 1,
                        finished(work) => break (values, work.join().unwrap()),
                    }
                }
            }
        };
        let fiber = rig.go(select);
        let sent = sender.send_timeout(1, Duration::from_millis(1)).is_ok();
        gate.open();
        let (values, _) = fiber.join().unwrap();
        assert!(values <= u32::from(sent) + 1);
        // From a thread, and one that had ended before.
        let mut ended = rig.go(|| 1);
        select! { finished(ended) => {} }
        select! { finished(ended) => {} default => unreachable!("it has ended") }
        assert_eq!(ended.join().unwrap(), 1);
    });
}

#[test]
fn among_several_that_are_ready_each_has_its_chance_and_biased_takes_the_first() {
    everywhere(|rig| {
        rig.go(|| {
            let (a, from_a) = channel::unbounded();
            let (b, from_b) = channel::unbounded();
            (0..1000).for_each(|n| {
                a.send(n).unwrap();
                b.send(n).unwrap();
            });
            let mut from = [0; 2];
            for _ in 0..500 {
                select! {
                    recv(from_a) -> _ => from[0] += 1,
                    recv(from_b) -> _ => from[1] += 1,
                }
            }
            assert!(from[0] > 50 && from[1] > 50, "{from:?}");
            for _ in 0..300 {
                select! {
                    biased;
                    recv(from_b) -> _ => {}
                    recv(from_a) -> _ => unreachable!("the first was ready"),
                }
            }
        })
        .join()
        .unwrap();
    });
}

#[test]
fn one_that_is_cancelled_leaves_all_lines() {
    everywhere(|rig| {
        let (a, from_a) = channel::bounded::<Tracked>(0);
        let (b, from_b) = channel::bounded::<Tracked>(0);
        let value = rig.track();
        let fiber = rig.go({
            let from_a = from_a.clone();
            move || {
                select! {
                    recv(from_a) -> _ => {}
                    send(b, value) -> _ => {}
                }
            }
        });
        until_suspended(rig, 1);
        fiber.cancel();
        assert!(fiber.join().unwrap_err().is_cancelled());
        assert_eq!(rig.census.live(), 0, "what it would have sent is gone");
        assert!(a.try_send(rig.track()).is_err(), "nobody waits");
        assert!(from_b.try_recv().is_err());
    });
}

#[test]
fn the_more_urgent_selector_is_served_first_also_after_a_change() {
    everywhere(|rig| {
        let (sender, receiver) = channel::bounded::<u32>(0);
        let (_never, other) = channel::bounded::<u32>(0);
        let select = |receiver: &Receiver<u32>, other: &Receiver<u32>| {
            let (receiver, other) = (receiver.clone(), other.clone());
            move || {
                select! {
                    recv(receiver) -> n => n.unwrap(),
                    recv(other) -> n => n.unwrap(),
                }
            }
        };
        let low = rig.go_with_priority(Priority::Low, select(&receiver, &other));
        until_suspended(rig, 1);
        let high = rig.go_with_priority(Priority::High, select(&receiver, &other));
        until_suspended(rig, 2);
        sender.send(1).unwrap();
        assert_eq!(high.join().unwrap(), 1);
        sender.send(2).unwrap();
        assert_eq!(low.join().unwrap(), 2);
    });
}

/// Two who offer each other, and everybody else, both ends: what is sent is received, each once.
#[test]
fn selectors_that_send_and_receive_at_once_find_each_other_and_lose_nothing() {
    everywhere(|rig| {
        let mut random = Random::new();
        let (sent, received) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let ends: Vec<_> = (0..3).map(|n| channel::bounded::<u64>([0, 0, 1][n])).collect();
        let fibers: Vec<_> = (0..16)
            .map(|_| {
                let mut random = random.split();
                let priority = *random.pick(&Priority::ALL);
                let ends = ends.clone();
                let (sent, received) = (sent.clone(), received.clone());
                rig.go_with_priority(priority, move || {
                    for _ in 0..50 {
                        let (out, into) = (random.below(3) as usize, random.below(3) as usize);
                        let value = 1 + random.below(100);
                        let limit = Duration::from_micros(random.below(300));
                        select! {
                            send(ends[out].0, value) -> done => {
                                done.unwrap();
                                sent.fetch_add(value, Ordering::Relaxed);
                            }
                            recv(ends[into].1) -> value => {
                                received.fetch_add(value.unwrap(), Ordering::Relaxed);
                            }
                            default(limit) => {}
                        }
                    }
                })
            })
            .collect();
        for fiber in &fibers {
            if random.chance(20) {
                fiber.set_priority(*random.pick(&Priority::ALL));
            }
        }
        for fiber in fibers {
            fiber.join().unwrap();
        }
        let rest: u64 = ends.iter().flat_map(|(_, receiver)| receiver.try_iter()).sum();
        assert_eq!(sent.load(Ordering::Relaxed), received.load(Ordering::Relaxed) + rest);
    });
}
