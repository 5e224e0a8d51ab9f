//! Channels: each value arrives once and in order, whoever waits is served by priority, and nothing is lost to those
//! who are cancelled, too late, or gone.

use heddle_scheduler::suspend::cancel_point;
use heddle_scheduler::sync::channel::{
    self, Receiver, RecvError, RecvOrCancelledError, RecvTimeoutError, SendError, SendOrCancelledError,
    SendTimeoutError, Sender, TryRecvError, TrySendError, oneshot,
};
use heddle_scheduler::{JoinHandle, Priority, Scheduler, checkpoint, go};
use heddle_tests::{Random, Rig, Tracked, eventually, everywhere, in_one_lane, on_workers, strict};
use std::future::{Future, IntoFuture};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

const CAPACITIES: [usize; 4] = [0, 1, 7, usize::MAX];

fn until_suspended(scheduler: &Scheduler, count: u64) {
    eventually(|| scheduler.stats().levels.iter().map(|level| level.suspended).sum::<u64>() == count);
}

/// A fiber that receives once.
fn receives<T: Send + 'static>(
    rig: &Rig,
    priority: Priority,
    from: &Receiver<T>,
) -> JoinHandle<Result<T, RecvError>> {
    let from = from.clone();
    rig.go_with_priority(priority, move || from.recv())
}

#[test]
fn every_value_arrives_once_and_those_of_a_sender_in_order() {
    everywhere(|rig| {
        for capacity in CAPACITIES {
            let (sender, receiver) = channel::bounded(capacity);
            let senders: Vec<_> = (0..4_u64)
                .map(|number| {
                    let sender = sender.clone();
                    rig.go(move || (0..200_u64).for_each(|n| sender.send((number, n)).unwrap()))
                })
                .collect();
            drop(sender);
            let receivers: Vec<_> = (0..3)
                .map(|_| {
                    let receiver = receiver.clone();
                    rig.go(move || receiver.iter().collect::<Vec<_>>())
                })
                .collect();
            let mut all = Vec::new();
            for fiber in receivers {
                let got = fiber.join().unwrap();
                for number in 0..4 {
                    let of_one: Vec<_> = got.iter().filter(|value| value.0 == number).collect();
                    assert!(of_one.is_sorted(), "capacity {capacity}: out of order");
                }
                all.extend(got);
            }
            senders.into_iter().for_each(|fiber| fiber.join().unwrap());
            all.sort_unstable();
            let expected: Vec<_> = (0..4).flat_map(|number| (0..200).map(move |n| (number, n))).collect();
            assert_eq!(all, expected, "capacity {capacity}");
        }
    });
}

#[test]
fn a_channel_holds_what_fits_and_says_so() {
    everywhere(|rig| {
        let (sender, receiver) = channel::bounded(2);
        assert_eq!((sender.capacity(), sender.len(), sender.is_full()), (Some(2), 0, false));
        sender.try_send(1).unwrap();
        sender.try_send(2).unwrap();
        assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
        assert_eq!(sender.send_timeout(3, Duration::ZERO), Err(SendTimeoutError::Timeout(3)));
        assert_eq!((receiver.len(), receiver.is_full(), receiver.is_empty()), (2, true, false));
        let third = rig.go(move || sender.send(3));
        until_suspended(rig, 1);
        assert_eq!(receiver.try_recv(), Ok(1));
        third.join().unwrap().unwrap();
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [2, 3]);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        let (sender, receiver) = channel::unbounded();
        assert_eq!(sender.capacity(), None);
        (0..100_000).for_each(|n| sender.try_send(n).unwrap());
        assert!(receiver.try_iter().eq(0..100_000));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    });
}

#[test]
fn without_room_sender_and_receiver_meet() {
    everywhere(|rig| {
        let (sender, receiver) = channel::bounded(0);
        assert_eq!(sender.try_send(0), Err(TrySendError::Full(0)));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        let sent = Arc::new(AtomicBool::new(false));
        let fiber = rig.go({
            let (sender, sent) = (sender.clone(), sent.clone());
            move || {
                sender.send(1).unwrap();
                sent.store(true, Ordering::Relaxed);
            }
        });
        until_suspended(rig, 1);
        assert!(!sent.load(Ordering::Relaxed), "nobody has received it");
        assert_eq!((receiver.len(), receiver.is_full()), (0, true));
        assert_eq!(receiver.recv(), Ok(1));
        fiber.join().unwrap();
        let waiting = receives(rig, Priority::Normal, &receiver);
        until_suspended(rig, 1);
        assert_eq!(sender.try_send(2), Ok(()), "somebody waits for it");
        assert_eq!(waiting.join().unwrap(), Ok(2));
    });
}

