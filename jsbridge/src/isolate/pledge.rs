//! Promises without functions of their own.
//!
//! The engine makes each promise with two functions that settle it, which take a third of the time and half of the memory of a
//! promise; the host would only keep them. A *pledge* is a promise that has none. The host settles pledges with one pair of
//! functions for all of them, which it points at the one that is to be settled:
//!
//! ```text
//!   promise   | 48 | its data ----> state u32 | reactions at 8 and 24: two empty rings | handled u8 at 40 | result at 48
//!   function  | 48 | its data ----> the promise, 16 | -> | owners u32 | has it been called u8
//! ```
//!
//! No script ever has that pair. While it runs, a getter named `then` of what a pledge is settled with may settle another pledge, with
//! the same pair: that one points it back where it was, and the engine has looked at "has it been called" by then.
//!
//! None of the picture is promised by the engine. It is looked at with samples, and then tried, once a process; where one thing is
//! not so, there are no pledges, and promises are made in the usual way.

use super::handle::{Handle, JsResult, Scope};
use super::kept::Kept;
use super::layout::{address, at, offset};
use super::native::{Call, Native};
use rquickjs::qjs;
use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

/// A promise's data.
#[repr(C)]
struct Data {
    state: u32,
    reactions: [Ring; 2],
    is_handled: bool,
    result: qjs::JSValue,
}

/// The head of a list: alone, it points to itself.
#[repr(C)]
struct Ring(*const Ring, *const Ring);

/// The data of a function that settles.
#[repr(C)]
struct Aim {
    promise: qjs::JSValue,
    called: *mut Called,
}

#[repr(C)]
struct Called {
    owners: u32,
    is_called: bool,
}

/// Evidence that the engine keeps promises as the picture says: their class, and that of what fulfils them; of what rejects
/// them it is one more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pledges {
    promise: qjs::JSClassID,
    resolve: qjs::JSClassID,
    /// The name `prototype`. It is one of the engine's own, which have the same numbers in all isolates.
    prototype: qjs::JSAtom,
}

/// The pair that settles an isolate's pledges.
pub(crate) struct Pair {
    known: Pledges,
    resolve: Kept,
    reject: Kept,
}

/// A constructor for classes to extend: a pending pledge with the prototype of what is called by `new`.
pub(crate) struct Pledge;

impl Native for Pledge {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        // It was made by who knew.
        let Some(known) = Pledges::get(scope) else { return Err(scope.type_error("there are no pledges")) };
        // SAFETY: we are inside; what is returned is ours.
        let prototype =
            unsafe { scope.check(qjs::JS_GetProperty(scope.as_ptr(), call.this().raw(), known.prototype))? };
        known.make(scope, &prototype)
    }
}

impl Pledges {
    /// The evidence, if it is so.
    pub(crate) fn get(scope: Scope<'_>) -> Option<Pledges> {
        static FOUND: OnceLock<Option<Pledges>> = OnceLock::new();
        if let Some(found) = FOUND.get() {
            return *found;
        }
        // What fails for want of memory is looked at again.
        let found = Pledges::look(scope).ok()?;
        *FOUND.get_or_init(|| found)
    }

