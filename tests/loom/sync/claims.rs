//! Channels whose receiver has declared itself: it is lent what those have who wait for room, all of which is taken back, and
//! it may end while somebody is about to lend to it.

use super::core::{Channel, Received, Sent};
use super::owner::{Owner, as_fiber};
use super::wait::set_level;
use crate::explore;
use crate::locks::Fiber;
use loom::thread::{self, JoinHandle};
use std::sync::Arc;
use std::time::Instant;

type Values = Channel<u32>;

/// A fiber that declares that it receives, does something, and ends. As `Receiver::declare`, and the end of what that returns.
fn declares(channel: &Values, f: impl FnOnce()) {
    let me = Owner::caller();
    me.note();
    channel.declare(me);
    f();
    channel.withdraw(me);
    // SAFETY: noted above, and the channel does not know it any more.
    unsafe { me.forget() };
}

fn receiver(channel: &Arc<Values>, f: impl FnOnce(&Values) + Send + 'static) -> JoinHandle<Arc<Fiber>> {
    let channel = channel.clone();
    thread::spawn(move || as_fiber(|| declares(&channel, || f(&channel))))
}

fn sender(channel: &Arc<Values>, level: usize, late: bool) -> JoinHandle<bool> {
    let channel = channel.clone();
    thread::spawn(move || {
        set_level(level);
        matches!(channel.send(7, late.then(Instant::now)), Sent::Done)
    })
}

fn receive(channel: &Values) {
    assert!(matches!(channel.receive(None), Received::Value(7)));
}

/// Not before all are done: one may be kept alive by another that is about to lend to it.
fn check(receivers: impl IntoIterator<Item = Arc<Fiber>>) {
    receivers.into_iter().for_each(|fiber| fiber.check());
}

#[test]
fn what_is_lent_is_taken_back_when_the_value_is_taken() {
    explore(3, || {
        let channel = Arc::new(Channel::new(0));
        let (fiber, sender) = (receiver(&channel, receive), sender(&channel, 0, false));
        assert!(sender.join().unwrap());
        check([fiber.join().unwrap()]);
    });
}

#[test]
fn who_gives_up_leaves_nothing_behind() {
    explore(3, || {
        let channel = Arc::new(Channel::new(0));
        let fiber = receiver(&channel, |_| ());
        assert!(!sender(&channel, 1, true).join().unwrap());
        check([fiber.join().unwrap()]);
    });
}

#[test]
fn those_who_wait_lend_one_after_the_other() {
    explore(2, || {
        let channel = Arc::new(Channel::new(0));
        let senders = [sender(&channel, 0, false), sender(&channel, 2, false)];
        let fiber = receiver(&channel, |channel| (0..2).for_each(|_| receive(channel)));
        senders.into_iter().for_each(|sender| assert!(sender.join().unwrap()));
        check([fiber.join().unwrap()]);
    });
}

#[test]
fn one_that_moves_while_it_waits_takes_its_loan_along() {
    explore(2, || {
        let channel = Arc::new(Channel::new(0));
        let mover = {
            let channel = channel.clone();
            thread::spawn(move || {
                let place = super::line::Place::new(super::wait::Who::caller().0, Some(7));
                // SAFETY: it leaves below.
                if unsafe { channel.enter_sending(&place, 1) } {
                    channel.move_sending(&place, 3);
                    channel.move_sending(&place, 0);
                    let _ = channel.leave_sending(&place);
                }
            })
        };
        let fiber = receiver(&channel, |channel| _ = channel.try_receive());
        mover.join().unwrap();
        check([fiber.join().unwrap()]);
    });
}

#[test]
fn a_second_that_declares_ends_the_loans_of_the_first() {
    explore(2, || {
        let channel = Arc::new(Channel::new(0));
        let fibers = [receiver(&channel, |_| ()), receiver(&channel, |_| ())];
        let sender = sender(&channel, 0, false);
        let fibers = fibers.map(|fiber| fiber.join().unwrap());
        receive(&channel);
        assert!(sender.join().unwrap());
        check(fibers);
    });
}
