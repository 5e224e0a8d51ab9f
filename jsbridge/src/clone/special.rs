//! Values to bytes: what is more than its properties.

use super::format::{DATA_VIEW, ELEMENT_SHIFT, ERRORS, Put, Tag, part};
use super::frame::Parts;
use super::kinds::Kind;
use super::write::{CLOSED, Writer};
use crate::isolate::block::{BLOCK_MIN, Block};
use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::intrinsics::Intrinsic;
use rquickjs::qjs;
use std::ffi::{CStr, c_int, c_void};
use std::mem::MaybeUninit;

/// The flags of a regular expression, in their order.
const FLAGS: [(Intrinsic, u8); 8] = [
    (Intrinsic::RegExpHasIndices, b'd'),
    (Intrinsic::RegExpGlobal, b'g'),
    (Intrinsic::RegExpIgnoreCase, b'i'),
    (Intrinsic::RegExpMultiline, b'm'),
    (Intrinsic::RegExpDotAll, b's'),
    (Intrinsic::RegExpUnicode, b'u'),
    (Intrinsic::RegExpUnicodeSets, b'v'),
    (Intrinsic::RegExpSticky, b'y'),
];

/// The prototypes of errors, in the order of [`ERRORS`].
pub(super) const PROTOTYPES: [Intrinsic; ERRORS.len()] = [
    Intrinsic::Error,
    Intrinsic::EvalError,
    Intrinsic::RangeError,
    Intrinsic::ReferenceError,
    Intrinsic::SyntaxError,
    Intrinsic::TypeError,
    Intrinsic::UriError,
    Intrinsic::InternalError,
    Intrinsic::AggregateError,
    Intrinsic::SuppressedError,
];

/// So many prototypes of an error are looked at. The engine allows no cycles; but a script can make a long chain.
const CHAIN: usize = 100;

