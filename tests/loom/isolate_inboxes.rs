//! An isolate's inbox: everything is read once, contents are visible, and its fiber does not sleep beside a letter.

use crate::explore;
use crate::isolate_inbox::{Inbox, Opened};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Condvar, Mutex};
use loom::thread;
use std::sync::Arc;

/// A letter whose content was written by whoever posts it.
struct Letter(UnsafeCell<u32>);

// SAFETY: it is handed over.
unsafe impl Send for Letter {}

fn letter(value: u32) -> Letter {
    let letter = Letter(UnsafeCell::new(0));
    // SAFETY: it is new and ours.
    letter.0.with_mut(|cell| unsafe { *cell = value });
    letter
}

fn read(letter: Letter) -> u32 {
    // SAFETY: it was handed to us.
    letter.0.with(|cell| unsafe { *cell })
}

/// A letter that is looked into when it is dropped, and counted.
struct Dropped(Letter, Arc<AtomicU32>);

impl Drop for Dropped {
    fn drop(&mut self) {
        // SAFETY: it was handed to whoever drops it.
        self.0.0.with(|cell| assert_ne!(unsafe { *cell }, 0));
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

/// A token, as a fiber's.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_one();
    }

    /// A wake-up that is lost is a deadlock, which loom reports.
    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.changed.wait(rung).unwrap();
        }
        *rung = false;
    }
}

#[test]
fn letters_of_two_posters_are_read_once_and_in_their_order() {
    explore(3, || {
        let inbox = Arc::new(Inbox::new());
        let posters: Vec<_> = [10, 20]
            .into_iter()
            .map(|base| {
                let inbox = inbox.clone();
                thread::spawn(move || {
                    let _ = inbox.post(2, letter(base));
                    let _ = inbox.post(2, letter(base + 1));
                })
            })
            .collect();
        let mut opened = Opened::default();
        let mut seen = Vec::new();
        let mut take = |seen: &mut Vec<u32>| {
            while let Some((_, letter)) = inbox.take(&mut opened) {
                seen.push(read(letter));
            }
        };
        take(&mut seen);
        for poster in posters {
            poster.join().unwrap();
        }
        take(&mut seen);
        let of = |base: u32| seen.iter().copied().filter(|seen| seen / 10 == base / 10).collect::<Vec<_>>();
        assert_eq!((of(10), of(20)), (vec![10, 11], vec![20, 21]));
    });
}

#[test]
fn who_falls_asleep_beside_a_letter_is_woken() {
    explore(3, || {
        let inbox = Arc::new(Inbox::new());
        let bell = Arc::new(Bell::default());
        let poster = {
            let (inbox, bell) = (inbox.clone(), bell.clone());
            thread::spawn(move || {
                if inbox.post(3, letter(7)) {
                    bell.ring();
                }
            })
        };
        let mut opened = Opened::default();
        let seen = loop {
            if let Some((_, letter)) = inbox.take(&mut opened) {
                break read(letter);
            }
            if inbox.fall_asleep() {
                bell.wait();
                inbox.wake_up();
            }
        };
        assert_eq!(seen, 7);
        poster.join().unwrap();
    });
}

#[test]
fn of_two_posters_one_wakes_the_sleeper_and_both_are_read() {
    explore(3, || {
        let inbox = Arc::new(Inbox::new());
        let bell = Arc::new(Bell::default());
        let posters: Vec<_> = [0, 4]
            .into_iter()
            .map(|level| {
                let (inbox, bell) = (inbox.clone(), bell.clone());
                thread::spawn(move || {
                    if inbox.post(level, letter(1)) {
                        bell.ring();
                    }
                })
            })
            .collect();
        let mut opened = Opened::default();
        let mut read_all = 0;
        while read_all < 2 {
            if let Some((_, letter)) = inbox.take(&mut opened) {
                read_all += read(letter);
            } else if inbox.fall_asleep() {
                bell.wait();
                inbox.wake_up();
            }
        }
        for poster in posters {
            poster.join().unwrap();
        }
    });
}

/// As when the isolate is gone: what is dropped with a letter was written by its poster.
#[test]
fn letters_that_are_cleared_are_dropped_with_what_was_written() {
    explore(3, || {
        let inbox = Arc::new(Inbox::new());
        let cleaner = {
            let inbox = inbox.clone();
            thread::spawn(move || inbox.clear())
        };
        let dropped = Arc::new(AtomicU32::new(0));
        for level in [2, 2, 4] {
            let _ = inbox.post(level, Dropped(letter(level as u32), dropped.clone()));
        }
        cleaner.join().unwrap();
        inbox.clear();
        assert_eq!(dropped.load(Ordering::Relaxed), 3, "each once");
    });
}
