//! Methods of arrays that would go on for ever without a question.
//!
//! The engine asks at jumps and calls of scripts. `Array.prototype.reverse.call({ length: 2 ** 53 - 1 })` has neither, and is over
//! in ten thousand years. So in front of such a method stands one of ours:
//!
//! | called on                                                         | what runs            |
//! |-------------------------------------------------------------------|----------------------|
//! | an array without holes (its elements are in memory, so not so many), or one of at most [`SHORT`] elements | the engine's method |
//! | anything else: an array-like, a proxy, an array with holes         | the same in JavaScript, `js/arrays.js`, which asks |
//!
//! Lengths are read once, by whichever runs: that of a true array can be looked at without anybody's noticing.

use super::guard::{self, Engines, Front};
use super::handle::{Handle, JsResult, Scope};
use super::layout::Layout;
use super::prelude::Prelude;
use super::strings;
use super::structures;
use rquickjs::qjs;
use std::ffi::{CStr, c_int};

/// So many places take the engine's methods some 7 ms (17 to 27 ns each, measured on empty ones).
const SHORT: i64 = 1 << 18;

const NAMES: [&CStr; 13] = [
    c"reverse",
    c"copyWithin",
    c"shift",
    c"unshift",
    c"splice",
    c"sort",
    c"join",
    c"slice",
    c"fill",
    c"concat",
    c"flat",
    c"flatMap",
    c"toSorted",
];
const JOIN: usize = 6;
/// Those that compare texts, if they are given no function.
const SORT: usize = 5;
const TO_SORTED: usize = 12;
/// Units of all elements that the engine may compare: some 10 ms.
const TEXTS_MOST: u64 = 1 << 22;
/// Places in [`NAMES`] of those that also go through other arrays.
const CONCAT: usize = 9;
const FLAT: usize = 10;
const FLAT_MAP: usize = 11;

/// The engine's functions: one of each for all isolates.
static ENGINES: Engines<{ NAMES.len() }> = Engines::new();

static SLOW: Prelude = Prelude::new(c"heddle:arrays", include_str!("js/arrays.js"));

