//! A lock, and the fibers that have it, wait for it, lend through it and end.
//!
//! The lock is the production one, word, list and protocol. The fibers are modelled: `memory` is read by
//! each use of a fiber and written when it is freed, `loans` count, and `holds` decide when it is freed.

use crate::explore;
use crate::lock_word::Holder;
use crate::raw_lock::{Party, RawLock};
use crate::wait_list::Node;
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread::{self, JoinHandle, Thread};
use std::sync::{Arc, Mutex};

pub(crate) struct Fiber {
    memory: UnsafeCell<()>,
    pub(crate) loans: [AtomicU32; 4],
    pub(crate) holds: AtomicU32,
    frees: std::sync::atomic::AtomicU32,
}

impl Fiber {
    /// One that the calling thread runs.
    pub(crate) fn new() -> Arc<Fiber> {
        let fiber = Arc::new(Fiber {
            memory: UnsafeCell::new(()),
            loans: std::array::from_fn(|_| AtomicU32::new(0)),
            holds: AtomicU32::new(1),
            frees: Default::default(),
        });
        fiber.memory.with_mut(|_| ());
        fiber
    }

    pub(crate) fn holder(&self) -> Holder {
        let holder = Holder::new(std::ptr::from_ref(self).expose_provenance() as u64);
        assert!(holder.is_fiber());
        holder
    }

    /// # Safety
    /// Every fiber of a model stays until its end; what may be used of it is checked.
    pub(crate) unsafe fn of<'a>(holder: Holder) -> &'a Fiber {
        // SAFETY: the caller's promise.
        let fiber = unsafe { &*std::ptr::with_exposed_provenance::<Fiber>(holder.address() as usize) };
        assert_eq!(fiber.frees.load(Ordering::Relaxed), 0, "used after it was freed");
        fiber.memory.with(|_| ());
        fiber
    }

    pub(crate) fn release(&self) {
        // ORDERING: AcqRel, as in `fiber/state.rs`.
        if self.holds.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.memory.with_mut(|_| ());
            self.frees.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It has ended: nothing is left of its loans, and it was freed once.
    pub(crate) fn check(&self) {
        assert_eq!(self.lent(), [0; 4], "a loan is left");
        assert_eq!(self.frees.load(Ordering::Relaxed), 1, "it is freed once");
    }

    /// The newest that there is, which orders nothing.
    fn lent(&self) -> [u32; 4] {
        std::array::from_fn(|level| self.loans[level].fetch_add(0, Ordering::Relaxed))
    }
}

struct Waiter {
    holder: Holder,
    thread: Thread,
    /// Changed by whoever wakes it, before, and by itself when it goes on: loom then tries both orders,
    /// also that in which it finds that it was granted the lock and has not been woken.
    gap: AtomicU32,
}

impl Party for Waiter {
    fn holder(&self) -> Holder {
        self.holder
    }

    fn wake(&self) {
        self.gap.fetch_add(1, Ordering::Relaxed);
        self.thread.unpark();
    }

    unsafe fn lend(to: Holder, level: usize) {
        // SAFETY: see there.
        unsafe { Fiber::of(to) }.loans[level].fetch_add(1, Ordering::Relaxed);
    }

    unsafe fn take_back(from: Holder, level: usize) {
        // SAFETY: see there.
        let before = unsafe { Fiber::of(from) }.loans[level].fetch_sub(1, Ordering::Relaxed);
        assert!(before > 0, "taken back before it was lent");
    }

    unsafe fn hold(holder: Holder) {
        // SAFETY: see there.
        unsafe { Fiber::of(holder) }.holds.fetch_add(1, Ordering::Relaxed);
    }

