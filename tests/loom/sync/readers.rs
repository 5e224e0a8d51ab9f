//! The lock for many who read or one who writes; who writes is lent what those have who wait, and may end.

use super::owner::as_fiber;
use super::rw_lock::{RwLock, RwLockWriteGuard};
use super::wait::{cancel, set_level};
use crate::explore;
use crate::locks::Fiber;
use loom::cell::UnsafeCell;
use loom::thread::{self, JoinHandle};
use std::sync::Arc;
use std::time::Instant;

type Lock = RwLock<UnsafeCell<u32>>;

fn write(lock: &Lock) {
    let guard = lock.write();
    // SAFETY: alone, which loom checks.
    guard.with_mut(|n| unsafe { *n += 1 });
}

fn read(lock: &Lock) -> u32 {
    let guard = lock.read();
    // SAFETY: nobody writes, which loom checks.
    guard.with(|n| unsafe { *n })
}

fn spawn(lock: &Arc<Lock>, level: usize, f: impl FnOnce(&Lock) + Send + 'static) -> JoinHandle<Arc<Fiber>> {
    let lock = lock.clone();
    thread::spawn(move || {
        set_level(level);
        as_fiber(|| f(&lock))
    })
}

/// All fibers have ended, and so many have written.
fn check(lock: &Arc<Lock>, fibers: impl IntoIterator<Item = JoinHandle<Arc<Fiber>>>, written: u32) {
    end(lock, fibers);
    assert_eq!(read(lock), written);
}

fn end(lock: &Arc<Lock>, fibers: impl IntoIterator<Item = JoinHandle<Arc<Fiber>>>) {
    let fibers: Vec<_> = fibers.into_iter().map(|fiber| fiber.join().unwrap()).collect();
    // Not before all are done: one may be kept alive by another that is about to lend to it.
    fibers.into_iter().for_each(|fiber| fiber.check());
    assert!(lock.try_write().is_some());
}

fn new() -> Arc<Lock> {
    Arc::new(RwLock::new(UnsafeCell::new(0)))
}

#[test]
fn one_writes_or_many_read() {
    explore(2, || {
        let lock = new();
        let fibers = [spawn(&lock, 0, write), spawn(&lock, 1, |lock| assert!(read(lock) <= 1))];
        assert!(read(&lock) <= 1);
        check(&lock, fibers, 1);
    });
}

#[test]
fn one_that_writes_is_lent_to_and_all_is_taken_back() {
    explore(2, || {
        let lock = new();
        let fibers = [spawn(&lock, 3, write), spawn(&lock, 1, write), spawn(&lock, 0, write)];
        check(&lock, fibers, 3);
    });
}

#[test]
fn one_that_leaves_lets_those_behind_it_on() {
    explore(2, || {
        let lock = new();
        let fibers = [
            spawn(&lock, 2, |lock| assert!(read(lock) <= 1)),
            spawn(&lock, 1, |lock| {
                if let Some(guard) = lock.try_write_until(Instant::now()) {
                    // SAFETY: alone, which loom checks.
                    guard.with_mut(|n| unsafe { *n = 1 });
                }
            }),
            spawn(&lock, 2, |lock| {
                cancel();
                drop(lock.read_or_cancelled().ok());
            }),
        ];
        end(&lock, fibers);
    });
}

#[test]
fn one_that_goes_on_reading_lets_readers_in_and_no_writer() {
    explore(2, || {
        let lock = new();
        let fibers = [
            spawn(&lock, 2, |lock| {
                let guard = lock.write();
                // SAFETY: alone, which loom checks.
                guard.with_mut(|n| unsafe { *n += 1 });
                let guard = RwLockWriteGuard::downgrade(guard);
                // SAFETY: nobody writes, which loom checks.
                let (one, two) = (guard.with(|n| unsafe { *n }), guard.with(|n| unsafe { *n }));
                assert_eq!(one, two);
            }),
            spawn(&lock, 1, write),
            spawn(&lock, 2, |lock| assert!(read(lock) <= 2)),
        ];
        check(&lock, fibers, 2);
    });
}
