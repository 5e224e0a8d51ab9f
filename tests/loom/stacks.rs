//! The lists of stacks: each stack is in one list or in one pair of hands, and who takes it finds what
//! its giver kept. The steps are those of `fiber/memory/source.rs`.

use crate::explore;
use crate::slots::{List, Number, Slots};
use loom::sync::Arc;
use loom::thread;
use std::ptr;

struct Source {
    slots: Slots,
    list: List,
    other: List,
}

impl Source {
    /// With that many stacks in the list, the last one on top.
    fn new(stacks: u32) -> Arc<Source> {
        let source = Source { slots: Slots::new(), list: List::new(), other: List::new() };
        for number in (0..stacks).map(Number) {
            source.slots.prepare(number);
            source.give(number, 1);
        }
        Arc::new(source)
    }

    fn give(&self, number: Number, kept: usize) {
        self.slots.keep(number, ptr::without_provenance_mut(kept));
        self.list.push(&self.slots, number);
    }

    fn take(&self) -> Option<(Number, usize)> {
        let number = self.list.pop(&self.slots)?;
        Some((number, self.slots.kept(number).addr()))
    }
}

fn spawn<T: 'static>(
    source: &Arc<Source>,
    body: impl FnOnce(&Source) -> T + 'static,
) -> thread::JoinHandle<T> {
    let source = source.clone();
    thread::spawn(move || body(&source))
}

/// All numbers that are in hands or in the lists: each once.
fn expect_each_once(source: &Source, hands: impl IntoIterator<Item = Number>, stacks: u32) {
    let listed = [&source.list, &source.other].into_iter().flat_map(|list| list.take_all(&source.slots));
    let mut numbers: Vec<u32> = hands.into_iter().chain(listed).map(|number| number.0).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..stacks).collect::<Vec<_>>());
}

#[test]
fn who_takes_finds_what_was_kept() {
    explore(3, || {
        let source = Source::new(0);
        source.slots.prepare(Number(0));
        let giver = spawn(&source, |source| source.give(Number(0), 7));
        if let Some((_, kept)) = source.take() {
            assert_eq!(kept, 7);
        }
        giver.join().unwrap();
    });
}

#[test]
fn two_who_take_never_get_the_same() {
    explore(3, || {
        let source = Source::new(2);
        let other = spawn(&source, |source| source.take().map(|(number, _)| number));
        let mine = source.take().map(|(number, _)| number);
        let other = other.join().unwrap();
        assert!(mine.is_some() && other.is_some(), "there were two");
        expect_each_once(&source, mine.into_iter().chain(other), 2);
    });
}

/// While one stands between its look at a slot and the exchange, the slot is taken, given back, and the
/// one below it is gone.
#[test]
fn a_stack_that_came_back_is_told_from_one_that_never_left() {
    explore(3, || {
        let source = Source::new(2);
        let other = spawn(&source, |source| {
            let (first, _) = source.take()?;
            let second = source.take();
            source.give(first, 2);
            second.map(|(number, _)| number)
        });
        let mine = source.take().map(|(number, _)| number);
        let other = other.join().unwrap();
        expect_each_once(&source, mine.into_iter().chain(other), 2);
    });
}

#[test]
fn a_release_takes_all_there_are_while_others_take_and_give() {
    explore(2, || {
        let source = Source::new(2);
        let releaser = spawn(&source, |source| {
            for number in source.list.take_all(&source.slots) {
                assert_ne!(source.slots.kept(number).addr(), 0);
                source.other.push(&source.slots, number);
            }
        });
        let taker = spawn(&source, |source| {
            if let Some((number, _)) = source.take() {
                source.give(number, 2);
            }
        });
        let mine = source.take().map(|(number, _)| number);
        releaser.join().unwrap();
        taker.join().unwrap();
        expect_each_once(&source, mine, 2);
    });
}

#[test]
fn two_who_need_the_first_slot_agree_on_one_table() {
    explore(3, || {
        let source = Source::new(0);
        let other = spawn(&source, |source| {
            source.slots.prepare(Number(1));
            source.give(Number(1), 8);
        });
        source.slots.prepare(Number(0));
        source.give(Number(0), 7);
        while let Some((number, kept)) = source.take() {
            assert_eq!(kept, 7 + number.0 as usize);
            source.other.push(&source.slots, number);
        }
        other.join().unwrap();
        expect_each_once(&source, None, 2);
    });
}