#[test]
fn the_last_sender_and_the_last_receiver_let_the_others_go() {
    everywhere(|rig| {
        for capacity in CAPACITIES {
            let (sender, receiver) = channel::bounded::<Tracked>(capacity);
            let another = sender.clone();
            let waiting: Vec<_> = (0..3).map(|_| receives(rig, Priority::Normal, &receiver)).collect();
            until_suspended(rig, 3);
            drop(sender);
            drop(another);
            for fiber in waiting {
                assert!(fiber.join().unwrap().is_err());
            }
            assert_eq!(receiver.try_recv().err(), Some(TryRecvError::Disconnected));
            assert_eq!(receiver.recv_timeout(Duration::MAX).err(), Some(RecvTimeoutError::Disconnected));

            let (sender, receiver) = channel::bounded(capacity);
            let room = capacity.min(7);
            for _ in 0..room {
                sender.try_send(rig.track()).unwrap();
            }
            if capacity != usize::MAX {
                let waiting: Vec<_> = (0..3)
                    .map(|_| {
                        let (sender, value) = (sender.clone(), rig.track());
                        rig.go(move || sender.send(value))
                    })
                    .collect();
                until_suspended(rig, 3);
                assert_eq!(rig.census.live(), room + 3);
                drop(receiver);
                assert_eq!(rig.census.live(), 3, "what was in the channel is gone, what was not comes back");
                for fiber in waiting {
                    drop(fiber.join().unwrap().unwrap_err().into_inner());
                }
            } else {
                drop(receiver);
            }
            assert_eq!(rig.census.live(), 0);
            assert!(matches!(sender.send(rig.track()), Err(SendError(_))));
            assert!(matches!(sender.try_send(rig.track()), Err(TrySendError::Disconnected(_))));
        }
    });
}

#[test]
fn what_was_sent_before_the_last_sender_went_is_received() {
    everywhere(|rig| {
        let (sender, receiver) = channel::bounded(3);
        let late = rig.go({
            let sender = sender.clone();
            move || (0..5).for_each(|n| sender.send(n).unwrap())
        });
        until_suspended(rig, 1);
        drop(sender);
        assert!(receiver.into_iter().eq(0..5));
        late.join().unwrap();
    });
}

#[test]
fn the_most_urgent_receiver_is_served_first_and_among_equals_the_first_that_came() {
    everywhere(|rig| {
        let (sender, receiver) = channel::unbounded();
        let mut waiting = Vec::new();
        for priority in [Priority::Low, Priority::High, Priority::Low, Priority::Critical, Priority::High] {
            waiting.push(receives(rig, priority, &receiver));
            until_suspended(rig, waiting.len() as u64);
        }
        // One changes its mind, and one that was first of its level loses nothing by leaving and coming back.
        waiting[2].set_priority(Priority::Background);
        waiting[1].set_priority(Priority::Low);
        eventually(|| rig.stats().levels[3].suspended == 2 && rig.stats().levels[4].suspended == 1);
        waiting[1].set_priority(Priority::High);
        eventually(|| rig.stats().levels[1].suspended == 2);
        (0..5).for_each(|n| sender.send(n).unwrap());
        let got: Vec<_> = waiting.into_iter().map(|fiber| fiber.join().unwrap().unwrap()).collect();
        assert_eq!(got, [3, 1, 4, 0, 2]);
    });
}

#[test]
fn the_most_urgent_sender_is_next_in_the_buffer() {
    everywhere(|rig| {
        for capacity in [0, 2] {
            let (sender, receiver) = channel::bounded(capacity);
            for _ in 0..capacity {
                sender.send(Priority::Normal).unwrap();
            }
            let mut waiting = Vec::new();
            for priority in [Priority::Background, Priority::Normal, Priority::Critical, Priority::Low] {
                let sender = sender.clone();
                waiting.push(rig.go_with_priority(priority, move || sender.send(priority)));
                until_suspended(rig, waiting.len() as u64);
            }
            drop(sender);
            let order: Vec<_> = receiver.iter().skip(capacity).collect();
            assert_eq!(order, [Priority::Critical, Priority::Normal, Priority::Low, Priority::Background]);
            waiting.into_iter().for_each(|fiber| fiber.join().unwrap().unwrap());
        }
    });
}