    fn look(scope: Scope<'_>) -> JsResult<'_, Option<Pledges>> {
        if cfg!(not(target_pointer_width = "64")) {
            return Ok(None);
        }
        let (promise, [resolve, reject]) = scope.new_capability()?;
        // SAFETY: we are inside; such an atom is not counted.
        let known = unsafe {
            Pledges {
                promise: qjs::JS_GetClassID(promise.raw()),
                resolve: qjs::JS_GetClassID(resolve.raw()),
                prototype: qjs::JS_NewAtom(scope.as_ptr(), c"prototype".as_ptr()),
            }
        };
        // SAFETY: the values are what the engine has just made, and nobody else has them.
        let is_so = unsafe { known.is_so(scope, &promise, &resolve, &reject) };
        let is_right = is_so && known.is_tried(scope, &promise)?;
        Ok(is_right.then_some(known))
    }

    /// Are samples as in the picture?
    ///
    /// # Safety
    /// They are a promise that was just made, and its functions.
    unsafe fn is_so(
        self,
        scope: Scope<'_>,
        promise: &Handle<'_>,
        resolve: &Handle<'_>,
        reject: &Handle<'_>,
    ) -> bool {
        // SAFETY: what has so many bytes is read as far as that; `aim_of` and `opaque` ask the engine where.
        unsafe {
            let room = |data: *mut c_void| qjs::js_malloc_usable_size(scope.as_ptr(), data) as usize;
            let (data, to, no) = (
                qjs::JS_GetOpaque(promise.raw(), self.promise),
                qjs::JS_GetOpaque(resolve.raw(), self.resolve),
                qjs::JS_GetOpaque(reject.raw(), self.resolve + 1),
            );
            if data.is_null() || to.is_null() || no.is_null() {
                return false;
            }
            let is_there = at::<*mut c_void>(address(promise.raw()), offset::PARTICULAR) == data
                && room(data) >= size_of::<Data>()
                && room(to) >= size_of::<Aim>()
                && room(no) >= size_of::<Aim>();
            if !is_there {
                return false;
            }
            let (data, to, no) = (&*data.cast::<Data>(), &*to.cast::<Aim>(), &*no.cast::<Aim>());
            let is_empty = |ring: &Ring| ring.0 == ptr::from_ref(ring) && ring.1 == ptr::from_ref(ring);
            let is_it = |value| qjs::JS_IsObject(value) && address(value) == address(promise.raw());
            data.state == 0
                && data.reactions.iter().all(is_empty)
                && ptr::from_ref(&data.is_handled).cast::<u8>().read() == 0
                && qjs::JS_IsUndefined(data.result)
                && is_it(to.promise)
                && is_it(no.promise)
                && to.called == no.called
                && room(to.called.cast()) >= size_of::<Called>()
                && (*to.called).owners == 2
                && to.called.cast::<u8>().add(std::mem::offset_of!(Called, is_called)).read() == 0
        }
    }

    /// Do pledges do what promises do?
    fn is_tried<'a>(self, scope: Scope<'a>, promise: &Handle<'a>) -> JsResult<'a, bool> {
        // SAFETY: we are inside; what is returned is ours.
        let prototype = unsafe { scope.check(qjs::JS_GetPrototype(scope.as_ptr(), promise.raw()))? };
        let pair = self.pair(scope)?;
        let state = |promise: &Handle<'a>| {
            // SAFETY: we are inside; the result is ours.
            unsafe {
                let result = scope.own(qjs::JS_PromiseResult(scope.as_ptr(), promise.raw()));
                (qjs::JS_PromiseState(scope.as_ptr(), promise.raw()), result.to_number().unwrap_or(0.0))
            }
        };
        let (first, second) = (self.make(scope, &prototype)?, self.make(scope, &prototype)?);
        // SAFETY: we are inside. What is rejected is told of if nobody has handled it.
        unsafe { qjs::JS_PromiseMarkAsHandled(scope.as_ptr(), second.raw()) };
        let is_pending = first.is_promise() && state(&first).0 == state(promise).0;
        for round in [1.0, 2.0] {
            // Settled once, they stay as they are.
            pair.settle(scope, &first, &Ok(scope.number(5.0 * round)))?;
            pair.settle(scope, &second, &Err(scope.number(7.0 * round)))?;
        }
        let (fulfilled, rejected) = (state(&first), state(&second));
        pair.release(scope);
        Ok(is_pending
            && fulfilled == (qjs::JSPromiseStateEnum_JS_PROMISE_FULFILLED, 5.0)
            && rejected == (qjs::JSPromiseStateEnum_JS_PROMISE_REJECTED, 7.0))
    }

    /// A pending promise with that prototype.
    fn make<'a>(self, scope: Scope<'a>, prototype: &Handle<'a>) -> JsResult<'a, Handle<'a>> {
        if !prototype.is_object() {
            return Err(scope.type_error("the prototype of a promise is an object"));
        }
        // SAFETY: we are inside. The engine frees the data with the promise, as it has allocated it; until it is there, the engine
        // takes the object for one that could not be made.
        unsafe {
            let made = qjs::JS_NewObjectProtoClass(scope.as_ptr(), prototype.raw(), self.promise);
            let made = scope.check(made)?;
            let data = qjs::js_malloc(scope.as_ptr(), size_of::<Data>() as qjs::size_t).cast::<Data>();
            if data.is_null() {
                return Err(scope.take_exception());
            }
            let ring = |index: usize| &raw const (*data).reactions[index];
            data.write(Data {
                state: 0,
                reactions: [Ring(ring(0), ring(0)), Ring(ring(1), ring(1))],
                is_handled: false,
                result: qjs::JS_UNDEFINED,
            });
            address(made.raw()).add(offset::PARTICULAR).cast().write(data);
            Ok(made)
        }
    }

    /// What settles this isolate's.
    pub(crate) fn pair(self, scope: Scope<'_>) -> JsResult<'_, Pair> {
        let (_, [resolve, reject]) = scope.new_capability()?;
        Ok(Pair { known: self, resolve: scope.keep(resolve), reject: scope.keep(reject) })
    }
}