impl<'a> Writer<'a, '_> {
    /// Begins an object that is neither plain nor an array.
    pub(super) fn special(&mut self, object: qjs::JSValue, kind: Kind) -> JsResult<'a, ()> {
        match kind {
            Kind::Number => self.boxed(object, Intrinsic::NumberValueOf),
            Kind::String => self.boxed(object, Intrinsic::StringValueOf),
            Kind::Boolean => self.boxed(object, Intrinsic::BooleanValueOf),
            Kind::BigInt => self.boxed(object, Intrinsic::BigIntValueOf),
            Kind::Date => self.date(object),
            Kind::RegExp => self.regexp(object),
            Kind::ArrayBuffer => self.buffer(object),
            Kind::SharedArrayBuffer => self.shared_buffer(object),
            Kind::Typed | Kind::DataView => self.view(object, kind),
            Kind::Map => self.listed(object, true),
            Kind::Set => self.listed(object, false),
            Kind::Error => self.error(object),
            Kind::DomException => self.dom_exception(object),
            Kind::Object | Kind::Array | Kind::Arguments | Kind::Other => unreachable!("the walk has these"),
        }
    }

    /// A `BigInt` of any size.
    pub(super) fn big_int(&mut self, value: qjs::JSValue) -> JsResult<'a, ()> {
        // SAFETY: reading a tag, and a value that it says is small.
        unsafe {
            let mut small = 0;
            if qjs::JS_VALUE_GET_TAG(value) == qjs::JS_TAG_SHORT_BIG_INT {
                if qjs::JS_ToBigInt64(self.scope.as_ptr(), &mut small, value) < 0 {
                    return Err(self.scope.take_exception());
                }
                self.out.tag(Tag::BigInt64);
                self.out.extend_from_slice(&small.to_le_bytes());
                return Ok(());
            }
        }
        let radix = self.scope.number(16.0);
        let digits = self.scope.call_intrinsic(Intrinsic::BigIntToString, value, &[radix.raw()])?.text()?;
        let (negative, digits) = match digits.strip_prefix('-') {
            Some(digits) => (1, digits),
            None => (0, digits.as_str()),
        };
        self.reserve(digits.len())?;
        self.out.tag(Tag::BigInt);
        self.out.varint(negative);
        self.out.varint(digits.len() as u64);
        self.out.extend_from_slice(digits.as_bytes());
        Ok(())
    }

    fn boxed(&mut self, object: qjs::JSValue, value_of: Intrinsic) -> JsResult<'a, ()> {
        let primitive = self.scope.call_intrinsic(value_of, object, &[])?;
        self.out.tag(Tag::Boxed);
        self.value(primitive.raw())
    }

    fn date(&mut self, object: qjs::JSValue) -> JsResult<'a, ()> {
        let time = self.scope.call_intrinsic(Intrinsic::DateGetTime, object, &[])?.to_number()?;
        self.out.tag(Tag::Date);
        self.out.extend_from_slice(&time.to_le_bytes());
        Ok(())
    }

    fn regexp(&mut self, object: qjs::JSValue) -> JsResult<'a, ()> {
        let source = self.scope.call_intrinsic(Intrinsic::RegExpSource, object, &[])?;
        let mut flags = Vec::with_capacity(FLAGS.len());
        for (getter, letter) in FLAGS {
            if self.scope.call_intrinsic(getter, object, &[])?.is_truthy() {
                flags.push(letter);
            }
        }
        self.out.tag(Tag::RegExp);
        self.plain_text(source.raw())?;
        self.out.narrow(&flags);
        Ok(())
    }

    fn buffer(&mut self, object: qjs::JSValue) -> JsResult<'a, ()> {
        if self.scope.call_intrinsic(Intrinsic::BufferDetached, object, &[])?.is_truthy() {
            return Err(self.refuse("is a detached ArrayBuffer"));
        }
        let longest = longest(self.scope, object)?.map_or(0, |longest| longest as u64 + 1);
        let bytes = self.scope.buffer_bytes(object)?;
        // SAFETY: the bytes are there: nothing that could detach the buffer runs before they are copied.
        let bytes = unsafe { bytes.as_ref() };
        if bytes.len() < BLOCK_MIN {
            self.out.tag(Tag::Buffer);
            self.out.varint(longest);
            self.out.varint(bytes.len() as u64);
            self.out.extend_from_slice(bytes);
            return Ok(());
        }
        self.count_copy(bytes.len())?;
        let copy = Block::copy_of(bytes).ok_or_else(|| self.scope.no_memory())?;
        self.out.tag(Tag::Block);
        self.out.varint(longest);
        self.out.varint(self.beside.blocks.len() as u64);
        self.beside.blocks.push(Some(copy));
        Ok(())
    }

    fn shared_buffer(&mut self, object: qjs::JSValue) -> JsResult<'a, ()> {
        if self.scope.call_intrinsic(Intrinsic::SharedGrowable, object, &[])?.is_truthy() {
            // The engine keeps the length in each buffer object: others would not see it grow.
            return Err(self.refuse("is a growable SharedArrayBuffer, which this engine cannot share,"));
        }
        let length = self.scope.buffer_bytes(object)?.len();
        let block = self.scope.share(object)?;
        self.out.tag(Tag::Shared);
        self.out.varint(length as u64);
        self.out.varint(self.beside.shared.len() as u64);
        self.beside.shared.push(block);
        Ok(())
    }

    fn view(&mut self, object: qjs::JSValue, kind: Kind) -> JsResult<'a, ()> {
        let (kind, buffer, offset, length) = if kind == Kind::DataView {
            let scope = self.scope;
            let part = |getter| scope.call_intrinsic(getter, object, &[]);
            let buffer = part(Intrinsic::DataViewBuffer)?;
            self.check_attached(&buffer)?;
            let range = part(Intrinsic::DataViewByteOffset).and_then(|offset| {
                Ok((offset.to_number()?, part(Intrinsic::DataViewByteLength)?.to_number()?))
            });
            let Ok((offset, length)) = range else { return Err(self.refuse_range()) };
            (DATA_VIEW, buffer, offset as usize, length as usize)
        } else {
            self.typed_range(object)?
        };
        let follows = match self.layout {
            // SAFETY: it is a view.
            Some(layout) => unsafe { layout.tracks_length(object) },
            // It does if it reaches to the end of a buffer that can grow: most likely.
            None => self.reaches_the_end(&buffer, offset + length)?,
        };
        let elements = (length >> ELEMENT_SHIFT[usize::from(kind)]) as u64;
        self.out.tag(Tag::View);
        self.out.push(kind);
        self.out.varint(offset as u64);
        self.out.varint(if follows { 0 } else { elements + 1 });
        self.value(buffer.raw())
    }

    /// Kind, buffer, offset and length in bytes.
    fn typed_range(&mut self, object: qjs::JSValue) -> JsResult<'a, (u8, Handle<'a>, usize, usize)> {
        let (mut offset, mut length, mut size) = (0, 0, 0);
        // SAFETY: we are inside; it is a typed array. What is returned is ours.
        let (kind, buffer) = unsafe {
            let context = self.scope.as_ptr();
            let buffer = qjs::JS_GetTypedArrayBuffer(context, object, &mut offset, &mut length, &mut size);
            (qjs::JS_GetTypedArrayType(object), self.scope.check(buffer))
        };
        let Ok(buffer) = buffer else { return Err(self.refuse_range()) };
        self.check_attached(&buffer)?;
        Ok((kind as u8, buffer, offset as usize, length as usize))
    }

    fn check_attached(&mut self, buffer: &Handle<'a>) -> JsResult<'a, ()> {
        let shared = self.kinds.of(buffer.raw()) == Kind::SharedArrayBuffer;
        if !shared && self.scope.call_intrinsic(Intrinsic::BufferDetached, buffer.raw(), &[])?.is_truthy() {
            return Err(self.refuse_range());
        }
        Ok(())
    }

    fn refuse_range(&self) -> Handle<'a> {
        self.refuse("is a view of an ArrayBuffer that is detached or too short")
    }

    fn reaches_the_end(&mut self, buffer: &Handle<'a>, end: usize) -> JsResult<'a, bool> {
        let shared = self.kinds.of(buffer.raw()) == Kind::SharedArrayBuffer;
        Ok(!shared
            && longest(self.scope, buffer.raw())?.is_some()
            && self.scope.buffer_bytes(buffer.raw())?.len() - end < 8)
    }

    /// A map or set: first all that is in it, as the standard says; then that is written.
    fn listed(&mut self, object: qjs::JSValue, map: bool) -> JsResult<'a, ()> {
        let mut listing = Listing { scope: self.scope, values: Vec::new() };
        let (for_each, collect): (_, qjs::JSCClosure) = if map {
            (Intrinsic::MapForEach, Some(collect_pair))
        } else {
            (Intrinsic::SetForEach, Some(collect_one))
        };
        // SAFETY: we are inside. The closure is called only in the call below, while the list is there; it is not kept by
        // anybody.
        unsafe {
            let list: *mut Listing<'a> = &raw mut listing;
            let closure = qjs::JS_NewCClosure(
                self.scope.as_ptr(),
                collect,
                c"".as_ptr(),
                None,
                0,
                0,
                list.cast::<c_void>(),
            );
            let closure = self.scope.check(closure)?;
            self.scope.call_intrinsic(for_each, object, &[closure.raw()])?;
        }
        self.out.tag(if map { Tag::Map } else { Tag::Set });
        self.open(object, CLOSED, Parts::Listed { values: listing.values, map });
        Ok(())
    }

    fn dom_exception(&mut self, object: qjs::JSValue) -> JsResult<'a, ()> {
        let name = self.scope.call_intrinsic(Intrinsic::DomExceptionName, object, &[])?;
        let message = self.scope.call_intrinsic(Intrinsic::DomExceptionMessage, object, &[])?;
        let stack = self.own_named(object, c"stack")?.filter(Handle::is_string);
        self.out.tag(Tag::DomException);
        self.plain_text(name.raw())?;
        self.plain_text(message.raw())?;
        match stack {
            Some(stack) => self.plain_text(stack.raw()),
            None => {
                self.out.tag(Tag::Absent);
                Ok(())
            }
        }
    }

    /// An own property by its name.
    fn own_named(&mut self, object: qjs::JSValue, name: &CStr) -> JsResult<'a, Option<Handle<'a>>> {
        let context = self.scope.as_ptr();
        // SAFETY: we are inside; the atom is given back.
        let atom = unsafe { qjs::JS_NewAtom(context, name.as_ptr()) };
        let found = self.own_property(object, atom);
        // SAFETY: as above.
        unsafe { qjs::JS_FreeAtom(context, atom) };
        found
    }

    /// An error, as far as it is no function.
    fn error(&mut self, object: qjs::JSValue) -> JsResult<'a, ()> {
        // Looking for the name runs getters and proxies wherever there are any.
        self.script_ahead();
        // SAFETY: we are inside; the memo has a reference to the object, and this is one more.
        let error = unsafe { self.scope.own(qjs::JS_DupValue(self.scope.as_ptr(), object)) };
        let mut kind = self.error_kind(&error)?;
        let mut values = Vec::new();
        let name = to_string(self.scope, error.get(c"name")?)?;
        if let Some(name) = name {
            let text = name.text()?;
            match ERRORS.iter().position(|known| *known == text) {
                Some(known) => kind = known,
                None => values.push((part::NAME, name)),
            }
        }
        if self.has_own_value(object, c"message")?
            && let Some(message) = self.own_named(object, c"message")?
            && let Some(message) = to_string(self.scope, message)?
        {
            values.push((part::MESSAGE, message));
        }
        let own_stack = self.own_named(object, c"stack")?;
        let stack = match own_stack {
            Some(stack) => stack,
            None => self.scope.call_intrinsic(Intrinsic::ErrorStack, object, &[])?,
        };
        if stack.is_string() {
            values.push((part::STACK, stack));
        }
        let extra: u8 = match ERRORS[kind] {
            "AggregateError" => part::CAUSE | part::ERRORS,
            "SuppressedError" => part::CAUSE | part::ERROR | part::SUPPRESSED,
            _ => part::CAUSE,
        };
        for (bit, name) in part::ALL {
            if extra & bit != 0
                && let Some(value) = self.own_named(object, name)?
            {
                values.push((bit, value));
            }
        }
        let mask = values.iter().fold(0, |mask, (bit, _)| mask | bit);
        let mut keys = self.own_keys(object)?;
        self.leave_out_parts(&mut keys.atoms, mask | part::NAME);
        self.out.tag(Tag::Error);
        self.out.push(kind as u8);
        self.out.push(mask);
        self.open(object, CLOSED, Parts::Error { values, keys: Some(keys) });
        Ok(())
    }

    /// The standard kind that an error is an instance of.
    fn error_kind(&mut self, error: &Handle<'a>) -> JsResult<'a, usize> {
        let mut at = error.clone();
        for _ in 0..CHAIN {
            // SAFETY: we are inside. A proxy's trap may run, and everything is careful already.
            at = unsafe { self.scope.check(qjs::JS_GetPrototype(self.scope.as_ptr(), at.raw()))? };
            if !at.is_object() {
                break;
            }
            let same = |prototype: &Intrinsic| {
                // SAFETY: reading the address of two objects.
                unsafe {
                    let known = self.scope.intrinsic_raw(*prototype);
                    qjs::JS_VALUE_GET_PTR(known) == qjs::JS_VALUE_GET_PTR(at.raw())
                }
            };
            if let Some(known) = PROTOTYPES.iter().position(same) {
                return Ok(known);
            }
        }
        Ok(0)
    }

    /// Is there an own property with a value, not a getter?
    fn has_own_value(&mut self, object: qjs::JSValue, name: &CStr) -> JsResult<'a, bool> {
        let context = self.scope.as_ptr();
        let mut found = MaybeUninit::<qjs::JSPropertyDescriptor>::uninit();
        // SAFETY: we are inside; the descriptor is written where the answer is 1, and its references are given back.
        unsafe {
            let atom = qjs::JS_NewAtom(context, name.as_ptr());
            let there = qjs::JS_GetOwnProperty(context, found.as_mut_ptr(), object, atom);
            qjs::JS_FreeAtom(context, atom);
            match there {
                ..0 => Err(self.scope.take_exception()),
                0 => Ok(false),
                _ => {
                    let found = found.assume_init();
                    qjs::JS_FreeValue(context, found.value);
                    qjs::JS_FreeValue(context, found.getter);
                    qjs::JS_FreeValue(context, found.setter);
                    Ok(found.flags as u32 & qjs::JS_PROP_GETSET == 0)
                }
            }
        }
    }

    /// Removes the keys of what is written as a part.
    fn leave_out_parts(&self, atoms: &mut Vec<qjs::JSAtom>, mask: u8) {
        let context = self.scope.as_ptr();
        for (_, name) in part::ALL.iter().filter(|(bit, _)| mask & bit != 0) {
            // SAFETY: we are inside; the atoms are given back.
            unsafe {
                let known = qjs::JS_NewAtom(context, name.as_ptr());
                if let Some(index) = atoms.iter().position(|atom| *atom == known) {
                    qjs::JS_FreeAtom(context, atoms.remove(index));
                }
                qjs::JS_FreeAtom(context, known);
            }
        }
    }
}

