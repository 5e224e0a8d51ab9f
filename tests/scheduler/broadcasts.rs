//! Channels of which every receiver sees every value, or the latest.

use super::until_suspended;
use heddle_scheduler::sync::channel::{
    RecvError, RecvOrCancelledError, RecvTimeoutError, SendError, broadcast, watch,
};
use heddle_scheduler::{Priority, yield_now};
use heddle_tests::{Random, Tracked, eventually, everywhere, on_workers};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(2);

#[test]
fn every_receiver_sees_every_value_in_order() {
    everywhere(|rig| {
        let (sender, first) = broadcast::channel(1000);
        let receivers: Vec<_> = (0..8)
            .map(|n| {
                let mut receiver = if n % 2 == 0 { sender.subscribe() } else { first.resubscribe() };
                let tracked = rig.track();
                rig.go_with_priority(Priority::ALL[n % 5], move || {
                    let _held = tracked;
                    receiver.iter().map(|value| value.unwrap()).collect::<Vec<u32>>()
                })
            })
            .collect();
        assert_eq!((sender.receiver_count(), first.len()), (9, 0));
        drop(first);
        for n in 0..300 {
            assert_eq!(sender.send(n), Ok(8));
            if n % 7 == 0 {
                std::thread::yield_now();
            }
        }
        drop(sender);
        for receiver in receivers {
            assert_eq!(receiver.join().unwrap(), (0..300).collect::<Vec<_>>());
        }
    });
}

#[test]
fn one_that_is_too_slow_is_told_how_many_it_has_missed() {
    let (sender, mut receiver) = broadcast::channel(3);
    let mut other = sender.subscribe();
    assert_eq!(receiver.try_recv(), Err(broadcast::TryRecvError::Empty));
    for n in 0..5 {
        sender.send(n).unwrap();
    }
    assert_eq!((receiver.len(), sender.len()), (5, 3));
    assert_eq!(receiver.try_recv(), Err(broadcast::TryRecvError::Lagged(2)));
    assert_eq!((receiver.try_recv(), receiver.recv()), (Ok(2), Ok(3)));
    assert_eq!(other.recv(), Err(broadcast::RecvError::Lagged(2)));
    sender.send(5).unwrap();
    assert_eq!(other.recv_timeout(SHORT), Err(broadcast::RecvTimeoutError::Lagged(1)));
    let late = sender.subscribe();
    drop(sender);
    assert_eq!(other.iter().collect::<Vec<_>>(), [Ok(3), Ok(4), Ok(5)]);
    assert_eq!((receiver.try_recv(), receiver.recv()), (Ok(4), Ok(5)));
    assert_eq!(receiver.recv(), Err(broadcast::RecvError::Disconnected));
    assert_eq!(receiver.try_recv(), Err(broadcast::TryRecvError::Disconnected));
    assert_eq!(late.resubscribe().recv_or_cancelled(), Err(broadcast::RecvOrCancelledError::Disconnected));
}

#[test]
fn a_value_lives_until_all_have_seen_it_or_left_and_is_cloned_for_all_but_one() {
    everywhere(|rig| {
        let (sender, mut first) = broadcast::channel::<Tracked>(2);
        let mut second = sender.subscribe();
        sender.send(rig.track()).unwrap();
        assert_eq!(rig.census.live(), 1);
        drop(first.recv().unwrap());
        assert_eq!(rig.census.live(), 1);
        drop(second.recv().unwrap());
        assert_eq!((rig.census.live(), rig.census.made()), (0, 2));
        for _ in 0..5 {
            sender.send(rig.track()).unwrap();
        }
        assert_eq!(rig.census.live(), 2);
        drop(first);
        assert!(second.recv().is_err());
        drop(second);
        assert_eq!(rig.census.live(), 0);
        let SendError(value) = sender.send(rig.track()).unwrap_err();
        drop(value);
        drop(sender.subscribe());
        assert!(catch_unwind(|| broadcast::channel::<u32>(0)).is_err());
        let (sender, mut huge) = broadcast::channel(usize::MAX);
        sender.send(1).unwrap();
        assert_eq!(huge.recv(), Ok(1));
    });
}

