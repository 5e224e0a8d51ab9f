//! The beacon: who queues work and who goes to sleep. The steps of a worker are those of
//! `worker/idle.rs`. A worker that sleeps beside work ends a model by a deadlock.

use crate::beacon::{Beacon, Ways};
use crate::explore;
use crate::inbox::{Inbox, Node};
use crate::primitive::{AtomicPtr, without_light_barrier};
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread::{self, Thread};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex};

pub(crate) const LEVEL: usize = 2;

struct Letter {
    link: AtomicPtr<Letter>,
}

// SAFETY: one cell a node.
unsafe impl Node for Letter {
    unsafe fn link<'a>(node: NonNull<Letter>) -> &'a AtomicPtr<Letter> {
        // SAFETY: a letter is freed by whoever has taken it.
        unsafe { &(*node.as_ptr()).link }
    }
}

/// A beacon, a queue of which only the length matters, and the workers' threads.
pub(crate) struct Loom {
    pub(crate) beacon: Beacon,
    pub(crate) queued: AtomicU32,
    mail: Inbox<Letter>,
    /// Who to unpark; written before anybody can be found asleep.
    threads: Mutex<Vec<Option<Thread>>>,
}

impl Loom {
    pub(crate) fn new(workers: usize) -> Arc<Loom> {
        Loom::with(workers, Ways::default())
    }

    pub(crate) fn with(workers: usize, ways: Ways) -> Arc<Loom> {
        Loom::of(Beacon::new(workers, ways, &[]), workers)
    }

    /// Each worker at a site of its own.
    fn over_sites(workers: usize) -> Arc<Loom> {
        let orders: Vec<Box<[u16]>> =
            (0..workers as u16).map(|site| (site..workers as u16).chain(0..site).collect()).collect();
        let beacon = Beacon::new(workers, Ways::default(), &[]);
        Loom::of(beacon.over_sites((0..workers as u16).collect(), &orders), workers)
    }

    fn of(beacon: Beacon, workers: usize) -> Arc<Loom> {
        Arc::new(Loom {
            beacon,
            queued: AtomicU32::new(0),
            mail: Inbox::new(),
            threads: Mutex::new((0..workers).map(|_| None).collect()),
        })
    }

    pub(crate) fn unpark(&self, who: usize) {
        // One that has no thread in a model is only looked at in the end.
        if let Some(thread) = &self.threads.lock().unwrap()[who] {
            thread.unpark();
        }
    }

    /// The calling thread is that worker.
    pub(crate) fn know(&self, me: usize) {
        self.threads.lock().unwrap()[me] = Some(thread::current());
    }

    /// P1 to P4. The queues themselves order nothing here.
    pub(crate) fn push(&self) {
        self.push_at(0);
    }

