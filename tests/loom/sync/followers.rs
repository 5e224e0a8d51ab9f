//! Broadcast and watch channels: who waits is told of what it has not seen, once, whatever it was that came in between; and
//! of the end.

use super::broadcast;
use super::wait::cancel;
use super::watch;
use crate::explore;
use loom::thread;
use std::time::Duration;

#[test]
fn each_receiver_sees_each_value_whether_it_has_waited_or_not() {
    explore(2, || {
        let (sender, mut first) = broadcast::channel(2);
        let mut second = sender.subscribe();
        let sends = thread::spawn(move || {
            assert!(sender.send(1).is_ok());
            assert!(sender.send(2).is_ok());
        });
        let sees = thread::spawn(move || {
            assert_eq!((first.recv(), first.recv()), (Ok(1), Ok(2)));
            assert_eq!(first.recv(), Err(broadcast::RecvError::Disconnected));
        });
        assert_eq!((second.recv(), second.recv()), (Ok(1), Ok(2)));
        assert!(second.is_empty());
        sends.join().unwrap();
        sees.join().unwrap();
    });
}

#[test]
fn one_that_gives_up_has_a_value_or_finds_it_later() {
    explore(3, || {
        let (sender, mut receiver) = broadcast::channel(1);
        let sends = thread::spawn(move || assert!(sender.send(7).is_ok()));
        let first = receiver.recv_timeout(Duration::ZERO).ok();
        sends.join().unwrap();
        let second = receiver.recv().ok();
        assert_eq!((first.or(second), first.and(second)), (Some(7), None));
    });
}

#[test]
fn one_that_is_cancelled_or_leaves_keeps_no_value_from_others() {
    explore(2, || {
        let (sender, mut first) = broadcast::channel(1);
        let mut second = sender.subscribe();
        let leaves = thread::spawn(move || {
            cancel();
            let got = first.recv_or_cancelled();
            assert!(matches!(got, Ok(7) | Err(broadcast::RecvOrCancelledError::Cancelled)));
        });
        assert!(sender.send(7).is_ok());
        assert_eq!(second.recv(), Ok(7));
        leaves.join().unwrap();
        assert!(sender.is_empty());
        drop(sender);
        assert_eq!(second.recv(), Err(broadcast::RecvError::Disconnected));
    });
}

#[test]
fn who_watches_sees_the_last_value_and_then_the_end() {
    explore(2, || {
        let (sender, mut receiver) = watch::channel(0);
        let sends = thread::spawn(move || {
            sender.send_replace(1);
            sender.send_replace(2);
        });
        let mut last = 0;
        while receiver.changed().is_ok() {
            let now = *receiver.borrow_and_update();
            assert!(now >= last);
            last = now;
        }
        assert_eq!(last, 2);
        sends.join().unwrap();
    });
}

#[test]
fn of_two_who_change_a_value_the_last_is_seen() {
    explore(2, || {
        let (sender, mut receiver) = watch::channel(0);
        let others = [1, 2].map(|n| {
            let sender = sender.clone();
            thread::spawn(move || sender.send_modify(|value| *value += n))
        });
        drop(sender);
        assert_eq!(receiver.wait_for(|value| *value == 3).map(|value| *value).ok(), Some(3));
        others.into_iter().for_each(|other| other.join().unwrap());
        assert!(receiver.has_changed().is_err());
    });
}

#[test]
fn one_that_waits_until_nobody_receives_is_told() {
    explore(2, || {
        let (sender, receiver) = watch::channel(0);
        let others = [receiver.clone(), receiver].map(|receiver| thread::spawn(move || drop(receiver)));
        sender.closed();
        assert!(sender.is_closed());
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn one_that_gives_up_waiting_for_the_end_leaves_no_place_behind() {
    explore(3, || {
        let (sender, receiver) = watch::channel(0);
        let leaves = thread::spawn(move || drop(receiver));
        if !sender.closed_timeout(Duration::ZERO) {
            cancel();
            let _ = sender.closed_or_cancelled();
        }
        leaves.join().unwrap();
        assert!(sender.closed_timeout(Duration::ZERO));
    });
}
