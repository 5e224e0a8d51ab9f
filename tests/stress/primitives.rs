//! All that fibers wait for, at once: each fiber does deeds at random with whatever comes, is cancelled, gives up, and
//! changes its priority meanwhile; threads of the system do the same. In the end everything is where it was.

use heddle_scheduler::sync::channel::{self, broadcast, watch};
use heddle_scheduler::sync::{
    Barrier, Condvar, Event, Mutex, OnceCell, RwLock, RwLockWriteGuard, Semaphore, WaitGroup,
};
use heddle_scheduler::{Priority, current, set_priority, shielded, sleep, yield_now};
use heddle_tests::{Census, Random};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const PERMITS: usize = 3;

/// What a round's fibers and threads share.
pub(crate) struct Things {
    census: Census,
    mutex: Mutex<(u64, u64)>,
    rw_lock: RwLock<(u64, u64)>,
    permits: Semaphore,
    /// How many tokens there are; each fiber that takes one puts one back.
    tokens: Mutex<u64>,
    token: Condvar,
    barrier: Barrier,
    event: Event,
    cell: OnceCell<u64>,
    sender: channel::Sender<heddle_tests::Tracked>,
    receiver: channel::Receiver<heddle_tests::Tracked>,
    broadcast: broadcast::Sender<u64>,
    watch: watch::Sender<u64>,
    /// Who is between the two halves of something that one does at a time.
    inside: AtomicI64,
}

/// Counts up and down again, also where a fiber unwinds in between.
struct Inside<'a>(&'a AtomicI64);

impl<'a> Inside<'a> {
    fn at_most(counter: &'a AtomicI64, most: i64) -> Inside<'a> {
        assert!(counter.fetch_add(1, Ordering::Relaxed) < most);
        Inside(counter)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Things {
    pub(crate) fn new(census: Census) -> Things {
        let (sender, receiver) = channel::bounded(2);
        Things {
            census,
            mutex: Mutex::default(),
            rw_lock: RwLock::default(),
            permits: Semaphore::new(PERMITS),
            tokens: Mutex::new(2),
            token: Condvar::new(),
            barrier: Barrier::new(3),
            event: Event::new(),
            cell: OnceCell::new(),
            sender,
            receiver,
            broadcast: broadcast::channel(4).0,
            watch: watch::channel(0).0,
            inside: AtomicI64::new(0),
        }
    }

    /// One thing at random, as a fiber or as a thread.
    pub(crate) fn deed(&self, random: &mut Random) {
        let patience = Duration::from_micros(random.below(200));
        match random.below(16) {
            0 => self.change(random),
            1 | 2 => self.write(random, patience),
            3 | 4 => self.read(random, patience),
            5 | 6 => self.permit(random, patience),
            7 | 8 => self.take_token(random, patience),
            9 => _ = self.barrier.wait_for(patience),
            10 if random.chance(30) => self.event.set(),
            10 if random.chance(50) => self.event.reset(),
            10 => _ = self.event.wait_for(patience),
            11 => assert_eq!(*self.cell.get_or_init(|| self.make(random)), 42),
            12 => _ = self.sender.send_timeout(self.census.track(), patience),
            13 => _ = self.receiver.recv_timeout(patience),
            14 => self.follow(random, patience),
            _ => self.group(patience),
        }
        if current().is_some() && random.chance(20) {
            match random.below(3) {
                0 => yield_now(),
                1 => sleep(Duration::from_micros(random.below(30))),
                _ => set_priority(*random.pick(&Priority::ALL)).expect("this is a fiber"),
            }
        }
    }

    fn change(&self, random: &mut Random) {
        let mut pair = self.mutex.lock();
        assert_eq!(pair.0, pair.1);
        pair.0 += 1;
        pair.1 += 1;
        if random.chance(30) && current().is_some() {
            yield_now();
        }
    }

    fn write(&self, random: &mut Random, patience: Duration) {
        let guard =
            if random.chance(50) { Some(self.rw_lock.write()) } else { self.rw_lock.try_write_for(patience) };
        let Some(mut guard) = guard else { return };
        assert_eq!(guard.0, guard.1);
        guard.0 += 1;
        guard.1 += 1;
        if random.chance(20) {
            let guard = RwLockWriteGuard::downgrade(guard);
            assert_eq!(guard.0, guard.1);
        }
    }

    fn read(&self, random: &mut Random, patience: Duration) {
        let guard =
            if random.chance(50) { Some(self.rw_lock.read()) } else { self.rw_lock.try_read_for(patience) };
        let Some(guard) = guard else { return };
        if random.chance(20) && current().is_some() {
            yield_now();
        }
        assert_eq!(guard.0, guard.1);
    }

    fn permit(&self, random: &mut Random, patience: Duration) {
        let permit = match random.below(3) {
            0 => Some(self.permits.acquire_many(random.below(PERMITS as u64 + 1) as usize)),
            1 => Some(self.permits.acquire()),
            _ => self.permits.try_acquire_for(patience),
        };
        if permit.is_some_and(|permit| permit.count() == PERMITS) {
            return;
        }
        let _permit = self.permits.acquire();
        let _inside = Inside::at_most(&self.inside, PERMITS as i64);
        if random.chance(20) && current().is_some() {
            yield_now();
        }
    }

    fn take_token(&self, random: &mut Random, patience: Duration) {
        let mut tokens = self.tokens.lock();
        while *tokens == 0 {
            if random.chance(50) {
                tokens = self.token.wait(tokens);
                continue;
            }
            let (guard, over) = self.token.wait_timeout(tokens, patience);
            tokens = guard;
            if over.timed_out() && *tokens == 0 {
                return;
            }
        }
        *tokens -= 1;
        drop(tokens);
        // One who is cancelled puts it back all the same.
        shielded(|| {
            yield_now();
            *self.tokens.lock() += 1;
            self.token.notify_one();
        });
    }

    fn make(&self, random: &mut Random) -> u64 {
        if random.chance(50) && current().is_some() {
            sleep(Duration::from_micros(50));
        }
        42
    }

    fn follow(&self, random: &mut Random, patience: Duration) {
        let (mut all, mut latest) = (self.broadcast.subscribe(), self.watch.subscribe());
        _ = self.broadcast.send(random.number());
        self.watch.send_modify(|n| *n += 1);
        _ = all.recv_timeout(patience);
        _ = latest.changed_timeout(patience);
        let before = *latest.borrow();
        assert!(*latest.borrow_and_update() >= before);
    }

    fn group(&self, patience: Duration) {
        let group = WaitGroup::new();
        let other = group.clone();
        let group = group.wait_timeout(patience).expect_err("the other is there");
        drop(other);
        group.wait();
    }

    /// All fibers and threads are gone.
    pub(crate) fn check(&self) {
        let pair = *self.mutex.try_lock().expect("all have unlocked");
        assert_eq!(pair.0, pair.1);
        let pair = *self.rw_lock.try_write().expect("all have unlocked");
        assert_eq!(pair.0, pair.1);
        assert_eq!(self.permits.available(), PERMITS);
        assert_eq!(*self.tokens.try_lock().expect("all have unlocked"), 2);
        assert_eq!(
            format!("{:?} {:?}", self.token, self.barrier),
            "Condvar { waiting: 0 } Barrier { size: 3, waiting: 0 }"
        );
        assert!(format!("{:?}", self.event).ends_with("waiting: 0 }"));
        assert_eq!((self.broadcast.receiver_count(), self.watch.receiver_count()), (0, 0));
        while self.receiver.try_recv().is_ok() {}
        assert_eq!(self.inside.load(Ordering::Relaxed), 0);
    }
}