#[test]
fn who_is_cancelled_while_it_waits_unwinds_and_the_others_are_served() {
    everywhere(|rig| {
        let (sender, receiver) = channel::bounded(0);
        let gone = receives(rig, Priority::Critical, &receiver);
        until_suspended(rig, 1);
        let stays = receives(rig, Priority::Low, &receiver);
        until_suspended(rig, 2);
        gone.cancel();
        assert!(gone.join().unwrap_err().is_cancelled());
        sender.send(1).unwrap();
        assert_eq!(stays.join().unwrap(), Ok(1));
        let (value, kept) = (rig.track(), rig.track());
        let (values, _receiver) = channel::bounded(0);
        let told = rig.go({
            let values = values.clone();
            move || {
                values
                    .send_or_cancelled(kept)
                    .map_err(|error| matches!(error, SendOrCancelledError::Cancelled(_)))
            }
        });
        let gone = rig.go(move || values.send(value));
        until_suspended(rig, 2);
        gone.cancel();
        assert!(gone.join().unwrap_err().is_cancelled());
        told.cancel();
        assert_eq!(told.join().unwrap(), Err(true), "it returned by itself");
        let outcome = Arc::new(std::sync::Mutex::new(None));
        let told = rig.go({
            let (receiver, outcome) = (receiver.clone(), outcome.clone());
            move || *outcome.lock().unwrap() = Some(receiver.recv_or_cancelled())
        });
        until_suspended(rig, 1);
        told.cancel();
        let _ = told.join();
        assert_eq!(outcome.lock().unwrap().take(), Some(Err(RecvOrCancelledError::Cancelled)));
    });
}

#[test]
fn who_waits_for_so_long_gives_up_or_gets_it() {
    everywhere(|rig| {
        rig.go(|| {
            let (sender, receiver) = channel::bounded(0);
            let begin = Instant::now();
            assert_eq!(receiver.recv_timeout(Duration::from_millis(3)), Err(RecvTimeoutError::Timeout));
            assert_eq!(sender.send_timeout(1, Duration::from_millis(3)), Err(SendTimeoutError::Timeout(1)));
            assert!(begin.elapsed() >= Duration::from_millis(6), "never early");
            assert_eq!(receiver.recv_deadline(begin), Err(RecvTimeoutError::Timeout), "the past");
            let waiting = go(move || receiver.recv_timeout(Duration::MAX));
            sender.send_deadline(2, begin + Duration::from_secs(1_000_000)).unwrap();
            assert_eq!(waiting.join().unwrap(), Ok(2));
        })
        .join()
        .unwrap();
        // The same for a thread.
        let (sender, receiver) = channel::bounded::<u32>(0);
        assert_eq!(receiver.recv_timeout(Duration::from_millis(1)), Err(RecvTimeoutError::Timeout));
        assert_eq!(sender.send_timeout(1, Duration::from_millis(1)), Err(SendTimeoutError::Timeout(1)));
    });
}

