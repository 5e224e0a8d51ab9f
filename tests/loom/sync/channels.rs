//! Channels: each value is received once or comes back, whoever gives up in that moment; and who waits for the last
//! of the others is told that it has gone.

use super::core::{Channel, Received, Sent};
use super::line::{Choice, Place};
use super::wait::{Who, cancel};
use crate::explore;
use loom::thread::{self, JoinHandle};
use std::sync::Arc;
use std::time::Instant;

/// A value whose end is seen.
type Value = Arc<u32>;

fn came(received: Received<Value>) -> Option<u32> {
    match received {
        Received::Value(value) => Some(*value),
        _ => None,
    }
}

/// A thread that sends, and has lost nothing that was not sent.
fn sends(channel: &Arc<Channel<Value>>, value: u32, late: bool) -> JoinHandle<Option<u32>> {
    let channel = channel.clone();
    thread::spawn(move || {
        let due = late.then(Instant::now);
        match channel.send(Arc::new(value), due) {
            Sent::Done => None,
            Sent::Full(back) | Sent::Disconnected(back) | Sent::Cancelled(back) => Some(*back),
        }
    })
}

#[test]
fn without_room_a_value_goes_from_one_to_the_other() {
    explore(3, || {
        let channel = Arc::new(Channel::new(0));
        let sender = sends(&channel, 7, false);
        assert_eq!(came(channel.receive(None)), Some(7));
        assert_eq!(sender.join().unwrap(), None);
    });
}

#[test]
fn two_values_arrive_with_one_place_for_them() {
    explore(2, || {
        let channel = Arc::new(Channel::new(1));
        let senders = [1, 2].map(|value| sends(&channel, value, false));
        let mut all = [came(channel.receive(None)), came(channel.receive(None))];
        all.sort_unstable();
        assert_eq!(all, [Some(1), Some(2)]);
        senders.into_iter().for_each(|sender| assert_eq!(sender.join().unwrap(), None));
        assert_eq!(channel.len(), 0);
    });
}

#[test]
fn who_gives_up_sending_has_the_value_or_the_other_has() {
    explore(3, || {
        let channel = Arc::new(Channel::new(0));
        let receiver = {
            let channel = channel.clone();
            thread::spawn(move || came(channel.receive(None)))
        };
        let back = sends(&channel, 7, true).join().unwrap();
        channel.remove_sender();
        assert_eq!(back.is_some(), receiver.join().unwrap().is_none());
    });
}

#[test]
fn who_gives_up_receiving_has_the_value_or_it_is_there_or_comes_back() {
    for capacity in [0, 1] {
        explore(3, move || {
            let channel = Arc::new(Channel::new(capacity));
            let receiver = {
                let channel = channel.clone();
                thread::spawn(move || came(channel.receive(Some(Instant::now()))))
            };
            let sender = sends(&channel, 7, false);
            let got = receiver.join().unwrap();
            let left = came(channel.try_receive());
            channel.remove_receiver();
            let back = sender.join().unwrap();
            let is_somewhere = [got, left, back].into_iter().flatten().count();
            // It may have come into the buffer after we looked, and gone with the last receiver.
            assert!(is_somewhere == 1 || (is_somewhere == 0 && capacity == 1), "{got:?} {left:?} {back:?}");
        });
    }
}

#[test]
fn one_that_is_cancelled_takes_no_value_along() {
    explore(3, || {
        let channel = Arc::new(Channel::new(1));
        let receiver = {
            let channel = channel.clone();
            thread::spawn(move || {
                cancel();
                came(channel.receive(None))
            })
        };
        assert_eq!(sends(&channel, 7, false).join().unwrap(), None);
        let got = receiver.join().unwrap();
        assert_eq!(got.or(came(channel.try_receive())), Some(7));
    });
}

#[test]
fn the_last_sender_goes_and_who_waits_is_told() {
    explore(3, || {
        let channel = Arc::new(Channel::<Value>::new(0));
        let receivers = [(); 2].map(|()| {
            let channel = channel.clone();
            thread::spawn(move || matches!(channel.receive(None), Received::Disconnected))
        });
        channel.remove_sender();
        receivers.into_iter().for_each(|receiver| assert!(receiver.join().unwrap()));
    });
}

#[test]
fn the_last_receiver_goes_and_values_come_back_or_are_dropped() {
    explore(3, || {
        let channel = Arc::new(Channel::new(1));
        let value = Arc::new(7);
        let senders = [(); 2].map(|()| {
            let (channel, value) = (channel.clone(), value.clone());
            thread::spawn(move || drop(channel.send(value, None)))
        });
        channel.remove_receiver();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert_eq!((channel.len(), Arc::strong_count(&value)), (0, 1));
    });
}

/// As `select!` does: it gets in both lines, waits for the choice, and leaves both.
#[test]
fn one_of_two_is_received_and_the_other_value_stays() {
    explore(2, || {
        let channels = [0, 1].map(|_| Arc::new(Channel::new(0)));
        let senders = [0, 1].map(|n| sends(&channels[n], n as u32, false));
        let choice = Choice::new();
        let places = [0, 1].map(|n| Place::one_of(&choice, n, Who::caller().0, None));
        let mut got = None;
        let mut entered = 0;
        for (channel, place) in channels.iter().zip(&places) {
            // SAFETY: it leaves below.
            if unsafe { !channel.enter_receiving(place, 2) } {
                break;
            }
            entered += 1;
        }
        if entered == 2 {
            while choice.made().is_none() {
                thread::park();
            }
        }
        for (channel, place) in channels.iter().zip(&places).take(entered) {
            if !channel.leave_receiving(place) && place.is_served() {
                assert!(got.is_none(), "one of them");
                // SAFETY: it is not in line.
                got = unsafe { place.with_value(Option::take) };
            }
        }
        let first = got.map(|value: Value| *value);
        // The other one, or both if there was no need to wait.
        for (n, channel) in channels.iter().enumerate() {
            if first != Some(n as u32) {
                assert_eq!(came(channel.receive(None)), Some(n as u32));
            }
        }
        senders.into_iter().for_each(|sender| assert_eq!(sender.join().unwrap(), None));
    });
}
