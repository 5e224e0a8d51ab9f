//! `services` by Heddle.

use super::{CHILDREN, drive};
use crate::contender;
use heddle_benches::{Run, Sample, Timed};
use heddle_scheduler::{blocking, context_local, fiber_local, scope, timeout, try_scope};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fiber_local! {
    static COUNT: Cell<u64> = Cell::new(0);
}

context_local! {
    static ONE: u64;
}

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    let (says, once): (&str, fn(u64) -> u64) = match run.case.detail {
        0 => ("timeout(30 s, ...)", timeouts),
        1 => ("scope(), go() in it", scopes),
        2 => ("try_scope(), go() in it", try_scopes),
        3 => ("FiberLocal::with", locals),
        4 => ("ContextLocal::with, in one scope", contexts),
        _ => ("blocking(), one call after the other", calls),
    };
    drive(run, says, |rounds| scheduler.run(|| Timed::of(|| once(rounds))))
}

fn timeouts(rounds: u64) -> u64 {
    let limit = Duration::from_secs(30);
    (0..rounds).map(|_| timeout(limit, || black_box(1)).expect("half a minute is long")).sum()
}

fn scopes(rounds: u64) -> u64 {
    let sum = AtomicU64::new(0);
    for _ in 0..rounds {
        scope(|scope| {
            for _ in 0..CHILDREN {
                scope.go(|| sum.fetch_add(1, Ordering::Relaxed));
            }
        })
        .expect("we are in a fiber");
    }
    sum.into_inner()
}

fn try_scopes(rounds: u64) -> u64 {
    let sum = AtomicU64::new(0);
    for _ in 0..rounds {
        try_scope(|scope| {
            for _ in 0..CHILDREN {
                scope.go(|| Ok::<_, ()>(sum.fetch_add(1, Ordering::Relaxed)));
            }
            Ok(())
        })
        .expect("we are in a fiber")
        .expect("none fails");
    }
    sum.into_inner()
}

fn locals(rounds: u64) -> u64 {
    COUNT.with(|count| count.set(0));
    for _ in 0..rounds {
        COUNT.with(|count| black_box(count).set(count.get() + 1));
    }
    COUNT.with(Cell::get)
}

fn contexts(rounds: u64) -> u64 {
    ONE.scope(1, || (0..rounds).map(|_| ONE.with(|one| black_box(*one.expect("it was set")))).sum())
}

fn calls(rounds: u64) -> u64 {
    (0..rounds).map(|_| blocking(|| black_box(1))).sum()
}
