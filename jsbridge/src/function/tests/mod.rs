//! Functions sent from one isolate to another, and called there.

mod forms;
mod captures;
mod refusals;
mod caches;
mod memory;

use super::code::CodeCache;
use super::code::CodeStats;
use super::facts::facts_without_captures;
use super::global_names;
use super::ship::Shipment;
use crate::error::Error;
use crate::isolate::Isolate;
use crate::isolate::enter::StackTop;
use crate::isolate::handle::{CStrSource, Handle, Scope};
use crate::isolate::population::Population;
use crate::limits::{self, Limits};
use rquickjs::qjs;
use std::sync::Arc;
use std::time::Duration;

/// What the tests' threads have, at least.
const STACK: usize = 1 << 20;

fn isolate_with(memory: usize) -> Result<Isolate, Error> {
    let limits =
        Limits { memory, stack: STACK / 2, time: Duration::from_secs(60), slice: limits::SLICE, eval: true };
    let resident = Arc::new(Population::new(1)).enter()?;
    Isolate::new(limits, resident)
}

fn isolate() -> Isolate {
    isolate_with(64 << 20).expect("there is memory")
}

fn enter<R>(
    isolate: &mut Isolate,
    work: impl for<'a> FnOnce(Scope<'a>) -> Result<R, Handle<'a>>,
) -> Result<R, Error> {
    isolate.enter(StackTop::here(STACK), |scope| work(scope).map_err(Handle::into_error))
}

fn eval<'a>(scope: Scope<'a>, source: &str) -> Result<Handle<'a>, Handle<'a>> {
    scope.eval(c"main.js", &CStrSource::new(source))
}

/// Runs a module, which may import itself.
fn eval_module<'a>(scope: Scope<'a>, name: &std::ffi::CStr, source: &str) -> Result<Handle<'a>, Handle<'a>> {
    let text = std::ffi::CString::new(source).expect("no zero bytes");
    let length = source.len() as qjs::size_t;
    // SAFETY: we are inside; the text ends with a zero byte; the reference is ours.
    unsafe {
        let flags = qjs::JS_EVAL_TYPE_MODULE as i32;
        scope.check(qjs::JS_Eval(scope.as_ptr(), text.as_ptr(), length, name.as_ptr(), flags))
    }
}

/// Two isolates: a function is made at home and called away.
struct Journey {
    cache: CodeCache,
    home: Isolate,
    away: Isolate,
}

impl Journey {
    fn new() -> Journey {
        let mut away = isolate();
        let globals = enter(&mut away, global_names).unwrap();
        Journey { cache: CodeCache::new(globals), home: isolate(), away }
    }

    /// Where captured variables cannot be read.
    fn blind() -> Journey {
        let mut journey = Journey::new();
        journey.cache.facts = facts_without_captures();
        journey
    }

    /// Sends what `source` gives: a function, or `[function, capture]`. It begins on the second line: on the first, the
    /// engine counts columns from zero.
    fn send(&mut self, source: &str) -> Result<Shipment, Error> {
        let cache = &self.cache;
        enter(&mut self.home, |scope| {
            let value = eval(scope, &format!("\n{source}"))?;
            if value.is_array() {
                cache.ship(&value.at(0)?, Some(&value.at(1)?))
            } else {
                cache.ship(&value, None)
            }
        })
    }

    /// Calls what has arrived; `then` is a function of it that says what came out.
    fn call(&mut self, shipment: Shipment, then: &str) -> Result<String, Error> {
        self.away.enter(StackTop::here(STACK), |scope| {
            let function = shipment.receive(scope)?;
            let result = eval(scope, then)?.call(&scope.undefined(), &[&function])?;
            let result = scope.settle(result)?;
            Ok(result.to_value()?.to_string())
        })
    }

    /// What `then` makes of what `source` gives, away.
    fn go(&mut self, source: &str, then: &str) -> String {
        let shipment = self.send(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        self.call(shipment, then).unwrap_or_else(|error| panic!("{source} -> {then}: {error}"))
    }

    fn stats(&self) -> CodeStats {
        self.cache.stats()
    }
}

/// What a function gives when it is called away.
fn result_of(source: &str) -> String {
    Journey::new().go(source, "f => f()")
}

/// Why a function is refused.
fn refusal_of(source: &str) -> String {
    match Journey::new().send(source) {
        Ok(_) => panic!("it was not refused: {source}"),
        Err(error) => error.to_string(),
    }
}