#[test]
fn threads_and_fibers_of_two_schedulers_meet() {
    on_workers(&[1, 2], |rig| {
        let other = rig.another(1);
        for capacity in CAPACITIES {
            let (sender, receiver) = channel::bounded(capacity);
            let (sum, count) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
            std::thread::scope(|threads| {
                let send = |sender: Sender<u64>| (0..300).for_each(|n| sender.send(n).unwrap());
                let receive = |receiver: Receiver<u64>, sum: Arc<AtomicU64>, count: Arc<AtomicUsize>| {
                    for n in receiver {
                        sum.fetch_add(n, Ordering::Relaxed);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                };
                let (a, b, c) = (sender.clone(), sender.clone(), sender);
                drop(rig.go(move || send(a)));
                drop(other.go(move || send(b)));
                threads.spawn(move || send(c));
                for scheduler in [&rig.scheduler, &other] {
                    let (receiver, sum, count) = (receiver.clone(), sum.clone(), count.clone());
                    drop(scheduler.go(move || receive(receiver, sum, count)));
                }
                let (receiver, sum, count) = (receiver, sum.clone(), count.clone());
                threads.spawn(move || receive(receiver, sum, count));
            });
            rig.wait_all().unwrap();
            other.wait_all().unwrap();
            assert_eq!((count.load(Ordering::Relaxed), sum.load(Ordering::Relaxed)), (900, 3 * 44_850));
        }
        Rig::retire(&other);
    });
}

#[test]
fn stop_ends_those_who_wait_and_what_was_on_its_way_is_dropped_once() {
    everywhere(|rig| {
        let (sender, receiver) = channel::bounded(0);
        let (full, unread) = channel::bounded(1);
        full.send(rig.track()).unwrap();
        for _ in 0..50 {
            let receiver: Receiver<Tracked> = receiver.clone();
            drop(rig.go(move || receiver.recv()));
            let (full, value) = (full.clone(), rig.track());
            drop(rig.go(move || full.send(value)));
        }
        until_suspended(rig, 100);
        rig.stop().unwrap();
        // Nobody is in line any more, and the channels work on.
        assert_eq!(receiver.recv_timeout(Duration::ZERO).err(), Some(RecvTimeoutError::Timeout));
        assert!(matches!(sender.try_send(rig.track()), Err(TrySendError::Full(_))));
        assert_eq!(unread.try_iter().count(), 1);
    });
}

#[test]
fn a_destructor_during_a_panic_may_send_and_try_to_receive() {
    struct Says(Sender<u32>);
    impl Drop for Says {
        fn drop(&mut self) {
            self.0.send(1).unwrap();
        }
    }
    everywhere(|rig| {
        let (sender, receiver) = channel::unbounded();
        let fiber = rig.go(move || {
            let _says = Says(sender);
            panic!("on purpose");
        });
        assert_eq!(receiver.recv(), Ok(1));
        assert!(fiber.join().unwrap_err().is_panic());
        assert_eq!(receiver.recv(), Err(RecvError));
    });
}

#[test]
fn a_waiter_that_becomes_more_urgent_overtakes_those_before_it() {
    in_one_lane(&[1], strict, |rig| {
        let (sender, receiver) = channel::bounded(0);
        let first = receives(rig, Priority::Normal, &receiver);
        until_suspended(rig, 1);
        let second = receives(rig, Priority::Normal, &receiver);
        until_suspended(rig, 2);
        second.set_priority(Priority::High);
        eventually(|| rig.stats().levels[1].suspended == 1);
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (Ok(2), Ok(1)));
    });
}

#[test]
fn a_oneshot_brings_one_value_or_the_news_that_there_is_none() {
    everywhere(|rig| {
        let (sender, receiver) = oneshot();
        let waiting = rig.go(move || receiver.recv());
        sender.send(rig.track()).unwrap();
        assert!(waiting.join().unwrap().is_ok());
        let (sender, receiver) = oneshot::<Tracked>();
        let waiting = rig.go(move || receiver.recv());
        drop(sender);
        assert_eq!(waiting.join().unwrap().err(), Some(RecvError));
        let (sender, receiver) = oneshot();
        drop(receiver);
        assert!(sender.send(rig.track()).is_err());
        let (sender, receiver) = oneshot();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout));
        sender.send(1).unwrap();
        assert_eq!(receiver.try_recv(), Ok(1));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    });
}

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::new(Bell::default());
    (bell.clone(), bell.into())
}

#[test]
fn futures_wait_and_are_woken_by_their_latest_waker() {
    let (sender, receiver) = channel::bounded(0);
    let mut receive = pin!(receiver.recv_async());
    let ((old, first), (new, second)) = (bell(), bell());
    assert!(receive.as_mut().poll(&mut Context::from_waker(&first)).is_pending());
    assert!(receive.as_mut().poll(&mut Context::from_waker(&second)).is_pending());
    sender.try_send(1).unwrap();
    assert_eq!((old.0.load(Ordering::SeqCst), new.0.load(Ordering::SeqCst)), (0, 1));
    assert_eq!(receive.poll(&mut Context::from_waker(&second)), Poll::Ready(Ok(1)));
    let mut send = pin!(sender.send_async(2));
    assert!(send.as_mut().poll(&mut Context::from_waker(&first)).is_pending());
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(old.0.load(Ordering::SeqCst), 1);
    assert_eq!(send.poll(&mut Context::from_waker(&first)), Poll::Ready(Ok(())));
    let (answer, question) = oneshot();
    let mut question = pin!(question.into_future());
    assert!(question.as_mut().poll(&mut Context::from_waker(&first)).is_pending());
    answer.send(3).unwrap();
    assert_eq!(question.poll(&mut Context::from_waker(&first)), Poll::Ready(Ok(3)));
}