/// The greatest length of an `ArrayBuffer`, if it is resizable.
pub(super) fn longest<'a>(scope: Scope<'a>, buffer: qjs::JSValue) -> JsResult<'a, Option<usize>> {
    if !scope.call_intrinsic(Intrinsic::BufferResizable, buffer, &[])?.is_truthy() {
        return Ok(None);
    }
    let longest = scope.call_intrinsic(Intrinsic::BufferMaxByteLength, buffer, &[])?.to_number()?;
    Ok(Some(longest as usize))
}

/// `String(value)`; `None` for undefined.
fn to_string<'a>(scope: Scope<'a>, value: Handle<'a>) -> JsResult<'a, Option<Handle<'a>>> {
    if value.is_undefined() {
        return Ok(None);
    }
    // SAFETY: we are inside; what is returned is ours. A script's `toString` may run.
    unsafe { scope.check(qjs::JS_ToString(scope.as_ptr(), value.raw())).map(Some) }
}

/// The callback of `Map.prototype.forEach`: value, key, map.
unsafe extern "C" fn collect_pair(
    context: *mut qjs::JSContext,
    _this: qjs::JSValue,
    _count: c_int,
    arguments: *mut qjs::JSValue,
    _magic: c_int,
    list: *mut c_void,
) -> qjs::JSValue {
    // SAFETY: the engine passes three arguments, and the list is that of the call.
    unsafe {
        collect(context, list, arguments.add(1).read());
        collect(context, list, arguments.read());
    }
    qjs::JS_UNDEFINED
}

/// The callback of `Set.prototype.forEach`.
unsafe extern "C" fn collect_one(
    context: *mut qjs::JSContext,
    _this: qjs::JSValue,
    _count: c_int,
    arguments: *mut qjs::JSValue,
    _magic: c_int,
    list: *mut c_void,
) -> qjs::JSValue {
    // SAFETY: as above.
    unsafe { collect(context, list, arguments.read()) };
    qjs::JS_UNDEFINED
}

/// # Safety
/// The list is a `Listing` of this isolate, which we are inside.
unsafe fn collect(context: *mut qjs::JSContext, list: *mut c_void, value: qjs::JSValue) {
    // SAFETY: the caller's promise; the new reference is the handle's. The scope is that of the other handles.
    unsafe {
        let list = &mut *list.cast::<Listing<'_>>();
        let scope = list.scope;
        list.values.push(scope.own(qjs::JS_DupValue(context, value)));
    }
}

/// What a callback fills.
struct Listing<'a> {
    scope: Scope<'a>,
    values: Vec<Handle<'a>>,
}
