//! A fiber that has declared that it receives counts as urgent as those who wait for room to send to it, through chains,
//! until they were served or have given up.

use super::until_suspended;
use heddle_scheduler::sync::channel::{self, Receiver, Sender};
use heddle_scheduler::sync::{Mutex, channel::SendTimeoutError};
use heddle_scheduler::{AwaitedThing, JoinHandle, Priority, block_on, current, select, yield_now};
use heddle_tests::{Event, Gate, Random, Rig, eventually, everywhere, on_workers};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use Priority::{Background, Critical, High, Low, Normal};

fn me() -> (Priority, Priority) {
    let me = current().unwrap();
    (me.priority(), me.base_priority())
}

/// A fiber that declares that it receives and waits for `event`; then it receives so many, and says after each what it
/// counts as.
fn serves(
    rig: &Rig,
    priority: Priority,
    from: Receiver<u32>,
    event: &Event,
    count: usize,
) -> JoinHandle<Vec<Priority>> {
    let (event, tracked, ready) = (event.clone(), rig.track(), Gate::new());
    let fiber = rig.go_with_priority(priority, {
        let ready = ready.clone();
        move || {
            let _held = tracked;
            let from = from.declare();
            ready.open();
            event.wait().unwrap();
            (0..count).map(|_| (from.recv().unwrap(), me().0).1).collect()
        }
    });
    ready.wait();
    fiber
}

fn sends(rig: &Rig, priority: Priority, to: &Sender<u32>) -> JoinHandle<()> {
    let (to, tracked) = (to.clone(), rig.track());
    rig.go_with_priority(priority, move || {
        let _held = tracked;
        to.send(7).unwrap();
    })
}

#[test]
fn who_waits_for_room_lends_until_it_is_served() {
    everywhere(|rig| {
        let (event, (sender, receiver)) = (Event::new(), channel::bounded(0));
        let server = serves(rig, Background, receiver, &event, 3);
        until_suspended(rig, [0, 0, 0, 0, 1]);
        let first = sends(rig, Low, &sender);
        until_suspended(rig, [0, 0, 0, 2, 0]);
        let second = sends(rig, Critical, &sender);
        until_suspended(rig, [2, 0, 0, 1, 0]);
        let third = sends(rig, High, &sender);
        until_suspended(rig, [2, 1, 0, 1, 0]);
        assert_eq!((server.priority(), server.base_priority()), (Critical, Background));
        event.fire();
        assert_eq!(server.join().unwrap(), [High, Low, Background], "the most urgent is served first");
        [first, second, third].into_iter().for_each(|fiber| fiber.join().unwrap());
    });
}

#[test]
fn a_channel_that_is_full_lends_and_one_that_has_room_does_not() {
    everywhere(|rig| {
        let (event, (sender, receiver)) = (Event::new(), channel::bounded(2));
        let server = serves(rig, Low, receiver, &event, 3);
        sends(rig, High, &sender).join().unwrap();
        sends(rig, High, &sender).join().unwrap();
        until_suspended(rig, [0, 0, 0, 1, 0]);
        let third = sends(rig, Normal, &sender);
        until_suspended(rig, [0, 0, 2, 0, 0]);
        event.fire();
        assert_eq!(server.join().unwrap(), [Low; 3]);
        third.join().unwrap();
    });
}

#[test]
fn without_a_declaration_nothing_is_lent() {
    everywhere(|rig| {
        let (event, (sender, receiver)) = (Event::new(), channel::bounded(0));
        let server = rig.go_with_priority(Low, {
            let event = event.clone();
            move || {
                drop(receiver.declare());
                event.wait().unwrap();
                receiver.recv().unwrap()
            }
        });
        let client = sends(rig, High, &sender);
        until_suspended(rig, [0, 1, 0, 1, 0]);
        event.fire();
        assert_eq!(server.join().unwrap(), 7);
        client.join().unwrap();
    });
}