#[test]
fn a_future_that_is_dropped_takes_nothing_along() {
    let (sender, receiver) = channel::bounded(0);
    let (_, waker) = bell();
    let mut context = Context::from_waker(&waker);
    {
        let mut receive = pin!(receiver.recv_async());
        assert!(receive.as_mut().poll(&mut context).is_pending());
        sender.try_send(1).unwrap();
        // It has the value, and goes.
    }
    assert_eq!(receiver.len(), 1, "the value is the next, even where none fits");
    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    assert_eq!(receiver.try_recv(), Ok(1));
    {
        let mut send = pin!(sender.send_async(3));
        assert!(send.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty), "who has left sends nothing");
    {
        let mut receive = pin!(receiver.recv_async());
        assert!(receive.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(sender.try_send(4), Err(TrySendError::Full(4)), "who has left receives nothing");
}

/// What was sent is what was received, plus what those still have who could not send it.
#[test]
fn senders_and_receivers_cancelled_late_and_moved_at_random_lose_nothing() {
    everywhere(|rig| {
        let mut random = Random::new();
        for capacity in CAPACITIES {
            let (sender, receiver) = channel::bounded(capacity);
            let (sent, received) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
            let mut fibers = Vec::new();
            for _ in 0..40 {
                let mut random = random.split();
                let priority = *random.pick(&Priority::ALL);
                let (sender, sent, tracked) = (sender.clone(), sent.clone(), rig.track());
                fibers.push(rig.go_with_priority(priority, move || {
                    for _ in 0..20 {
                        let value = random.below(1000);
                        let time = Duration::from_micros(random.below(200));
                        let outcome = match random.below(4) {
                            0 => sender.try_send((value, tracked.clone())).is_ok(),
                            1 => sender.send_timeout((value, tracked.clone()), time).is_ok(),
                            _ => sender.send_or_cancelled((value, tracked.clone())).is_ok(),
                        };
                        // Counted whatever happens to us next.
                        sent.fetch_add(if outcome { value } else { 0 }, Ordering::Relaxed);
                        cancel_point();
                    }
                }));
            }
            drop(sender);
            for _ in 0..20 {
                let mut random = random.split();
                let priority = *random.pick(&Priority::ALL);
                let (receiver, received) = (receiver.clone(), received.clone());
                fibers.push(rig.go_with_priority(priority, move || {
                    loop {
                        let got = match random.below(4) {
                            0 => receiver.try_recv().ok(),
                            1 => receiver.recv_timeout(Duration::from_micros(random.below(200))).ok(),
                            _ => match receiver.recv_or_cancelled() {
                                Ok(value) => Some(value),
                                Err(_) => return,
                            },
                        };
                        received.fetch_add(got.map_or(0, |(value, _)| value), Ordering::Relaxed);
                        checkpoint();
                    }
                }));
            }
            for fiber in &fibers {
                match random.below(4) {
                    0 => fiber.cancel(),
                    1 => fiber.set_priority(*random.pick(&Priority::ALL)),
                    _ => {}
                }
            }
            // The rest is received here, so that nobody is left who waits to send.
            for (value, _) in receiver.iter() {
                received.fetch_add(value, Ordering::Relaxed);
            }
            for fiber in fibers {
                let _ = catch_unwind(AssertUnwindSafe(|| fiber.join()));
            }
            let (sent, received) = (sent.load(Ordering::Relaxed), received.load(Ordering::Relaxed));
            assert_eq!(sent, received, "capacity {capacity}");
        }
    });
}

#[test]
fn a_thread_that_waits_for_a_fiber_is_woken() {
    everywhere(|rig| {
        let (ask, asked) = mpsc::channel();
        let (sender, receiver) = channel::bounded(0);
        let thread = std::thread::spawn(move || {
            ask.send(()).unwrap();
            receiver.recv()
        });
        asked.recv().unwrap();
        rig.go(move || sender.send(5)).join().unwrap().unwrap();
        assert_eq!(thread.join().unwrap(), Ok(5));
    });
}
