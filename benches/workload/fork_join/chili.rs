//! `fork_join` by chili.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use chili::Scope;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let pool = contender::chili::pool(run.case.workers);
    let mut scope = pool.scope();
    drive(run, "Scope::join", 32, |n, _| fib(&mut scope, n), |_, _| unreachable!("excepted"))
}

fn fib(scope: &mut Scope<'_>, n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (left, right) = scope.join(move |scope| fib(scope, n - 1), move |scope| fib(scope, n - 2));
    left + right
}