    /// The same, for a site.
    fn push_at(&self, site: usize) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        if let Some(sleeper) = self.beacon.announce(LEVEL, site) {
            self.unpark(sleeper);
        }
    }

    pub(crate) fn post(&self) {
        self.put_mail();
        if self.beacon.call(0) {
            self.unpark(0);
        }
    }

    pub(crate) fn put_mail(&self) {
        let letter = Box::new(Letter { link: AtomicPtr::new(ptr::null_mut()) });
        // SAFETY: it is new, and whoever takes it frees it.
        assert!(unsafe { self.mail.push(NonNull::from(Box::leak(letter))) }.is_ok());
    }

    pub(crate) fn mail_is_empty(&self) -> bool {
        self.mail.looks_empty()
    }

    pub(crate) fn read_mail(&self) -> bool {
        // SAFETY: each letter was leaked by `post` and is taken once.
        self.mail.take_all().map(|letter| drop(unsafe { Box::from_raw(letter.as_ptr()) })).count() > 0
    }

    pub(crate) fn visible(&self) -> u32 {
        u32::from(self.queued.load(Ordering::Relaxed) > 0) << LEVEL
    }

    /// Takes one out of the queue. Like the real queues it may find none where there is one by now.
    pub(crate) fn take(&self) -> bool {
        let queued = self.queued.load(Ordering::Relaxed);
        queued > 0
            && self.queued.compare_exchange(queued, queued - 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// A worker until it has found one. Not for a model's first thread: loom's `unpark` ends a `join`, too.
    pub(crate) fn work(&self, me: usize) {
        self.work_as(me, false);
    }

    /// The same from where it may be a searcher.
    pub(crate) fn work_as(&self, me: usize, mut searching: bool) {
        self.know(me);
        loop {
            if self.take() || (me == 0 && self.read_mail()) {
                if searching
                    && self.beacon.stop_searching(me)
                    && self.visible() != 0
                    && let Some(sleeper) = self.beacon.wake_one(0)
                {
                    self.unpark(sleeper);
                }
                return;
            }
            searching = self.sleep(me, searching);
        }
    }

    fn sleep(&self, me: usize, searching: bool) -> bool {
        self.beacon.lie_down(me, searching);
        let levels = self.visible();
        self.beacon.remember(levels);
        if levels != 0 || (me == 0 && !self.mail.looks_empty()) {
            return self.beacon.rise(me) || (searching && levels != 0 && self.beacon.search_on(me));
        }
        loop {
            thread::park();
            if let Some(searcher) = self.beacon.wake_up(me) {
                return searcher;
            }
        }
    }
}

pub(crate) fn spawn(loom: &Arc<Loom>, body: impl FnOnce(&Loom) + 'static) -> thread::JoinHandle<()> {
    let loom = loom.clone();
    thread::spawn(move || body(&loom))
}

/// The beacons of the three lanes.
pub(crate) const ALL_WAYS: [Ways; 3] = [
    Ways { eager: true, symmetric: false },
    Ways { eager: false, symmetric: false },
    Ways { eager: false, symmetric: true },
];

/// As [`explore`], for the beacon of each lane.
pub(crate) fn explore_all_ways(preemptions: usize, model: impl Fn(Ways) + Copy + Send + Sync + 'static) {
    for ways in ALL_WAYS {
        explore(preemptions, move || model(ways));
    }
}

#[test]
fn who_queues_wakes_who_falls_asleep() {
    explore_all_ways(3, |ways| {
        let loom = Loom::with(1, ways);
        let worker = spawn(&loom, |loom| loom.work(0));
        loom.push();
        worker.join().unwrap();
    });
}

/// The threads of a lane are made parked, and whoever is needed is unparked. The steps of `begin`, `open`
/// and `wait_for_work` in `worker/shared.rs`; fibers may be queued as soon as the inboxes are open.
#[test]
fn who_is_needed_is_woken_however_early() {
    explore_all_ways(2, |ways| {
        const STARTING: u32 = 0;
        let loom = Loom::with(1, ways);
        loom.beacon.begin(1);
        let (phase, inbox) = (Arc::new(AtomicU32::new(STARTING)), Arc::new(AtomicU32::new(0)));
        let running = phase.clone();
        let worker = spawn(&loom, move |loom| {
            let searching = loop {
                // ORDERING: Acquire, as in production.
                if running.load(Ordering::Acquire) != STARTING
                    && let Some(searching) = loom.beacon.wake_up(0)
                {
                    break searching;
                }
                thread::park();
            };
            loom.work_as(0, searching);
        });
        loom.threads.lock().unwrap()[0] = Some(worker.thread().clone());
        let open = inbox.clone();
        let pusher = spawn(&loom, move |loom| {
            if open.load(Ordering::Relaxed) != 0 {
                loom.push();
            }
        });
        inbox.store(1, Ordering::Relaxed);
        // ORDERING: Release, as in production.
        phase.store(1, Ordering::Release);
        loom.unpark(0);
        loom.push();
        pusher.join().unwrap();
        worker.join().unwrap();
    });
}

#[test]
fn each_that_is_queued_wakes_a_sleeper_of_an_eager_lane() {
    explore(2, || {
        let loom = Loom::with(2, Ways { eager: true, symmetric: false });
        let workers = [0, 1].map(|me| spawn(&loom, move |loom| loom.work(me)));
        loom.push();
        loom.push();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

#[test]
fn two_who_queue_are_both_served() {
    explore_all_ways(2, |ways| {
        let loom = Loom::with(1, ways);
        let worker = spawn(&loom, |loom| {
            loom.work(0);
            loom.work(0);
        });
        let other = spawn(&loom, |loom| loom.push());
        loom.push();
        other.join().unwrap();
        worker.join().unwrap();
    });
}

/// The second fiber may find the first one's searcher, and leave it to it to wake the next.
#[test]
fn a_searcher_that_finds_work_wakes_the_next_for_what_is_left() {
    explore(2, || {
        let loom = Loom::new(2);
        let workers = [0, 1].map(|me| spawn(&loom, move |loom| loom.work(me)));
        loom.push();
        loom.push();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

/// Both fibers may be left to a searcher that lies down, and finds them in its last look.
fn a_searcher_whose_last_look_finds_work_wakes_the_next(loom: fn() -> Arc<Loom>) {
    explore(3, move || {
        let loom = loom();
        loom.beacon.lie_down(1, false);
        assert!(loom.beacon.start_searching(0, 2));
        let searcher = spawn(&loom, |loom| loom.work_as(0, true));
        loom.push();
        loom.push();
        searcher.join().unwrap();
        assert!(loom.beacon.wake_up(1).is_some(), "it sleeps beside work");
    });
}

#[test]
fn a_searcher_whose_last_look_finds_work_wakes_the_next_of_its_site() {
    a_searcher_whose_last_look_finds_work_wakes_the_next(|| Loom::new(2));
}

#[test]
fn a_searcher_whose_last_look_finds_work_wakes_the_next_of_another_site() {
    a_searcher_whose_last_look_finds_work_wakes_the_next(|| Loom::over_sites(2));
}

#[test]
fn mail_wakes_its_worker() {
    explore_all_ways(3, |ways| {
        let loom = Loom::with(1, ways);
        let worker = spawn(&loom, |loom| loom.work(0));
        loom.post();
        worker.join().unwrap();
    });
}

#[test]
fn mail_and_work_together_lose_neither() {
    explore(2, || {
        let loom = Loom::new(1);
        let worker = spawn(&loom, |loom| {
            loom.work(0);
            loom.work(0);
        });
        let other = spawn(&loom, |loom| loom.post());
        loom.push();
        other.join().unwrap();
        worker.join().unwrap();
    });
}

/// The hint of a level is cleared only if there is no work, or set again.
#[test]
fn a_level_is_not_forgotten_while_it_has_work() {
    explore_all_ways(3, |ways| {
        let loom = Loom::with(1, ways);
        loom.beacon.remember(1 << LEVEL);
        let forgetful = spawn(&loom, |loom| loom.beacon.forget(1 << LEVEL, || loom.visible()));
        loom.push();
        forgetful.join().unwrap();
        assert_eq!(loom.beacon.levels(), 1 << LEVEL);
    });
}

/// The last sleeper is woken while another falls asleep: who queues work must see that one.
#[test]
fn a_sleeper_is_never_hidden_by_another_that_gets_up() {
    explore(3, || {
        let loom = Loom::new(2);
        loom.beacon.lie_down(0, false);
        let waker = spawn(&loom, |loom| assert!(loom.beacon.call(0)));
        loom.beacon.lie_down(1, false);
        waker.join().unwrap();
        assert!(loom.beacon.has_sleepers());
    });
}

/// P4 against S1 to S3, without the barriers of falling asleep: one of the two wakes the sleeper.
#[test]
fn a_searcher_and_who_queues_do_not_leave_the_waking_to_each_other() {
    explore(3, || {
        let _no_light_barrier = without_light_barrier();
        let loom = Loom::new(2);
        loom.beacon.lie_down(1, false);
        loom.beacon.remember(1 << LEVEL);
        loom.queued.store(1, Ordering::Relaxed);
        assert!(loom.beacon.start_searching(0, 2));
        let searcher = spawn(&loom, |loom| {
            while !loom.take() {
                thread::yield_now();
            }
            if loom.beacon.stop_searching(0) && loom.visible() != 0 {
                let _ = loom.beacon.wake_one(0);
            }
        });
        loom.queued.fetch_add(1, Ordering::Relaxed);
        let _ = loom.beacon.announce(LEVEL, 0);
        searcher.join().unwrap();
        assert!(loom.beacon.wake_up(1).is_some(), "it sleeps beside work");
    });
}

/// A worker gets up for its mail while another falls asleep, and work is queued: that one sees the
/// work, or somebody is woken for it.
#[test]
fn work_is_seen_while_one_gets_up_and_another_lies_down() {
    explore(3, || {
        let loom = Loom::new(2);
        loom.beacon.lie_down(0, false);
        let caller = spawn(&loom, |loom| {
            let _ = loom.beacon.call(0);
        });
        let pusher = spawn(&loom, |loom| {
            loom.queued.fetch_add(1, Ordering::Relaxed);
            let _ = loom.beacon.announce(LEVEL, 0);
        });
        loom.beacon.lie_down(1, false);
        let seen = loom.visible() != 0;
        caller.join().unwrap();
        pusher.join().unwrap();
        let sent = loom.beacon.wake_up(0) == Some(true);
        assert!(seen || sent || loom.beacon.wake_up(1).is_some(), "work beside a sleeper");
    });
}

/// P4 that has removed its phantom finds somebody to send after all. That one may be up at once: it
/// counts as a searcher all the same, until it says that it is none.
#[test]
fn who_is_sent_by_a_second_look_is_a_searcher_from_the_start() {
    explore(3, || {
        let loom = Loom::new(2);
        // P4 of somebody who saw a sleeper that is gone.
        let waker = spawn(&loom, |loom| {
            let _ = loom.beacon.wake_one(0);
        });
        loom.beacon.lie_down(0, false);
        if loom.beacon.wake_up(0) == Some(true) {
            // It has found something, and queues more while another sleeps and nobody searches.
            loom.beacon.lie_down(1, false);
            let _ = loom.beacon.stop_searching(0);
            loom.queued.fetch_add(1, Ordering::Relaxed);
            assert_eq!(loom.beacon.wake_one(0), Some(1), "work beside a sleeper");
        }
        waker.join().unwrap();
    });
}

/// A P4 that finds nobody counts as a searcher for a moment, and another P4 relies on it.
fn a_phantom_wakes_whom_another_left_to_it(loom: fn() -> Arc<Loom>, site: usize) {
    explore(3, move || {
        let loom = loom();
        let phantom = spawn(&loom, move |loom| {
            let _ = loom.beacon.wake_one(site);
        });
        let pusher = spawn(&loom, move |loom| {
            loom.queued.fetch_add(1, Ordering::Relaxed);
            let _ = loom.beacon.wake_one(site);
        });
        loom.beacon.lie_down(0, false);
        let seen = loom.visible() != 0;
        phantom.join().unwrap();
        pusher.join().unwrap();
        assert!(seen || loom.beacon.wake_up(0).is_some(), "work beside a sleeper");
    });
}

#[test]
fn a_phantom_of_its_own_site_wakes_whom_another_left_to_it() {
    a_phantom_wakes_whom_another_left_to_it(|| Loom::new(1), 0);
}

/// The sleeper is at the second site that is asked.
#[test]
fn a_phantom_of_another_site_wakes_whom_another_left_to_it() {
    a_phantom_wakes_whom_another_left_to_it(|| Loom::over_sites(2), 1);
}

/// Who searches at another site keeps nobody asleep at the one that the work is for; who searches where nobody of it
/// sleeps is enough.
#[test]
fn work_for_a_site_wakes_a_sleeper_there_whoever_searches_elsewhere() {
    explore(1, || {
        let loom = Loom::over_sites(3);
        assert!(loom.beacon.start_searching(0, 1));
        loom.beacon.lie_down(1, false);
        loom.beacon.lie_down(2, false);
        assert_eq!(loom.beacon.announce(LEVEL, 1), Some(1));
        assert_eq!(loom.beacon.announce(LEVEL, 1), None, "it searches");
        assert_eq!(loom.beacon.announce(LEVEL, 0), None, "one searches there");
        assert_eq!(loom.beacon.announce(LEVEL, 2), Some(2));
    });
}

#[test]
fn who_falls_asleep_at_another_site_is_woken_where_nobody_is_nearer() {
    explore(3, || {
        let loom = Loom::over_sites(2);
        // Nobody is ever at site 1.
        let worker = spawn(&loom, |loom| loom.work(0));
        loom.push_at(1);
        worker.join().unwrap();
    });
}

#[test]
fn two_sites_whose_workers_fall_asleep_serve_what_is_queued_at_either() {
    explore(2, || {
        let loom = Loom::over_sites(2);
        let workers = [0, 1].map(|me| spawn(&loom, move |loom| loom.work(me)));
        loom.push_at(1);
        loom.push_at(1);
        for worker in workers {
            worker.join().unwrap();
        }
    });
}
