//! The engine's iterators, and what goes through them.
//!
//! # Where they call each other
//!
//! What `take`, `map`, `Iterator.concat` and `Iterator.from` give calls the iterator that it was made of as C functions call each other: without a
//! question, and without a look at the stack. A hundred thousand of them, each made of the one before, were the end of the
//! process. So in front of their `next` and `return` stands one of ours, which looks at the stack and asks.
//!
//! # What goes through that of an array-like
//!
//! An iterator of `{ length: 2 ** 32 - 1 }` has as many steps, and none of them asks. Its `next` stays the engine's, as `[...array]` is
//! quick with that one only. What goes through it without making anything, so that no memory is used up, gets what
//! `take(Infinity)` gives of it, which asks:
//!
//! | function                                      | ours stands in front, and changes                                 |
//! |-----------------------------------------------|-------------------------------------------------------------------|
//! | `drop` of more than [`FEW`], `includes`, `join` | what they are called on, if that is such an iterator            |
//! | `Math.sumPrecise`                             | what its argument's `[Symbol.iterator]` gives, if that is one     |
//! | methods of sets that go through another       | what the other's `keys` gives, if that is one                     |
//!
//! What the engine does before it looks at `next` is done before, in its order.

use super::guard::{self, Engines, Front};
use super::handle::{Handle, JsResult, Scope};
use super::intrinsics::Intrinsic;
use super::layout::{self, Layout};
use super::look::{Class, Key, Property, WellKnown};
use super::native::{Call, Native, scope_of};
use super::prelude::Prelude;
use super::structures;
use rquickjs::qjs;
use std::ffi::{CStr, c_int};
use std::sync::OnceLock;

/// Steps that are over soon.
const FEW: i32 = 1024;
const SAFE_MOST: f64 = 9_007_199_254_740_991.0;

const STEPS: [&CStr; 2] = [c"next", c"return"];

const METHODS: [&CStr; 4] = [c"drop", c"includes", c"join", c"take"];
const DROP: usize = 0;
const INCLUDES: usize = 1;
/// There is none of ours: it is called.
const TAKE: usize = 3;

const SUMS: [&CStr; 1] = [c"sumPrecise"];

const OF_SETS: [&CStr; 6] =
    [c"isDisjointFrom", c"isSupersetOf", c"intersection", c"difference", c"symmetricDifference", c"union"];

/// The class of what goes through arrays and array-likes.
static ARRAY_ITERATOR: OnceLock<qjs::JSClassID> = OnceLock::new();

static STAND_INS: Prelude = Prelude::new(c"heddle:iterators", include_str!("js/iterators.js"));

static HELPERS: Engines<{ STEPS.len() }> = Engines::new();
static WRAPPERS: Engines<{ STEPS.len() }> = Engines::new();
static PROTOTYPE: Engines<{ METHODS.len() }> = Engines::new();
static MATH: Engines<{ SUMS.len() }> = Engines::new();
static SETS: Engines<{ OF_SETS.len() }> = Engines::new();

impl<'a> Scope<'a> {
    /// Puts ours in front of the engine's. Before the first script.
    pub(super) fn guard_iterators(self) -> JsResult<'a, ()> {
        if !structures::known_to_hold() {
            return Ok(());
        }
        let (helpers, wrappers) = (Front::Step(step::<false>), Front::Step(step::<true>));
        let both = [("Iterator Helper", &HELPERS, helpers), ("Iterator Wrap", &WRAPPERS, wrappers)];
        for (class, known, front) in both {
            if let Some(prototype) = self.prototype_of_class(class)? {
                self.guard(&prototype, &STEPS, STEPS.len(), known, front)?;
            }
        }
        let Some(class) = self.class_named("Array Iterator")? else { return Ok(()) };
        let _known = ARRAY_ITERATOR.set(class);
        let global = self.global();
        let prototype = global.get(c"Iterator")?.get(c"prototype")?;
        self.guard(&prototype, &METHODS, TAKE, &PROTOTYPE, Front::Call(method))?;
        self.guard(&global.get(c"Math")?, &SUMS, SUMS.len(), &MATH, Front::Call(sum))?;
        let prototype = global.get(c"Set")?.get(c"prototype")?;
        self.guard(&prototype, &OF_SETS, OF_SETS.len(), &SETS, Front::Call(of_sets))
    }

    /// What the engine's objects of a class inherit from.
    fn prototype_of_class(self, name: &str) -> JsResult<'a, Option<Handle<'a>>> {
        let Some(id) = self.class_named(name)? else { return Ok(None) };
        // SAFETY: we are inside, and the engine has such a class; the reference is ours.
        unsafe { self.check(qjs::JS_GetClassProto(self.as_ptr(), id)).map(Some) }
    }

    /// One iterator is about to call another.
    #[inline]
    fn may_step(self) -> JsResult<'a, ()> {
        if self.is_stack_over() {
            return Err(self.range_error("Maximum call stack size exceeded"));
        }
        if self.state.watch.count_down() { Ok(()) } else { self.may_go_on() }
    }
}

