//! `Atomics.wait` and `Atomics.notify` for fibers: who waits suspends its fiber, and the thread goes on with others.
//!
//! The engine's own `wait` would block the thread, and all fibers on it; so these take its place. Those who wait stand in
//! lists, one for each of some groups of addresses.
//!
//! # Why no wake-up is lost
//!
//! * `wait` looks at the value and joins the list under the list's lock. `notify` takes from the list under the same lock,
//!   and whoever calls it has written the value before. So either `wait` sees the new value, and does not wait; or it was
//!   in the list before `notify` looked.
//! * Between leaving the lock and suspending, a notification finds the event in the list and sets it. A set event stays
//!   set: waiting for it returns at once.
//! * Whose time is over takes itself from the list, under the lock. Is it not there any more, it was notified, and says so,
//!   though it woke by itself: a notification is counted to one who does not deny it.
//!
//! Who does not block, by `Atomics.waitAsync`, stands in the same lists, first come, first woken, and is told by a call of the
//! host's instead of the event.
//!
//! # Who is cancelled
//!
//! The wait returns, and the script ends at once by an error that no `catch` sees. Nothing unwinds through the engine.

use super::handle::{Handle, JsResult, Scope};
use super::intrinsics::Intrinsic;
use super::native::{Call, Native};
use super::table::Entry;
use heddle_scheduler::shielded;
use heddle_scheduler::sync::{Event, Mutex};
use rquickjs::qjs;
use std::cell::Cell;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Groups of addresses: those in one group share a lock. A power of two, picked from thin air.
const GROUPS: usize = 64;
/// The engine's numbers for these typed arrays.
const INT32: i32 = qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_INT32 as i32;
const BIG_INT64: i32 = qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_BIG_INT64 as i32;

/// How who waits is told that it was notified.
enum Tell {
    /// A fiber or thread that is blocked.
    Event(Arc<Event>),
    /// An isolate that goes on meanwhile.
    Call(Box<dyn FnOnce() + Send>),
}

/// One who waits.
struct Waiter {
    address: usize,
    number: u64,
    tell: Tell,
}

/// Makes what `Atomics.waitAsync` returns.
pub(crate) type WaitsAsync = for<'a> fn(Scope<'a>, Wish<'a>) -> JsResult<'a, Handle<'a>>;

/// What the engine does not have. It is part of the picture of an engine, which has room for it.
static TABLE: [Entry; 1] = [Entry::built_in::<WaitAsync>(c"waitAsync", 4, 0)];

/// Those who wait, in the order in which they came.
type List = Vec<Waiter>;

static WAITING: [Mutex<List>; GROUPS] = [const { Mutex::new(List::new()) }; GROUPS];

/// Calls with the list of an address, which nobody else has meanwhile. Who has to wait for that is not cancelled there, and
/// lends its priority.
fn with_list<R>(address: usize, work: impl FnOnce(&mut List) -> R) -> R {
    shielded(|| work(&mut WAITING[group_of(address)].lock()))
}

fn group_of(address: usize) -> usize {
    (address >> 2) % GROUPS
}

/// A number that no other who waits has.
fn next_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// Joins the list, if the element is as expected.
fn join(element: Element, expected: i64, number: u64, tell: Tell) -> bool {
    with_list(element.address(), |list| {
        let same = element.load() == expected;
        if same {
            list.push(Waiter { address: element.address(), number, tell });
        }
        same
    })
}

/// The place of one who waits without blocking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    address: usize,
    pub(crate) number: u64,
}

impl Place {
    /// Waits no more; false: it was notified, and its call is made or will be.
    pub(crate) fn leave(self) -> bool {
        with_list(self.address, |list| {
            let place = list.iter().position(|waiter| waiter.number == self.number);
            place.map(|place| list.remove(place)).is_some()
        })
    }

    /// The same of many, in one walk.
    pub(crate) fn leave_all(places: &HashSet<Place>) {
        let groups: HashSet<usize> = places.iter().map(|place| group_of(place.address)).collect();
        for group in groups {
            shielded(|| {
                WAITING[group].lock().retain(|waiter| {
                    !places.contains(&Place { address: waiter.address, number: waiter.number })
                });
            });
        }
    }
}

/// How many wait there.
#[cfg(test)]
pub(crate) fn waiting(addresses: &std::ops::Range<usize>) -> usize {
    let there = |waiter: &&Waiter| addresses.contains(&waiter.address);
    WAITING.iter().map(|group| group.lock().iter().filter(there).count()).sum()
}

/// An element of a typed array that can be waited for.
#[derive(Clone, Copy)]
struct Element {
    data: NonNull<u8>,
    is_64: bool,
}

impl Element {
    fn address(self) -> usize {
        self.data.as_ptr().addr()
    }