#[test]
fn what_is_lent_goes_on_through_a_mutex_and_through_another_channel() {
    everywhere(|rig| {
        let (event, lock) = (Event::new(), Arc::new(Mutex::new(())));
        let holder = rig.go_with_priority(Background, {
            let (event, lock) = (event.clone(), lock.clone());
            move || {
                let guard = lock.lock();
                event.wait().unwrap();
                let level = me().0;
                drop(guard);
                (level, me().0)
            }
        });
        eventually(|| lock.is_locked());
        let (inner, innermost) = channel::bounded(0);
        let (outer, middle) = channel::bounded(0);
        let last = rig.go_with_priority(Low, {
            let lock = lock.clone();
            move || {
                let requests = innermost.declare();
                drop(lock.lock());
                requests.iter().sum::<u32>()
            }
        });
        until_suspended(rig, [0, 0, 0, 2, 0]);
        let first = rig.go_with_priority(Normal, move || {
            let requests = middle.declare();
            inner.send(1).unwrap();
            requests.iter().for_each(|n| inner.send(n).unwrap());
        });
        until_suspended(rig, [0, 0, 3, 0, 0]);
        let client = sends(rig, Critical, &outer);
        until_suspended(rig, [4, 0, 0, 0, 0]);
        drop(outer);
        event.fire();
        assert_eq!(holder.join().unwrap(), (Critical, Background));
        client.join().unwrap();
        first.join().unwrap();
        assert_eq!(last.join().unwrap(), 8);
    });
}

#[test]
fn who_is_cancelled_or_too_late_takes_its_loan_back() {
    everywhere(|rig| {
        let (event, (sender, receiver)) = (Event::new(), channel::bounded(0));
        let server = serves(rig, Low, receiver, &event, 1);
        let cancelled = sends(rig, Critical, &sender);
        until_suspended(rig, [2, 0, 0, 0, 0]);
        let other = sends(rig, Normal, &sender);
        until_suspended(rig, [2, 0, 1, 0, 0]);
        cancelled.cancel();
        assert!(cancelled.join().unwrap_err().is_cancelled());
        until_suspended(rig, [0, 0, 2, 0, 0]);
        let late = rig.go_with_priority(High, {
            let sender = sender.clone();
            move || sender.send_timeout(8, Duration::from_millis(2))
        });
        assert_eq!(late.join().unwrap(), Err(SendTimeoutError::Timeout(8)));
        until_suspended(rig, [0, 0, 2, 0, 0]);
        event.fire();
        assert_eq!(server.join().unwrap(), [Low]);
        other.join().unwrap();
    });
}

#[test]
fn a_loan_follows_the_priority_of_who_waits() {
    everywhere(|rig| {
        let (event, (sender, receiver)) = (Event::new(), channel::bounded(0));
        let server = serves(rig, Low, receiver, &event, 1);
        let client = sends(rig, Background, &sender);
        until_suspended(rig, [0, 0, 0, 1, 1]);
        for (priority, expected) in
            [(High, [0, 2, 0, 0, 0]), (Normal, [0, 0, 2, 0, 0]), (Background, [0, 0, 0, 1, 1])]
        {
            client.set_priority(priority);
            until_suspended(rig, expected);
        }
        event.fire();
        server.join().unwrap();
        client.join().unwrap();
    });
}

#[test]
fn a_receiver_that_goes_to_another_fiber_is_lent_to_there() {
    everywhere(|rig| {
        let (event, (sender, receiver)) = (Event::new(), channel::bounded(0));
        let (hand, over) = channel::bounded(1);
        let first = rig.go_with_priority(Low, {
            let event = event.clone();
            move || {
                let declared = receiver.declare();
                event.wait().unwrap();
                drop(declared);
                hand.send(receiver).unwrap();
                me().0
            }
        });
        let (both, second_event) = (Gate::new(), Event::new());
        let client = sends(rig, Critical, &sender);
        until_suspended(rig, [2, 0, 0, 0, 0]);
        let second = rig.go_with_priority(Background, {
            let (both, second_event) = (both.clone(), second_event.clone());
            move || {
                let receiver: Receiver<u32> = over.recv().unwrap();
                let declared = receiver.declare();
                both.open();
                second_event.wait().unwrap();
                (me().0, declared.recv().unwrap(), me().0)
            }
        });
        event.fire();
        assert_eq!(first.join().unwrap(), Low);
        both.wait();
        until_suspended(rig, [2, 0, 0, 0, 0]);
        second_event.fire();
        assert_eq!(second.join().unwrap(), (Critical, 7, Background));
        client.join().unwrap();
    });
}

