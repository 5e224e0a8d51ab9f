//! How often the engine asks "may I go on?".
//!
//! By itself it asks at every 10,000th jump back or call. In a loop with a body that takes 80 us that is
//! every 25 ms or never. It counts down in a field of the context, sets it back before it asks, and counts on from what
//! is there after: so whoever answers may write a smaller number there.
//!
//! The place of that field is the engine's secret (see [`structures`](super::structures)); it is tried once in a process, by a loop
//! that has to ask often, and where that fails the engine keeps its own rate.

use super::Isolate;
use super::handle::CStrSource;
use super::population::Population;
use crate::limits::Limits;
use rquickjs::qjs;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

/// Jumps and calls between two questions, in an empty loop some 2 us. A prototype that read a clock at each question cost nothing
/// that could be measured at 200, and 2 % of an empty loop at 100; the answer given here does a little more than that one.
pub(super) const EVERY: i32 = 500;
/// What the engine sets it to.
const ENGINES_OWN: i32 = 10_000;
/// Where a context counts.
const COUNTER: usize = 548;

/// Where the context counts down to its next question; `None` where that is not known.
pub(super) fn counter(context: NonNull<qjs::JSContext>) -> Option<NonNull<i32>> {
    // SAFETY: a context has 592 bytes.
    is_known().then(|| unsafe { place(context) })
}

/// # Safety
/// It points to a context of this version.
unsafe fn place(context: NonNull<qjs::JSContext>) -> NonNull<i32> {
    // SAFETY: the caller's promise.
    unsafe { context.cast::<u8>().add(COUNTER).cast() }
}

/// What the probe's handler counts.
struct Probe {
    counter: NonNull<i32>,
    set: i32,
    asked: Cell<u32>,
    /// The counter had what the engine sets.
    right: Cell<bool>,
}

fn is_known() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    // Asked for by each isolate, and by those of the probe: they do not ask.
    *KNOWN.get_or_init(|| {
        let asked = |set| probe(set).unwrap_or(0);
        let (often, seldom) = (asked(50), asked(ENGINES_OWN));
        // Two hundred times as often, nearly.
        seldom >= 1 && often >= 100 * seldom
    })
}

/// How often a loop of some 40,000 jumps asks, if the counter is set to this.
fn probe(set: i32) -> Option<u32> {
    let population = Arc::new(Population::new(1));
    let mut isolate = Isolate::untuned(Limits::DEFAULT, population.house()).ok()?;
    // SAFETY: as in `counter`: if the version is another one, this is some other number inside the context, and is
    // only written to if it has the number that is looked for.
    let counter = unsafe { place(isolate.context) };
    let probe = Probe { counter, set, asked: Cell::new(0), right: Cell::new(true) };
    let runtime = isolate.runtime.as_ptr();
    // SAFETY: the runtime is alive; the handler is taken away before the probe goes.
    unsafe { qjs::JS_SetInterruptHandler(runtime, Some(answer), (&raw const probe).cast_mut().cast()) };
    let outcome = isolate.furnish(|scope| {
        scope.eval(c"probe", &CStrSource::new("for (let i = 0; i < 20000; i++);"))?;
        Ok(())
    });
    // SAFETY: as above.
    unsafe { qjs::JS_SetInterruptHandler(runtime, None, std::ptr::null_mut()) };
    (outcome.is_ok() && probe.right.get()).then(|| probe.asked.get())
}

unsafe extern "C" fn answer(_: *mut qjs::JSRuntime, probe: *mut c_void) -> c_int {
    // SAFETY: `probe` has set this pointer, and is still there.
    let probe = unsafe { &*probe.cast::<Probe>() };
    probe.asked.set(probe.asked.get() + 1);
    // SAFETY: inside the context, see `probe`.
    unsafe {
        if probe.counter.read() == ENGINES_OWN {
            probe.counter.write(probe.set);
        } else {
            probe.right.set(false);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_where_it_is_written_to() {
        assert!(is_known(), "the engine would ask at its own rate");
        assert!(probe(1000).is_some_and(|asked| (30..=60).contains(&asked)));
    }
}
