//! The limit on fibers: a place has one owner, and nobody sleeps beside a free one. The steps of who
//! waits are those of `runtime/spawn.rs`. One who waits in vain ends a model by a deadlock.

use crate::explore;
use crate::limit::{Limit, Ticket};
use crate::machine::futex::freeze;
use crate::machine::park::Parker;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

struct Gate {
    limit: Limit<Arc<Parker>>,
    /// Written by who has the only place.
    desk: UnsafeCell<u32>,
    stopping: AtomicBool,
}

/// With that many places, all of them taken.
fn full(places: usize) -> Arc<Gate> {
    let limit = Limit::new(places, |parker: &Arc<Parker>| parker.unpark());
    (0..places).for_each(|_| assert!(limit.try_enter()));
    Arc::new(Gate { limit, desk: UnsafeCell::new(0), stopping: AtomicBool::new(false) })
}

impl Gate {
    fn enter(&self) {
        if self.limit.try_enter() {
            return;
        }
        let parker = Arc::new(Parker::new());
        let ticket = self.limit.queue(parker.clone());
        while !self.limit.has(&ticket) {
            parker.park(None);
        }
        assert!(self.limit.unqueue(ticket, false));
    }

    fn queue(&self) -> Ticket {
        self.limit.queue(Arc::new(Parker::new()))
    }

    /// What a fiber does that has the only place.
    fn use_desk(&self) {
        // SAFETY: there is one place, and it is ours; loom checks that.
        self.desk.with_mut(|desk| unsafe { *desk += 1 });
    }

    fn visits(&self) -> u32 {
        // SAFETY: as above.
        self.desk.with(|desk| unsafe { *desk })
    }
}

fn spawn(gate: &Arc<Gate>, body: impl FnOnce(&Gate) + 'static) -> thread::JoinHandle<()> {
    let gate = gate.clone();
    thread::spawn(move || body(&gate))
}

#[test]
fn who_waits_gets_the_place_of_one_who_leaves() {
    explore(3, || {
        let gate = full(1);
        let waiter = spawn(&gate, |gate| {
            gate.enter();
            gate.use_desk();
        });
        gate.use_desk();
        gate.limit.leave();
        waiter.join().unwrap();
        assert_eq!(gate.visits(), 2);
        assert!(!gate.limit.try_enter(), "the place is taken");
    });
}

#[test]
fn one_who_comes_and_one_who_waits_use_the_only_place_one_after_the_other() {
    explore(2, || {
        let gate = full(1);
        let waiter = spawn(&gate, |gate| {
            gate.enter();
            gate.use_desk();
        });
        gate.limit.leave();
        let barges_in = gate.limit.try_enter();
        if barges_in {
            gate.use_desk();
            gate.limit.leave();
        }
        waiter.join().unwrap();
        assert_eq!(gate.visits(), 1 + u32::from(barges_in));
    });
}

/// One who waits may look before anybody resumes it.
#[test]
fn who_finds_that_it_has_the_place_finds_what_was_done_with_it() {
    explore(3, || {
        let gate = full(1);
        let ticket = gate.queue();
        let leaver = spawn(&gate, |gate| {
            gate.use_desk();
            gate.limit.leave();
        });
        if gate.limit.unqueue(ticket, false) {
            gate.use_desk();
        }
        leaver.join().unwrap();
    });
}

/// One who comes finds the free place first, and hands it to who has waited longer.
#[test]
fn a_place_that_a_third_one_hands_on_comes_with_what_was_done_with_it() {
    explore(2, || {
        let gate = full(1);
        let ticket = gate.queue();
        let third = spawn(&gate, |gate| {
            let ticket = gate.queue();
            gate.limit.unqueue(ticket, true);
        });
        let waiter = spawn(&gate, move |gate| {
            if gate.limit.unqueue(ticket, false) {
                gate.use_desk();
            }
        });
        gate.use_desk();
        gate.limit.leave();
        third.join().unwrap();
        waiter.join().unwrap();
    });
}

/// Its steps are those of `Shared::begin_stop`.
#[test]
fn who_waits_when_the_scheduler_stops_is_told() {
    explore(3, || {
        let gate = full(1);
        let waiter = spawn(&gate, |gate| {
            let parker = Arc::new(Parker::new());
            let ticket = gate.limit.queue(parker.clone());
            while !gate.stopping.load(Ordering::Relaxed) {
                parker.park(None);
            }
            gate.limit.unqueue(ticket, true);
        });
        gate.stopping.store(true, Ordering::Relaxed);
        gate.limit.resume_all();
        waiter.join().unwrap();
    });
}

#[test]
fn who_gives_up_keeps_no_place() {
    explore(3, || {
        let gate = full(1);
        let waiter = spawn(&gate, |gate| {
            let ticket = gate.queue();
            assert!(!gate.limit.unqueue(ticket, true));
        });
        gate.limit.leave();
        waiter.join().unwrap();
        assert!(gate.limit.try_enter(), "the place is free");
        assert!(!gate.limit.try_enter(), "there is one");
    });
}

#[test]
fn who_gives_up_passes_its_turn_on() {
    // With two it takes a minute.
    explore(1, || {
        let gate = full(1);
        let ticket = gate.queue();
        let other = spawn(&gate, Gate::enter);
        gate.limit.leave();
        gate.limit.unqueue(ticket, true);
        other.join().unwrap();
    });
}

/// Who ends a fiber is stopped before it comes to wake the one that it gave its place to.
#[test]
fn who_is_frozen_while_it_hands_a_place_on_is_helped_by_the_next() {
    explore(2, || {
        let gate = full(2);
        let waiter = spawn(&gate, Gate::enter);
        let frozen = spawn(&gate, |gate| {
            freeze();
            gate.limit.leave();
        });
        gate.limit.leave();
        waiter.join().unwrap();
        frozen.join().unwrap();
    });
}

/// It holds a place for a moment that it then finds nobody to give to.
#[test]
fn who_leaves_for_one_that_is_gone_does_not_hide_the_place_from_another() {
    explore(2, || {
        let gate = full(1);
        let ticket = gate.queue();
        let leaver = spawn(&gate, |gate| gate.limit.leave());
        gate.limit.unqueue(ticket, true);
        gate.enter();
        leaver.join().unwrap();
    });
}

#[test]
fn places_go_to_who_came_first() {
    explore(2, || {
        let gate = full(1);
        let (first, second) = (gate.queue(), gate.queue());
        gate.limit.leave();
        assert!(gate.limit.has(&first) && !gate.limit.has(&second));
        assert!(gate.limit.unqueue(first, false));
        gate.limit.leave();
        assert!(gate.limit.has(&second));
        assert!(gate.limit.unqueue(second, false));
    });
}
