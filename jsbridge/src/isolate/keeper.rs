//! What a pool has done off the critical path: isolates that were discarded are freed, those that have grown are collected,
//! and the stock of fresh ones is filled up.
//!
//! The keeper is a Background fiber that exists while there is something to do: it is started by whoever makes
//! work for it, and ends when there is none. So nothing runs when nothing is to be done; `wait_all` waits for what is
//! left of its work, a few dozen microseconds each, and for nothing else, and after it everything that was discarded
//! is free. Where the scheduler stops the fiber is dropped before it runs, or runs to its end.
//!
//! | flag      | set by                     | cleared by                            |
//! |-----------|----------------------------|---------------------------------------|
//! | `wanted`  | whoever makes work         | the keeper, before it looks for work  |
//! | `running` | whoever starts the keeper  | the keeper's end, also where it never ran |

use super::Isolate;
use super::pool::{Discard, Pool, RealmId};
use heddle_scheduler::{Priority, current, try_checkpoint};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// Isolates that wait to be freed; past this, whoever discards one frees it. Their memory is not counted anywhere else.
/// Picked from thin air: 32 empty ones are 4 MiB.
const GRAVES_MOST: usize = 32;

/// See the module. `graves` is a list that is pushed to and taken as a whole, so no thread waits for another.
pub(super) struct Keeper {
    wanted: AtomicBool,
    running: AtomicBool,
    graves: AtomicPtr<Grave>,
    count: AtomicUsize,
}

struct Grave {
    isolate: Isolate,
    next: *mut Grave,
}

impl Default for Keeper {
    fn default() -> Keeper {
        Keeper {
            wanted: AtomicBool::new(false),
            running: AtomicBool::new(false),
            graves: AtomicPtr::new(ptr::null_mut()),
            count: AtomicUsize::new(0),
        }
    }
}

// SAFETY: isolates may be sent; each is in one grave, and each grave belongs to whoever took the list.
unsafe impl Send for Keeper {}
// SAFETY: as above; what is shared is atomic.
unsafe impl Sync for Keeper {}

impl Keeper {
    /// Frees an isolate, later if there is a keeper for it.
    pub(super) fn bury<W: Send + 'static>(&self, pool: &Arc<Pool<W>>, isolate: Isolate) {
        if self.count.load(Ordering::Relaxed) >= GRAVES_MOST || !pool.spawner.is_running() {
            return drop(isolate);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        let grave = Box::into_raw(Box::new(Grave { isolate, next: ptr::null_mut() }));
        let link = |first: *mut Grave| {
            // SAFETY: it is ours until it is in the list.
            unsafe { (*grave).next = first };
            Some(grave)
        };
        // ORDERING: releases the grave to who takes the list.
        let _ = self.graves.fetch_update(Ordering::Release, Ordering::Relaxed, link);
        self.wake(pool);
    }

    /// Frees all that were buried.
    fn dig_up(&self) {
        // ORDERING: acquires the graves.
        let mut next = self.graves.swap(ptr::null_mut(), Ordering::Acquire);
        while !next.is_null() {
            // SAFETY: the list is ours; each grave came from a box.
            let grave = unsafe { Box::from_raw(next) };
            next = grave.next;
            self.count.fetch_sub(1, Ordering::Relaxed);
            drop(grave.isolate);
            // Whoever is cancelled goes on to the end all the same.
            let _ = try_checkpoint();
        }
    }

    /// There may be something to do.
    pub(super) fn wake<W: Send + 'static>(&self, pool: &Arc<Pool<W>>) {
        // ORDERING: pairs with the keeper's look at `wanted` after it has cleared `running`: one of us sees the other.
        self.wanted.store(true, Ordering::SeqCst);
        // ORDERING: as above.
        if !self.running.swap(true, Ordering::SeqCst) {
            let shift = Shift { pool: pool.clone(), began: false };
            // Where there is no fiber to be had, what the shift has is dropped, and somebody else wakes the next one.
            drop(
                pool.spawner
                    .fiber()
                    .independent()
                    .priority(Priority::Background)
                    .try_go(move || shift.work()),
            );
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.dig_up();
    }
}

/// The keeper is about to run, or runs.
struct Shift<W: Send + 'static> {
    pool: Arc<Pool<W>>,
    began: bool,
}

impl<W: Send + 'static> Shift<W> {
    fn work(mut self) {
        self.began = true;
        let pool = &self.pool;
        // ORDERING: pairs with `wake`: what was wanted before is seen below.
        while pool.keeper.wanted.swap(false, Ordering::SeqCst) {
            pool.keeper.dig_up();
            pool.collect();
            pool.fill_up();
        }
    }
}

impl<W: Send + 'static> Drop for Shift<W> {
    fn drop(&mut self) {
        let keeper = &self.pool.keeper;
        // What was discarded is freed also where there is no fiber for it.
        keeper.dig_up();
        // ORDERING: pairs with `wake`.
        keeper.running.store(false, Ordering::SeqCst);
        // ORDERING: as above. Somebody came after our last look, and saw us running.
        if self.began && keeper.wanted.load(Ordering::SeqCst) {
            keeper.wake(&self.pool);
        }
    }
}

impl<W: Send + 'static> Pool<W> {
    /// Runs the collector of cycles in idle isolates that have grown.
    fn collect(self: &Arc<Self>) {
        while let Some((claim, mut isolate)) = self.slots.claim_for_care() {
            isolate.collect();
            match isolate.settle_up() {
                Ok(_) => {
                    if let Err((claim, isolate)) = self.slots.put_idle(claim, isolate, false) {
                        self.bury(isolate, Discard::Forgotten);
                        self.slots.vacate(claim);
                    }
                }
                Err(why) => {
                    self.bury(isolate, why);
                    self.slots.vacate(claim);
                }
            }
            let _ = try_checkpoint();
        }
    }

    /// Makes fresh isolates, on the node where this runs.
    fn fill_up(self: &Arc<Self>) {
        while self.slots.fresh() < self.stock.fresh && self.spawner.is_running() {
            let node = current().and_then(|fiber| fiber.node()).map_or(0, |node| node.0.min(255) as u8);
            let Some(claim) = self.slots.claim_empty(RealmId(0), node) else { return };
            match self.make() {
                Ok(isolate) => self.slots.put_fresh(claim, isolate),
                // Whoever needs one gets the error.
                Err(_) => return self.slots.vacate(claim),
            }
            let _ = try_checkpoint();
        }
    }
}
