//! Functions of ours that scripts find where the engine's were, and that let the engine's run where these are over soon.
//!
//! The engine asks whether it may go on at jumps and calls of scripts, and not inside of its own functions. Those whose
//! time has no bound get one of ours in front: [`arrays`](super::arrays), [`strings`](super::strings), [`lengths`](super::lengths),
//! [`iterators`](super::iterators).

use super::handle::{Handle, JsResult, Scope};
use super::native::called;
use super::structures::{self, Kind, Native, Object, atom_of, flags_of, kind};
use super::table::{Entry, NUMBERED, STEP};
use rquickjs::qjs;
use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

/// What scripts call; the last is the number of the function.
pub(super) type Guard =
    unsafe extern "C" fn(*mut qjs::JSContext, qjs::JSValue, c_int, *mut qjs::JSValue, c_int) -> qjs::JSValue;

/// The same for what gives the next of an iterator: the engine's loops call it without an object for what it gave. It says
/// whether that was all.
pub(super) type Step = unsafe extern "C" fn(
    *mut qjs::JSContext,
    qjs::JSValue,
    c_int,
    *mut qjs::JSValue,
    *mut c_int,
    c_int,
) -> qjs::JSValue;

type Plain =
    unsafe extern "C" fn(*mut qjs::JSContext, qjs::JSValue, c_int, *mut qjs::JSValue) -> qjs::JSValue;
type Numbered = Guard;

const PLAIN: u8 = qjs::JSCFunctionEnum_JS_CFUNC_generic as u8;

/// Ours.
#[derive(Clone, Copy)]
pub(super) enum Front {
    Call(Guard),
    Step(Step),
}

impl Front {
    fn stands_for(self, kind: u8) -> bool {
        match self {
            Front::Call(_) => matches!(kind, PLAIN | NUMBERED),
            Front::Step(_) => kind == STEP,
        }
    }
}

/// A function of the engine's, and ours.
pub(super) struct Guarded {
    pub(super) engines: Native,
    /// What the engine makes ours of, when a script first touches it.
    ours: Entry,
}

/// Those of some names; the same for all isolates.
pub(super) type Engines<const N: usize> = OnceLock<[Guarded; N]>;

impl<'a> Scope<'a> {
    /// Writes down the engine's functions of these names, and puts ours in front of the first `ours`. Before the first script.
    ///
    /// The engine has in the object, until a script first touches a function, only where in its list of built-ins it is; that is
    /// told otherwise. So there is no function object more in an isolate, and no other property.
    pub(super) fn guard<const N: usize>(
        self,
        object: &Handle<'a>,
        names: &[&'static CStr; N],
        ours: usize,
        known: &'static Engines<N>,
        front: Front,
    ) -> JsResult<'a, ()> {
        let Some(object) = Object::of(object.raw()) else { return Ok(()) };
        let mut places = [0; N];
        let mut found = Vec::with_capacity(N);
        for (which, name) in names.iter().enumerate() {
            // SAFETY: we are inside; the atom is compared, and given back. The object is the engine's own, as no script has
            // run, and the callers know that the offsets hold.
            let engines = unsafe {
                let atom = qjs::JS_NewAtom(self.as_ptr(), name.as_ptr());
                qjs::JS_FreeAtom(self.as_ptr(), atom);
                let names = object.shape().names();
                let place = names
                    .iter()
                    .position(|name| atom_of(*name) == atom && kind(flags_of(*name)) == Kind::Later);
                place.and_then(|place| {
                    places[which] = place;
                    structures::Entry::of(object.slots()[place])?.function()
                })
            };
            let Some(engines) = engines.filter(|native| front.stands_for(native.kind)) else {
                return Ok(());
            };
            // With the engine's length, the engine fills in arguments that its function relies on.
            let ours = Entry::numbered(name, engines.length, which as i16, front);
            found.push(Guarded { engines, ours });
        }
        let Ok(found) = found.try_into() else { return Ok(()) };
        let known = known.get_or_init(|| found);
        for (place, guarded) in places.iter().zip(known).take(ours) {
            // SAFETY: as above; the line of the table stays where it is, as it is in a static.
            unsafe { object.make_later(*place, (&raw const guarded.ours).cast()) };
        }
        Ok(())
    }
}

impl Native {
    /// Calls the engine's function.
    ///
    /// # Safety
    /// We are inside; it is one that [`Scope::guard`] has found for a [`Guard`], and there are `count` arguments, or as many as its length
    /// says if these are more.
    #[inline]
    pub(super) unsafe fn call(
        self,
        context: *mut qjs::JSContext,
        this: qjs::JSValue,
        count: c_int,
        arguments: *mut qjs::JSValue,
    ) -> qjs::JSValue {
        // SAFETY: the caller's promise; the function has the type that its kind says.
        unsafe {
            if self.kind == PLAIN {
                std::mem::transmute::<usize, Plain>(self.code)(context, this, count, arguments)
            } else {
                let number = c_int::from(self.number);
                std::mem::transmute::<usize, Numbered>(self.code)(context, this, count, arguments, number)
            }
        }
    }

    /// The same for a [`Step`].
    ///
    /// # Safety
    /// We are inside; it is one that [`Scope::guard`] has found for a [`Step`], and the rest is what that was called with.
    #[inline]
    pub(super) unsafe fn step(
        self,
        context: *mut qjs::JSContext,
        this: qjs::JSValue,
        (count, arguments): (c_int, *mut qjs::JSValue),
        done: *mut c_int,
    ) -> qjs::JSValue {
        let number = c_int::from(self.number);
        // SAFETY: the caller's promise; the function has the type that its kind says.
        unsafe {
            std::mem::transmute::<usize, Step>(self.code)(context, this, count, arguments, done, number)
        }
    }
}

/// Does `work` inside of a [`Guard`], and gives the engine what it returns or throws.
///
/// # Safety
/// The engine has called the guard with this context and these arguments.
pub(super) unsafe fn inside(
    context: *mut qjs::JSContext,
    count: c_int,
    arguments: *mut qjs::JSValue,
    work: impl for<'a> FnOnce(Scope<'a>, &[qjs::JSValue]) -> JsResult<'a, qjs::JSValue>,
) -> qjs::JSValue {
    // SAFETY: the caller's promise.
    let Some((scope, borrowed)) = (unsafe { called(context, count, arguments) }) else {
        return qjs::JS_UNDEFINED;
    };
    match catch_unwind(AssertUnwindSafe(|| work(scope, borrowed).map_err(Handle::into_raw))) {
        Ok(Ok(value)) => value,
        // SAFETY: we are inside; the engine takes the reference over.
        Ok(Err(thrown)) => unsafe { qjs::JS_Throw(context, thrown) },
        // SAFETY: we are inside; the text has no placeholders.
        Err(_) => unsafe { qjs::JS_ThrowInternalError(context, c"a function of the host panicked".as_ptr()) },
    }
}
