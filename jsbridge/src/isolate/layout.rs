//! Where the engine keeps things, for what it has no function for, and for walking plain objects fast.
//!
//! ```text
//!   object                          shape                              shared by objects with the same keys
//!   | 16 | class id      u16 at 18 | 16 | is it shared     u8         |
//!   |    | flags         u8 at 16  | 24 | hash mask, room  u32 each   |
//!   |    |                         | 32 | count            i32        |
//!   | 24 | shape                   | 56 | mask + 1 hashes, u32 each   |
//!   | 32 | properties, 16 B each   |    | count entries of            |
//!   | 48 | array's size, or        |    |   | hash_next 26, flags 6   |
//!   |    | buffer, or typed array  |    |   | atom                    |
//!   | 56 | array's values          |
//!   | 64 | array's count           |    string: | length 31, wide 1 | .. kind in bits 28, 29 |
//! ```
//!
//! None of this is promised by the engine. It is looked at with sample values once a process, and where one thing is not
//! as above, [`Layout::get`] is `None` and everybody goes the slower way through the engine's functions, which is
//! tested too. (The engine is pinned exactly; see the workspace's `Cargo.toml`.)

use super::handle::{Handle, JsResult, Scope};
use super::intrinsics::Intrinsic;
use rquickjs::qjs;
use std::ptr::NonNull;
use std::sync::OnceLock;

pub(super) mod offset {
    pub(in crate::isolate) const FLAGS: usize = 16;
    pub(in crate::isolate) const SHAPE: usize = 24;
    pub(in crate::isolate) const PROPERTIES: usize = 32;
    pub(in crate::isolate) const PARTICULAR: usize = 48;
    pub(in crate::isolate) const ARRAY_VALUES: usize = 56;
    pub(in crate::isolate) const ARRAY_COUNT: usize = 64;
    pub(in crate::isolate) const SHAPE_SHARED: usize = 16;
    pub(in crate::isolate) const SHAPE_MASK: usize = 24;
    pub(in crate::isolate) const SHAPE_ROOM: usize = 28;
    pub(in crate::isolate) const SHAPE_COUNT: usize = 32;
    pub(in crate::isolate) const SHAPE_HASHES: usize = 56;
    pub(in crate::isolate) const BUFFER_LONGEST: usize = 4;
    pub(in crate::isolate) const BUFFER_RESIZE: usize = 48;
    pub(in crate::isolate) const VIEW_TRACKS: usize = 40;
}

/// In an object's flags: its elements are in a plain array.
const FAST_ARRAY: u8 = 1 << 4;

/// Evidence that the engine keeps things as the picture says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// The engine's own function to resize and free a buffer's memory.
    engine_resize: usize,
    /// Bytes of a string before its text: engines that are built to be debugged have more.
    string_header: usize,
}

/// The kind of an object's properties, shared by objects with the same keys in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape(NonNull<u8>);

/// One property of a shape.
#[derive(Clone, Copy)]
pub(crate) struct ShapeEntry {
    /// `JS_PROP_...`; never all bits of the engine's other flags.
    pub(crate) flags: u32,
    /// 0: deleted.
    pub(crate) atom: qjs::JSAtom,
}

