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

use super::compiled::Compiled;
use super::handle::{CStrSource, Handle, JsResult, Scope};
use super::kept::Kept;
use super::layout::Layout;
use super::native::called;
use super::structures::{self, Native, Object};
use rquickjs::qjs;
use std::cell::RefCell;
use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

/// So many places take the engine's methods some 7 ms (17 to 27 ns each, measured on empty ones).
const SHORT: i64 = 1 << 18;

const NAMES: [&CStr; 12] = [
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
];
/// Places in [`NAMES`] of those that also go through other arrays.
const CONCAT: usize = 9;
const FLAT: usize = 10;
const FLAT_MAP: usize = 11;

/// The engine's functions: one of each for all isolates.
static ENGINES: OnceLock<[Native; NAMES.len()]> = OnceLock::new();

type Plain =
    unsafe extern "C" fn(*mut qjs::JSContext, qjs::JSValue, c_int, *mut qjs::JSValue) -> qjs::JSValue;
type Numbered =
    unsafe extern "C" fn(*mut qjs::JSContext, qjs::JSValue, c_int, *mut qjs::JSValue, c_int) -> qjs::JSValue;

const PLAIN: u8 = qjs::JSCFunctionEnum_JS_CFUNC_generic as u8;
const NUMBERED: u8 = qjs::JSCFunctionEnum_JS_CFUNC_generic_magic as u8;

/// What `js/arrays.js` gives, compiled once in a process.
static SLOW: OnceLock<Compiled> = OnceLock::new();

/// The same, made in one isolate.
#[derive(Default)]
struct Slow(RefCell<Option<Kept>>);

impl<'a> Scope<'a> {
    /// Puts ours in front of the engine's. Before the first script.
    pub(super) fn guard_arrays(self) -> JsResult<'a, ()> {
        if !structures::known_to_hold() {
            return Ok(());
        }
        let prototype = self.global().get(c"Array")?.get(c"prototype")?;
        let mut natives = Vec::with_capacity(NAMES.len());
        for name in NAMES {
            let function = prototype.get(name)?;
            // SAFETY: it is the engine's own, as no script has run; the offsets hold.
            let native = Object::of(function.raw()).map(|function| unsafe { function.native() });
            natives.extend(native.filter(|native| matches!(native.kind, PLAIN | NUMBERED)));
        }
        let Ok(natives) = <[Native; NAMES.len()]>::try_from(natives) else { return Ok(()) };
        let engines = ENGINES.get_or_init(|| natives);
        for (which, (name, native)) in NAMES.iter().zip(engines).enumerate() {
            let kind = qjs::JSCFunctionEnum_JS_CFUNC_generic_magic;
            let function: qjs::JSCFunctionMagic = Some(guarded);
            // SAFETY: a function of this kind is called with its number, as its type says. We are inside; the reference is
            // ours. With its length, the engine fills in arguments that the engine's function relies on.
            let function = unsafe {
                let function = std::mem::transmute::<qjs::JSCFunctionMagic, qjs::JSCFunction>(function);
                let length = c_int::from(native.length);
                self.check(qjs::JS_NewCFunction2(
                    self.as_ptr(),
                    function,
                    name.as_ptr(),
                    length,
                    kind,
                    which as c_int,
                ))?
            };
            prototype.define(name, function)?;
        }
        Ok(())
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
            _ => self.is_quick(this),
        }
    }

    /// The method in JavaScript.
    fn slow_method(self, which: usize) -> JsResult<'a, Handle<'a>> {
        let slow = self.note::<Slow>();
        let known = slow.0.borrow().as_ref().map(|kept| self.kept(kept));
        let methods = match known {
            Some(methods) => methods,
            None => {
                let code = match SLOW.get() {
                    Some(code) => code,
                    None => {
                        let source = CStrSource::new(include_str!("js/arrays.js"));
                        let code = self.compile(c"heddle:arrays", &source, false)?;
                        SLOW.get_or_init(|| code)
                    }
                };
                let methods = self.run(code)?.call(&self.undefined(), &[])?;
                *slow.0.borrow_mut() = Some(self.keep(methods.clone()));
                methods
            }
        };
        methods.get(NAMES[which])
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
    // SAFETY: the engine calls this, and passes on what it was called with.
    let Some((scope, borrowed)) = (unsafe { called(context, count, arguments) }) else {
        return qjs::JS_UNDEFINED;
    };
    let which = which as usize;
    let slow = catch_unwind(AssertUnwindSafe(|| {
        if scope.may_be_the_engines(which, this, borrowed) {
            return Ok(None);
        }
        scope.slow_method(which).map(Handle::into_raw).map(Some).map_err(Handle::into_raw)
    }));
    // SAFETY: we are inside. The engine's function has the type that its kind says, and as many arguments as it relies on. What
    // is thrown is taken over, and the method given back.
    unsafe {
        match slow {
            Ok(Ok(None)) => match ENGINES.get().map(|engines| engines[which]) {
                Some(native) if native.kind == PLAIN => {
                    let engines = std::mem::transmute::<usize, Plain>(native.code);
                    engines(context, this, count, arguments)
                }
                Some(native) => {
                    let engines = std::mem::transmute::<usize, Numbered>(native.code);
                    engines(context, this, count, arguments, c_int::from(native.number))
                }
                None => qjs::JS_UNDEFINED,
            },
            Ok(Ok(Some(method))) => {
                let result = qjs::JS_Call(context, method, this, count, arguments);
                qjs::JS_FreeValue(context, method);
                result
            }
            Ok(Err(thrown)) => qjs::JS_Throw(context, thrown),
            Err(_) => qjs::JS_ThrowInternalError(context, c"a function of the host panicked".as_ptr()),
        }
    }
}