impl<'a> Scope<'a> {
    /// The iterator, or if it is one of an array-like, one that gives the same and asks.
    fn asking(self, iterator: Handle<'a>) -> JsResult<'a, Handle<'a>> {
        let Some(known) = PROTOTYPE.get().filter(|_| is_of_array(iterator.raw())) else {
            return Ok(iterator);
        };
        let mut all = [self.number(f64::INFINITY).raw()];
        // SAFETY: we are inside; `take` has one argument, and the reference is ours.
        unsafe { self.check(known[TAKE].engines.call(self.as_ptr(), iterator.raw(), 1, all.as_mut_ptr())) }
    }

    /// `drop`, `includes` or `join` of an iterator of an array-like: what goes on before `next` is looked at, and what the engine
    /// is to be called with.
    fn prepared(
        self,
        which: usize,
        this: &Handle<'a>,
        arguments: [Handle<'a>; 2],
    ) -> JsResult<'a, (Handle<'a>, [Handle<'a>; 2])> {
        let [mut first, second] = arguments;
        let asks = match which {
            DROP => {
                let count = self.or_closed(this, first.to_number())?;
                first = self.number(count);
                count > f64::from(FEW) && (count <= SAFE_MOST || count.is_infinite())
            }
            INCLUDES if second.is_undefined() => true,
            INCLUDES if second.is_number() => {
                let skipped = second.to_number()?;
                skipped >= 0.0 && (skipped <= SAFE_MOST && skipped.fract() == 0.0 || skipped.is_infinite())
            }
            INCLUDES => false,
            _ => {
                if !first.is_undefined() {
                    first = self.or_closed(this, self.to_text(&first))?;
                }
                true
            }
        };
        // The engine says what is wrong with the others.
        let this = if asks { self.asking(this.clone())? } else { this.clone() };
        Ok((this, [first, second]))
    }

    /// Closes an iterator whose method was called with something that throws.
    fn or_closed<T>(self, iterator: &Handle<'a>, outcome: JsResult<'a, T>) -> JsResult<'a, T> {
        if outcome.is_err()
            && let Ok(close) = iterator.get(c"return")
            && !close.is_undefined()
            && !close.is_null()
        {
            // What it throws itself is not what is wrong.
            drop(close.call(iterator, &[]));
        }
        outcome
    }

    /// Does an object without properties of its own have this one as the engine made it?
    fn is_as_made(self, value: &Handle<'a>, key: &Key<'a>, made: Intrinsic) -> JsResult<'a, bool> {
        let prototype = value.prototype()?;
        // SAFETY: we are inside; the value is an object, and the reference is ours.
        let of_class =
            unsafe { self.check(qjs::JS_GetClassProto(self.as_ptr(), qjs::JS_GetClassID(value.raw())))? };
        if prototype.address() != of_class.address() {
            return Ok(false);
        }
        let found = prototype.own_property(key)?.map(|found| found.property);
        let made = layout::address(self.intrinsic_raw(made)).as_ptr().addr();
        Ok(
            matches!(found, Some(Property::Data(function)) if function.is_object() && function.address() == made),
        )
    }

    /// Is it gone through as the engine goes through arrays with all elements in memory?
    fn is_plain_array(self, value: &Handle<'a>) -> JsResult<'a, bool> {
        let layout = Layout::get(self).filter(|_| value.class() == Some(Class::Array));
        // SAFETY: it is an array.
        let is_plain = layout.is_some_and(|layout| unsafe { layout.elements(value.raw()).is_some() });
        Ok(is_plain
            && self.is_as_made(value, &self.well_known(WellKnown::Iterator)?, Intrinsic::ArrayValues)?)
    }

    /// Is it gone through as the engine goes through its sets?
    fn is_plain_set(self, value: &Handle<'a>) -> JsResult<'a, bool> {
        let layout = Layout::get(self).filter(|_| value.class() == Some(Class::Set));
        // SAFETY: it is an object.
        let is_plain = layout.is_some_and(|layout| unsafe { layout.count(layout.shape(value.raw())) == 0 });
        Ok(is_plain && self.is_as_made(value, &self.key(c"keys")?, Intrinsic::SetValues)?)
    }

    /// What `js/iterators.js` makes of something.
    fn stand_in(self, kind: &CStr, of: &Handle<'a>) -> JsResult<'a, Handle<'a>> {
        let makers = STAND_INS.once(self, |prelude| {
            let asking = self.new_function::<Asking>(c"asking", 0)?;
            let size = self.new_function::<SizeOf>(c"size", 0)?;
            prelude.instantiate(self, &[&asking, &size])
        });
        makers?.get(kind)?.call(&self.undefined(), &[of])
    }
}

struct Asking;

impl Native for Asking {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        scope.asking(call.argument(0))
    }
}

struct SizeOf;

impl Native for SizeOf {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        let set = call.argument(0);
        // Of a set of its own the engine does not look at the property.
        if set.class() == Some(Class::Set) {
            scope.call_intrinsic(Intrinsic::SetSize, set.raw(), &[])
        } else {
            set.get(c"size")
        }
    }
}