    /// Its value now.
    fn load(self) -> i64 {
        // SAFETY: the element is there and aligned, and its buffer is shared: all threads use atomics on it, or race as
        // the script lets them.
        // ORDERING: SeqCst, as the language has all of `Atomics`; pairs with its writes before `notify`.
        unsafe {
            if self.is_64 {
                AtomicI64::from_ptr(self.data.as_ptr().cast()).load(Ordering::SeqCst)
            } else {
                AtomicI32::from_ptr(self.data.as_ptr().cast()).load(Ordering::SeqCst).into()
            }
        }
    }
}

impl<'a> Scope<'a> {
    /// Puts both functions in the place of the engine's.
    pub(super) fn install_atomics(self) -> JsResult<'a, ()> {
        let atomics = self.global().get(c"Atomics")?;
        atomics.define_hidden(c"wait", self.new_function::<Wait>(c"wait", 0)?)?;
        atomics.define_hidden(c"notify", self.new_function::<Notify>(c"notify", 0)?)?;
        atomics.define_table(&TABLE)
    }

    /// Who makes promises of `Atomics.waitAsync`: the isolate itself has no loop in which they could be settled.
    pub(crate) fn wait_async_by(self, make: WaitsAsync) {
        self.note::<Cell<Option<WaitsAsync>>>().set(Some(make));
    }

    /// The buffer of an `Int32Array` or `BigInt64Array`, and whether it is shared.
    fn waitable_buffer(self, array: &Handle<'a>) -> JsResult<'a, (Handle<'a>, bool)> {
        // SAFETY: reading the class of what may be an object.
        let kind = unsafe { qjs::JS_GetTypedArrayType(array.raw()) };
        if !array.is_object() || (kind != INT32 && kind != BIG_INT64) {
            return Err(self.type_error("Atomics: expected an Int32Array or a BigInt64Array"));
        }
        let nothing = std::ptr::null_mut();
        // SAFETY: we are inside; it is a typed array, and what is returned is ours.
        let buffer = unsafe {
            self.check(qjs::JS_GetTypedArrayBuffer(self.as_ptr(), array.raw(), nothing, nothing, nothing))?
        };
        let is_shared = self.call_intrinsic(Intrinsic::SharedGrowable, buffer.raw(), &[]).is_ok();
        Ok((buffer, is_shared))
    }

    /// The element at an index, as the array is now.
    fn element(self, array: &Handle<'a>, index: u64) -> JsResult<'a, Element> {
        let (mut offset, mut length, mut size) = (0, 0, 0);
        // SAFETY: we are inside; it is a typed array, and what is returned is ours.
        let (kind, buffer) = unsafe {
            let buffer =
                qjs::JS_GetTypedArrayBuffer(self.as_ptr(), array.raw(), &mut offset, &mut length, &mut size);
            (qjs::JS_GetTypedArrayType(array.raw()), self.check(buffer)?)
        };
        if index >= length / size.max(1) {
            return Err(self.range_error("Atomics: there is no such element"));
        }
        let bytes = self.buffer_bytes(buffer.raw())?.cast::<u8>();
        // SAFETY: the element is inside the buffer.
        Ok(Element { data: unsafe { bytes.add((offset + index * size) as usize) }, is_64: kind == BIG_INT64 })
    }

    /// `ToIndex`.
    fn to_index(self, value: &Handle<'a>) -> JsResult<'a, u64> {
        let mut index = 0;
        // SAFETY: we are inside.
        let done = unsafe { qjs::JS_ToIndex(self.as_ptr(), &mut index, value.raw()) };
        if done < 0 { Err(self.take_exception()) } else { Ok(index) }
    }
}

impl<'a> Handle<'a> {
    /// Defines a property that is not enumerable.
    fn define_hidden(&self, name: &std::ffi::CStr, value: Handle<'a>) -> JsResult<'a, ()> {
        let flags = (qjs::JS_PROP_CONFIGURABLE | qjs::JS_PROP_WRITABLE) as i32;
        // SAFETY: we are inside; the engine takes the value's reference over.
        let done = unsafe {
            qjs::JS_DefinePropertyValueStr(self.context(), self.raw(), name.as_ptr(), value.into_raw(), flags)
        };
        if done < 0 { Err(self.scope.take_exception()) } else { Ok(()) }
    }
}

/// What somebody wants to wait for.
pub(crate) struct Wish<'a> {
    /// The buffer: it has the element.
    pub(crate) buffer: Handle<'a>,
    element: Element,
    expected: i64,
    /// `None`: for ever.
    pub(crate) limit: Option<Duration>,
}

impl<'a> Wish<'a> {
    /// Of `(array, index, value, timeout)`.
    pub(crate) fn of(scope: Scope<'a>, call: Call<'a, '_>, name: &str) -> JsResult<'a, Wish<'a>> {
        let array = call.argument(0);
        let (buffer, is_shared) = scope.waitable_buffer(&array)?;
        if !is_shared {
            return Err(scope.type_error(&format!("{name}: the array's buffer is no SharedArrayBuffer")));
        }
        let index = scope.to_index(&call.argument(1))?;
        let is_64 = scope.element(&array, index)?.is_64;
        let (mut narrow, mut wide) = (0_i32, 0_i64);
        let value = call.argument(2);
        // SAFETY: we are inside. A script's `valueOf` may run.
        let done = unsafe {
            if is_64 {
                qjs::JS_ToBigInt64(scope.as_ptr(), &mut wide, value.raw())
            } else {
                qjs::JS_ToInt32(scope.as_ptr(), &mut narrow, value.raw())
            }
        };
        if done < 0 {
            return Err(scope.take_exception());
        }
        let expected = if is_64 { wide } else { narrow.into() };
        let timeout = call.argument(3).to_number()?;
        // Not a number is for ever; and so is more than a clock has.
        let limit =
            if timeout.is_nan() { None } else { Duration::try_from_secs_f64(timeout.max(0.0) / 1e3).ok() };
        // Again: the script may have run in between.
        let element = scope.element(&array, index)?;
        Ok(Wish { buffer, element, expected, limit })
    }

    /// Is the element as expected now?
    pub(crate) fn is_equal(&self) -> bool {
        self.element.load() == self.expected
    }

    /// Joins the list without blocking; `None`: the element is not as expected. `told` is called with the place's number, once, by whoever
    /// notifies, unless the place is left before.
    pub(crate) fn join(&self, told: impl FnOnce(u64) + Send + 'static) -> Option<Place> {
        let number = next_number();
        let tell = Tell::Call(Box::new(move || told(number)));
        let place = Place { address: self.element.address(), number };
        join(self.element, self.expected, number, tell).then_some(place)
    }
}

/// `Atomics.wait(array, index, value, timeout)`.
struct Wait;

impl Native for Wait {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        let wish = Wish::of(scope, call, "Atomics.wait")?;
        let outcome = wait(scope, &wish)?;
        scope.string(outcome)
    }
}

fn wait<'a>(scope: Scope<'a>, wish: &Wish<'a>) -> JsResult<'a, &'static str> {
    let (event, number) = (Arc::new(Event::new()), next_number());
    if !join(wish.element, wish.expected, number, Tell::Event(event.clone())) {
        return Ok("not-equal");
    }
    // A fiber that is cancelled while it waits for a time unwinds: to here and no further.
    let outcome = scope.away(|| {
        catch_unwind(AssertUnwindSafe(|| match wish.limit {
            Some(limit) => Ok(event.wait_for(limit)),
            None => event.wait_or_cancelled().map(|()| true),
        }))
    });
    let was_notified = !Place { address: wish.element.address(), number }.leave();
    if !matches!(outcome, Ok(Ok(_))) {
        scope.may_go_on()?;
    }
    Ok(if was_notified { "ok" } else { "timed-out" })
}

