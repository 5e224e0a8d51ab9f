//! A scope whose owner waits, or cancels all, while fibers are made in it and lowered: the owner sees them, or is woken
//! to look again; or their maker sees that they are to be cancelled.

use crate::explore;
use crate::front::Front;
use crate::inbox::Node;
use crate::primitive::AtomicPtr;
use loom::thread;
use std::ptr::{self, NonNull};
use std::sync::Arc;

struct Made {
    link: AtomicPtr<Made>,
}

// SAFETY: one cell a node.
unsafe impl Node for Made {
    unsafe fn link<'a>(node: NonNull<Made>) -> &'a AtomicPtr<Made> {
        // SAFETY: the nodes of a model are alive until its end.
        unsafe { &(*node.as_ptr()).link }
    }
}

#[test]
fn one_that_arrives_while_the_owner_begins_to_wait_is_seen_or_wakes_it() {
    explore(3, || {
        let front = Arc::new(Front::<Made>::new());
        let maker = thread::spawn({
            let front = front.clone();
            move || {
                let made = Box::new(Made { link: AtomicPtr::new(ptr::null_mut()) });
                // SAFETY: a new node, which is taken back below.
                unsafe { front.arrive(NonNull::from(Box::leak(made)), 3) }
            }
        });
        let (taken, least) = front.wait_at(1);
        let seen = taken.map(free).count();
        let woken = maker.join().unwrap();
        assert!(woken || (seen == 1 && least == 3));
        assert_eq!(seen + front.take_all().map(free).count(), 1);
    });
}

#[test]
fn one_that_arrives_while_all_are_cancelled_is_cancelled_by_the_owner_or_its_maker() {
    explore(3, || {
        let front = Arc::new(Front::<Made>::new());
        let maker = thread::spawn({
            let front = front.clone();
            move || {
                let made = Box::new(Made { link: AtomicPtr::new(ptr::null_mut()) });
                // SAFETY: a new node, which is taken back below.
                let wakes = unsafe { front.arrive(NonNull::from(Box::leak(made)), 3) };
                assert!(!wakes, "the owner does not wait");
                front.is_cancelled()
            }
        });
        assert!(front.cancel());
        let seen = front.take_all().map(free).count();
        assert!(maker.join().unwrap() || seen == 1);
        assert!(!front.cancel());
        assert_eq!(seen + front.take_all().map(free).count(), 1);
    });
}

fn free(made: NonNull<Made>) {
    // SAFETY: it was a box when it was put in.
    drop(unsafe { Box::from_raw(made.as_ptr()) });
}

#[test]
fn one_that_is_lowered_while_the_owner_begins_to_wait_is_seen_or_wakes_it() {
    explore(3, || {
        let front = Arc::new(Front::<Made>::new());
        front.made(1);
        let child = thread::spawn({
            let front = front.clone();
            move || front.lowered(3)
        });
        let (_, least) = front.wait_at(2);
        assert!(child.join().unwrap() || least == 3);
    });
}

#[test]
fn nobody_wakes_an_owner_that_has_nothing_to_lend() {
    explore(3, || {
        let front = Arc::new(Front::<Made>::new());
        let child = thread::spawn({
            let front = front.clone();
            move || front.lowered(2)
        });
        let (_, least) = front.wait_at(2);
        assert!(!child.join().unwrap() && least <= 2);
    });
}
