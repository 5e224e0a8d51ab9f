//! Is an isolate as it was when it was made? Then it may serve its realm again.
//!
//! Work may do to the built-in objects what it likes in its own isolate, as in any JavaScript; what must not be is that
//! the next work sees it. There are two ways to have that, freezing all built-ins and comparing them, and each alone is
//! bad: frozen prototypes break ordinary code (`error.name = ...` fails where `Error.prototype.name` is read-only),
//! and comparing all 1,100 properties after each run takes longer than many runs. So, when an isolate is made:
//!
//! * **What programs change is watched**: the global object, the prototypes that programs inherit from or extend, and the
//!   namespaces (`Math`, `JSON`, `console`, ...). They stay as they are in a browser; what they have is written down.
//! * **The rest is frozen**: the functions themselves, the constructors, and prototypes of things that nobody
//!   inherits from by hand (typed arrays, iterators, `DataView`, ...).
//!
//! Freezing is done in the engine's shapes, by clearing bits: the properties that the engine makes only when they are first
//! used, nearly half of them, stay to be made, and are born frozen. A function made that way is frozen after the run in
//! which that was.
//!
//! After each run, [`Seal::is_whole`]:
//!
//! 1. *The quick look*: is the engine's count of blocks and bytes what it was, and are the watched objects? What is
//!    frozen cannot change, and nothing can be left without a block or a change to what is watched. So equal means whole.
//!    Of a watched object that is a few words which say that it has the same properties ([`shapes`](super::shapes)), and
//!    the values of those that were made.
//! 2. *The long look* (some us), where there are other blocks: something new is there. It is whole all the same if all that
//!    has changed is properties that were made now, each the very function that the engine's list has for it, without changes
//!    of its own. (And garbage: cycles, which nobody can reach.) Then this is what the next quick look compares with.
//!
//! What the host has made since, of its own classes, is frozen and known ([`adopted`](super::adopted)): that is no change.
//!
//! One thing that nobody can reach comes back by itself: a callback of a `FinalizationRegistry`. An isolate in which one was
//! used is not whole.

use super::adopted::Adopted;
use super::handle::Scope;
use super::shapes;
use super::structures::{self, Entry, Kind, Object, Shape, Slot, flags_of, kind, made};
use crate::error::Error;
use rquickjs::qjs;
use std::ffi::CStr;
use std::ops::Range;
use std::ptr::NonNull;

/// Constructors whose prototypes are watched, beside that of `Function`.
const WATCHED_PROTOTYPES: [&CStr; 17] = [
    c"Object",
    c"Array",
    c"Error",
    c"EvalError",
    c"RangeError",
    c"ReferenceError",
    c"SyntaxError",
    c"TypeError",
    c"URIError",
    c"InternalError",
    c"AggregateError",
    c"SuppressedError",
    c"Function",
    c"Promise",
    c"Map",
    c"Set",
    c"RegExp",
];
/// Constructors that are watched themselves.
const WATCHED_CONSTRUCTORS: [&CStr; 3] = [c"Object", c"Promise", c"Date"];

/// An object that may change, and what it had.
struct Watched {
    object: Object,
    head: [u64; 4],
    shape: [u64; 4],
    /// Its properties, in `Seal::slots` and `Seal::names`.
    all: Range<usize>,
    /// Of those, from the first that has a value to the last: what is to be made later has none that could change.
    made: Range<usize>,
}

/// What an isolate was like. See the module.
pub(super) struct Seal {
    runtime: NonNull<qjs::JSRuntime>,
    context: NonNull<qjs::JSContext>,
    allocated: [u64; 2],
    options: [u64; 6],
    watched: Vec<Watched>,
    slots: Vec<Slot>,
    names: Vec<u64>,
    /// Frozen objects with properties that are to be made later.
    unfinished: Vec<Object>,
    /// `FinalizationRegistry.prototype`.
    registry: Option<Object>,
    /// A function with a name and a length, not frozen: others that are like it have its shape.
    pattern: qjs::JSValue,
    /// The shape of such functions when they are frozen.
    frozen: Shape,
    /// What it had allocated when it was made.
    at_first: u64,
}

