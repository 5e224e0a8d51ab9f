//! What the codec promises, seen from JavaScript: each test's isolates are checked by the engine, which ends the process when
//! one is dropped with a value still held.

mod values;
mod hostile;
mod transfer;
mod rust;
mod memory;
mod fuzz;

use super::message::Message;
use super::write::Writer;
use super::{read, write};
use crate::error::Error;
use crate::isolate::Isolate;
use crate::isolate::enter::StackTop;
use crate::isolate::handle::{CStrSource, Handle, JsResult, Scope};
use crate::isolate::layout::Layout;
use crate::isolate::native::{Call, Native};
use crate::isolate::population::Population;
use crate::limits::{Limits, SLICE};
use std::sync::Arc;
use std::time::Duration;

/// What the tests' scripts may use of the thread's stack.
const STACK: usize = 512 << 10;

/// An isolate with a function `clone(value, transfer)`, `same(a, b)` and `check(truth, what)`.
fn isolate_of(memory: usize) -> Isolate {
    let population = Arc::new(Population::new(1));
    let limits = Limits { memory, stack: STACK, time: Duration::from_secs(100), slice: SLICE, eval: true };
    Isolate::new(limits, population.enter().unwrap()).unwrap()
}

fn isolate() -> Isolate {
    isolate_of(256 << 20)
}

/// Enters from here.
fn enter<R>(
    isolate: &mut Isolate,
    visit: impl for<'a> FnOnce(Scope<'a>) -> Result<R, Error>,
) -> Result<R, Error> {
    isolate.enter(StackTop::here(STACK + (64 << 10)), visit)
}

fn eval<'a>(scope: Scope<'a>, source: &str) -> JsResult<'a, Handle<'a>> {
    scope.eval(c"<test>", &CStrSource::new(source))
}

/// `clone(value, [transfer])`: out and in again, in one isolate.
struct Clone;

impl Native for Clone {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        let list = call.argument(1);
        let mut transfer = Vec::new();
        if !list.is_undefined() {
            for index in 0..list.length()? {
                transfer.push(list.at(index as u32)?);
            }
        }
        let layout = if call.variant == 0 { Layout::get(scope) } else { None };
        let message = write_with(scope, layout, &call.argument(0), &transfer)?;
        Ok(read(scope, message)?.remove(0))
    }
}

/// Writes one value; without a layout in the way that is taken where the engine keeps things elsewhere.
fn write_with<'a>(
    scope: Scope<'a>,
    layout: Option<Layout>,
    value: &Handle<'a>,
    transfer: &[Handle<'a>],
) -> JsResult<'a, Message> {
    Writer::new(scope, layout, &|_| "value".to_owned()).write(std::slice::from_ref(value), transfer)
}

/// What the tests' scripts use. `same` compares two values deeply, by what the language can tell.
const PRELUDE: &str = r#"
    function check(truth, what) { if (!truth) throw new Error('not so: ' + what); }
    function same(a, b, seen = new Map()) {
        if (Object.is(a, b)) return true;
        if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
        if (seen.has(a)) return seen.get(a) === b;
        seen.set(a, b);
        const tag = x => Object.prototype.toString.call(x);
        if (tag(a) !== tag(b) || Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
        if (a instanceof Date && !Object.is(+a, +b)) return false;
        if (a instanceof RegExp && String(a) !== String(b)) return false;
        if (a instanceof Number || a instanceof String || a instanceof Boolean || a instanceof BigInt)
            if (!Object.is(a.valueOf(), b.valueOf())) return false;
        if (a instanceof Map && !same([...a], [...b], seen)) return false;
        if (a instanceof Set && !same([...a], [...b], seen)) return false;
        if (a instanceof ArrayBuffer && !same([...new Uint8Array(a)], [...new Uint8Array(b)], seen)) return false;
        if (a instanceof Error && !(a.name === b.name && a.message === b.message && a.stack === b.stack)) return false;
        const keys = x => JSON.stringify(Object.keys(x));
        return keys(a) === keys(b) && Object.keys(a).every(key => same(a[key], b[key], seen));
    }
    function refused(value, transfer) {
        try { clone(value, transfer); } catch (e) {
            check(e instanceof DOMException && e.name === 'DataCloneError' && e.code === 25, String(e));
            return e.message;
        }
        throw new Error('it was cloned');
    }
    const show = x => typeof x === 'object' && x !== null ? Object.prototype.toString.call(x) : String(x);
    function is(a, b) { if (!Object.is(a, b)) check(false, `${show(a)} is ${show(b)}`); }
"#;

/// Runs `source` with all of these, both with what is known of the engine's layout and without.
fn test(source: &str) {
    for variant in [0, 1] {
        test_in(&mut isolate(), variant, source);
    }
}

fn test_in(isolate: &mut Isolate, variant: u8, source: &str) {
    let result = enter(isolate, |scope| {
        assert!(Layout::get(scope).is_some(), "the engine is as the layout says");
        scope.global().set(c"clone", scope.new_function::<Clone>(c"clone", variant)?)?;
        eval(scope, PRELUDE)?;
        eval(scope, &format!("{{ {source} \n}}"))?;
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}\n{}\nin: {source}", error.js_stack().unwrap_or_default());
    }
}
