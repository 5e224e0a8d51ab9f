//! The queues of the background lane: lists that are taken as a whole, of which a few are kept, and the
//! rest is put back. The steps are those of `worker/pile.rs`.

use crate::explore;
use crate::inbox::{Inbox, Taken};
use crate::inboxes::{Letter, letter_with, receive};
use loom::thread;
use std::ptr::NonNull;
use std::sync::Arc;

type Pile = Arc<Inbox<Letter>>;

fn pile(values: impl IntoIterator<Item = u32>) -> Pile {
    let pile = Arc::new(Inbox::new());
    values.into_iter().for_each(|value| push(&pile, letter_with(value)));
    pile
}

fn push(pile: &Inbox<Letter>, letter: NonNull<Letter>) {
    // SAFETY: it is new, or was just taken: it is in no list.
    assert!(unsafe { pile.push(letter) }.is_ok());
}

/// `restore`.
fn restore(list: &Inbox<Letter>, pile: &Inbox<Letter>, rest: Taken<Letter>) {
    if let Err(rest) = list.put_back(rest) {
        rest.for_each(|letter| push(pile, letter));
    }
}

/// `take_piled`: one off the top.
fn take(pile: &Inbox<Letter>) -> Option<u32> {
    let mut taken = pile.take_all();
    let letter = taken.next()?;
    restore(pile, pile, taken);
    Some(receive(letter))
}

/// `take_handful`: so many go to our own pile.
fn take_handful(pile: &Inbox<Letter>, own: &Inbox<Letter>, count: usize) {
    let mut taken = pile.take_all();
    let rest = taken.split_off(count);
    restore(pile, pile, rest);
    taken.oldest_first().for_each(|letter| push(own, letter));
}

fn drain<'a>(piles: impl IntoIterator<Item = &'a Pile>) -> Vec<u32> {
    piles.into_iter().flat_map(|pile| pile.take_all().map(receive)).collect()
}

fn expect(mut got: Vec<u32>, all: &[u32]) {
    got.sort_unstable();
    assert_eq!(got, all);
}

#[test]
fn what_is_taken_beside_a_push_is_neither_lost_nor_doubled() {
    explore(3, || {
        let pile = pile([1, 2]);
        let theirs = pile.clone();
        let pusher = thread::spawn(move || push(&theirs, letter_with(3)));
        let mut got: Vec<u32> = take(&pile).into_iter().collect();
        pusher.join().unwrap();
        got.extend(drain([&pile]));
        expect(got, &[1, 2, 3]);
    });
}

/// The owner may find nothing while a thief has all; it finds no letter that the thief has, too.
#[test]
fn an_owner_and_a_thief_never_get_the_same() {
    explore(3, || {
        let (ours, theirs) = (pile([1, 2, 3]), pile([]));
        let (victim, own) = (ours.clone(), theirs.clone());
        let thief = thread::spawn(move || take_handful(&victim, &own, 1));
        let mut got: Vec<u32> = take(&ours).into_iter().collect();
        thief.join().unwrap();
        got.extend(drain([&ours, &theirs]));
        expect(got, &[1, 2, 3]);
    });
}

/// What a thief puts back, the owner takes, with what its makers wrote into it.
#[test]
fn what_was_put_back_is_visible_to_who_takes_it_next() {
    explore(3, || {
        let (ours, theirs) = (pile([]), pile([]));
        let maker = {
            let pile = ours.clone();
            thread::spawn(move || [1, 2].map(|value| push(&pile, letter_with(value))))
        };
        let thief = {
            let (victim, own) = (ours.clone(), theirs.clone());
            thread::spawn(move || take_handful(&victim, &own, 1))
        };
        let mut got: Vec<u32> = take(&ours).into_iter().collect();
        maker.join().unwrap();
        thief.join().unwrap();
        got.extend(drain([&ours, &theirs]));
        expect(got, &[1, 2]);
    });
}

/// `turn_over`: the links were written anew by who puts the list back, not by who made it.
#[test]
fn a_pile_that_was_turned_over_is_walked_in_its_new_order() {
    explore(3, || {
        let (ours, elders) = (pile([1, 2, 3]), pile([]));
        let thief = {
            let (elders, own) = (elders.clone(), pile([]));
            thread::spawn(move || {
                take_handful(&elders, &own, 3);
                own
            })
        };
        restore(&elders, &ours, ours.take_all().oldest_first());
        let own = thief.join().unwrap();
        expect(drain([&ours, &elders, &own]), &[1, 2, 3]);
    });
}

#[test]
fn a_list_is_cut_where_it_was_asked_for() {
    explore(1, || {
        for count in 0..=4 {
            let pile = pile([1, 2, 3]);
            let mut taken = pile.take_all();
            let rest: Vec<u32> = taken.split_off(count).map(receive).collect();
            let kept: Vec<u32> = taken.map(receive).collect();
            assert_eq!(kept, [3, 2, 1][..count.min(3)]);
            assert_eq!(rest, [3, 2, 1][count.min(3)..]);
        }
    });
}