impl Seal {
    /// Freezes and watches what there is. `None`: the layout is not known, and nothing was done.
    ///
    /// # Errors
    /// There was no memory.
    pub(super) fn new(scope: Scope<'_>) -> Result<Option<Seal>, Error> {
        if !structures::hold() {
            return Ok(None);
        }
        let Some(runtime) = NonNull::new(scope.runtime()) else { return Ok(None) };
        // SAFETY: we are inside, and what is reached from the global object stays alive: nobody runs meanwhile.
        unsafe {
            let (watched, all) = (watched_objects(scope)?, reachable(scope, runtime)?);
            let pattern = new_function(scope)?;
            let plain = pattern.shape();
            let (mut shapes, mut unfinished) = (Vec::new(), Vec::new());
            for object in all.iter().filter(|object| !watched.contains(object)) {
                object.prevent_extensions();
                if object.shape() != plain {
                    shapes.push(object.shape());
                }
                if has_more_to_make(*object) {
                    unfinished.push(*object);
                }
            }
            // Nobody but built-ins has these shapes yet; those that are watched have others.
            let keep: Vec<Shape> = watched.iter().map(|object| object.shape()).collect();
            shapes.iter().filter(|shape| !keep.contains(shape)).for_each(|shape| shape.freeze());
            // All native functions so far have one shape, the pattern's. It is frozen, and the pattern gets another.
            plain.freeze();
            let frozen = plain;
            let old = pattern.value();
            let pattern = new_function(scope)?.value();
            qjs::JS_FreeValue(scope.as_ptr(), old);
            let registry = prototype_of(scope, c"FinalizationRegistry")?;
            unfinished.shrink_to_fit();
            let mut seal = Seal {
                runtime,
                context: scope.context,
                allocated: [0; 2],
                options: structures::options(scope.context),
                watched: Vec::with_capacity(watched.len()),
                slots: Vec::new(),
                names: Vec::new(),
                unfinished,
                registry,
                pattern,
                frozen,
                at_first: 0,
            };
            seal.write_down(&watched);
            seal.at_first = seal.allocated[1];
            Ok(Some(seal))
        }
    }

    /// # Safety
    /// The isolate is alive, and nobody else uses it.
    unsafe fn write_down(&mut self, watched: &[Object]) {
        self.watched.clear();
        self.slots.clear();
        self.names.clear();
        for &object in watched {
            // SAFETY: the caller's promise; what is watched stays alive, see `is_whole`.
            unsafe {
                let begin = self.slots.len();
                shapes::put_back(self.runtime, object.shape());
                self.slots.extend_from_slice(object.slots());
                self.names.extend_from_slice(object.shape().names());
                self.watched.push(Watched {
                    object,
                    head: object.head(),
                    shape: object.shape().head(),
                    all: begin..self.slots.len(),
                    made: made_of(object.shape().names()),
                });
            }
        }
        self.slots.shrink_to_fit();
        self.names.shrink_to_fit();
        // SAFETY: the caller's promise.
        self.allocated = unsafe { structures::allocated(self.runtime) };
    }

    /// Is everything as it was, for all that scripts can see?
    ///
    /// # Safety
    /// The isolate is alive, and nobody is inside.
    pub(super) unsafe fn is_whole(&mut self, adopted: &[Adopted]) -> bool {
        // SAFETY: the caller's promise.
        unsafe {
            structures::options(self.context) == self.options
                && (self.looks_whole() || self.is_whole_but_for_more(adopted))
        }
    }

    /// The quick look.
    ///
    /// # Safety
    /// As for [`is_whole`](Self::is_whole). A watched object is alive as long as it was not changed so that this says no:
    /// the global object is the context's, and each other is in a slot that is compared before, or is the engine's own.
    unsafe fn looks_whole(&self) -> bool {
        // SAFETY: the caller's promise.
        unsafe {
            structures::allocated(self.runtime) == self.allocated
                && self.watched.iter().all(|watched| self.is_same(watched))
        }
    }

    /// Has a watched object what it had? No more is read of it than what may have changed, as this is done after each
    /// run.
    ///
    /// # Safety
    /// As for [`is_whole`](Self::is_whole), and the object is alive.
    #[inline]
    unsafe fn is_same(&self, watched: &Watched) -> bool {
        // SAFETY: the caller's promise. With the same head and shape there are the same properties as were written down.
        unsafe {
            if !watched.object.has_head(&watched.head) {
                return false;
            }
            if !watched.object.shape().is_as_it_was(&watched.shape) {
                return false;
            }
            let (first, words) = (watched.made.start, 2 * watched.made.len());
            let now = watched.object.slots().as_ptr().add(first).cast::<u64>();
            let then = self.slots.as_ptr().add(watched.all.start + first).cast::<u64>();
            std::slice::from_raw_parts(now, words) == std::slice::from_raw_parts(then, words)
        }
    }

