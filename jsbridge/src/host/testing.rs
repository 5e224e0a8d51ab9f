//! An isolate for tests of what lies inside one.

use crate::error::Error;
use crate::isolate::Isolate;
use crate::isolate::enter::StackTop;
use crate::isolate::handle::{CStrSource, Handle, JsResult, Scope};
use crate::isolate::population::Population;
use crate::limits::{self, Limits};
use std::sync::Arc;
use std::time::Duration;

const STACK: usize = 1 << 20;

/// Runs `test` in a new isolate, on this thread.
pub(crate) fn inside<R>(test: impl for<'a> FnOnce(Scope<'a>) -> JsResult<'a, R>) -> R {
    inside_with(limits::MEMORY_DEFAULT, |scope| test(scope).map_err(Error::from)).unwrap()
}

/// The same with bounded memory.
pub(crate) fn inside_with<R>(
    memory: usize,
    test: impl for<'a> FnOnce(Scope<'a>) -> Result<R, Error>,
) -> Result<R, Error> {
    let limits = Limits { memory, stack: STACK, time: Duration::MAX, slice: limits::SLICE, eval: true };
    let resident = Arc::new(Population::new(1)).enter().unwrap();
    Isolate::new(limits, resident)?.enter(StackTop::here(STACK), test)
}

/// Evaluates a script.
pub(crate) fn eval<'a>(scope: Scope<'a>, source: &str) -> JsResult<'a, Handle<'a>> {
    scope.eval(c"<test>", &CStrSource::new(source))
}
