//! The latch: one at a time, and what it did is seen. Lines: served or left, never both. One of several.

use super::latch::Latch;
use super::line::{Choice, Line, Place};
use super::wait::{self, Side, Waited, Wakes, Who, set_level};
use crate::explore;
use loom::cell::UnsafeCell;
use loom::thread;
use std::sync::Arc;
use std::time::Instant;

/// Values on their way to those who wait for one.
struct Mailbox {
    latch: Latch<State>,
}

struct State {
    line: Line<Option<u32>>,
    left: Vec<u32>,
}

struct Takers;

impl Side for Takers {
    type State = State;
    type Value = Option<u32>;

    fn line(state: &mut State) -> &mut Line<Option<u32>> {
        &mut state.line
    }
}

impl Mailbox {
    fn new() -> Mailbox {
        Mailbox { latch: Latch::new(State { line: Line::new(), left: Vec::new() }) }
    }

    /// To whoever waits, else it stays.
    fn put(&self, value: u32) {
        let mut wakes = Wakes::default();
        self.latch.with(|state| {
            let give = |slot: &mut Option<u32>| assert!(slot.replace(value).is_none(), "served twice");
            if state.line.serve(give, &mut wakes).is_none() {
                state.left.push(value);
            }
        });
        wakes.call();
    }

    /// Waits for a value; with `due`, leaves at once.
    fn take(&self, due: Option<Instant>) -> Option<u32> {
        let (who, level) = Who::caller();
        let place = Place::new(who, None);
        let at_once = self.latch.with(|state| {
            let value = state.left.pop();
            if value.is_none() {
                // SAFETY: it stays in this frame, and we wait until it is not in line.
                unsafe { state.line.push(&place, level) };
            }
            value
        });
        if at_once.is_some() {
            return at_once;
        }
        let waited = wait::wait::<Takers>(&self.latch, &place, due);
        // SAFETY: it is ours, and not in line; loom sees whether anybody else is still there.
        let value = unsafe { place.with_value(Option::take) };
        assert_eq!(value.is_some(), waited == Waited::Served);
        value
    }

    fn rest(&self) -> usize {
        self.latch.with(|state| {
            assert!(state.line.is_empty());
            assert_eq!(state.line.len(), 0);
            state.left.len()
        })
    }
}

#[test]
fn one_at_a_time_is_at_the_state_and_sees_what_was_done() {
    explore(3, || {
        let latch = Arc::new(Latch::new(UnsafeCell::new(0)));
        // SAFETY: alone, which loom checks.
        let add = |latch: &Latch<UnsafeCell<u32>>| latch.with(|cell| cell.with_mut(|n| unsafe { *n += 1 }));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let latch = latch.clone();
                thread::spawn(move || add(&latch))
            })
            .collect();
        add(&latch);
        others.into_iter().for_each(|other| other.join().unwrap());
        // SAFETY: as above.
        assert_eq!(latch.with(|cell| cell.with(|n| unsafe { *n })), 3);
    });
}

#[test]
fn a_latch_is_free_again_after_a_panic_under_it() {
    explore(3, || {
        let latch = Arc::new(Latch::new(0));
        let other = {
            let latch = latch.clone();
            thread::spawn(move || latch.with(|n| *n += 1))
        };
        let panics = || latch.with(|_| std::panic::resume_unwind(Box::new(())));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        latch.with(|n| *n += 1);
        other.join().unwrap();
        assert_eq!(latch.with(|n| *n), 2);
    });
}

#[test]
fn one_that_waits_is_served_and_its_frame_is_left_alone_then() {
    explore(3, || {
        let mailbox = Arc::new(Mailbox::new());
        let other = {
            let mailbox = mailbox.clone();
            thread::spawn(move || mailbox.put(7))
        };
        assert_eq!(mailbox.take(None), Some(7));
        other.join().unwrap();
        assert_eq!(mailbox.rest(), 0);
    });
}

#[test]
fn one_that_leaves_was_served_or_has_left_and_no_value_is_lost() {
    explore(3, || {
        let mailbox = Arc::new(Mailbox::new());
        let servers = [1, 2].map(|value| {
            let mailbox = mailbox.clone();
            thread::spawn(move || mailbox.put(value))
        });
        let taker = {
            let mailbox = mailbox.clone();
            thread::spawn(move || mailbox.take(Some(Instant::now())))
        };
        let had = taker.join().unwrap();
        servers.into_iter().for_each(|server| server.join().unwrap());
        assert_eq!(mailbox.rest(), 2 - usize::from(had.is_some()));
    });
}

#[test]
fn two_servers_serve_two_that_wait_the_more_urgent_of_those_in_line_first() {
    explore(2, || {
        let mailbox = Arc::new(Mailbox::new());
        let others = [1, 2].map(|value| {
            let mailbox = mailbox.clone();
            thread::spawn(move || {
                if value == 1 {
                    set_level(0);
                    return mailbox.take(None).unwrap();
                }
                mailbox.put(value);
                0
            })
        });
        mailbox.put(1);
        let mine = mailbox.take(None).unwrap();
        let theirs: u32 = others.into_iter().map(|other| other.join().unwrap()).sum();
        assert_eq!(mine + theirs, 3);
        assert_eq!(mailbox.rest(), 0);
    });
}