/// The text of a string, as the engine has it.
pub(crate) enum Text<'t> {
    /// A byte a character.
    Narrow(&'t [u8]),
    /// UTF-16, halves of pairs included.
    Wide(&'t [u16]),
}

/// # Safety
/// There is a `T` so many bytes behind `base`.
pub(super) unsafe fn at<T: Copy>(base: NonNull<u8>, offset: usize) -> T {
    // SAFETY: the caller's promise.
    unsafe { base.add(offset).cast::<T>().read() }
}

impl Shape {
    /// Do other objects that get the same keys in the same order have it, too?
    ///
    /// # Safety
    /// It is that of a living object.
    pub(super) unsafe fn is_shared(self) -> bool {
        // SAFETY: the picture above.
        unsafe { at::<u8>(self.0, offset::SHAPE_SHARED) != 0 }
    }

    /// For how many properties an object of it has room.
    ///
    /// # Safety
    /// As above.
    pub(super) unsafe fn room(self) -> usize {
        // SAFETY: the picture above.
        unsafe { at::<u32>(self.0, offset::SHAPE_ROOM) as usize }
    }

    /// Lets objects that `make` makes of it have more room, or less.
    ///
    /// # Safety
    /// As above; it has no properties, and none is added meanwhile to an object that has it.
    #[inline]
    pub(super) unsafe fn with_room<R>(self, room: usize, make: impl FnOnce() -> R) -> R {
        // SAFETY: the picture above.
        unsafe {
            let place = self.0.add(offset::SHAPE_ROOM).cast::<u32>();
            let before = place.replace(room as u32);
            let made = make();
            place.write(before);
            made
        }
    }

    /// Counts objects that it belongs to.
    ///
    /// # Safety
    /// As above, and one object is left that has it.
    #[inline]
    pub(super) unsafe fn count_owner(self, more: i32) {
        // SAFETY: the count is before it, as before all that the engine collects.
        unsafe {
            let count = self.0.sub(4).cast::<i32>();
            count.write(count.read() + more);
        }
    }
}

/// The address of an object or string.
pub(crate) fn address(value: qjs::JSValue) -> NonNull<u8> {
    // SAFETY: reading a field; values with a pointer have one that is not null.
    unsafe { NonNull::new_unchecked(qjs::JS_VALUE_GET_PTR(value).cast()) }
}

impl Layout {
    /// The evidence, if it is so. Every isolate asks before a script runs in it: what is looked at here are values that
    /// no script has touched.
    pub(crate) fn get(scope: Scope<'_>) -> Option<Layout> {
        static FOUND: OnceLock<Option<Layout>> = OnceLock::new();
        if let Some(found) = FOUND.get() {
            return *found;
        }
        // What fails for want of memory is looked at again.
        let found = Layout::look(scope).ok()?;
        *FOUND.get_or_init(|| found)
    }

    fn look(scope: Scope<'_>) -> JsResult<'_, Option<Layout>> {
        if cfg!(not(target_pointer_width = "64")) {
            return Ok(None);
        }
        // What the engine's function is, and how long a string's header, the first answer says; others confirm it.
        let first = samples::buffer(scope, None)?;
        let string_header = samples::string_header(scope)?;
        let layout = Layout { engine_resize: layout_of_buffer(first.raw()).1, string_header };
        let good = samples::objects(scope, layout)?
            && samples::arrays(scope, layout)?
            && samples::strings(scope, layout)?
            && samples::buffers(scope, layout)?;
        Ok(good.then_some(layout))
    }

    /// An object's shape.
    ///
    /// # Safety
    /// The value is an object.
    #[inline]
    pub(crate) unsafe fn shape(self, object: qjs::JSValue) -> Shape {
        // SAFETY: the picture above.
        Shape(unsafe { at(address(object), offset::SHAPE) })
    }

    /// How many properties there are, those that were deleted included.
    ///
    /// # Safety
    /// The shape is that of a living object that was not changed since.
    #[inline]
    pub(crate) unsafe fn count(self, shape: Shape) -> u32 {
        // SAFETY: the picture above.
        unsafe { at(shape.0, offset::SHAPE_COUNT) }
    }

    /// # Safety
    /// As for `count`, and the index is below it.
    #[inline]
    pub(crate) unsafe fn entry(self, shape: Shape, index: u32) -> ShapeEntry {
        // SAFETY: the picture above.
        unsafe {
            let hashes = at::<u32>(shape.0, offset::SHAPE_MASK) as usize + 1;
            let entry = offset::SHAPE_HASHES + 4 * hashes + 8 * index as usize;
            ShapeEntry { flags: at::<u32>(shape.0, entry) >> 26, atom: at(shape.0, entry + 4) }
        }
    }

    /// The value of an object's property that has one (no getter); the reference stays there.
    ///
    /// # Safety
    /// The value is an object, its shape has such an entry, and nothing was changed since.
    #[inline]
    pub(crate) unsafe fn property(self, object: qjs::JSValue, index: u32) -> qjs::JSValue {
        // SAFETY: the picture above.
        unsafe {
            let properties: NonNull<u8> = at(address(object), offset::PROPERTIES);
            at(properties, size_of::<qjs::JSValue>() * index as usize)
        }
    }

    /// The elements of an array that has no holes, no other properties, and no more length than elements.
    ///
    /// # Safety
    /// The value is an array.
    pub(crate) unsafe fn elements(self, array: qjs::JSValue) -> Option<(*const qjs::JSValue, u32)> {
        let object = address(array);
        // SAFETY: the picture above; the first property of an array is its length.
        unsafe {
            let flags: u8 = at(object, offset::FLAGS);
            if flags & FAST_ARRAY == 0 || self.count(self.shape(array)) != 1 {
                return None;
            }
            let (values, count): (_, u32) =
                (at(object, offset::ARRAY_VALUES), at(object, offset::ARRAY_COUNT));
            let length = self.property(array, 0);
            let whole = qjs::JS_IsInt(length) && qjs::JS_VALUE_GET_INT(length) as u32 == count;
            whole.then_some((values, count))
        }
    }

    /// The text of a string that is in one piece.
    ///
    /// # Safety
    /// The value is a string, and lives as long as the answer is used.
    #[inline]
    pub(crate) unsafe fn text<'t>(self, string: qjs::JSValue) -> Option<Text<'t>> {
        // SAFETY: the picture above.
        unsafe {
            if qjs::JS_VALUE_GET_TAG(string) != qjs::JS_TAG_STRING {
                return None;
            }
            let string = address(string);
            let (length, bits): (u32, u32) = (at(string, 0), at(string, 4));
            let own = string.add(self.string_header);
            let text = match (bits >> 28) & 3 {
                0 => own,
                // A part of another, so many bytes behind that one's beginning.
                1 => {
                    let whole: NonNull<u8> = at(own, 0);
                    whole.add(self.string_header + at::<u32>(own, size_of::<usize>()) as usize)
                }
                _ => return None,
            };
            let count = (length & !(1 << 31)) as usize;
            Some(if length >> 31 == 0 {
                Text::Narrow(std::slice::from_raw_parts(text.as_ptr(), count))
            } else {
                Text::Wide(std::slice::from_raw_parts(text.cast::<u16>().as_ptr(), count))
            })
        }
    }

    /// Does a typed array or `DataView` follow the length of its buffer?
    ///
    /// # Safety
    /// The value is one of these.
    pub(crate) unsafe fn tracks_length(self, view: qjs::JSValue) -> bool {
        // SAFETY: the picture above.
        unsafe { at::<u8>(at(address(view), offset::PARTICULAR), offset::VIEW_TRACKS) != 0 }
    }

    /// May the memory of this buffer be taken? It may if it came from the engine or from `resize`.
    pub(crate) fn may_take(self, buffer: qjs::JSValue, resize: usize) -> bool {
        let (_, owner) = layout_of_buffer(buffer);
        owner == self.engine_resize || owner == resize
    }
}

/// The greatest length of an `ArrayBuffer`, and the address of the function that frees its memory.
fn layout_of_buffer(buffer: qjs::JSValue) -> (i32, usize) {
    // SAFETY: callers pass an `ArrayBuffer`; the picture above, with what `js_new_array_buffer` fills in.
    unsafe {
        let buffer: NonNull<u8> = at(address(buffer), offset::PARTICULAR);
        (at(buffer, offset::BUFFER_LONGEST), at(buffer, offset::BUFFER_RESIZE))
    }
}

/// Values of which it is known how they must look.
mod samples {
    use super::*;

    /// An `ArrayBuffer` of 8 bytes that may grow to so many.
    pub(super) fn buffer(scope: Scope<'_>, longest: Option<i32>) -> JsResult<'_, Handle<'_>> {
        let mut arguments = vec![scope.number(8.0)];
        if let Some(longest) = longest {
            let options = scope.new_object()?;
            define(&options, c"maxByteLength", longest)?;
            arguments.push(options);
        }
        let raw: Vec<qjs::JSValue> = arguments.iter().map(Handle::raw).collect();
        scope.construct_intrinsic(Intrinsic::ArrayBuffer, &raw)
    }

    fn define<'a>(object: &Handle<'a>, name: &std::ffi::CStr, value: i32) -> JsResult<'a, qjs::JSAtom> {
        let context = object.context();
        // SAFETY: we are inside. The atom stays alive by the object.
        unsafe {
            let atom = qjs::JS_NewAtom(context, name.as_ptr());
            let (value, flags) = (qjs::JS_MKVAL(qjs::JS_TAG_INT, value), qjs::JS_PROP_C_W_E as i32);
            let done = qjs::JS_DefinePropertyValue(context, object.raw(), atom, value, flags);
            qjs::JS_FreeAtom(context, atom);
            if done < 0 { Err(object.scope.take_exception()) } else { Ok(atom) }
        }
    }

    fn is_int(value: qjs::JSValue, number: i32) -> bool {
        // SAFETY: reading a tag.
        unsafe { qjs::JS_IsInt(value) && qjs::JS_VALUE_GET_INT(value) == number }
    }

    /// Properties are found in order, with flags, and objects with the same keys have one shape.
    pub(super) fn objects(scope: Scope<'_>, layout: Layout) -> JsResult<'_, bool> {
        let (object, twin, other) = (scope.new_object()?, scope.new_object()?, scope.new_object()?);
        let names = [c"heddle", c"lifts", c"chosen", c"threads", c"of", c"a loom"];
        let mut atoms = Vec::new();
        for (number, name) in names.into_iter().enumerate() {
            atoms.push(define(&object, name, number as i32)?);
            define(&twin, name, -1)?;
        }
        define(&other, names[1], 7)?;
        // SAFETY: these are objects; an entry is looked at only where the count is that of the names.
        unsafe {
            let shape = layout.shape(object.raw());
            let owners = || at::<i32>(shape.0.sub(4), 0);
            let before = owners();
            let third = scope.new_object()?;
            for name in names {
                define(&third, name, 0)?;
            }
            let good = shape == layout.shape(twin.raw())
                && shape == layout.shape(third.raw())
                && owners() == before + 1
                && shape.is_shared()
                && (names.len()..64).contains(&shape.room())
                && shape != layout.shape(other.raw())
                && layout.count(shape) == names.len() as u32
                && layout.count(layout.shape(other.raw())) == 1;
            Ok(good
                && atoms.iter().zip(0..).all(|(atom, index)| {
                    let entry = layout.entry(shape, index);
                    entry.flags == qjs::JS_PROP_C_W_E
                        && entry.atom == *atom
                        && is_int(layout.property(object.raw(), index), index as i32)
                }))
        }
    }

    /// Elements are found; arrays with holes, with a longer length and with other properties are known.
    pub(super) fn arrays(scope: Scope<'_>, layout: Layout) -> JsResult<'_, bool> {
        let make = || -> JsResult<'_, Handle<'_>> {
            let array = scope.new_array()?;
            for index in 0..5 {
                array.set_at(index, scope.number(f64::from(10 + index)))?;
            }
            Ok(array)
        };
        let (plain, holes, longer, more) = (make()?, make()?, make()?, make()?);
        holes.set_at(100_000, scope.number(0.0))?;
        longer.set(c"length", scope.number(9.0))?;
        define(&more, c"more", 1)?;
        // SAFETY: these are arrays.
        unsafe {
            let Some((values, count)) = layout.elements(plain.raw()) else { return Ok(false) };
            let irregular = [&holes, &longer, &more];
            Ok(count == 5
                && (0..5).all(|index| is_int(values.add(index).read(), 10 + index as i32))
                && irregular.iter().all(|array| layout.elements(array.raw()).is_none()))
        }
    }

    /// How far behind its beginning a string's text is: the engine lends texts like this one without a copy.
    pub(super) fn string_header(scope: Scope<'_>) -> JsResult<'_, usize> {
        let string = scope.string("a heddle")?;
        let mut length = 0;
        // SAFETY: we are inside; the text is given back, and only its address was looked at.
        unsafe {
            let text = qjs::JS_ToCStringLen(scope.as_ptr(), &mut length, string.raw());
            if text.is_null() {
                return Err(scope.take_exception());
            }
            let header = text.addr().wrapping_sub(address(string.raw()).as_ptr().addr());
            qjs::JS_FreeCString(scope.as_ptr(), text);
            // Anything else is no header, and the test of strings fails.
            Ok(if header <= 64 { header } else { 0 })
        }
    }

    /// Two parts of longer strings.
    fn long_strings(scope: Scope<'_>) -> JsResult<'_, [Handle<'_>; 2]> {
        let substring = scope.global().get(c"String")?.get(c"prototype")?.get(c"substring")?;
        let part = |text: [&str; 2]| {
            let whole = scope.string(&["ab", &text[0].repeat(1500), &text[1].repeat(1500), "cd"].concat())?;
            substring.call(&whole, &[&scope.number(2.0), &scope.number(3002.0)])
        };
        Ok([part(["-", "+"])?, part(["線", "-"])?])
    }

    /// The text of strings is where the engine's own function says.
    pub(super) fn strings(scope: Scope<'_>, layout: Layout) -> JsResult<'_, bool> {
        let (narrow, latin, wide) =
            (scope.string("heddle")?, scope.string("Gr\u{f6}\u{df}e")?, scope.string("線 a")?);
        let units: Vec<u16> = "線 a".encode_utf16().collect();
        // SAFETY: these are strings, and live.
        unsafe {
            let read = |string: &Handle<'_>| layout.text(string.raw());
            let parts = match long_strings(scope)? {
                [narrow, wide] => {
                    matches!(read(&narrow), Some(Text::Narrow(text)) if text == [b"-".repeat(1500), b"+".repeat(1500)].concat())
                        && matches!(read(&wide), Some(Text::Wide(text)) if text == [[0x7dda; 1500], [0x2d; 1500]].concat())
                }
            };
            Ok(parts
                && matches!(read(&narrow), Some(Text::Narrow(b"heddle")))
                && matches!(read(&latin), Some(Text::Narrow(b"Gr\xf6\xdfe")))
                && matches!(read(&wide), Some(Text::Wide(text)) if text == units))
        }
    }

    /// Who owns a buffer's memory, how long it may become, and which views follow.
    pub(super) fn buffers(scope: Scope<'_>, layout: Layout) -> JsResult<'_, bool> {
        let (plain, resizable) = (buffer(scope, None)?, buffer(scope, Some(4321))?);
        let view = |which: Option<f64>| -> JsResult<'_, Handle<'_>> {
            let zero = scope.number(0.0);
            let length = which.map_or_else(|| scope.undefined(), |length| scope.number(length));
            let mut arguments = [resizable.raw(), zero.raw(), length.raw()];
            // SAFETY: we are inside; the arguments stay ours.
            unsafe {
                let kind = qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_UINT8;
                scope.check(qjs::JS_NewTypedArray(scope.as_ptr(), 3, arguments.as_mut_ptr(), kind))
            }
        };
        let (following, fixed) = (view(None)?, view(Some(4.0))?);
        let data = |length: Option<f64>| -> JsResult<'_, Handle<'_>> {
            let (zero, length) =
                (scope.number(0.0), length.map_or_else(|| scope.undefined(), |l| scope.number(l)));
            scope.construct_intrinsic(Intrinsic::DataView, &[resizable.raw(), zero.raw(), length.raw()])
        };
        let (following_data, fixed_data) = (data(None)?, data(Some(4.0))?);
        let own = layout.engine_resize;
        // SAFETY: these are views.
        unsafe {
            Ok(own != 0
                && layout_of_buffer(plain.raw()) == (-1, own)
                && layout_of_buffer(resizable.raw()) == (4321, own)
                && layout.tracks_length(following.raw())
                && layout.tracks_length(following_data.raw())
                && !layout.tracks_length(fixed.raw())
                && !layout.tracks_length(fixed_data.raw()))
        }
    }
}