impl<'a> Scope<'a> {
    /// Puts ours in front of the engine's. Before the first script.
    pub(super) fn guard_arrays(self) -> JsResult<'a, ()> {
        if !structures::known_to_hold() {
            return Ok(());
        }
        let prototype = self.global().get(c"Array")?.get(c"prototype")?;
        self.guard(&prototype, &NAMES, NAMES.len(), &ENGINES, Front::Call(guarded))
    }

    /// `array.join(separator)` of an array of ours, by the engine.
    pub(super) fn join(self, array: &Handle<'a>, separator: &Handle<'a>) -> JsResult<'a, Handle<'a>> {
        let Some(engines) = ENGINES.get() else { return Ok(self.undefined()) };
        let mut arguments = [separator.raw()];
        // SAFETY: we are inside; `join` has one argument.
        unsafe {
            self.check(engines[JOIN].engines.call(self.as_ptr(), array.raw(), 1, arguments.as_mut_ptr()))
        }
    }

    /// Is it a true array?
    fn is_true_array(value: qjs::JSValue) -> bool {
        // SAFETY: reading the class of what may be an object.
        unsafe { qjs::JS_IsObject(value) && qjs::JS_GetClassID(value) == u32::from(structures::ARRAY) }
    }

    /// Is it a true array without holes?
    fn is_dense(self, value: qjs::JSValue) -> bool {
        let layout = Layout::get(self).filter(|_| Self::is_true_array(value));
        // SAFETY: it is an array.
        layout.is_some_and(|layout| unsafe { layout.elements(value).is_some() })
    }

    /// Is it a true array that the engine goes through soon?
    fn is_quick(self, value: qjs::JSValue) -> bool {
        if !Self::is_true_array(value) || self.is_dense(value) {
            return Self::is_true_array(value);
        }
        let mut length = 0;
        // SAFETY: we are inside; the length of an array is its own, and a number.
        unsafe { qjs::JS_GetLength(self.as_ptr(), value, &mut length) >= 0 && length <= SHORT }
    }

    /// May the engine's method run?
    fn may_be_the_engines(self, which: usize, this: qjs::JSValue, arguments: &[qjs::JSValue]) -> bool {
        match which {
            // What the function will give is not known.
            FLAT_MAP => false,
            FLAT => {
                let is_one_deep = arguments.is_empty();
                let elements = Layout::get(self).filter(|_| is_one_deep && self.is_quick(this));
                // SAFETY: it is an array.
                let elements = elements.and_then(|layout| unsafe { layout.elements(this) });
                elements.is_some_and(|(values, count)| {
                    (0..count as usize).all(|index| {
                        // SAFETY: so many elements are there, and nothing runs meanwhile; tags and classes are read. A proxy
                        // of an array has another class.
                        let (value, is_array) = unsafe {
                            let value = values.add(index).read();
                            (value, qjs::JS_IsArray(value) || qjs::JS_IsProxy(value))
                        };
                        // One with holes may be in many places.
                        !is_array || self.is_dense(value)
                    })
                })
            }
            CONCAT => {
                // SAFETY: reading a tag.
                let is_one = |value: qjs::JSValue| unsafe { !qjs::JS_IsObject(value) };
                self.is_quick(this) && arguments.iter().all(|value| is_one(*value) || self.is_dense(*value))
            }
            SORT | TO_SORTED => {
                // SAFETY: reading a tag.
                let has_order = |order: &qjs::JSValue| unsafe { !qjs::JS_IsUndefined(*order) };
                self.is_quick(this)
                    && (arguments.first().is_some_and(has_order) || self.has_short_texts(this))
            }
            _ => self.is_quick(this),
        }
    }

    /// Are the elements of a true array compared soon? Where all texts are as long as the longest, and alike. Objects may have any.
    fn has_short_texts(self, array: qjs::JSValue) -> bool {
        // SAFETY: it is an array.
        let elements = Layout::get(self).and_then(|layout| unsafe { layout.elements(array) });
        let Some((values, count)) = elements else { return false };
        let mut longest = 24;
        for index in 0..count as usize {
            // SAFETY: so many elements are there, and nothing runs meanwhile; tags are read.
            let (value, is_object) = unsafe {
                let value = values.add(index).read();
                (value, qjs::JS_IsObject(value) || qjs::JS_IsBigInt(value))
            };
            if is_object {
                return count < 2;
            }
            longest = longest.max(strings::length(value).unwrap_or(0));
        }
        longest <= 256 || u64::from(longest) * u64::from(count) <= TEXTS_MOST
    }

    /// The method in JavaScript.
    fn slow_method(self, which: usize) -> JsResult<'a, Handle<'a>> {
        SLOW.once(self, |prelude| prelude.instantiate(self, &[]))?.get(NAMES[which])
    }
}

/// What scripts call.
unsafe extern "C" fn guarded(
    context: *mut qjs::JSContext,
    this: qjs::JSValue,
    count: c_int,
    arguments: *mut qjs::JSValue,
    which: c_int,
) -> qjs::JSValue {
    let which = which as usize;
    // SAFETY: the engine calls this from inside, with its context and its arguments, which are as many as its own function relies
    // on. The method is given back.
    unsafe {
        guard::inside(context, count, arguments, |scope, borrowed| {
            if scope.may_be_the_engines(which, this, borrowed) {
                let engines = ENGINES.get().map(|engines| engines[which].engines);
                return Ok(
                    engines.map_or(qjs::JS_UNDEFINED, |native| native.call(context, this, count, arguments))
                );
            }
            let method = scope.slow_method(which)?;
            Ok(qjs::JS_Call(context, method.raw(), this, count, arguments))
        })
    }
}