#[test]
fn of_several_that_declare_none_is_lent_to_until_one_is_left() {
    everywhere(|rig| {
        let (one, two, (sender, receiver)) = (Event::new(), Event::new(), channel::bounded(0));
        let first = serves(rig, Low, receiver.clone(), &one, 0);
        let client = sends(rig, High, &sender);
        until_suspended(rig, [0, 2, 0, 0, 0]);
        let second = serves(rig, Background, receiver.clone(), &two, 1);
        until_suspended(rig, [0, 1, 0, 1, 1]);
        one.fire();
        assert_eq!(first.join().unwrap(), []);
        until_suspended(rig, [0, 2, 0, 0, 0]);
        // A thread is one, too.
        let declared = receiver.declare();
        until_suspended(rig, [0, 1, 0, 0, 1]);
        drop(declared);
        until_suspended(rig, [0, 2, 0, 0, 0]);
        two.fire();
        assert_eq!(second.join().unwrap(), [Background]);
        client.join().unwrap();
    });
}

#[test]
fn a_thread_lends_as_a_normal_fiber_and_is_lent_nothing() {
    everywhere(|rig| {
        let (event, (sender, receiver)) = (Event::new(), channel::bounded(0));
        let server = serves(rig, Low, receiver.clone(), &event, 1);
        std::thread::scope(|s| {
            s.spawn(|| sender.send(7).unwrap());
            until_suspended(rig, [0, 0, 1, 0, 0]);
            event.fire();
            assert_eq!(server.join().unwrap(), [Low]);
            let declared = receiver.declare();
            let client = sends(rig, Critical, &sender);
            until_suspended(rig, [1, 0, 0, 0, 0]);
            assert_eq!(declared.recv(), Ok(7));
            client.join().unwrap();
        });
    });
}