/// `Atomics.waitAsync(array, index, value, timeout)`: `{ async, value }`.
struct WaitAsync;

impl Native for WaitAsync {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        let wish = Wish::of(scope, call, "Atomics.waitAsync")?;
        match scope.note::<Cell<Option<WaitsAsync>>>().get() {
            Some(make) => make(scope, wish),
            None => Err(scope.type_error("Atomics.waitAsync: nothing settles promises here")),
        }
    }
}

/// `Atomics.notify(array, index, count)`: how many were woken.
struct Notify;

impl Native for Notify {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        let array = call.argument(0);
        let (_, is_shared) = scope.waitable_buffer(&array)?;
        let index = scope.to_index(&call.argument(1))?;
        scope.element(&array, index)?;
        let count = call.argument(2);
        let count = if count.is_undefined() { f64::INFINITY } else { count.to_number()? };
        let element = scope.element(&array, index)?;
        let mut left = if count.is_nan() { 0 } else { count.max(0.0) as usize };
        if !is_shared {
            return Ok(scope.number(0.0));
        }
        let woken = with_list(element.address(), |list| {
            let chosen = |waiter: &mut Waiter| {
                let chosen = left > 0 && waiter.address == element.address();
                left -= usize::from(chosen);
                chosen
            };
            list.extract_if(.., chosen).collect::<Vec<_>>()
        });
        let count = woken.len();
        for waiter in woken {
            match waiter.tell {
                Tell::Event(event) => event.set(),
                Tell::Call(told) => told(),
            }
        }
        Ok(scope.number(count as f64))
    }
}

#[cfg(test)]
#[path = "atomics_tests.rs"]
mod tests;