    unsafe fn release(holder: Holder) {
        // SAFETY: see there.
        unsafe { Fiber::of(holder) }.release();
    }
}

/// The lock, what it protects, and in which order it was had.
struct Setting {
    lock: RawLock<Waiter>,
    value: UnsafeCell<u32>,
    order: Mutex<Vec<usize>>,
    /// How many have come to wait.
    waiting: AtomicU32,
}

/// What a waiter does besides waiting.
#[derive(Clone, Copy, PartialEq, Eq)]
enum While {
    Waits,
    /// It is cancelled at once.
    Leaves,
    /// It becomes more urgent.
    Rises,
    /// It looks at the holder first.
    Looks,
}

impl Setting {
    fn new() -> Arc<Setting> {
        Arc::new(Setting {
            lock: RawLock::new(),
            value: UnsafeCell::new(0),
            order: Mutex::default(),
            waiting: AtomicU32::new(0),
        })
    }

    /// `sync/mutex.rs`: `lock`, with what is done under it, and `unlock`. `false`: it has left.
    fn lock_once(&self, me: &Fiber, level: usize, what: While) -> bool {
        if !self.lock.try_lock(me.holder()) && !self.wait(me, level, what) {
            return false;
        }
        self.use_value(level);
        self.unlock(me);
        true
    }

