//! Fibers and futures: each waits for the other, nothing is lost, whatever wakes, changes, panics or is dropped.

use heddle_scheduler::suspend::{Resumer, suspend};
use heddle_scheduler::{
    JoinFuture, Priority, block_on, current, go, sleep, spawn_future, try_block_on, yield_now,
};
use heddle_tests::{Event, everywhere, on_workers};
use std::cell::Cell;
use std::future::{Future, IntoFuture, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Ready when it was opened; wakes the last one who asked.
#[derive(Clone, Default)]
struct Door(Arc<Mutex<(bool, Option<Waker>)>>);

impl Door {
    fn open(&self) {
        let waker = {
            let mut state = self.0.lock().unwrap();
            state.0 = true;
            state.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    fn is_awaited(&self) -> bool {
        self.0.lock().unwrap().1.is_some()
    }
}

impl Future for Door {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap();
        if state.0 {
            return Poll::Ready(());
        }
        state.1 = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Counts(AtomicUsize);

impl Wake for Counts {
    fn wake(self: Arc<Counts>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn poll_once<T>(future: &mut JoinFuture<T>, waker: &Waker) -> Poll<Result<T, heddle_scheduler::JoinError>> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

#[test]
fn a_fiber_and_a_thread_wait_for_a_future() {
    everywhere(|rig| {
        let door = Door::default();
        let pairs: Vec<_> = (0..20)
            .map(|n| {
                let door = Door::default();
                let opener = rig.go({
                    let door = door.clone();
                    move || door.open()
                });
                (opener, rig.go(move || block_on(async { (door.await, n).1 })))
            })
            .collect();
        for (n, (opener, waits)) in pairs.into_iter().enumerate() {
            opener.join().unwrap();
            assert_eq!(waits.join().unwrap(), n);
        }
        let waits = rig.go({
            let door = door.clone();
            move || block_on(door)
        });
        heddle_tests::eventually(|| door.is_awaited());
        door.open();
        waits.join().unwrap();
        // This thread, for a fiber.
        assert_eq!(block_on(async { rig.go(|| 6 * 7).await.unwrap() }), 42);
        assert_eq!(block_on(rig.go(|| 7)).unwrap(), 7);
    });
}

#[test]
fn a_future_that_suspends_its_fiber_in_poll_does_not_eat_its_wake_up() {
    everywhere(|rig| {
        let handle = rig.go(|| {
            let mut polls = 0;
            block_on(poll_fn(move |context| {
                polls += 1;
                if polls == 3 {
                    return Poll::Ready(polls);
                }
                // The wake-up comes first, and what waits here takes its token.
                context.waker().wake_by_ref();
                go(|| sleep(Duration::from_micros(50))).join().unwrap();
                yield_now();
                let _ = go(yield_now).join();
                Poll::Pending
            }))
        });
        assert_eq!(handle.join().unwrap(), 3);
    });
}

#[test]
fn wakers_may_be_called_late_and_often_and_outlive_everything() {
    everywhere(|rig| {
        let kept = Arc::new(Mutex::new(None::<Waker>));
        let handle = rig.go({
            let (kept, held) = (kept.clone(), rig.track());
            move || {
                let _held = held;
                block_on(poll_fn(|context| {
                    let first = kept.lock().unwrap().replace(context.waker().clone()).is_none();
                    if first {
                        for _ in 0..100 {
                            context.waker().wake_by_ref();
                        }
                        return Poll::Pending;
                    }
                    Poll::Ready(())
                }));
                // It was woken more often than it waited; that is no token too many for what comes now.
                let event = Event::new();
                go({
                    let event = event.clone();
                    move || event.fire()
                });
                event.wait().unwrap();
            }
        });
        handle.join().unwrap();
        let waker = kept.lock().unwrap().take().unwrap();
        waker.wake_by_ref();
        rig.stop().unwrap();
        waker.wake();
    });
}

#[test]
fn a_cancelled_fiber_drops_its_future_and_unwinds() {
    everywhere(|rig| {
        let door = Door::default();
        let handle = rig.spawn_future(Priority::Normal, {
            let (door, held) = (door.clone(), rig.track());
            async move {
                let _held = held;
                door.await;
            }
        });
        heddle_tests::eventually(|| door.is_awaited());
        assert_eq!(rig.census.live(), 1);
        handle.cancel();
        assert!(handle.join().unwrap_err().is_cancelled());
        assert_eq!(rig.census.live(), 0);
        door.open();
        // The same as an error.
        let told = rig.go(|| {
            go(|| ()).join().unwrap();
            try_block_on(pending::<()>()).is_err()
        });
        rig.stop().unwrap();
        if let Ok(was_told) = told.join() {
            assert!(was_told);
        }
    });
}

#[test]
fn a_spawned_future_has_the_priority_and_the_fate_of_a_fiber() {
    everywhere(|rig| {
        let handle = rig.spawn_future(Priority::Low, async { current().unwrap().priority() });
        assert_eq!(handle.join().unwrap(), Priority::Low);
        let inside = rig.go(|| {
            let inner = spawn_future(Priority::High, async { current().unwrap().base_priority() });
            inner.join().unwrap()
        });
        assert_eq!(inside.join().unwrap(), Priority::High);
        let error = rig.spawn_future(Priority::Normal, async { panic!("in poll") }).join();
        let error: heddle_scheduler::JoinError = error.map(|(): ()| ()).unwrap_err();
        assert!(error.is_panic());
        rig.stop().unwrap();
        let late = rig.spawn_future(Priority::Normal, async {}).join().unwrap_err();
        assert!(late.is_stopped());
    });
    let error = spawn_future(Priority::Normal, async {}).join().unwrap_err();
    assert!(error.not_started_because().is_some_and(|error| error.is_outside_fiber()));
}

#[test]
fn a_future_of_a_fiber_wakes_its_latest_waker_only() {
    everywhere(|rig| {
        let event = Event::new();
        let mut future = rig
            .go({
                let event = event.clone();
                move || event.wait().is_ok()
            })
            .into_future();
        let wakers: Vec<Arc<Counts>> = (0..3).map(|_| Arc::default()).collect();
        for waker in &wakers {
            assert!(poll_once(&mut future, &waker.clone().into()).is_pending());
        }
        // The same once more changes nothing.
        assert!(poll_once(&mut future, &wakers[2].clone().into()).is_pending());
        event.fire();
        heddle_tests::eventually(|| wakers[2].0.load(SeqCst) == 1);
        assert_eq!(wakers.iter().map(|waker| waker.0.load(SeqCst)).collect::<Vec<_>>(), [0, 0, 1]);
        let ready = loop {
            if let Poll::Ready(ready) = poll_once(&mut future, Waker::noop()) {
                break ready;
            }
        };
        assert!(ready.unwrap());
        assert!(future.handle().is_none());
        catch_unwind(AssertUnwindSafe(|| poll_once(&mut future, Waker::noop()))).unwrap_err();
    });
}

#[test]
fn a_future_of_a_fiber_that_is_dropped_lets_the_fiber_go_on() {
    everywhere(|rig| {
        let (event, done) = (Event::new(), Event::new());
        let waker = Arc::new(Counts::default());
        let mut future = rig
            .go({
                let (event, done, held) = (event.clone(), done.clone(), rig.track());
                move || {
                    let _ = event.wait();
                    done.fire();
                    held
                }
            })
            .into_future();
        assert!(poll_once(&mut future, &waker.clone().into()).is_pending());
        drop(future);
        assert_eq!(Arc::strong_count(&waker), 1, "the waker goes with the future");
        event.fire();
        done.wait().unwrap();
        rig.wait_all().unwrap();
        assert_eq!((rig.census.live(), waker.0.load(SeqCst)), (0, 0));
        // One that was never polled, one whose fiber never starts, and one that is forgotten.
        drop(rig.go(|| ()).into_future());
        let mut forgotten = rig.go(|| ()).into_future();
        let _ = poll_once(&mut forgotten, Waker::noop());
        std::mem::forget(forgotten);
        rig.stop().unwrap();
        let error = block_on(rig.go(|| ())).unwrap_err();
        assert!(error.is_stopped());
    });
}

#[test]
fn a_waker_that_panics_does_no_harm_to_the_worker() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Panics>) {
            panic!("in wake");
        }
    }
    everywhere(|rig| {
        let event = Event::new();
        let mut future = rig
            .go({
                let event = event.clone();
                move || event.wait().is_ok()
            })
            .into_future();
        assert!(poll_once(&mut future, &Arc::new(Panics).into()).is_pending());
        event.fire();
        let mut ended = false;
        while !ended {
            if let Poll::Ready(result) = poll_once(&mut future, Waker::noop()) {
                ended = result.unwrap();
            }
        }
        assert_eq!(rig.run(|| 1), 1);
    });
}

#[test]
fn a_waker_may_drop_the_future_that_it_belongs_to() {
    struct Drops(Mutex<Option<JoinFuture<()>>>, Event);
    impl Wake for Drops {
        fn wake(self: Arc<Drops>) {
            drop(self.0.lock().unwrap().take());
            self.1.fire();
        }
    }
    everywhere(|rig| {
        for _ in 0..50 {
            let gone = Event::new();
            let drops = Arc::new(Drops(Mutex::new(None), gone.clone()));
            let start = Event::new();
            let mut future = rig
                .go({
                    let start = start.clone();
                    move || start.wait().unwrap_or(())
                })
                .into_future();
            assert!(poll_once(&mut future, &drops.clone().into()).is_pending());
            *drops.0.lock().unwrap() = Some(future);
            start.fire();
            gone.wait().unwrap();
        }
    });
}

#[test]
fn a_future_that_is_no_longer_wanted_while_its_fiber_ends_is_let_go() {
    // The race of the end with polls and drops, many times.
    on_workers(&[1, 2, 8], |rig| {
        let count = if cfg!(debug_assertions) { 2000 } else { 20_000 };
        let mut wakers = Vec::new();
        for n in 0..count {
            let mut future = rig.go(|| 1).into_future();
            let waker = Arc::new(Counts::default());
            for _ in 0..n % 4 {
                if poll_once(&mut future, &waker.clone().into()).is_ready() {
                    break;
                }
            }
            drop(future);
            wakers.push(waker);
        }
        // A worker may be in the middle of waking what nobody waits for any more; here it no longer is.
        rig.stop().unwrap();
        assert!(wakers.iter().all(|waker| Arc::strong_count(waker) == 1));
    });
}

#[test]
fn a_future_in_a_destructor_of_a_panic_blocks_the_thread() {
    struct Late(Door);
    impl Drop for Late {
        fn drop(&mut self) {
            block_on(self.0.clone());
        }
    }
    everywhere(|rig| {
        let door = Door::default();
        let handle = rig.go({
            let door = door.clone();
            move || {
                let _late = Late(door);
                panic!("first");
            }
        });
        heddle_tests::eventually(|| door.is_awaited());
        door.open();
        assert!(handle.join().map(|(): ()| ()).unwrap_err().is_panic());
    });
}

#[test]
fn futures_that_are_bound_to_their_thread_and_borrow_are_polled_in_place() {
    everywhere(|rig| {
        let text = rig.run(|| {
            let cell = Cell::new(1);
            let borrowed = &cell;
            block_on(async move {
                go(yield_now).await.unwrap();
                borrowed.set(borrowed.get() + 1);
            });
            cell.get()
        });
        assert_eq!(text, 2);
    });
}

#[test]
fn messages_of_async_channels_reach_fibers() {
    everywhere(|rig| {
        let (give, mut get) = tokio::sync::mpsc::channel::<u32>(2);
        let (asked, answered) = tokio::sync::oneshot::channel();
        let producers: Vec<_> = (0..4)
            .map(|_| {
                let give = give.clone();
                rig.go(move || (0..100).for_each(|n| block_on(give.send(n)).unwrap()))
            })
            .collect();
        drop(give);
        let consumer = rig.go(move || {
            let mut sum = 0;
            while let Some(n) = block_on(get.recv()) {
                sum += n;
            }
            asked.send(sum).unwrap();
        });
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        consumer.join().unwrap();
        assert_eq!(block_on(answered).unwrap(), 4 * 4950);
    });
}

#[test]
fn tasks_of_tokio_wait_for_fibers_and_fibers_for_tasks() {
    on_workers(&[1, 2, 8], |rig| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let scheduler = rig.scheduler.clone();
        let tasks: Vec<_> = (0..200_u64)
            .map(|n| {
                let (scheduler, handle) = (scheduler.clone(), runtime.handle().clone());
                runtime.spawn(async move {
                    let inside = scheduler.go_with_priority(Priority::ALL[n as usize % 5], move || {
                        let task = handle.spawn(async move {
                            tokio::task::yield_now().await;
                            n
                        });
                        block_on(task).unwrap() + 1
                    });
                    inside.await.unwrap()
                })
            })
            .collect();
        let sum: u64 = runtime.block_on(async {
            let mut sum = 0;
            for task in tasks {
                sum += task.await.unwrap();
            }
            sum
        });
        assert_eq!(sum, (1..=200).sum());
        drop(runtime);
        drop(scheduler);
    });
}

#[test]
fn a_token_given_by_hand_is_a_reason_to_look_again_and_no_more() {
    everywhere(|rig| {
        let door = Door::default();
        let (give, get) = std::sync::mpsc::channel();
        let handle = rig.go({
            let door = door.clone();
            move || {
                give.send(Resumer::current()).unwrap();
                block_on(door);
                suspend().is_ok()
            }
        });
        let resumer = get.recv().unwrap();
        for _ in 0..10 {
            resumer.resume();
        }
        heddle_tests::eventually(|| door.is_awaited());
        door.open();
        while !handle.is_finished() {
            resumer.resume();
            std::thread::yield_now();
        }
        assert!(handle.join().unwrap());
    });
}