#[test]
fn one_that_waits_for_a_broadcast_is_cancelled_gives_up_or_gets_it() {
    everywhere(|rig| {
        let (sender, mut receiver) = broadcast::channel(4);
        assert_eq!(receiver.recv_timeout(SHORT), Err(broadcast::RecvTimeoutError::Timeout));
        assert_eq!(receiver.recv_deadline(Instant::now()), Err(broadcast::RecvTimeoutError::Timeout));
        let (mut one, mut two, mut three) = (sender.subscribe(), sender.subscribe(), sender.subscribe());
        let unwinds = rig.go(move || one.recv());
        let told = rig.go(move || two.recv_or_cancelled());
        let patient = rig.go(move || (three.recv_timeout(Duration::MAX), three.recv()));
        until_suspended(rig, [0, 0, 3, 0, 0]);
        unwinds.cancel();
        told.cancel();
        assert!(unwinds.join().unwrap_err().is_cancelled());
        assert_eq!(told.join().unwrap(), Err(broadcast::RecvOrCancelledError::Cancelled));
        assert_eq!(sender.send(7), Ok(2));
        assert_eq!(receiver.recv(), Ok(7));
        drop(sender.clone());
        until_suspended(rig, [0, 0, 1, 0, 0]);
        drop(sender);
        assert_eq!(patient.join().unwrap(), (Ok(7), Err(broadcast::RecvError::Disconnected)));
    });
}