#[test]
fn one_that_moves_in_line_is_served_once() {
    explore(3, || {
        let mailbox = Arc::new(Mailbox::new());
        let other = {
            let mailbox = mailbox.clone();
            thread::spawn(move || mailbox.put(7))
        };
        let (who, level) = Who::caller();
        let place = Place::new(who, None);
        // SAFETY: it stays in this frame, and we wait until it is not in line.
        let waits = mailbox.latch.with(|state| {
            let waits = state.left.is_empty();
            if waits {
                // SAFETY: as above.
                unsafe { state.line.push(&place, level) };
            }
            waits
        });
        if waits {
            wait::move_to::<Takers>(&mailbox.latch, &place, 0);
            assert_eq!(wait::wait::<Takers>(&mailbox.latch, &place, None), Waited::Served);
            // SAFETY: it is not in line.
            assert_eq!(unsafe { place.with_value(Option::take) }, Some(7));
        }
        other.join().unwrap();
        assert_eq!(mailbox.rest(), usize::from(!waits));
    });
}

/// Gets in both lines, without a look at what is there, and leaves both.
fn take_one_of(boxes: &[Mailbox; 2]) -> Option<(usize, u32)> {
    let choice = Choice::new();
    let places = [0, 1].map(|index| {
        let (who, _) = Who::caller();
        Place::one_of(&choice, index, who, None)
    });
    for (mailbox, place) in boxes.iter().zip(&places) {
        // SAFETY: they stay in this frame, as does the choice, until they have left.
        mailbox.latch.with(|state| unsafe { state.line.push(place, wait::level()) });
    }
    for (mailbox, place) in boxes.iter().zip(&places) {
        wait::leave::<Takers>(&mailbox.latch, place);
    }
    let made = choice.made().map(|index| index as usize);
    let had = [0, 1].map(|index| {
        let value = places[index].is_served();
        assert_eq!(value, made == Some(index), "served is who was chosen");
        // SAFETY: ours, and not in line.
        unsafe { places[index].with_value(Option::take) }
    });
    assert!(had[0].is_none() || had[1].is_none(), "both were served");
    made.map(|index| (index, had[index].expect("it was served")))
}

#[test]
fn one_who_waits_in_two_lines_and_leaves_was_served_in_one_of_them_or_in_none() {
    explore(2, || {
        let boxes = Arc::new([Mailbox::new(), Mailbox::new()]);
        let servers = [0, 1].map(|index: usize| {
            let boxes = boxes.clone();
            thread::spawn(move || boxes[index].put(index as u32))
        });
        let taker = {
            let boxes = boxes.clone();
            thread::spawn(move || take_one_of(&boxes))
        };
        let had = taker.join().unwrap();
        servers.into_iter().for_each(|server| server.join().unwrap());
        let left = boxes.each_ref().map(Mailbox::rest);
        assert_eq!(left.iter().sum::<usize>() + usize::from(had.is_some()), 2);
        if let Some((index, value)) = had {
            assert_eq!((value as usize, left[index]), (index, 0));
        }
    });
}

/// Nobody else comes, so it is served, by the one or the other, and the other keeps what it has.
#[test]
fn two_servers_that_find_the_same_one_in_two_lines_serve_it_once() {
    explore(3, || {
        let boxes = Arc::new([Mailbox::new(), Mailbox::new()]);
        let choice = Choice::new();
        let places = [0, 1].map(|index| Place::one_of(&choice, index, Who::caller().0, None));
        for (mailbox, place) in boxes.iter().zip(&places) {
            // SAFETY: they stay in this frame, as does the choice, until they have left.
            mailbox.latch.with(|state| unsafe { state.line.push(place, 2) });
        }
        let servers = [0, 1].map(|index: usize| {
            let boxes = boxes.clone();
            thread::spawn(move || boxes[index].put(index as u32))
        });
        while !places.iter().any(Place::is_served) {
            thread::park();
        }
        let made = choice.made().expect("one was served") as usize;
        for (mailbox, place) in boxes.iter().zip(&places) {
            assert!(!wait::leave::<Takers>(&mailbox.latch, place) || !place.is_served());
        }
        // SAFETY: ours, and not in line.
        let had = places.each_ref().map(|place| unsafe { place.with_value(Option::take) });
        assert_eq!((had[made], had[1 - made]), (Some(made as u32), None));
        servers.into_iter().for_each(|server| server.join().unwrap());
        assert_eq!((boxes[made].rest(), boxes[1 - made].rest()), (0, 1));
    });
}

/// What the one did before it served is seen by who looks at the choice, and nothing else.
#[test]
fn who_sees_the_choice_sees_what_was_done_before() {
    explore(3, || {
        let shared = Arc::new((Choice::new(), UnsafeCell::new(0)));
        let others = [0, 1].map(|index| {
            let shared = shared.clone();
            thread::spawn(move || {
                let (choice, cell) = &*shared;
                if index == 0 {
                    // SAFETY: until the choice is made nobody else looks, which loom checks.
                    cell.with_mut(|n| unsafe { *n = 1 });
                    assert!(choice.claim(0));
                } else if choice.made().is_some() {
                    // SAFETY: as above.
                    assert_eq!(cell.with(|n| unsafe { *n }), 1);
                }
            })
        });
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}
