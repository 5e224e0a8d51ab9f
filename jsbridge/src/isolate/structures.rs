//! Where things are inside the engine's structures, as far as [`protect`](super::protect) and [`tune`](super::tune) need to
//! know. The engine does not tell; these are the offsets of the version that `Cargo.toml` pins exactly, on 64-bit
//! machines with the low byte first.
//!
//! ```text
//!   JSObject     16 flags (1: extensible)  18 class  24 shape  32 properties  40 weak references  48 the class's own
//!   JSShape      16 is hashed  24 mask  28 size  32 count  36 deleted  48 prototype  56 hash table, then properties
//!   a property   of a shape: 26 bits next, 6 bits flags; 32 bits name.   of an object: two words, a JSValue mostly
//!   reference counts: 4 bytes before each of them
//! ```
//!
//! [`hold`] tries them all on real objects, once in a process. Where they do not hold, isolates are not used twice
//! and the engine asks at its own rate: slower, and right.

use super::Isolate;
use super::handle::{CStrSource, Handle, Scope};
use super::population::Population;
use super::shapes;
use crate::error::Error;
use crate::limits::Limits;
use rquickjs::qjs;
use std::ffi::{CStr, c_char, c_void};
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

/// Of an object.
const FLAGS: usize = 16;
const CLASS: usize = 18;
const SHAPE: usize = 24;
const PROPERTIES: usize = 32;
/// Elements of an array.
const ARRAY_COUNT: usize = 64;
/// Of a native function: its code; its length, kind and number behind that.
const NATIVE: usize = 56;
/// Of a shape.
const SHAPE_STATE: usize = 16;
const MASK: usize = 24;
const COUNT: usize = 32;
const PROTOTYPE: usize = 48;
const TABLE: usize = 56;
/// Of a runtime: how many blocks and bytes it has allocated.
const ALLOCATED: usize = 40;
/// Of a context: its prototypes, one value for each class; values; and what scripts set with `Error.prepareStackTrace` and
/// `Error.stackTraceLimit`.
const CLASS_PROTOTYPES: usize = 88;
const VALUES: std::ops::Range<usize> = 96..528;
const ERROR_OPTIONS: usize = 352;
/// Of a context: modules that were loaded.
const MODULES: usize = 552;
/// Of a context: the function that `eval` and `Function` call.
const EVAL: usize = 576;
/// Of a runtime.
const CLASS_COUNT: usize = 1120;
/// Of a runtime: the ring of all objects that it counts references to, and its last and first one.
const COUNTED: usize = 1152;

pub(super) const CONFIGURABLE: u32 = 1;
pub(super) const WRITABLE: u32 = 2;
/// What a property is: a value, an accessor, something of a module's, or made when first used.
const KIND: u32 = 3 << 4;
const ACCESSOR: u32 = 1 << 4;
const LATER: u32 = 3 << 4;
const EXTENSIBLE: u8 = 2;
/// Set by the engine when an object becomes a prototype: no change that scripts could see.
const IS_PROTOTYPE: u64 = 1;
pub(super) const ARRAY: u16 = 2;
pub(super) const PLAIN: u16 = 1;
pub(super) const NATIVE_FUNCTION: u16 = 12;

/// What a slot has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Value,
    Accessor,
    Later,
    Other,
}

pub(super) fn kind(flags: u32) -> Kind {
    match flags & KIND {
        0 => Kind::Value,
        ACCESSOR => Kind::Accessor,
        LATER => Kind::Later,
        _ => Kind::Other,
    }
}

/// What a property was when it was to be made later, now that it is a value.
pub(super) fn made(flags: u32) -> u32 {
    flags & !KIND
}

/// Two words: a value, two functions, or what is to be made.
pub(super) type Slot = [u64; 2];

/// An object of the engine's. All methods: the object is alive, and nobody else uses its isolate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Object(NonNull<u8>);

/// A shape: the names and flags of an object's properties, and its prototype.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape(NonNull<u8>);

/// # Safety
/// There is a `T` at that place of what `base` points to.
pub(super) unsafe fn at<T: Copy>(base: NonNull<u8>, offset: usize) -> T {
    // SAFETY: the caller's promise; the engine aligns what it has.
    unsafe { base.add(offset).cast::<T>().read() }
}