    /// The long look. If it is whole, this is what it is compared with from now on.
    ///
    /// # Safety
    /// As for [`is_whole`](Self::is_whole).
    unsafe fn is_whole_but_for_more(&mut self, adopted: &[Adopted]) -> bool {
        let unfinished = std::mem::take(&mut self.unfinished);
        let mut whole = true;
        // SAFETY: the caller's promise. Frozen objects are alive: what they are in is frozen, or watched and compared.
        unsafe {
            // What is not looked at after the first change may be gone.
            if !self.watched.iter().all(|watched| self.has_only_grown(watched, adopted)) {
                return false;
            }
            for object in unfinished {
                whole = whole && self.finish(object);
                if has_more_to_make(object) {
                    self.unfinished.push(object);
                }
            }
            if whole {
                let watched: Vec<Object> = self.watched.iter().map(|watched| watched.object).collect();
                self.write_down(&watched);
            }
        }
        whole
    }

    /// Is a watched object as it was, but for properties that were made?
    ///
    /// # Safety
    /// As for [`is_whole`](Self::is_whole).
    unsafe fn has_only_grown(&self, watched: &Watched, adopted: &[Adopted]) -> bool {
        let object = watched.object;
        let (slots, names) = (&self.slots[watched.all.clone()], &self.names[watched.all.clone()]);
        // SAFETY: the caller's promise.
        unsafe {
            let (slots_now, names_now) = (object.slots(), object.shape().names());
            let is_same = Object::steady(object.head()) == Object::steady(watched.head)
                && object.shape().head()[3] == watched.shape[3]
                && (slots_now.len(), names_now.len()) == (slots.len(), names.len());
            is_same
                && (0..slots.len()).all(|index| {
                    let (name, now) = (names[index], names_now[index]);
                    let (flags, flags_now) = (flags_of(name), flags_of(now));
                    if structures::atom_of(name) != structures::atom_of(now) {
                        return false;
                    }
                    if flags == flags_now {
                        return slots[index] == slots_now[index];
                    }
                    if kind(flags) == Kind::Accessor && kind(flags_now) == Kind::Value {
                        // The host's, in the place of the accessor that has made it.
                        return Object::in_slot(slots_now[index]).is_some_and(|object| {
                            let now = Adopted { atom: structures::atom_of(now), object: object.address() };
                            adopted.contains(&now)
                        });
                    }
                    kind(flags) == Kind::Later
                        && flags_now == made(flags)
                        && self.is_made_of(slots[index], now, slots_now[index])
                })
        }
    }

    /// Is a slot what the engine's list has for it? A function is frozen then.
    ///
    /// # Safety
    /// As for [`is_whole`](Self::is_whole); the slot was to be made later.
    unsafe fn is_made_of(&self, before: Slot, name: u64, now: Slot) -> bool {
        let Some(entry) = Entry::of(before) else { return false };
        // SAFETY: the caller's promise.
        unsafe {
            match (Object::in_slot(now), entry.function(), entry.text()) {
                (Some(function), Some(native), _) => {
                    function.class() == structures::NATIVE_FUNCTION
                        && function.native() == native
                        && self.seal_function(function, name)
                }
                (None, _, Some(text)) => self.is_text(now, text),
                _ => false,
            }
        }
    }

    /// Looks at the properties of a frozen object that were made since. They are what they should be, as nobody could
    /// assign to them; but the functions may have been changed.
    ///
    /// # Safety
    /// As for [`is_whole`](Self::is_whole).
    unsafe fn finish(&self, object: Object) -> bool {
        // SAFETY: the caller's promise.
        unsafe {
            object.shape().names().iter().zip(object.slots()).all(|(name, slot)| {
                if kind(flags_of(*name)) != Kind::Value {
                    return true;
                }
                let is_new = |object: &Object| {
                    object.is_extensible()
                        && object.class() == structures::NATIVE_FUNCTION
                        && !self.watched.iter().any(|watched| watched.object == *object)
                };
                Object::in_slot(*slot).filter(is_new).is_none_or(|function| {
                    Some(object) != self.registry && self.seal_function(function, *name)
                })
            })
        }
    }

    /// Freezes a function that was made, if it is as it was made.
    ///
    /// # Safety
    /// As for [`is_whole`](Self::is_whole).
    unsafe fn seal_function(&self, function: Object, name: u64) -> bool {
        // SAFETY: the caller's promise. The pattern is alive, so its shape has one more owner than the function.
        unsafe {
            if !function.is_extensible() {
                // It is in two places, as `Array.prototype.values` is.
                return function.shape() == self.frozen;
            }
            let Some(pattern) = Object::of(self.pattern) else { return false };
            let [length, text] = function.slots() else { return false };
            let is_pristine = function.shape() == pattern.shape()
                && (length[0] as u32, length[1]) == (u32::from(function.native().length), 0)
                && self.is_name(*text, name);
            if is_pristine {
                function.prevent_extensions();
                function.reshape(self.frozen);
            }
            is_pristine
        }
    }

