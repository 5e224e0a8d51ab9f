//! What a clone costs, for `examples/clone_costs.rs`. No part of the interface.

use super::{Message, read, write};
use crate::error::Error;
use crate::isolate::Isolate;
use crate::isolate::enter::StackTop;
use crate::isolate::handle::{CStrSource, Scope};
use crate::isolate::population::Population;
use crate::limits::{Limits, SLICE};
use rquickjs::qjs;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is cloned: a name, and a script.
const SAMPLES: [(&str, &str); 9] = [
    ("an integer", "42"),
    ("{x, y}", "({x: 1, y: 2.5})"),
    ("a string of 20", "'twenty characters ab'"),
    ("{a, b, c: [3]}", "({a: 1, b: 'two', c: [1, 2, 3]})"),
    (
        "1,000 objects of 3 fields",
        "Array.from({length: 1000}, (_, i) => ({id: i, name: 'n' + i % 10, on: i % 2 == 0}))",
    ),
    ("100,000 numbers", "Array.from({length: 100000}, (_, i) => i + 0.5)"),
    ("a string of 1 MiB", "'x'.repeat(1 << 20)"),
    ("a Map of 1,000", "new Map(Array.from({length: 1000}, (_, i) => [i, 'v']))"),
    ("an ArrayBuffer of 8 MiB", "new ArrayBuffer(8 << 20)"),
];

const TRANSFER: &str = "64 MiB transferred";

/// Nanoseconds to write and to read one value, and the same for the engine's own writer (`None`: it cannot).
#[derive(Clone, Debug)]
pub struct Cost {
    /// What was cloned.
    pub what: &'static str,
    /// By this codec.
    pub ours: (f64, f64),
    /// By the engine's own.
    pub engine: Option<(f64, f64)>,
}

/// The least of several rounds, each of at least 20 ms in all.
fn least(mut round: impl FnMut(u32) -> Duration) -> f64 {
    let mut count = 1;
    while round(count) < Duration::from_millis(5) && count < 1 << 20 {
        count *= 2;
    }
    (0..7).map(|_| round(count).as_nanos() as f64 / f64::from(count)).fold(f64::INFINITY, f64::min)
}

/// Measures all samples with this in their names.
#[doc(hidden)]
pub fn clone_costs(named: &str) -> Result<Vec<Cost>, Error> {
    let stack = 512 << 10;
    let limits = Limits { memory: 1 << 30, stack, time: Duration::MAX, slice: SLICE, eval: true };
    let mut isolate = Isolate::new(limits, Arc::new(Population::new(1)).enter()?)?;
    isolate.enter(StackTop::here(stack + (64 << 10)), |scope| {
        let mut costs = Vec::new();
        for (what, source) in SAMPLES.into_iter().filter(|(what, _)| what.contains(named)) {
            costs.push(cost(scope, what, source)?);
        }
        if TRANSFER.contains(named) {
            costs.push(transfer_cost(scope)?);
        }
        Ok(costs)
    })
}

fn cost(scope: Scope<'_>, what: &'static str, source: &str) -> Result<Cost, Error> {
    let value = [scope.eval(c"<sample>", &CStrSource::new(source))?];
    let name = |_: usize| String::new();
    let one = || write(scope, &value, &[], &name);
    drop(one()?);
    let writing = least(|count| {
        let start = Instant::now();
        for _ in 0..count {
            let _ = black_box(one());
        }
        start.elapsed()
    });
    let reading = least(|count| {
        let mut total = Duration::ZERO;
        // Not so many at once that they are out of the cache.
        let batch = if count > 64 { 64 } else { count.min(4) };
        for _ in 0..count.div_ceil(batch) {
            let messages: Vec<Message> = (0..batch).filter_map(|_| one().ok()).collect();
            let start = Instant::now();
            for message in messages {
                let _ = black_box(read(scope, message));
            }
            total += start.elapsed();
        }
        total * count / (count.div_ceil(batch) * batch)
    });
    Ok(Cost { what, ours: (writing, reading), engine: engine_cost(scope, value[0].raw()) })
}

/// The engine's own writer and reader.
fn engine_cost(scope: Scope<'_>, value: qjs::JSValue) -> Option<(f64, f64)> {
    let context = scope.as_ptr();
    let flags = qjs::JS_WRITE_OBJ_REFERENCE as i32;
    // SAFETY: we are inside; what is written is given back.
    let one = || unsafe {
        let mut size = 0;
        let bytes = qjs::JS_WriteObject(context, &mut size, value, flags);
        (bytes, size)
    };
    let (bytes, size) = one();
    if bytes.is_null() {
        drop(scope.take_exception());
        return None;
    }
    let writing = least(|count| {
        let start = Instant::now();
        for _ in 0..count {
            // SAFETY: we are inside; the bytes are ours.
            unsafe { qjs::js_free(context, black_box(one()).0.cast()) };
        }
        start.elapsed()
    });
    let reading = least(|count| {
        let start = Instant::now();
        for _ in 0..count {
            // SAFETY: we are inside; these are the bytes it wrote, and the value is given back.
            unsafe {
                let flags = qjs::JS_READ_OBJ_REFERENCE as i32;
                qjs::JS_FreeValue(context, black_box(qjs::JS_ReadObject(context, bytes, size, flags)));
            }
        }
        start.elapsed()
    });
    // SAFETY: as above.
    unsafe { qjs::js_free(context, bytes.cast()) };
    Some((writing, reading))
}

/// 64 MiB, there and back again.
fn transfer_cost(scope: Scope<'_>) -> Result<Cost, Error> {
    let mut buffer = scope.eval(c"<sample>", &CStrSource::new("new ArrayBuffer(64 << 20)"))?;
    let (mut best_write, mut best_read) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..1000 {
        let list = [buffer];
        let start = Instant::now();
        let message = write(scope, &list, &list, &|_| String::new())?;
        let written = Instant::now();
        let mut values = read(scope, message)?;
        best_read = best_read.min(written.elapsed().as_nanos() as f64);
        best_write = best_write.min((written - start).as_nanos() as f64);
        buffer = values.pop().ok_or_else(|| Error::conversion("the buffer is lost"))?;
    }
    Ok(Cost { what: TRANSFER, ours: (best_write, best_read), engine: None })
}