impl Object {
    /// The object that a value is.
    pub(super) fn of(value: qjs::JSValue) -> Option<Object> {
        // SAFETY: reading a tag, and the pointer that is there with it.
        unsafe {
            let is_object = qjs::JS_IsObject(value);
            is_object.then(|| NonNull::new(qjs::JS_VALUE_GET_PTR(value).cast())).flatten().map(Object)
        }
    }

    pub(super) fn address(self) -> usize {
        self.0.as_ptr().addr()
    }

    /// The object that a slot with a value has.
    pub(super) fn in_slot(slot: Slot) -> Option<Object> {
        if slot[1] as i64 != i64::from(qjs::JS_TAG_OBJECT) {
            return None;
        }
        Object::at_address(slot[0])
    }

    /// A getter or setter, which are there without a tag.
    pub(super) fn at_address(address: u64) -> Option<Object> {
        NonNull::new(std::ptr::with_exposed_provenance_mut(address as usize)).map(Object)
    }

    pub(super) fn value(self) -> qjs::JSValue {
        qjs::JS_MKPTR(qjs::JS_TAG_OBJECT, self.0.as_ptr().cast::<c_void>())
    }

    /// # Safety
    /// See [`Object`].
    pub(super) unsafe fn class(self) -> u16 {
        // SAFETY: the caller's promise.
        unsafe { at(self.0, CLASS) }
    }

    /// # Safety
    /// See [`Object`].
    pub(super) unsafe fn shape(self) -> Shape {
        // SAFETY: the caller's promise; every object has a shape.
        unsafe { Shape(at(self.0, SHAPE)) }
    }

    /// # Safety
    /// See [`Object`].
    pub(super) unsafe fn is_extensible(self) -> bool {
        // SAFETY: the caller's promise.
        unsafe { at::<u8>(self.0, FLAGS) & EXTENSIBLE != 0 }
    }

    /// # Safety
    /// See [`Object`].
    pub(super) unsafe fn prevent_extensions(self) {
        // SAFETY: the caller's promise.
        unsafe {
            let flags = self.0.add(FLAGS);
            flags.write(flags.read() & !EXTENSIBLE);
        }
    }

    /// Flags and class, shape, properties, weak references: what changes when the object does.
    ///
    /// # Safety
    /// See [`Object`].
    #[inline]
    pub(super) unsafe fn head(self) -> [u64; 4] {
        // SAFETY: the caller's promise.
        let mut head: [u64; 4] = unsafe { at(self.0, FLAGS) };
        head[0] &= !IS_PROTOTYPE;
        head
    }

    /// Is this its [`head`](Self::head)? Word by word: a head that is put together first is read back too early for the
    /// processor, which then waits.
    ///
    /// # Safety
    /// See [`Object`].
    #[inline(always)]
    pub(super) unsafe fn has_head(self, head: &[u64; 4]) -> bool {
        // SAFETY: the caller's promise.
        let word = |index: usize| unsafe { at::<u64>(self.0, FLAGS + 8 * index) };
        (((word(0) & !IS_PROTOTYPE) ^ head[0])
            | (word(1) ^ head[1])
            | (word(2) ^ head[2])
            | (word(3) ^ head[3]))
            == 0
    }

    /// What a [`head`](Self::head) has that stays the same when properties are made that were to be made later.
    pub(super) fn steady(head: [u64; 4]) -> [u64; 2] {
        [head[0], head[3]]
    }

    /// # Safety
    /// See [`Object`].
    #[inline]
    pub(super) unsafe fn slots<'a>(self) -> &'a [Slot] {
        // SAFETY: the caller's promise; there are as many as the shape says, and nobody changes them while we look.
        unsafe { std::slice::from_raw_parts(at(self.0, PROPERTIES), self.shape().count()) }
    }

    /// Lets a property that is to be made later be made of another entry.
    ///
    /// # Safety
    /// See [`Object`]; the entry lives as long as the process.
    pub(super) unsafe fn make_later(self, index: usize, entry: *const c_void) {
        // SAFETY: the caller's promise; `slots` are there, and nobody looks at them meanwhile.
        unsafe {
            let slots: *mut Slot = at(self.0, PROPERTIES);
            (*slots.add(index))[1] = entry.expose_provenance() as u64;
        }
    }