#[test]
fn a_future_and_one_of_several_lend_while_they_wait() {
    everywhere(|rig| {
        let (event, (sender, receiver)) = (Event::new(), channel::bounded(0));
        let server = serves(rig, Low, receiver, &event, 2);
        let future = rig.go_with_priority(High, {
            let sender = sender.clone();
            move || block_on(sender.send_async(1)).unwrap()
        });
        until_suspended(rig, [0, 2, 0, 0, 0]);
        future.cancel();
        assert!(future.join().unwrap_err().is_cancelled());
        until_suspended(rig, [0, 0, 0, 1, 0]);
        let (stop, stopped) = channel::bounded::<()>(0);
        let selecting = rig.go_with_priority(Critical, {
            let sender = sender.clone();
            move || {
                select! {
                    send(sender, 2) -> _ => false,
                    recv(stopped) -> _ => true,
                }
            }
        });
        until_suspended(rig, [2, 0, 0, 0, 0]);
        drop(stop);
        assert!(selecting.join().unwrap());
        until_suspended(rig, [0, 0, 0, 1, 0]);
        let clients = [sends(rig, High, &sender), sends(rig, Normal, &sender)];
        until_suspended(rig, [0, 2, 1, 0, 0]);
        event.fire();
        assert_eq!(server.join().unwrap(), [Normal, Low]);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}

#[test]
fn a_receiver_that_is_dropped_or_panics_owes_nothing() {
    everywhere(|rig| {
        for panics in [false, true] {
            let (event, (sender, receiver)) = (Event::new(), channel::bounded::<u32>(0));
            let server = rig.go_with_priority(Low, {
                let event = event.clone();
                move || {
                    let declared = receiver.declare();
                    event.wait().unwrap();
                    if panics {
                        std::panic::resume_unwind(Box::new("in the middle"));
                    }
                    drop(declared);
                    drop(receiver);
                    me()
                }
            });
            let client = rig.go_with_priority(High, move || sender.send(7).is_err());
            until_suspended(rig, [0, 2, 0, 0, 0]);
            event.fire();
            assert!(client.join().unwrap(), "nobody receives any more");
            match server.join() {
                Ok(levels) => assert_eq!((levels, panics), ((Low, Low), false)),
                Err(error) => assert!(error.is_panic() && panics),
            }
        }
    });
}

#[test]
fn a_declaration_that_is_forgotten_harms_nobody() {
    everywhere(|rig| {
        let (sender, receiver) = channel::bounded(1);
        let receiver = rig
            .go_with_priority(Low, move || {
                std::mem::forget(receiver.declare());
                receiver
            })
            .join()
            .unwrap();
        let clients = [High, Critical, Low].map(|priority| sends(rig, priority, &sender));
        assert_eq!(receiver.iter().take(3).count(), 3);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}

#[test]
fn a_ring_through_a_declared_receiver_is_found() {
    everywhere(|rig| {
        let (lock, (sender, receiver)) = (Arc::new(Mutex::new(())), channel::bounded(0));
        let locked = Gate::new();
        let client = rig.go({
            let (lock, locked) = (lock.clone(), locked.clone());
            move || {
                let _guard = lock.lock();
                locked.open();
                sender.send_or_cancelled(1).is_err()
            }
        });
        locked.wait();
        let server = rig.go(move || {
            let requests = receiver.declare();
            drop(lock.lock());
            requests.recv().is_err()
        });
        let report = loop {
            // Workers are asked one after the other: the client may have been before the server was.
            let report = rig.who_waits();
            if report.stuck && !report.rings.is_empty() {
                break report;
            }
        };
        assert_eq!(report.rings.len(), 1, "{report}");
        let waiting = report.fibers.iter().find(|fiber| fiber.id == client.id()).unwrap();
        assert!(
            matches!(&waiting.awaits, AwaitedThing::Held { holders, .. } if holders[..] == [server.id()]),
            "{report}"
        );
        client.cancel();
        assert!(client.join().unwrap());
        assert!(server.join().unwrap());
    });
}

/// Fibers of all levels send, some give up, some change; the receiver ends with its own level, and each value was received
/// or came back.
#[test]
fn what_was_lent_is_taken_back_whatever_happens() {
    on_workers(&[1, 4], |rig| {
        for capacity in [0, 2] {
            let (sender, receiver) = channel::bounded(capacity);
            let over = Arc::new(AtomicBool::new(false));
            let server = rig.go_with_priority(Low, {
                let over = over.clone();
                move || {
                    let mut got = 0_u64;
                    while !over.load(Ordering::Relaxed) {
                        let requests = receiver.declare();
                        for _ in 0..20 {
                            got += u64::from(requests.recv_timeout(Duration::from_micros(50)).is_ok());
                            yield_now();
                        }
                    }
                    got += receiver.try_iter().count() as u64;
                    (got, me())
                }
            });
            let clients: Vec<_> = (0..20_u64)
                .map(|number| {
                    let sender = sender.clone();
                    rig.go_with_priority(Priority::ALL[(number % 5) as usize], move || {
                        let mut random = Random::from_seed(number);
                        let mut sent = 0_u64;
                        for _ in 0..15 {
                            let time = Duration::from_micros(random.below(100));
                            sent += match random.below(3) {
                                0 => u64::from(sender.send_timeout(1_u32, time).is_ok()),
                                1 => u64::from(select! {
                                    send(sender, 1) -> sent => sent.is_ok(),
                                    default(time) => false,
                                }),
                                _ => u64::from(sender.send_or_cancelled(1).is_ok()),
                            };
                        }
                        sent
                    })
                })
                .collect();
            let mut random = Random::new();
            for client in &clients {
                client.set_priority(Priority::ALL[random.below(5) as usize]);
            }
            let sent: u64 = clients.into_iter().map(|client| client.join().unwrap()).sum();
            over.store(true, Ordering::Relaxed);
            assert_eq!(server.join().unwrap(), (sent, (Low, Low)));
        }
    });
}