    /// Is a slot the name of the function that a property of this name has?
    ///
    /// # Safety
    /// As for [`is_whole`](Self::is_whole).
    unsafe fn is_name(&self, slot: Slot, name: u64) -> bool {
        let context = self.context.as_ptr();
        // SAFETY: the caller's promise; the text of the name is read before it is freed.
        unsafe {
            let mut length: qjs::size_t = 0;
            let text = qjs::JS_AtomToCStringLen(context, &mut length, structures::atom_of(name));
            if text.is_null() {
                qjs::JS_FreeValue(context, qjs::JS_GetException(context));
                return false;
            }
            let is_it = self.is_text(slot, CStr::from_ptr(text)) || {
                // Of a symbol: in brackets.
                let symbol = [b"[".as_slice(), CStr::from_ptr(text).to_bytes(), b"]\0"].concat();
                CStr::from_bytes_until_nul(&symbol).is_ok_and(|symbol| self.is_text(slot, symbol))
            };
            qjs::JS_FreeCString(context, text);
            is_it
        }
    }

    /// # Safety
    /// As for [`is_whole`](Self::is_whole).
    unsafe fn is_text(&self, slot: Slot, expected: &CStr) -> bool {
        if slot[1] as i64 != i64::from(qjs::JS_TAG_STRING) {
            return false;
        }
        let context = self.context.as_ptr();
        // SAFETY: the caller's promise; a slot with this tag is a string, and its text is read before it is freed.
        unsafe {
            let string: qjs::JSValue = std::mem::transmute(slot);
            let mut length: usize = 0;
            let text = qjs::JS_ToCStringLen(context, &mut length, string);
            if text.is_null() {
                qjs::JS_FreeValue(context, qjs::JS_GetException(context));
                return false;
            }
            let is_it = std::slice::from_raw_parts(text.cast::<u8>(), length) == expected.to_bytes();
            qjs::JS_FreeCString(context, text);
            is_it
        }
    }

    /// Has the heap grown so much that cycles should be looked for?
    pub(super) fn wants_care(&self) -> bool {
        self.allocated[1] > 2 * self.at_first + CARE_PAST
    }

    /// Bytes of its lists.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.watched.capacity() * size_of::<Watched>()
            + self.slots.capacity() * size_of::<Slot>()
            + (self.names.capacity() + self.unfinished.capacity()) * size_of::<u64>()
    }

    /// Makes the next look a long one.
    #[cfg(test)]
    pub(super) fn forget_counts(&mut self) {
        self.allocated = [0; 2];
    }

    /// Gives back what it holds.
    ///
    /// # Safety
    /// The isolate is alive, and the seal is not used again.
    pub(super) unsafe fn release(&mut self) {
        // SAFETY: the caller's promise; the reference is ours.
        unsafe { qjs::JS_FreeValue(self.context.as_ptr(), self.pattern) };
        self.pattern = qjs::JS_UNDEFINED;
    }
}

/// From the first property that is not to be made later to the last.
fn made_of(names: &[u64]) -> Range<usize> {
    let is_made = |name: &u64| kind(flags_of(*name)) != Kind::Later;
    match (names.iter().position(is_made), names.iter().rposition(is_made)) {
        (Some(first), Some(last)) => first..last + 1,
        _ => 0..0,
    }
}

/// Garbage that is not worth a collection, which takes some 10 us. Picked from thin air.
const CARE_PAST: u64 = 64 << 10;

/// # Safety
/// The object is alive, and nobody else uses its isolate.
unsafe fn has_more_to_make(object: Object) -> bool {
    // SAFETY: the caller's promise.
    unsafe { object.shape().names().iter().any(|name| kind(flags_of(*name)) == Kind::Later) }
}

/// A native function like those of the engine's lists.
fn new_function(scope: Scope<'_>) -> Result<Object, Error> {
    unsafe extern "C" fn nothing(
        _: *mut qjs::JSContext,
        _: qjs::JSValue,
        _: i32,
        _: *mut qjs::JSValue,
    ) -> qjs::JSValue {
        qjs::JS_UNDEFINED
    }
    // SAFETY: we are inside; the reference becomes the caller's.
    let function = unsafe {
        let kind = qjs::JSCFunctionEnum_JS_CFUNC_generic;
        scope.check(qjs::JS_NewCFunction2(scope.as_ptr(), Some(nothing), c"f".as_ptr(), 0, kind, 0))?
    };
    Object::of(function.into_raw()).ok_or_else(|| Error::no_isolate(0))
}