    /// # Safety
    /// See [`Object`]; it is of the class [`ARRAY`].
    pub(super) unsafe fn elements(self) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { at(self.0, ARRAY_COUNT) }
    }

    /// A native function's code, and its length, kind and number.
    ///
    /// # Safety
    /// See [`Object`]; it is of the class [`NATIVE_FUNCTION`].
    pub(super) unsafe fn native(self) -> Native {
        // SAFETY: the caller's promise.
        unsafe {
            Native {
                code: at(self.0, NATIVE),
                length: at(self.0, NATIVE + 8),
                kind: at(self.0, NATIVE + 9),
                number: at(self.0, NATIVE + 10),
            }
        }
    }

    /// Gives the object another shape, which has the same names in the same places.
    ///
    /// # Safety
    /// See [`Object`]; and the shape that it has is another object's too.
    pub(super) unsafe fn reshape(self, shape: Shape) {
        // SAFETY: the caller's promise; both are counted.
        unsafe {
            let (old, new) = (self.shape().0.sub(4).cast::<i32>(), shape.0.sub(4).cast::<i32>());
            new.write(new.read() + 1);
            old.write(old.read() - 1);
            self.0.add(SHAPE).cast::<Shape>().write(shape);
        }
    }
}

/// What makes a native function the one that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Native {
    pub(super) code: usize,
    pub(super) length: u8,
    pub(super) kind: u8,
    pub(super) number: i16,
}

impl Shape {
    pub(super) fn address(self) -> NonNull<u8> {
        self.0
    }

    /// # Safety
    /// See [`Object`].
    #[inline]
    pub(super) unsafe fn count(self) -> usize {
        // SAFETY: the caller's promise.
        unsafe { at::<i32>(self.0, COUNT) as usize }
    }

    /// Is it hashed, its hash, its sizes and its prototype. A hashed shape does not change without one of these.
    ///
    /// # Safety
    /// See [`Object`].
    #[inline]
    pub(super) unsafe fn head(self) -> [u64; 4] {
        // SAFETY: the caller's promise.
        unsafe {
            let [state, sizes, counts]: [u64; 3] = at(self.0, SHAPE_STATE);
            // Between `is hashed` and the hash there is nothing.
            [state & 0xffff_ffff_0000_00ff, sizes, counts, at(self.0, PROTOTYPE)]
        }
    }

    /// Is it as it was when this was its [`head`](Self::head), and it was hashed? Whether it is, its hash, and how many
    /// properties there are and were deleted: see [`shapes`](super::shapes).
    ///
    /// # Safety
    /// See [`Object`].
    #[inline(always)]
    pub(super) unsafe fn is_as_it_was(self, head: &[u64; 4]) -> bool {
        // SAFETY: the caller's promise.
        let word = |offset: usize| unsafe { at::<u64>(self.0, offset) };
        let state = word(SHAPE_STATE) & 0xffff_ffff_0000_00ff;
        ((state ^ head[0]) | (word(SHAPE_STATE + 16) ^ head[2])) == 0 && Shape::is_hashed(*head)
    }

    pub(super) fn is_hashed(head: [u64; 4]) -> bool {
        head[0] & 0xff != 0
    }

    /// # Safety
    /// See [`Object`].
    pub(super) unsafe fn prototype(self) -> Option<Object> {
        // SAFETY: the caller's promise.
        unsafe { at::<Option<NonNull<u8>>>(self.0, PROTOTYPE).map(Object) }
    }

    /// Flags and chain in the low half, the name in the high one.
    ///
    /// # Safety
    /// See [`Object`].
    #[inline]
    pub(super) unsafe fn names<'a>(self) -> &'a [u64] {
        // SAFETY: the caller's promise; the properties are behind a table of `mask + 1` numbers of 32 bits. That is a
        // power of two, at least 4, so they are aligned.
        unsafe {
            let table = at::<u32>(self.0, MASK) as usize + 1;
            std::slice::from_raw_parts(self.0.add(TABLE + 4 * table).cast().as_ptr(), self.count())
        }
    }

    /// Clears flags of all properties: what scripts may do with values, and with accessors.
    ///
    /// # Safety
    /// See [`Object`]; all objects of this shape are to be frozen.
    pub(super) unsafe fn freeze(self) {
        for index in 0..unsafe_count(self) {
            // SAFETY: the caller's promise; as in `names`.
            unsafe {
                let table = at::<u32>(self.0, MASK) as usize + 1;
                let place = self.0.add(TABLE + 4 * table + 8 * index).cast::<u32>();
                let word = place.read();
                let flags = word >> 26;
                let off = if kind(flags) == Kind::Accessor { CONFIGURABLE } else { CONFIGURABLE | WRITABLE };
                place.write(word & !(off << 26));
            }
        }
    }
}