/// Is it an iterator of an array or an array-like?
#[inline]
fn is_of_array(value: qjs::JSValue) -> bool {
    // SAFETY: reading the class of what may be an object.
    unsafe { qjs::JS_IsObject(value) && ARRAY_ITERATOR.get() == Some(&qjs::JS_GetClassID(value)) }
}

/// `iterator.drop(count)`, `includes(value, skipped)`, `join(separator)`
unsafe extern "C" fn method(
    context: *mut qjs::JSContext,
    this: qjs::JSValue,
    count: c_int,
    arguments: *mut qjs::JSValue,
    which: c_int,
) -> qjs::JSValue {
    let which = which as usize;
    let Some(native) = PROTOTYPE.get().map(|known| known[which].engines) else { return qjs::JS_UNDEFINED };
    // SAFETY: the engine calls this from inside, with at least one argument, as its own functions' lengths say. What is prepared
    // lives until the call is over.
    unsafe {
        let first = arguments.read();
        let is_short = which == DROP && qjs::JS_IsInt(first) && qjs::JS_VALUE_GET_INT(first) <= FEW;
        if is_short || !is_of_array(this) {
            return native.call(context, this, count, arguments);
        }
        guard::inside(context, count, arguments, |scope, borrowed| {
            let own = |value: qjs::JSValue| scope.own(qjs::JS_DupValue(context, value));
            let second = borrowed.get(1).map_or_else(|| scope.undefined(), |value| own(*value));
            let (this, prepared) = scope.prepared(which, &own(this), [own(first), second])?;
            let mut prepared_raw = prepared.each_ref().map(Handle::raw);
            Ok(native.call(context, this.raw(), count.min(2), prepared_raw.as_mut_ptr()))
        })
    }
}

/// Calls the engine's function with a stand-in for its argument, if that is not plain.
///
/// # Safety
/// The engine has called a guard with these, and there is an argument.
unsafe fn with_stand_in<const N: usize>(
    engines: &Engines<N>,
    which: c_int,
    (context, this, count, arguments): (*mut qjs::JSContext, qjs::JSValue, c_int, *mut qjs::JSValue),
    kind: &CStr,
    is_plain: impl for<'a> FnOnce(Scope<'a>, &Handle<'a>) -> JsResult<'a, bool>,
) -> qjs::JSValue {
    let Some(native) = engines.get().map(|known| known[which as usize].engines) else {
        return qjs::JS_UNDEFINED;
    };
    // SAFETY: the caller's promise; the stand-in lives until the call is over.
    unsafe {
        guard::inside(context, count, arguments, |scope, _| {
            let value = scope.own(qjs::JS_DupValue(context, arguments.read()));
            // The engine says what is wrong with these.
            if value.is_undefined() || value.is_null() || is_plain(scope, &value)? {
                return Ok(native.call(context, this, count, arguments));
            }
            let stand_in = scope.stand_in(kind, &value)?;
            Ok(native.call(context, this, 1, &mut stand_in.raw()))
        })
    }
}

/// `Math.sumPrecise(numbers)`
unsafe extern "C" fn sum(
    context: *mut qjs::JSContext,
    this: qjs::JSValue,
    count: c_int,
    arguments: *mut qjs::JSValue,
    which: c_int,
) -> qjs::JSValue {
    // SAFETY: the engine calls this from inside, with at least one argument, as its own function's length says.
    unsafe {
        let call = (context, this, count, arguments);
        with_stand_in(&MATH, which, call, c"iterable", |scope, value| scope.is_plain_array(value))
    }
}

/// `set.union(other)` and its like
unsafe extern "C" fn of_sets(
    context: *mut qjs::JSContext,
    this: qjs::JSValue,
    count: c_int,
    arguments: *mut qjs::JSValue,
    which: c_int,
) -> qjs::JSValue {
    // SAFETY: as above.
    unsafe {
        let call = (context, this, count, arguments);
        // On what is no set it throws before it looks at the other.
        with_stand_in(&SETS, which, call, c"set", |scope, value| {
            let is_set = scope.own(qjs::JS_DupValue(context, this)).class() == Some(Class::Set);
            Ok(!is_set || scope.is_plain_set(value)?)
        })
    }
}

/// `next` and `return`, of what wraps an iterator of a script's, or of the others.
unsafe extern "C" fn step<const WRAPS: bool>(
    context: *mut qjs::JSContext,
    this: qjs::JSValue,
    count: c_int,
    arguments: *mut qjs::JSValue,
    done: *mut c_int,
    which: c_int,
) -> qjs::JSValue {
    let known = if WRAPS { &WRAPPERS } else { &HELPERS };
    // SAFETY: the engine calls this from inside. What it throws it takes over, and then it looks at `done` as well.
    unsafe {
        let engines = known.get().map(|engines| engines[which as usize].engines);
        let Some((engines, scope)) = engines.zip(scope_of(context)) else { return qjs::JS_UNDEFINED };
        match scope.may_step() {
            Ok(()) => engines.step(context, this, (count, arguments), done),
            Err(thrown) => {
                done.write(0);
                qjs::JS_Throw(context, thrown.into_raw())
            }
        }
    }
}