fn prototype_of(scope: Scope<'_>, constructor: &CStr) -> Result<Option<Object>, Error> {
    let constructor = scope.global().get(constructor)?;
    if !constructor.is_object() {
        return Ok(None);
    }
    Ok(Object::of(constructor.get(c"prototype")?.raw()))
}

/// Makes the objects that the engine makes when they are first used, and that a seal needs: so a [picture](super::image) has
/// them.
pub(super) fn prepare(scope: Scope<'_>) -> Result<(), Error> {
    if let Some(runtime) = NonNull::new(scope.runtime()).filter(|_| structures::hold()) {
        watched_objects(scope)?;
        // SAFETY: we are inside, and what is reached from the global object stays alive: nobody runs meanwhile.
        unsafe { reachable(scope, runtime)? };
    }
    Ok(())
}

/// The global object first: what others are in is compared before them.
fn watched_objects(scope: Scope<'_>) -> Result<Vec<Object>, Error> {
    let global = scope.global();
    let mut watched: Vec<Object> = Object::of(global.raw()).into_iter().collect();
    for name in WATCHED_PROTOTYPES {
        watched.extend(prototype_of(scope, name)?);
    }
    for name in WATCHED_CONSTRUCTORS {
        watched.extend(Object::of(global.get(name)?.raw()));
    }
    // Namespaces, which the engine makes when they are first used.
    let global = watched[0];
    // SAFETY: we are inside, and the global object is alive.
    unsafe {
        make_objects(scope, global)?;
        for (name, slot) in global.shape().names().iter().zip(global.slots()) {
            if kind(flags_of(*name)) == Kind::Value
                && let Some(object) = Object::in_slot(*slot)
                && object.class() == structures::PLAIN
                && !watched.contains(&object)
            {
                watched.push(object);
            }
        }
    }
    Ok(watched)
}

/// Makes those properties that are objects and were to be made later.
///
/// # Safety
/// We are inside, and the object is alive.
unsafe fn make_objects(scope: Scope<'_>, object: Object) -> Result<(), Error> {
    let mut index = 0;
    // SAFETY: the caller's promise. Making one may move the properties, so they are looked up each time.
    unsafe {
        while let Some((name, slot)) = object.shape().names().get(index).zip(object.slots().get(index)) {
            index += 1;
            let is_object = kind(flags_of(*name)) == Kind::Later
                && Entry::of(*slot).is_some_and(|entry| entry.is_object());
            if is_object {
                let value = qjs::JS_GetProperty(scope.as_ptr(), object.value(), structures::atom_of(*name));
                drop(scope.check(value)?);
            }
        }
    }
    Ok(())
}

/// All objects that scripts can come to.
///
/// # Safety
/// We are inside.
unsafe fn reachable(scope: Scope<'_>, runtime: NonNull<qjs::JSRuntime>) -> Result<Vec<Object>, Error> {
    let mut found = Found::default();
    // SAFETY: the caller's promise; what is found is alive, as it was reached.
    unsafe {
        structures::roots(runtime, scope.context, |object| found.add(object));
        let mut index = 0;
        while let Some(&object) = found.objects.get(index) {
            index += 1;
            make_objects(scope, object)?;
            object.shape().prototype().into_iter().for_each(|object| found.add(object));
            for (name, slot) in object.shape().names().iter().zip(object.slots()) {
                match kind(flags_of(*name)) {
                    Kind::Value => Object::in_slot(*slot).into_iter().for_each(|object| found.add(object)),
                    Kind::Accessor => {
                        slot.iter()
                            .filter_map(|address| Object::at_address(*address))
                            .for_each(|object| found.add(object));
                    }
                    Kind::Later | Kind::Other => {}
                }
            }
        }
    }
    Ok(found.objects)
}

/// A list without duplicates.
#[derive(Default)]
struct Found {
    objects: Vec<Object>,
    known: std::collections::HashSet<Object, BuildByAddress>,
}

impl Found {
    fn add(&mut self, object: Object) {
        if self.known.insert(object) {
            self.objects.push(object);
        }
    }
}

/// Addresses are different enough by themselves.
#[derive(Default)]
struct ByAddress(u64);

type BuildByAddress = std::hash::BuildHasherDefault<ByAddress>;

impl std::hash::Hasher for ByAddress {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize(usize::from(*byte)));
    }

    fn write_usize(&mut self, address: usize) {
        self.0 = (self.0 ^ address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_right(29);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