fn unsafe_count(shape: Shape) -> usize {
    // SAFETY: called by `freeze`, whose caller promises that the shape is alive.
    unsafe { shape.count() }
}

pub(super) fn flags_of(name: u64) -> u32 {
    (name as u32) >> 26
}

pub(super) fn atom_of(name: u64) -> u32 {
    (name >> 32) as u32
}

/// An entry of the engine's lists of built-ins, which it makes a property of when that is first used.
pub(super) struct Entry(NonNull<u8>);

impl Entry {
    const FUNCTION: u8 = 0;
    const STRING: u8 = 3;
    const OBJECT: u8 = 8;

    /// What a slot is to be made of; `None`: something else than a built-in of a list.
    pub(super) fn of(slot: Slot) -> Option<Entry> {
        const FROM_LIST: u64 = 2;
        let entry = NonNull::new(std::ptr::with_exposed_provenance_mut(slot[1] as usize));
        entry.filter(|_| slot[0] & 3 == FROM_LIST).map(Entry)
    }

    /// # Safety
    /// The slot that it came from was one of [`Kind::Later`].
    unsafe fn definition(&self) -> u8 {
        // SAFETY: the caller's promise.
        unsafe { at(self.0, 9) }
    }

    /// # Safety
    /// As above.
    pub(super) unsafe fn is_object(&self) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.definition() == Entry::OBJECT }
    }

    /// The function that is made of it.
    ///
    /// # Safety
    /// As above.
    pub(super) unsafe fn function(&self) -> Option<Native> {
        // SAFETY: the caller's promise.
        unsafe {
            (self.definition() == Entry::FUNCTION).then(|| Native {
                code: at(self.0, 24),
                length: at(self.0, 16),
                kind: at(self.0, 17),
                number: at(self.0, 10),
            })
        }
    }

    /// The text that is made of it.
    ///
    /// # Safety
    /// As above.
    pub(super) unsafe fn text(&self) -> Option<&'static CStr> {
        // SAFETY: the caller's promise; the engine's lists are constants.
        unsafe {
            (self.definition() == Entry::STRING).then(|| CStr::from_ptr(at::<*const c_char>(self.0, 16)))
        }
    }
}

/// How many blocks and bytes an engine has allocated, by its own count.
///
/// # Safety
/// The runtime is alive, and nobody else uses it.
#[inline]
pub(super) unsafe fn allocated(runtime: NonNull<qjs::JSRuntime>) -> [u64; 2] {
    // SAFETY: the caller's promise.
    unsafe { [at(runtime.cast(), ALLOCATED), at(runtime.cast(), ALLOCATED + 8)] }
}

/// What scripts change in a context with `Error`'s options, and the list of modules.
///
/// # Safety
/// The context is alive, and nobody else uses it.
#[inline]
pub(super) unsafe fn options(context: NonNull<qjs::JSContext>) -> [u64; 6] {
    // SAFETY: the caller's promise.
    unsafe {
        let [a, b, c, d]: [u64; 4] = at(context.cast(), ERROR_OPTIONS);
        let [e, f]: [u64; 2] = at(context.cast(), MODULES);
        [a, b, c, d, e, f]
    }
}

/// The objects that a context has beside its global one: prototypes of classes, and other values.
///
/// # Safety
/// As for [`options`].
pub(super) unsafe fn roots(
    runtime: NonNull<qjs::JSRuntime>,
    context: NonNull<qjs::JSContext>,
    mut visit: impl FnMut(Object),
) {
    // SAFETY: the caller's promise; there is a prototype, or nothing, for each class.
    let prototypes = unsafe {
        let count = at::<i32>(runtime.cast(), CLASS_COUNT) as usize;
        std::slice::from_raw_parts(at::<*const Slot>(context.cast(), CLASS_PROTOTYPES), count)
    };
    prototypes.iter().filter_map(|slot| Object::in_slot(*slot)).for_each(&mut visit);
    for offset in VALUES.step_by(size_of::<Slot>()) {
        // SAFETY: the caller's promise.
        let slot = unsafe { at(context.cast(), offset) };
        Object::in_slot(slot).into_iter().for_each(&mut visit);
    }
}

/// Where a context has what `eval` and `Function` call; null: they throw.
///
/// # Safety
/// As for [`options`].
pub(super) unsafe fn evaluator(context: NonNull<qjs::JSContext>) -> NonNull<*const c_void> {
    // SAFETY: the caller's promise.
    unsafe { context.cast::<u8>().add(EVAL).cast() }
}

