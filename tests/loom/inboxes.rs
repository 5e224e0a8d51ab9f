//! The list that anybody may push to.

use crate::explore;
use crate::inbox::{Inbox, Node};
use crate::primitive::AtomicPtr;
use loom::cell::UnsafeCell;
use loom::thread;
use std::ptr::{self, NonNull};
use std::sync::Arc;

pub(crate) struct Letter {
    value: UnsafeCell<u32>,
    link: AtomicPtr<Letter>,
    /// Written whenever the link is used: only one may have the link at a time.
    link_owner: UnsafeCell<()>,
}

// SAFETY: one cell a node.
unsafe impl Node for Letter {
    unsafe fn link<'a>(node: NonNull<Letter>) -> &'a AtomicPtr<Letter> {
        // SAFETY: nodes are freed only at the end of a model.
        let node = unsafe { &*node.as_ptr() };
        node.link_owner.with_mut(|_| ());
        &node.link
    }
}

fn letter() -> NonNull<Letter> {
    let link = AtomicPtr::new(ptr::null_mut());
    let letter = Letter { value: UnsafeCell::new(0), link, link_owner: UnsafeCell::new(()) };
    NonNull::from(Box::leak(Box::new(letter)))
}

/// A new one with this value.
pub(crate) fn letter_with(value: u32) -> NonNull<Letter> {
    let letter = letter();
    // SAFETY: it is new and ours.
    unsafe { letter.as_ref().value.with_mut(|cell| *cell = value) };
    letter
}

/// Writes a value into a new letter and pushes it.
fn send(inbox: &Inbox<Letter>, value: u32) -> bool {
    let letter = letter_with(value);
    // SAFETY: it is new and ours.
    unsafe {
        let sent = inbox.push(letter).is_ok();
        if !sent {
            // It is ours still.
            letter.as_ref().value.with_mut(|cell| *cell = 0);
            free(letter);
        }
        sent
    }
}

unsafe fn free(letter: NonNull<Letter>) {
    // SAFETY: the caller has the letter to itself.
    drop(unsafe { Box::from_raw(letter.as_ptr()) });
}

/// Reads and frees.
pub(crate) fn receive(letter: NonNull<Letter>) -> u32 {
    // SAFETY: it was taken, so it is ours.
    unsafe {
        let value = letter.as_ref().value.with_mut(|cell| std::mem::take(&mut *cell));
        free(letter);
        value
    }
}

#[test]
fn what_two_push_is_taken_once_and_whole() {
    explore(3, || {
        let inbox = Arc::new(Inbox::new());
        let pushers = [[1], [2]].map(|values| {
            let inbox = inbox.clone();
            thread::spawn(move || values.map(|value| assert!(send(&inbox, value))))
        });
        let mut got: Vec<u32> = inbox.take_all().map(receive).collect();
        for pusher in pushers {
            pusher.join().unwrap();
        }
        got.extend(inbox.take_all().map(receive));
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
        assert!(inbox.looks_empty());
    });
}

#[test]
fn what_one_pushes_is_taken_in_its_order() {
    explore(3, || {
        let inbox = Arc::new(Inbox::new());
        let pusher = {
            let inbox = inbox.clone();
            thread::spawn(move || [1, 2, 3].map(|value| assert!(send(&inbox, value))))
        };
        let mut got: Vec<u32> = inbox.take_all().oldest_first().map(receive).collect();
        got.extend(inbox.take_all().oldest_first().map(receive));
        pusher.join().unwrap();
        got.extend(inbox.take_all().oldest_first().map(receive));
        assert_eq!(got, [1, 2, 3]);
    });
}

#[test]
fn two_takers_never_get_the_same() {
    explore(3, || {
        let inbox = Arc::new(Inbox::new());
        assert!(send(&inbox, 1));
        let taker = {
            let inbox = inbox.clone();
            thread::spawn(move || inbox.take_all().map(receive).collect::<Vec<u32>>())
        };
        assert!(send(&inbox, 2));
        let mut got: Vec<u32> = inbox.take_all().map(receive).collect();
        got.extend(taker.join().unwrap());
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
    });
}

#[test]
fn what_meets_a_close_is_drained_or_refused() {
    explore(3, || {
        let inbox = Arc::new(Inbox::new());
        let pushers = [1, 2].map(|value| {
            let inbox = inbox.clone();
            thread::spawn(move || send(&inbox, value))
        });
        let mut got: Vec<u32> = inbox.close().map(receive).collect();
        let sent = pushers.map(|pusher| pusher.join().unwrap());
        got.sort_unstable();
        let accepted: Vec<u32> = [1, 2].into_iter().filter(|&value| sent[value as usize - 1]).collect();
        assert_eq!(got, accepted);
        assert!(inbox.looks_empty() && inbox.take_all().next().is_none() && inbox.close().next().is_none());
    });
}

#[test]
fn an_inbox_that_was_reopened_takes_again_and_loses_nothing() {
    explore(3, || {
        let inbox = Arc::new(Inbox::new());
        let pusher = {
            let inbox = inbox.clone();
            thread::spawn(move || [1, 2].map(|value| send(&inbox, value)))
        };
        let mut got: Vec<u32> = inbox.close().map(receive).collect();
        inbox.reopen();
        // Once more changes nothing.
        inbox.reopen();
        let sent = pusher.join().unwrap();
        got.extend(inbox.take_all().map(receive));
        got.sort_unstable();
        let accepted: Vec<u32> = [1, 2].into_iter().filter(|&value| sent[value as usize - 1]).collect();
        assert_eq!(got, accepted);
        assert!(send(&inbox, 3));
        assert_eq!(inbox.take_all().map(receive).collect::<Vec<u32>>(), [3]);
    });
}

/// A letter that comes back: its link belongs to the taker until the letter is handed out.
#[test]
fn a_letter_may_be_sent_again_once_it_was_handed_out() {
    explore(3, || {
        let there = Arc::new(Inbox::<Letter>::new());
        let back = Arc::new(Inbox::<Letter>::new());
        let echo = {
            let (there, back) = (there.clone(), back.clone());
            thread::spawn(move || {
                for letter in there.take_all().oldest_first() {
                    // SAFETY: it was taken, so it is ours.
                    unsafe {
                        letter.as_ref().value.with_mut(|cell| *cell += 10);
                        assert!(back.push(letter).is_ok());
                    }
                }
            })
        };
        assert!(send(&there, 1) && send(&there, 2));
        let mut got: Vec<u32> = back.take_all().map(receive).collect();
        echo.join().unwrap();
        got.extend(there.take_all().chain(back.take_all()).map(receive));
        got.sort_unstable_by_key(|value| value % 10);
        assert_eq!(got.iter().map(|value| value % 10).collect::<Vec<u32>>(), [1, 2]);
    });
}