impl Pair {
    /// Settles a pledge. Each is settled once: one that was settled to a promise waits for that, and would not wait any more.
    ///
    /// # Errors
    /// What the engine throws then: there is no memory.
    pub(crate) fn settle<'a>(
        &self,
        scope: Scope<'a>,
        pledge: &Handle<'a>,
        value: &JsResult<'a, Handle<'a>>,
    ) -> JsResult<'a, ()> {
        let (function, class, value) = match value {
            Ok(value) => (&self.resolve, self.known.resolve, value),
            Err(thrown) => (&self.reject, self.known.resolve + 1, thrown),
        };
        let function = scope.kept(function);
        // SAFETY: we are inside, and the function is one of the pair, which is alive: so its data is an `Aim`, which owns a reference to
        // what it points to at any time.
        let (aim, before) = unsafe {
            let aim = NonNull::new(qjs::JS_GetOpaque(function.raw(), class).cast::<Aim>())
                .ok_or_else(|| scope.type_error("this isolate has no pledges"))?;
            let pledge = qjs::JS_DupValue(scope.as_ptr(), pledge.raw());
            (*(*aim.as_ptr()).called).is_called = false;
            (aim, ptr::replace(&raw mut (*aim.as_ptr()).promise, pledge))
        };
        // Where there is no memory the engine forgets who waits for the promise. So there is, unless scripts may run now: in a getter
        // named `then`.
        let settle = || function.call(&scope.undefined(), &[value]);
        let runs_scripts = class == self.known.resolve && value.is_object();
        let settled = if runs_scripts { settle() } else { scope.memory().without_limit(settle) };
        // SAFETY: as above: `function` is a reference to it.
        drop(unsafe { scope.own(ptr::replace(&raw mut (*aim.as_ptr()).promise, before)) });
        settled.map(drop)
    }

    fn release(self, scope: Scope<'_>) {
        drop((scope.release(self.resolve), scope.release(self.reject)));
    }
}

impl<'a> Scope<'a> {
    /// A promise and its two functions.
    fn new_capability(self) -> JsResult<'a, (Handle<'a>, [Handle<'a>; 2])> {
        let mut functions = [qjs::JS_UNDEFINED; 2];
        // SAFETY: we are inside; where it works, all three references are ours.
        unsafe {
            let promise = self.check(qjs::JS_NewPromiseCapability(self.as_ptr(), functions.as_mut_ptr()))?;
            Ok((promise, functions.map(|function| self.own(function))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{eval, inside};

    #[test]
    fn the_engine_keeps_promises_as_in_the_picture() {
        inside(|scope| {
            assert!(Pledges::get(scope).is_some(), "promises would be made in the usual way");
            Ok(())
        });
    }

    #[test]
    fn a_pledge_is_a_promise_in_every_way() {
        inside(|scope| {
            let known = Pledges::get(scope).expect("they are known");
            let pair = known.pair(scope)?;
            let prototype = eval(scope, "Promise.prototype")?;
            let told = eval(scope, "globalThis.told = []")?;
            let watch = eval(
                scope,
                "(pledge, name) => pledge.then((value) => told.push(name + value), (error) => told.push(name + '!' + error))",
            )?;
            let is_one = eval(
                scope,
                "(pledge) => pledge instanceof Promise && Promise.resolve(pledge) === pledge && Object.getOwnPropertyNames(pledge).length === 0",
            )?;
            let values = [
                ("a", Ok(eval(scope, "1")?)),
                ("b", Err(eval(scope, "2")?)),
                ("c", Ok(eval(scope, "Promise.resolve(3)")?)),
                ("d", Ok(eval(scope, "({ then(yes) { yes(4); yes(5); } })")?)),
                ("e", Ok(eval(scope, "({ get then() { throw 6; } })")?)),
                ("f", Ok(eval(scope, "({ then: 7, toString: () => '7' })")?)),
            ];
            for (name, value) in &values {
                let pledge = known.make(scope, &prototype)?;
                assert!(is_one.call(&scope.undefined(), &[&pledge])?.is_truthy());
                watch.call(&scope.undefined(), &[&pledge, &scope.string(name)?])?;
                // What looks for cycles goes through a pledge, and through the pair while it is pointed at one.
                // SAFETY: we are inside.
                unsafe { qjs::JS_RunGC(scope.runtime()) };
                pair.settle(scope, &pledge, value)?;
            }
            let itself = known.make(scope, &prototype)?;
            watch.call(&scope.undefined(), &[&itself, &scope.string("g")?])?;
            pair.settle(scope, &itself, &Ok(itself.clone()))?;
            drop(itself);
            scope.run_jobs().expect("nobody stops it");
            let told = told.get(c"join")?.call(&told, &[&scope.string(" ")?])?.text()?;
            assert_eq!(told, "a1 b!2 e!6 f7 g!TypeError: promise self resolution d4 c3");
            // Never settled, and held by a cycle.
            let pledge = known.make(scope, &prototype)?;
            eval(scope, "(pledge) => { pledge.self = pledge; pledge.then(() => pledge); }")?
                .call(&scope.undefined(), &[&pledge])?;
            drop(pledge);
            pair.release(scope);
            Ok(())
        });
    }
}
