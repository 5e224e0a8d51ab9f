//! `skynet` by chili.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use chili::Scope;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let pool = contender::chili::pool(run.case.workers);
    let mut scope = pool.scope();
    drive(
        run,
        "joins of two halves",
        |leaves, _| node(&mut scope, 0, leaves),
        |_, _| unreachable!("excepted"),
    )
}

fn node(scope: &mut Scope<'_>, first: u64, leaves: u64) -> u64 {
    if leaves == 1 {
        return first;
    }
    let half = leaves / 2;
    let (left, right) = scope
        .join(move |scope| node(scope, first, half), move |scope| node(scope, first + half, leaves - half));
    left + right
}