    fn wait(&self, me: &Fiber, level: usize, what: While) -> bool {
        let waiter = Waiter { holder: me.holder(), thread: thread::current(), gap: AtomicU32::new(0) };
        let node = Arc::new(Node::new(level, waiter));
        if self.lock.enter(&node) {
            return true;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        match what {
            While::Waits => {}
            While::Leaves if node.leave() => return false,
            While::Leaves => {}
            While::Rises => self.lock.moved(&node, 0),
            While::Looks => {
                // SAFETY: it is pinned.
                self.lock.with_holder(|holder| unsafe { Fiber::of(holder) }.lent());
            }
        }
        while !node.is_granted() {
            thread::park();
        }
        node.who.gap.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn use_value(&self, level: usize) {
        // SAFETY: under the lock; loom watches.
        self.value.with_mut(|value| unsafe { *value += 1 });
        self.order.lock().unwrap().push(level);
    }

    fn unlock(&self, me: &Fiber) {
        // SAFETY: it has the lock, and has not ended.
        unsafe { self.lock.unlock(me.holder()) };
    }

    /// A fiber that locks so many times and ends.
    fn spawn(self: &Arc<Setting>, level: usize, times: u32, what: While) -> JoinHandle<(Arc<Fiber>, u32)> {
        let setting = self.clone();
        thread::spawn(move || {
            let me = Fiber::new();
            let had = (0..times).filter(|_| setting.lock_once(&me, level, what)).count();
            me.release();
            (me, had as u32)
        })
    }

    fn until_waiting(&self, fibers: u32) {
        while self.waiting.load(Ordering::Relaxed) < fibers {
            thread::yield_now();
        }
    }

    /// All have ended: each had the lock as often as it says, and nothing is left.
    fn check(&self, fibers: Vec<(Arc<Fiber>, u32)>) {
        assert!(!self.lock.is_locked());
        let expected: u32 = fibers.iter().map(|(_, had)| had).sum();
        // SAFETY: nobody else is left.
        self.value.with_mut(|value| assert_eq!(unsafe { *value }, expected));
        for (fiber, _) in fibers {
            fiber.check();
        }
    }
}

#[test]
fn one_at_a_time_has_the_lock_and_nobody_is_forgotten() {
    explore(3, || {
        let setting = Setting::new();
        let other = setting.spawn(0, 1, While::Waits);
        let me = Fiber::new();
        assert!(setting.lock_once(&me, 2, While::Waits));
        me.release();
        setting.check(vec![(me, 1), other.join().unwrap()]);
    });
}

#[test]
fn three_fibers_pass_it_on() {
    explore(2, || {
        let setting = Setting::new();
        let others = [setting.spawn(0, 1, While::Waits), setting.spawn(1, 1, While::Waits)];
        let me = Fiber::new();
        assert!(setting.lock_once(&me, 2, While::Waits));
        me.release();
        let mut all = vec![(me, 1)];
        all.extend(others.map(|other| other.join().unwrap()));
        setting.check(all);
    });
}

/// The holder unlocks, locks again and ends while two are about to lend.
#[test]
fn a_holder_that_comes_back_is_lent_to_and_outlives_its_lenders() {
    explore(2, || {
        let setting = Setting::new();
        let others = [setting.spawn(0, 1, While::Waits), setting.spawn(0, 1, While::Waits)];
        let me = Fiber::new();
        for _ in 0..2 {
            assert!(setting.lock_once(&me, 3, While::Waits));
        }
        me.release();
        let mut all = vec![(me, 2)];
        all.extend(others.map(|other| other.join().unwrap()));
        setting.check(all);
    });
}

#[test]
fn one_that_leaves_takes_nothing_with_it() {
    explore(2, || {
        let setting = Setting::new();
        let others = [setting.spawn(0, 1, While::Leaves), setting.spawn(1, 1, While::Waits)];
        let me = Fiber::new();
        assert!(setting.lock_once(&me, 2, While::Waits));
        me.release();
        let mut all = vec![(me, 1)];
        all.extend(others.map(|other| other.join().unwrap()));
        setting.check(all);
    });
}

#[test]
fn one_that_looks_at_the_holder_may_do_so() {
    explore(3, || {
        let setting = Setting::new();
        let other = setting.spawn(4, 1, While::Looks);
        let me = Fiber::new();
        for _ in 0..2 {
            assert!(setting.lock_once(&me, 2, While::Waits));
        }
        me.release();
        setting.check(vec![(me, 2), other.join().unwrap()]);
    });
}

/// Also where it has not come to wait, and so knows nothing of the holder.
#[test]
fn a_stranger_that_looks_at_the_holder_may_do_so() {
    explore(3, || {
        let setting = Setting::new();
        let other = setting.spawn(2, 2, While::Waits);
        // SAFETY: it is pinned.
        setting.lock.with_holder(|holder| unsafe { Fiber::of(holder) }.lent());
        setting.check(vec![other.join().unwrap()]);
    });
}

#[test]
fn the_holder_has_the_loan_when_the_waiter_waits() {
    explore(3, || {
        let setting = Setting::new();
        let me = Fiber::new();
        assert!(setting.lock.try_lock(me.holder()));
        let other = setting.spawn(1, 1, While::Waits);
        setting.until_waiting(1);
        assert_eq!(me.lent(), [0, 1, 0, 0]);
        setting.use_value(9);
        setting.unlock(&me);
        assert_eq!(me.lent(), [0; 4], "it has what it needs no more");
        me.release();
        setting.check(vec![(me, 1), other.join().unwrap()]);
    });
}

#[test]
fn the_most_urgent_is_next_and_is_lent_what_the_others_have() {
    explore(2, || {
        let setting = Setting::new();
        let me = Fiber::new();
        assert!(setting.lock.try_lock(me.holder()));
        let others = [setting.spawn(2, 1, While::Waits), setting.spawn(1, 1, While::Waits)];
        setting.until_waiting(2);
        setting.use_value(9);
        setting.unlock(&me);
        me.release();
        let mut all = vec![(me, 1)];
        all.extend(others.map(|other| other.join().unwrap()));
        assert_eq!(*setting.order.lock().unwrap(), [9, 1, 2]);
        setting.check(all);
    });
}

#[test]
fn one_that_has_risen_while_it_waited_is_next() {
    explore(2, || {
        let setting = Setting::new();
        let me = Fiber::new();
        assert!(setting.lock.try_lock(me.holder()));
        let others = [setting.spawn(1, 1, While::Waits), setting.spawn(2, 1, While::Rises)];
        setting.until_waiting(2);
        let risen = me.lent()[0] == 1;
        setting.use_value(9);
        setting.unlock(&me);
        me.release();
        let mut all = vec![(me, 1)];
        all.extend(others.map(|other| other.join().unwrap()));
        if risen {
            assert_eq!(*setting.order.lock().unwrap(), [9, 2, 1]);
        }
        setting.check(all);
    });
}
