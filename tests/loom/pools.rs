//! The threads for blocking calls: `pool/staff.rs` and `pool/call.rs`, with the steps of `pool/mod.rs` around them.

use crate::call::Call;
use crate::explore;
use crate::inbox::Inbox;
use crate::machine::futex::Futex;
use crate::staff::{Next, Staff};
use loom::cell::UnsafeCell;
use loom::sync::Mutex;
use loom::sync::atomic::Ordering;
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

/// Who waits: the thread that called. Not by loom's `park`, as its `unpark` would let a thread go on that waits for another one to
/// end. The word is touched by who has ended a call and is about to wake its caller, and by a caller that looks for the end: waking makes
/// all visible that was done before it, and without this nobody would be seen to find the end before that.
struct Waiter(Arc<Futex>);

impl Waiter {
    fn wake(&self) {
        self.0.word.fetch_add(1, Ordering::Relaxed);
        self.0.wake();
    }
}

/// A call, and the caller's side of its waiter.
struct Called {
    call: Arc<Call<Waiter>>,
    woken: Arc<Futex>,
}

impl std::ops::Deref for Called {
    type Target = Arc<Call<Waiter>>;

    fn deref(&self) -> &Arc<Call<Waiter>> {
        &self.call
    }
}

struct Pool {
    inbox: Inbox<Call<Waiter>>,
    shelf: Mutex<Vec<Arc<Call<Waiter>>>>,
    staff: Staff,
    gong: Futex,
}

/// The caller's frame: loom watches who uses it.
type Frame = UnsafeCell<u32>;

unsafe fn make(frame: *mut ()) {
    // SAFETY: the frame is there until the call has ended or was taken back; loom watches.
    unsafe { &*frame.cast::<Frame>() }.with_mut(|made| unsafe { *made += 1 });
}

impl Pool {
    fn new(most: usize) -> Arc<Pool> {
        let (inbox, shelf) = (Inbox::new(), Mutex::new(Vec::new()));
        Arc::new(Pool { inbox, shelf, staff: Staff::new(most), gong: Futex::new(0) })
    }

    fn ring(&self) {
        // ORDERING: Release pairs with the acquire of `serve`.
        self.gong.word.fetch_add(1, Ordering::Release);
        self.gong.wake();
    }

    fn submit(self: &Arc<Self>, call: &Arc<Call<Waiter>>) -> Option<thread::JoinHandle<()>> {
        call.queue(&self.inbox);
        if self.staff.call_came().wakes() {
            self.ring();
        }
        self.grow()
    }

    fn grow(self: &Arc<Self>) -> Option<thread::JoinHandle<()>> {
        self.staff.hire().then(|| {
            let pool = self.clone();
            thread::spawn(move || pool.serve(false))
        })
    }

    /// Until the pool is closed; or it leaves when it has waited for no time.
    fn serve(&self, leaves: bool) {
        let mut idle = false;
        loop {
            // ORDERING: Acquire pairs with the release of `ring`.
            let rung = self.gong.word.load(Ordering::Acquire);
            match self.staff.next(idle, idle && leaves) {
                Next::Call => {
                    idle = false;
                    self.make_next();
                }
                Next::Wait => {
                    idle = true;
                    self.gong.wait(rung, leaves.then_some(Duration::ZERO));
                }
                Next::Leave { closed } => {
                    if closed {
                        self.ring();
                    }
                    return;
                }
            }
        }
    }

    fn make_next(&self) {
        let call = {
            let mut shelf = self.shelf.lock().unwrap();
            shelf.extend(self.inbox.take_all().oldest_first().map(Call::unqueue));
            shelf.remove(0)
        };
        if call.begin() {
            // SAFETY: begun just now.
            unsafe { call.make() };
            call.end();
        }
    }

    fn close(&self) {
        if self.staff.close() {
            self.ring();
        }
    }
}

/// A call whose frame is leaked with the model: who uses it when is what loom watches.
fn call(frame: &'static Frame) -> Called {
    let place = std::ptr::from_ref(frame).cast_mut().cast();
    let woken = Arc::new(Futex::new(0));
    // SAFETY: the frame stays.
    Called { call: unsafe { Call::new(2, place, make, Waiter(woken.clone()), Waiter::wake) }, woken }
}

fn frame() -> &'static Frame {
    Box::leak(Box::new(UnsafeCell::new(0)))
}

fn wait(call: &Called, frame: &Frame) {
    while !call.has_ended() {
        call.woken.wait(0, None);
        // Who is about to wake us may have come to the word only.
        thread::yield_now();
    }
    call.woken.word.load(Ordering::Relaxed);
    // SAFETY: it has ended, so the frame is ours; loom watches.
    frame.with_mut(|made| assert_eq!(unsafe { *made }, 1));
}

#[test]
fn a_call_is_made_once_by_the_thread_that_it_asks_for() {
    explore(3, || {
        let pool = Pool::new(1);
        let frame = frame();
        let call = call(frame);
        let worker = pool.submit(&call).expect("the first call asks for a thread");
        wait(&call, frame);
        pool.close();
        worker.join().unwrap();
        assert_eq!(pool.staff.counts(), (0, 0, 0));
    });
}

#[test]
fn an_idle_thread_is_woken_by_each_call() {
    explore(2, || {
        let pool = Pool::new(1);
        let first = frame();
        let one = call(first);
        let worker = pool.submit(&one).expect("the first call asks for a thread");
        let caller = {
            let pool = pool.clone();
            thread::spawn(move || {
                let frame = frame();
                let call = call(frame);
                assert!(pool.submit(&call).is_none());
                wait(&call, frame);
            })
        };
        wait(&one, first);
        caller.join().unwrap();
        pool.close();
        worker.join().unwrap();
        assert_eq!(pool.staff.counts(), (0, 0, 0));
    });
}

#[test]
fn a_thread_that_leaves_takes_no_call_along() {
    explore(3, || {
        let pool = Pool::new(1);
        // One that is about to have waited for long enough.
        let first = frame();
        let one = call(first);
        one.queue(&pool.inbox);
        assert!(pool.staff.call_came() == crate::staff::Arrival::Grow && pool.staff.hire());
        let leaver = {
            let pool = pool.clone();
            thread::spawn(move || pool.serve(true))
        };
        let frame = frame();
        let call = call(frame);
        let other = pool.submit(&call);
        wait(&one, first);
        wait(&call, frame);
        leaver.join().unwrap();
        pool.close();
        other.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(pool.staff.counts(), (0, 0, 0));
    });
}

#[test]
fn a_call_is_begun_or_taken_back_and_not_both() {
    explore(3, || {
        let pool = Pool::new(1);
        let frame = frame();
        let call = call(frame);
        let worker = pool.submit(&call).expect("the first call asks for a thread");
        if call.take_back() {
            // SAFETY: it was taken back, so the frame is ours; loom watches.
            frame.with_mut(|made| assert_eq!(unsafe { *made }, 0));
        } else {
            wait(&call, frame);
        }
        pool.close();
        worker.join().unwrap();
        assert_eq!(pool.staff.counts(), (0, 0, 0));
    });
}
