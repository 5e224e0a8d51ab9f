//! The table: who looks at an entry finds it whole, and the last one out drops it, once.

use crate::explore;
use crate::queue::table::{Key, Table};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

/// Counts its end; loom sees who touches it when.
struct Entry {
    number: UnsafeCell<u32>,
    dropped: Arc<AtomicU32>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        // SAFETY: it is being dropped, and loom checks that nobody reads it meanwhile.
        self.number.with_mut(|number| unsafe { *number = 0 });
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

struct Fixture {
    table: Table<Entry>,
    dropped: Arc<AtomicU32>,
}

impl Fixture {
    fn new() -> Arc<Fixture> {
        Arc::new(Fixture { table: Table::new(), dropped: Arc::new(AtomicU32::new(0)) })
    }

    fn insert(&self, number: u32) -> Key {
        self.table.insert(Entry { number: UnsafeCell::new(number), dropped: self.dropped.clone() })
    }

    /// The numbers of all entries there are.
    fn look(&self) -> Vec<u32> {
        let mut seen = Vec::new();
        // SAFETY: it is written before it is inserted, and when it is dropped.
        self.table.for_each(|entry| seen.push(entry.number.with(|number| unsafe { *number })));
        seen
    }

    fn expect_dropped(&self, count: u32) {
        assert_eq!(self.dropped.load(Ordering::Relaxed), count);
    }
}

fn spawn(fixture: &Arc<Fixture>, body: impl FnOnce(&Fixture) + 'static) -> thread::JoinHandle<()> {
    let fixture = fixture.clone();
    thread::spawn(move || body(&fixture))
}

#[test]
fn who_looks_finds_an_entry_whole_or_not_at_all() {
    explore(3, || {
        let fixture = Fixture::new();
        let owner = spawn(&fixture, |fixture| {
            let key = fixture.insert(7);
            fixture.table.remove(key);
        });
        assert!(fixture.look().iter().all(|&number| number == 7));
        owner.join().unwrap();
        fixture.expect_dropped(1);
        assert!(fixture.look().is_empty());
    });
}

#[test]
fn an_entry_is_dropped_once_however_many_look_at_it() {
    explore(2, || {
        let fixture = Fixture::new();
        let key = fixture.insert(7);
        let lookers = [(); 2].map(|()| spawn(&fixture, |fixture| drop(fixture.look())));
        fixture.table.remove(key);
        lookers.into_iter().for_each(|looker| looker.join().unwrap());
        fixture.expect_dropped(1);
    });
}

#[test]
fn a_place_is_used_again_after_the_last_one_is_out() {
    explore(3, || {
        let fixture = Fixture::new();
        let first = fixture.insert(7);
        let looker = spawn(&fixture, |fixture| {
            assert!(fixture.look().iter().all(|number| [7, 8].contains(number)));
        });
        fixture.table.remove(first);
        let second = fixture.insert(8);
        looker.join().unwrap();
        assert_eq!(fixture.look(), [8]);
        fixture.table.remove(second);
        fixture.expect_dropped(2);
        assert_eq!(fixture.insert(9), first, "an emptied place is free");
    });
}

#[test]
fn two_who_come_at_once_get_places_of_their_own() {
    explore(3, || {
        let fixture = Fixture::new();
        let other = spawn(&fixture, |fixture| {
            let _ = fixture.insert(1);
        });
        let _ = fixture.insert(2);
        other.join().unwrap();
        let mut seen = fixture.look();
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
        let Ok(fixture) = Arc::try_unwrap(fixture) else { unreachable!("the other has ended") };
        let dropped = fixture.dropped.clone();
        drop(fixture);
        assert_eq!(dropped.load(Ordering::Relaxed), 2, "what is left in it ends with the table");
    });
}
