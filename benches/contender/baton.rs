//! A token that two async tasks hand to and fro: the cheapest way a waker allows.
#![cfg(feature = "peers")]

use atomic_waker::AtomicWaker;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

/// Whose turn it is, and how to wake each of the two.
#[derive(Debug, Default)]
pub(crate) struct Baton {
    turn: AtomicUsize,
    wakers: [AtomicWaker; 2],
}

impl Baton {
    /// Waits until it is `me`'s turn.
    pub(crate) async fn wait(&self, me: usize) {
        poll_fn(|context| {
            // ORDERING: Acquire pairs with the Release of `pass`; register, then look again, so no turn is missed.
            if self.turn.load(Ordering::Acquire) == me {
                return Poll::Ready(());
            }
            self.wakers[me].register(context.waker());
            if self.turn.load(Ordering::Acquire) == me { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Makes it the other's turn.
    pub(crate) fn pass(&self, me: usize) {
        // ORDERING: Release pairs with the Acquire in `wait`.
        self.turn.store(1 - me, Ordering::Release);
        self.wakers[1 - me].wake();
    }

    /// One side of a rally: `rounds` times wait, then pass. Returns how often it had the token on `expected`'s thread.
    pub(crate) async fn play(&self, me: usize, rounds: u64) -> u64 {
        let here = heddle_benches::process::thread_mark();
        let mut on_the_same_thread = 0;
        for _ in 0..rounds {
            self.wait(me).await;
            on_the_same_thread += u64::from(heddle_benches::process::thread_mark() == here);
            self.pass(me);
        }
        on_the_same_thread
    }
}