/// Takes all that a runtime counts references to out of its list. They are still in a ring, so each can be freed.
///
/// # Safety
/// The runtime is alive, nobody else uses it, and the offsets are [known to hold](known_to_hold).
pub(super) unsafe fn forget_counted(runtime: NonNull<qjs::JSRuntime>) {
    // SAFETY: the caller's promise; each link is two pointers, to the one before and the one behind.
    unsafe {
        let head = runtime.cast::<u8>().add(COUNTED).cast::<[NonNull<u8>; 2]>();
        let [last, first] = head.read();
        first.cast::<NonNull<u8>>().write(last);
        last.cast::<NonNull<u8>>().add(1).write(first);
        head.write([head.cast(), head.cast()]);
    }
}

static HOLD: OnceLock<bool> = OnceLock::new();

/// Was it found out that the offsets hold? For isolates that end, as that may be the one in which it is found out.
pub(super) fn known_to_hold() -> bool {
    HOLD.get().is_some_and(|hold| *hold)
}

/// Do the offsets hold? Found out once.
pub(super) fn hold() -> bool {
    *HOLD.get_or_init(|| {
        cfg!(all(target_pointer_width = "64", target_endian = "little"))
            && size_of::<qjs::JSValue>() == size_of::<Slot>()
            && probe().unwrap_or(false)
    })
}

/// Makes objects of which everything is known, and looks whether it is found.
fn probe() -> Result<bool, Error> {
    let population = Arc::new(Population::new(1));
    let mut isolate = Isolate::untuned(Limits::DEFAULT, population.house())?;
    let (runtime, context) = (isolate.runtime, isolate.context);
    let mut all = true;
    isolate.furnish(|scope| {
        let eval = |source: &str| scope.eval(c"probe", &CStrSource::new(source));
        let plain = eval("({a: 11, get b() {}, c: 12})")?;
        let frozen = eval("Object.freeze({a: 11})")?;
        let child = eval("globalThis.p = {}; Object.create(p)")?;
        let parent = eval("p")?;
        let array = eval("[1, 2, 3]")?;
        let function = eval("Array.prototype.concat")?;
        let builtin = eval("Set.prototype")?;
        // SAFETY: we are inside, and the objects are held by handles. If the offsets were others, these would still be
        // reads inside the engine's blocks: all are at least as large as what is read.
        all &= unsafe {
            looks_right([&plain, &frozen, &child, &parent, &array].map(|handle| Object::of(handle.raw())))
                && native_looks_right(&function, &builtin)
                && counts_look_right(scope, runtime)
                && shapes_look_right(runtime, &frozen)
                && options_look_right(scope, context)?
                && counted_look_right(runtime, context)
        };
        Ok(())
    })?;
    Ok(all)
}

/// # Safety
/// As in [`probe`].
unsafe fn looks_right(objects: [Option<Object>; 5]) -> bool {
    let [Some(plain), Some(frozen), Some(child), Some(parent), Some(array)] = objects else { return false };
    // SAFETY: the caller's promise.
    unsafe {
        let flags: Vec<u32> = plain.shape().names().iter().map(|name| flags_of(*name)).collect();
        let numbers = plain.class() == PLAIN
            && plain.shape().count() == 3
            && flags == [7, 5 | ACCESSOR, 7]
            && [plain.slots()[0], plain.slots()[2]].map(|slot| (slot[0] as u32, slot[1]))
                == [(11, 0), (12, 0)]
            && Object::at_address(plain.slots()[1][0]).is_some_and(|getter| getter.class() != PLAIN);
        let frozen_looks = !frozen.is_extensible()
            && plain.is_extensible()
            && flags_of(frozen.shape().names()[0]) == 4
            && atom_of(frozen.shape().names()[0]) == atom_of(plain.shape().names()[0]);
        let shapes = child.shape().prototype() == Some(parent)
            && Shape::is_hashed(plain.shape().head())
            && !Shape::is_hashed(frozen.shape().head());
        numbers && frozen_looks && shapes && array.class() == ARRAY && array.elements() == 3
    }
}