#[test]
fn a_clone_that_panics_loses_its_own_receiver_that_value_and_nothing_else() {
    #[derive(Debug)]
    struct Shy(u32);
    impl Clone for Shy {
        fn clone(&self) -> Shy {
            assert_ne!(self.0, 1, "not this one");
            Shy(self.0)
        }
    }
    let (sender, mut first) = broadcast::channel(4);
    let mut last = sender.subscribe();
    (0..3).for_each(|n| _ = sender.send(Shy(n)).unwrap());
    assert_eq!(first.recv().unwrap().0, 0);
    assert!(catch_unwind(AssertUnwindSafe(|| first.recv())).is_err());
    assert_eq!(first.recv().unwrap().0, 2);
    drop(first);
    drop(sender);
    assert_eq!(last.iter().map(|value| value.unwrap().0).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn broadcasts_at_random_are_seen_or_counted_as_missed() {
    on_workers(&[1, 2, 8], |rig| {
        let mut random = Random::new();
        let (sender, receiver) = broadcast::channel(8);
        let receivers: Vec<_> = (0..10)
            .map(|_| {
                let (mut receiver, mut random) = (sender.subscribe(), random.split());
                let tracked = rig.track();
                rig.go_with_priority(*random.pick(&Priority::ALL), move || {
                    let (_held, mut seen) = (tracked, 0);
                    loop {
                        let got = match random.below(3) {
                            0 => receiver.recv_timeout(Duration::from_micros(random.below(100))),
                            _ => receiver.recv().map_err(|error| match error {
                                broadcast::RecvError::Lagged(n) => broadcast::RecvTimeoutError::Lagged(n),
                                _ => broadcast::RecvTimeoutError::Disconnected,
                            }),
                        };
                        match got {
                            Ok(_) => seen += 1,
                            Err(broadcast::RecvTimeoutError::Lagged(missed)) => seen += missed,
                            Err(broadcast::RecvTimeoutError::Timeout) => {}
                            Err(broadcast::RecvTimeoutError::Disconnected) => return seen,
                        }
                        if random.chance(20) {
                            yield_now();
                        }
                    }
                })
            })
            .collect();
        drop(receiver);
        receivers[0].cancel();
        std::thread::scope(|s| {
            for _ in 0..2 {
                let sender = sender.clone();
                s.spawn(move || (0..500).for_each(|n| _ = sender.send(n)));
            }
        });
        drop(sender);
        for receiver in receivers {
            match receiver.join() {
                Ok(seen) => assert_eq!(seen, 1000),
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
        }
    });
}

#[test]
fn who_watches_sees_the_latest_value_and_that_it_has_changed() {
    let (sender, mut receiver) = watch::channel(1);
    assert_eq!((receiver.has_changed(), *receiver.borrow(), *sender.borrow()), (Ok(false), 1, 1));
    sender.send(2).unwrap();
    sender.send(3).unwrap();
    assert!(receiver.has_changed().unwrap() && receiver.borrow().has_changed());
    assert_eq!((receiver.changed(), *receiver.borrow()), (Ok(()), 3));
    assert!(!receiver.has_changed().unwrap());
    assert_eq!(receiver.changed_timeout(SHORT), Err(RecvTimeoutError::Timeout));
    assert_eq!(receiver.changed_deadline(Instant::now()), Err(RecvTimeoutError::Timeout));
    receiver.mark_changed();
    let mut clone = receiver.clone();
    assert_eq!((receiver.changed(), clone.changed()), (Ok(()), Ok(())));
    assert!(!sender.send_if_modified(|_| false) && !receiver.has_changed().unwrap());
    sender.send_modify(|value| *value += 1);
    assert!(catch_unwind(AssertUnwindSafe(|| sender.send_modify(|_| panic!("in the middle")))).is_err());
    let seen = receiver.borrow_and_update();
    assert!(*seen == 4 && seen.has_changed());
    drop(seen);
    assert_eq!((clone.has_changed(), receiver.has_changed()), (Ok(true), Ok(false)));
    clone.mark_unchanged();
    assert_eq!((clone.has_changed(), sender.subscribe().has_changed()), (Ok(false), Ok(false)));
    assert_eq!((sender.send_replace(5), sender.receiver_count()), (4, 2));
    drop(sender);
    assert_eq!(
        (receiver.changed(), receiver.changed(), receiver.has_changed()),
        (Ok(()), Err(RecvError), Err(RecvError))
    );
    assert_eq!(*clone.wait_for(|value| *value == 5).unwrap(), 5);
    assert!(clone.wait_for(|value| *value == 6).is_err());
    assert_eq!(clone.changed_or_cancelled(), Err(RecvOrCancelledError::Disconnected));
    assert_eq!(*clone.borrow(), 5);
}

#[test]
fn a_change_that_nobody_receives_comes_back() {
    let (sender, receiver) = watch::channel(String::from("a"));
    drop(receiver);
    assert!(sender.is_closed());
    assert_eq!(sender.send(String::from("b")), Err(SendError(String::from("b"))));
    assert_eq!(sender.send_replace(String::from("c")), "a");
    assert_eq!(*sender.subscribe().borrow(), "c");
}

#[test]
fn those_who_watch_are_woken_cancelled_and_told_of_the_end() {
    everywhere(|rig| {
        let (sender, receiver) = watch::channel(0);
        let waiting: Vec<_> = (0..6)
            .map(|n| {
                let (mut receiver, tracked) = (receiver.clone(), rig.track());
                rig.go(move || {
                    let _held = tracked;
                    match n {
                        0 | 1 => receiver.changed().map(|()| 1),
                        2 => receiver.wait_for(|value| *value == 2).map(|value| *value),
                        3 => receiver.changed_or_cancelled().map(|()| 3).or(Ok(4)),
                        4 => receiver.wait_for(|value| *value == 99).map(|value| *value),
                        _ => receiver.changed_timeout(Duration::MAX).map(|()| 5).map_err(|_| RecvError),
                    }
                })
            })
            .collect();
        until_suspended(rig, [0, 0, 6, 0, 0]);
        waiting[1].cancel();
        waiting[3].cancel();
        // Not only called: one that is still in line is served, and says so.
        eventually(|| waiting[1].is_finished() && waiting[3].is_finished());
        sender.send(1).unwrap();
        until_suspended(rig, [0, 0, 2, 0, 0]);
        sender.clone().send(2).unwrap();
        until_suspended(rig, [0, 0, 1, 0, 0]);
        drop(sender);
        let results: Vec<_> =
            waiting.into_iter().map(|fiber| fiber.join().map_err(|e| e.is_cancelled())).collect();
        let expected = [Ok(Ok(1)), Err(true), Ok(Ok(2)), Ok(Ok(4)), Ok(Err(RecvError)), Ok(Ok(5))];
        assert_eq!(results, expected);
    });
}

#[test]
fn one_who_watches_a_counter_sees_it_grow_to_its_end() {
    everywhere(|rig| {
        let (sender, receiver) = watch::channel(0_u64);
        let watching: Vec<_> = (0..5)
            .map(|n| {
                let mut receiver = receiver.clone();
                rig.go_with_priority(Priority::ALL[n], move || {
                    let mut last = 0;
                    while receiver.changed().is_ok() {
                        let now = *receiver.borrow_and_update();
                        assert!(now >= last);
                        last = now;
                    }
                    last
                })
            })
            .collect();
        std::thread::scope(|s| {
            for _ in 0..2 {
                let sender = sender.clone();
                s.spawn(move || (0..200).for_each(|_| sender.send_modify(|value| *value += 1)));
            }
        });
        drop(sender);
        assert!(watching.into_iter().all(|fiber| fiber.join().unwrap() == 400));
    });
}

#[test]
fn who_waits_until_nobody_receives_is_told_gives_up_or_is_cancelled() {
    everywhere(|rig| {
        let (sender, receiver) = watch::channel(0);
        assert!(!sender.closed_timeout(Duration::from_micros(100)));
        assert!(!sender.closed_deadline(Instant::now()));
        let cancelled = rig.go_with_priority(Priority::High, {
            let sender = sender.clone();
            move || sender.closed_or_cancelled().is_err()
        });
        let waits: Vec<_> = (0..3)
            .map(|_| {
                let sender = sender.clone();
                rig.go_with_priority(Priority::Low, move || sender.closed())
            })
            .collect();
        until_suspended(rig, [0, 1, 0, 3, 0]);
        cancelled.cancel();
        assert!(cancelled.join().unwrap());
        let other = receiver.clone();
        drop(receiver);
        until_suspended(rig, [0, 0, 0, 3, 0]);
        std::thread::scope(|s| {
            s.spawn(|| sender.closed());
            drop(other);
        });
        waits.into_iter().for_each(|fiber| fiber.join().unwrap());
        let again = sender.subscribe();
        assert!(!sender.is_closed() && !sender.closed_timeout(Duration::ZERO));
        drop(again);
        sender.closed();
    });
}

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rings(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::new(Bell::default());
    (bell.clone(), bell.into())
}

#[test]
fn a_future_follows_a_broadcast_and_one_that_is_dropped_has_received_nothing() {
    let ((bell, waker), (other, changed)) = (bell(), bell());
    let (mut context, mut changed) = (Context::from_waker(&waker), Context::from_waker(&changed));
    let (sender, mut receiver) = broadcast::channel(2);
    let mut beside = sender.subscribe();
    {
        let mut future = pin!(receiver.recv_async());
        assert!(future.as_mut().poll(&mut context).is_pending());
        assert!(future.as_mut().poll(&mut changed).is_pending());
        sender.send(1).unwrap();
        assert_eq!((bell.rings(), other.rings()), (0, 1), "the latest waker");
        assert_eq!(future.poll(&mut context), Poll::Ready(Ok(1)));
    }
    {
        let mut future = pin!(receiver.recv_async());
        assert!(future.as_mut().poll(&mut context).is_pending());
        sender.send(2).unwrap();
        assert_eq!(bell.rings(), 1);
        // It has the value, and goes.
    }
    for n in 3..=5 {
        sender.send(n).unwrap();
    }
    assert_eq!(receiver.len(), 4, "one that came back, and three, of which one is lost");
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(receiver.try_recv(), Err(broadcast::TryRecvError::Lagged(1)));
    assert_eq!((receiver.recv(), receiver.recv()), (Ok(4), Ok(5)));
    assert!(receiver.is_empty());
    assert_eq!(beside.recv(), Err(broadcast::RecvError::Lagged(3)));
    assert_eq!((beside.recv(), beside.recv()), (Ok(4), Ok(5)));
    let mut future = pin!(receiver.recv_async());
    assert!(future.as_mut().poll(&mut context).is_pending());
    drop(sender);
    assert_eq!(bell.rings(), 1);
    assert_eq!(future.poll(&mut context), Poll::Ready(Err(broadcast::RecvError::Disconnected)));
}

#[test]
fn a_future_sees_that_a_value_has_changed_or_that_nobody_receives() {
    let (bell, waker) = bell();
    let mut context = Context::from_waker(&waker);
    let (sender, mut receiver) = watch::channel(0);
    {
        let mut future = pin!(receiver.changed_async());
        assert!(future.as_mut().poll(&mut context).is_pending());
        sender.send(1).unwrap();
        assert_eq!(bell.rings(), 1);
        // It was told, and goes without a look.
    }
    assert_eq!(receiver.has_changed(), Ok(true), "nobody has seen it");
    {
        let mut future = pin!(receiver.changed_async());
        assert_eq!(future.as_mut().poll(&mut context), Poll::Ready(Ok(())));
    }
    {
        let mut future = pin!(receiver.changed_async());
        assert!(future.as_mut().poll(&mut context).is_pending());
    }
    sender.send(2).unwrap();
    assert_eq!(bell.rings(), 0, "who has left is not woken");
    receiver.mark_unchanged();
    let mut closed = pin!(sender.closed_async());
    assert!(closed.as_mut().poll(&mut context).is_pending());
    drop(receiver.clone());
    assert_eq!(bell.rings(), 0);
    drop(receiver);
    assert_eq!(bell.rings(), 1);
    assert_eq!(closed.poll(&mut context), Poll::Ready(()));
    let mut receiver = sender.subscribe();
    let mut future = pin!(receiver.changed_async());
    assert!(future.as_mut().poll(&mut context).is_pending());
    drop(sender.clone());
    assert!(future.as_mut().poll(&mut context).is_pending());
}

#[test]
fn fibers_that_follow_by_futures_see_all_or_the_last() {
    on_workers(&[1, 2, 4], |rig| {
        let (sender, receiver) = broadcast::channel(1000);
        let (state, watching) = watch::channel(0);
        let fibers: Vec<_> = (0..8)
            .map(|n| {
                let (mut receiver, mut watching) = (sender.subscribe(), watching.clone());
                rig.spawn_future(Priority::ALL[n % 5], async move {
                    let mut sum = 0;
                    while let Ok(value) = receiver.recv_async().await {
                        sum += value;
                    }
                    while watching.changed_async().await.is_ok() {}
                    (sum, *watching.borrow())
                })
            })
            .collect();
        drop(receiver);
        drop(watching);
        for n in 1..=200 {
            assert_eq!(sender.send(n), Ok(8));
            state.send_replace(n);
        }
        drop((sender, state));
        for fiber in fibers {
            assert_eq!(fiber.join().unwrap(), (20_100, 200));
        }
    });
}