/// # Safety
/// As in [`probe`].
unsafe fn native_looks_right(function: &Handle<'_>, builtin: &Handle<'_>) -> bool {
    let (Some(function), Some(builtin)) = (Object::of(function.raw()), Object::of(builtin.raw())) else {
        return false;
    };
    // SAFETY: the caller's promise. A slot that is to be made later has an entry of a list.
    unsafe {
        let is_later = |(name, _): &(&u64, &Slot)| kind(flags_of(**name)) == Kind::Later;
        let later = builtin.shape().names().iter().zip(builtin.slots()).filter(is_later);
        // `Set.prototype.isSubsetOf`: some of the others were made already, see `intrinsics`.
        let entry_looks = later.filter_map(|(_, slot)| Entry::of(*slot)).any(|entry| {
            CStr::from_ptr(at::<*const c_char>(entry.0, 0)) == c"isSubsetOf"
                && entry.function().is_some_and(|native| native.length == 1 && native.code != 0)
        });
        entry_looks && function.class() == NATIVE_FUNCTION && function.native().length == 1
    }
}

/// # Safety
/// As in [`probe`].
unsafe fn shapes_look_right(runtime: NonNull<qjs::JSRuntime>, frozen: &Handle<'_>) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        let Some(frozen) = Object::of(frozen.raw()).filter(|_| shapes::is_known(runtime)) else {
            return false;
        };
        shapes::put_back(runtime, frozen.shape());
        Shape::is_hashed(frozen.shape().head()) && shapes::is_known(runtime)
    }
}

/// # Safety
/// As in [`probe`].
unsafe fn counts_look_right(scope: Scope<'_>, runtime: NonNull<qjs::JSRuntime>) -> bool {
    // SAFETY: the caller's promise; all bytes of the report may be zero.
    unsafe {
        let mut report: qjs::JSMemoryUsage = std::mem::zeroed();
        qjs::JS_ComputeMemoryUsage(scope.runtime(), &mut report);
        let references = scope.global().raw();
        let Some(global) = Object::of(references) else { return false };
        let count = global.0.sub(4).cast::<i32>();
        let before = count.read();
        let one_more = scope.global();
        let counted = count.read() == before + 1;
        drop(one_more);
        counted && allocated(runtime) == [report.malloc_count as u64, report.malloc_size as u64]
    }
}

/// # Safety
/// As in [`probe`].
unsafe fn options_look_right(scope: Scope<'_>, context: NonNull<qjs::JSContext>) -> Result<bool, Error> {
    scope.eval(
        c"probe",
        &CStrSource::new("Error.stackTraceLimit = 37; Error.prepareStackTrace = undefined"),
    )?;
    // SAFETY: the caller's promise.
    unsafe {
        let [_, tag, limit, limit_tag, next, previous] = options(context);
        let undefined = i64::from(qjs::JS_TAG_UNDEFINED) as u64;
        let list = context.addr().get() as u64 + MODULES as u64;
        let mut found = 0;
        let global = Object::of(scope.global().raw());
        let runtime = NonNull::new(scope.runtime());
        if let Some(runtime) = runtime {
            roots(runtime, context, |object| found += usize::from(Some(object) == global));
        }
        // Without the evaluator there is no `eval`, and with it there is again.
        let evaluator = evaluator(context);
        let kept = evaluator.read();
        evaluator.write(std::ptr::null());
        let refused = scope.eval(c"probe", &CStrSource::new("1")).is_err();
        evaluator.write(kept);
        let back = scope.eval(c"probe", &CStrSource::new("1")).is_ok();
        Ok(tag == undefined
            && (limit as u32, limit_tag) == (37, 0)
            && [next, previous] == [list, list]
            && found == 1
            && refused
            && back)
    }
}

/// # Safety
/// As in [`probe`].
unsafe fn counted_look_right(runtime: NonNull<qjs::JSRuntime>, context: NonNull<qjs::JSContext>) -> bool {
    // SAFETY: the caller's promise. A link is followed only while the one behind it points back.
    unsafe {
        let head = runtime.cast::<u8>().add(COUNTED);
        let link = |of: NonNull<u8>| at::<[Option<NonNull<u8>>; 2]>(of, 0);
        let (mut here, mut found) = (head, false);
        loop {
            let Some(next) = link(here)[1] else { return false };
            if !next.addr().get().is_multiple_of(align_of::<usize>()) || link(next)[0] != Some(here) {
                return false;
            }
            if next == head {
                return found;
            }
            found |= next == context.cast();
            here = next;
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_offsets_are_those_of_this_engine() {
        assert!(super::hold(), "isolates would not be used twice");
    }
}
