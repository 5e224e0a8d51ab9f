//! Values to bytes: the walk.

use super::format::{Put, REFERRED, TEXT_KEPT, Tag};
use super::frame::{self, Frame, Keys, Parts};
use super::hosts;
use super::kinds::{Kind, Kinds, class_name};
use super::memo::Memo;
use super::message::{Beside, Message};
use super::refusal;
use super::transfer::Transfer;
use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::layout::{Layout, Shape, Text};
use rquickjs::qjs;
use std::cell::Cell;
use std::mem::MaybeUninit;

/// After so many steps the script is asked whether it may go on.
const STEPS: u32 = 2048;
/// A buffer for bytes that is longer is not kept for the next message.
const SCRATCH_MOST: usize = 64 << 10;
/// No tag: the object is complete.
pub(super) const CLOSED: usize = usize::MAX;
/// An atom that is a number.
const ATOM_IS_NUMBER: u32 = 1 << 31;

thread_local! {
    /// The bytes of a message before they have their final place. Taken out while in use.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Not inlined, so that no address of a thread-local is kept while a fiber changes its thread.
#[inline(never)]
fn take_scratch() -> Vec<u8> {
    SCRATCH.try_with(Cell::take).unwrap_or_default()
}

#[inline(never)]
fn put_scratch(mut scratch: Vec<u8>) {
    if scratch.capacity() <= SCRATCH_MOST {
        scratch.clear();
        // A thread that ends has none.
        let _ = SCRATCH.try_with(|place| place.set(scratch));
    }
}

/// One message being written.
pub(super) struct Writer<'a, 'n> {
    pub(super) scope: Scope<'a>,
    pub(super) kinds: Kinds,
    pub(super) layout: Option<Layout>,
    pub(super) out: Vec<u8>,
    pub(super) beside: Beside,
    /// More bytes than this are refused, those beside included.
    most: usize,
    copied: usize,
    objects: Memo,
    /// Where the tag of each object is, until it is complete.
    tags: Vec<usize>,
    texts: Memo,
    /// Shapes that were written, and the index of each. Empty after a script's code has run.
    shapes: Vec<(Shape, u32)>,
    shape_count: u32,
    frames: Vec<Frame<'a>>,
    /// The frames below are careful.
    careful: usize,
    steps: u32,
    name: &'n dyn Fn(usize) -> String,
    root: usize,
}

pub(super) fn write<'a>(
    scope: Scope<'a>,
    values: &[Handle<'a>],
    transfer: &[Handle<'a>],
    name: &dyn Fn(usize) -> String,
) -> JsResult<'a, Message> {
    let mut writer = Writer::new(scope, Layout::get(scope), name);
    let message = writer.write(values, transfer);
    put_scratch(std::mem::take(&mut writer.out));
    message
}

impl<'a, 'n> Writer<'a, 'n> {
    pub(super) fn new(
        scope: Scope<'a>,
        layout: Option<Layout>,
        name: &'n dyn Fn(usize) -> String,
    ) -> Writer<'a, 'n> {
        Writer {
            scope,
            kinds: Kinds::get(scope),
            layout,
            out: take_scratch(),
            beside: Beside::default(),
            most: scope.memory_limit(),
            copied: 0,
            objects: Memo::default(),
            tags: Vec::new(),
            texts: Memo::default(),
            shapes: Vec::new(),
            shape_count: 0,
            frames: Vec::new(),
            careful: 0,
            steps: 0,
            name,
            root: 0,
        }
    }

    pub(super) fn write(&mut self, values: &[Handle<'a>], transfer: &[Handle<'a>]) -> JsResult<'a, Message> {
        let transfer = Transfer::check(self, transfer)?;
        self.out.varint(values.len() as u64);
        for (index, value) in values.iter().enumerate() {
            self.root = index;
            self.value(value.raw())?;
            self.run()?;
        }
        transfer.carry_out(self)?;
        Ok(Message::new(&self.out, std::mem::take(&mut self.beside)))
    }

    /// Writes one value; if it has parts, they are left to `run`. The value lives until this returns.
    #[inline]
    pub(super) fn value(&mut self, value: qjs::JSValue) -> JsResult<'a, ()> {
        // SAFETY: reading tags, and what they say is there.
        unsafe {
            match qjs::JS_VALUE_GET_TAG(value) {
                qjs::JS_TAG_INT => self.out.int(qjs::JS_VALUE_GET_INT(value)),
                qjs::JS_TAG_FLOAT64 => {
                    self.out.tag(Tag::Float);
                    self.out.extend_from_slice(&qjs::JS_VALUE_GET_FLOAT64(value).to_le_bytes());
                }
                qjs::JS_TAG_STRING | qjs::JS_TAG_STRING_ROPE => return self.text(value),
                qjs::JS_TAG_OBJECT => return self.object(value),
                qjs::JS_TAG_BOOL if qjs::JS_VALUE_GET_BOOL(value) => self.out.tag(Tag::True),
                qjs::JS_TAG_BOOL => self.out.tag(Tag::False),
                qjs::JS_TAG_NULL => self.out.tag(Tag::Null),
                qjs::JS_TAG_UNDEFINED => self.out.tag(Tag::Undefined),
                qjs::JS_TAG_SHORT_BIG_INT | qjs::JS_TAG_BIG_INT => return self.big_int(value),
                qjs::JS_TAG_SYMBOL => return Err(self.refuse("is a symbol")),
                _ => return Err(self.refuse("is a value of the engine's own")),
            }
        }
        Ok(())
    }

    /// Writes what is half written, to its end.
    fn run(&mut self) -> JsResult<'a, ()> {
        while let Some(frame) = self.frames.last_mut() {
            self.steps += 1;
            if self.steps >= STEPS {
                self.pause()?;
                continue;
            }
            let (object, next) = (frame.object, frame.next);
            match &frame.parts {
                Parts::Shaped { shape, count } => {
                    let (shape, count) = (*shape, *count);
                    self.shaped(object, shape, count)?;
                }
                Parts::Dense { values, count } => {
                    let (values, count) = (*values, *count);
                    self.dense(values, count)?;
                }
                Parts::Named { keys, promised } => {
                    let (atom, promised) = (keys.atoms.get(next as usize).copied(), *promised);
                    frame.next += 1;
                    match atom {
                        Some(atom) => self.property(object, atom, promised)?,
                        None => {
                            if !promised {
                                self.out.tag(Tag::End);
                            }
                            self.close();
                        }
                    }
                }
                Parts::Elements { count } => {
                    let more = next < *count;
                    frame.next += 1;
                    if more { self.element(object, next)? } else { self.close() }
                }
                Parts::Listed { values, .. } => {
                    let value = values.get(next as usize).map(Handle::raw);
                    frame.next += 1;
                    match value {
                        Some(value) => self.value(value)?,
                        None => {
                            self.out.tag(Tag::End);
                            self.close();
                        }
                    }
                }
                Parts::Error { values, keys } => {
                    let value = values.get(next as usize).map(|(_, value)| value.raw());
                    let atom = keys
                        .as_ref()
                        .and_then(|keys| keys.atoms.get((next as usize).checked_sub(values.len())?).copied());
                    frame.next += 1;
                    match (value, atom) {
                        (Some(value), _) => self.value(value)?,
                        (None, Some(atom)) => self.property(object, atom, false)?,
                        (None, None) => {
                            self.out.tag(Tag::End);
                            self.close();
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Properties of a plain object, until one has parts of its own.
    #[inline]
    fn shaped(&mut self, object: qjs::JSValue, shape: Shape, count: u32) -> JsResult<'a, ()> {
        let (depth, Some(layout)) = (self.frames.len(), self.layout) else { return Ok(()) };
        loop {
            let Some(frame) = self.frames.last_mut() else { return Ok(()) };
            if frame.next >= count {
                self.close();
                return Ok(());
            }
            let index = frame.next;
            frame.next += 1;
            debug_assert!(index < count && shape == unsafe_shape(layout, object));
            // SAFETY: the shape has so many entries, all with values, and no script's code has run since that was seen.
            let value = unsafe { layout.property(object, index) };
            self.value(value)?;
            // Either the value has parts, or it has made the frames careful.
            if self.frames.len() != depth || self.careful == depth {
                return Ok(());
            }
            if index % STEPS == STEPS - 1 {
                self.pause()?;
            }
        }
    }

    /// Elements of an array, until one has parts of its own.
    #[inline]
    fn dense(&mut self, values: *const qjs::JSValue, count: u32) -> JsResult<'a, ()> {
        let depth = self.frames.len();
        loop {
            let Some(frame) = self.frames.last_mut() else { return Ok(()) };
            if frame.next >= count {
                self.close();
                return Ok(());
            }
            let index = frame.next as usize;
            frame.next += 1;
            // SAFETY: so many elements are there, and no script's code has run since that was seen.
            self.value(unsafe { values.add(index).read() })?;
            if self.frames.len() != depth || self.careful == depth {
                return Ok(());
            }
            if index % STEPS as usize == STEPS as usize - 1 {
                self.pause()?;
            }
        }
    }

    /// An own property, as the standard has it: left out if it is gone, and its getter called.
    fn property(&mut self, object: qjs::JSValue, atom: qjs::JSAtom, promised: bool) -> JsResult<'a, ()> {
        // A getter may end this object's frame only by an error; so the atom lives.
        let Some(value) = self.own_property(object, atom)? else {
            if promised {
                self.out.tag(Tag::Absent);
            }
            return Ok(());
        };
        if !promised {
            self.key(atom)?;
        }
        self.value(value.raw())
    }

    fn element(&mut self, array: qjs::JSValue, index: u32) -> JsResult<'a, ()> {
        // SAFETY: we are inside.
        let atom = unsafe { qjs::JS_NewAtomUInt32(self.scope.as_ptr(), index) };
        if atom == 0 {
            return Err(self.scope.take_exception());
        }
        let keys = Keys { scope: self.scope, atoms: vec![atom] };
        let done = self.property(array, atom, true);
        drop(keys);
        done
    }

    /// The value of an own property, if it is there. Calls its getter.
    pub(super) fn own_property(
        &mut self,
        object: qjs::JSValue,
        atom: qjs::JSAtom,
    ) -> JsResult<'a, Option<Handle<'a>>> {
        let context = self.scope.as_ptr();
        let mut found = MaybeUninit::<qjs::JSPropertyDescriptor>::uninit();
        // SAFETY: we are inside; the object is no proxy, so no script's code runs. The descriptor is written where the
        // answer is 1, and its references are ours.
        let (value, getter, flags) = unsafe {
            match qjs::JS_GetOwnProperty(context, found.as_mut_ptr(), object, atom) {
                ..0 => return Err(self.scope.take_exception()),
                0 => return Ok(None),
                _ => {
                    let found = found.assume_init();
                    qjs::JS_FreeValue(context, found.setter);
                    (self.scope.own(found.value), self.scope.own(found.getter), found.flags as u32)
                }
            }
        };
        if flags & qjs::JS_PROP_GETSET == 0 {
            return Ok(Some(value));
        }
        if !getter.is_function() {
            return Ok(Some(self.scope.undefined()));
        }
        self.script_ahead();
        // SAFETY: we are inside; the memo has a reference to the object.
        unsafe {
            let result = qjs::JS_Call(context, getter.raw(), object, 0, std::ptr::null_mut());
            self.scope.check(result).map(Some)
        }
    }

    /// A property's name.
    pub(super) fn key(&mut self, atom: qjs::JSAtom) -> JsResult<'a, ()> {
        if atom & ATOM_IS_NUMBER != 0 && atom & !ATOM_IS_NUMBER < i32::MAX as u32 {
            self.out.int((atom & !ATOM_IS_NUMBER) as i32);
            return Ok(());
        }
        // SAFETY: we are inside; the value is the handle's.
        let key = unsafe { self.scope.check(qjs::JS_AtomToString(self.scope.as_ptr(), atom))? };
        self.plain_text(key.raw())
    }

    /// A string that is a value: a long one is written once.
    pub(super) fn text(&mut self, string: qjs::JSValue) -> JsResult<'a, ()> {
        if self.text_length(string)? >= TEXT_KEPT {
            // SAFETY: we are inside; it is a string.
            if let Some(known) = unsafe { self.texts.visit(self.scope.as_ptr(), string) } {
                self.out.tag(Tag::SameText);
                self.out.varint(known as u64);
                return Ok(());
            }
        }
        self.plain_text(string)
    }

    /// How many units a string has.
    fn text_length(&self, string: qjs::JSValue) -> JsResult<'a, usize> {
        // SAFETY: it is a string, and lives.
        match self.layout.and_then(|layout| unsafe { layout.text(string) }) {
            Some(Text::Narrow(text)) => Ok(text.len()),
            Some(Text::Wide(text)) => Ok(text.len()),
            None => {
                let mut length = 0;
                // SAFETY: we are inside; the length of a string is its own.
                if unsafe { qjs::JS_GetLength(self.scope.as_ptr(), string, &mut length) } < 0 {
                    return Err(self.scope.take_exception());
                }
                Ok(length as usize)
            }
        }
    }

    /// A string, as it is.
    pub(super) fn plain_text(&mut self, string: qjs::JSValue) -> JsResult<'a, ()> {
        // SAFETY: it is a string, and lives.
        match self.layout.and_then(|layout| unsafe { layout.text(string) }) {
            Some(Text::Narrow(text)) => {
                self.reserve(text.len())?;
                self.out.narrow(text);
                Ok(())
            }
            Some(Text::Wide(text)) => {
                self.reserve(2 * text.len())?;
                self.out.wide(text);
                Ok(())
            }
            None => self.text_by_the_engine(string),
        }
    }

    fn text_by_the_engine(&mut self, string: qjs::JSValue) -> JsResult<'a, ()> {
        let mut count: qjs::size_t = 0;
        // SAFETY: we are inside; it is a string, so no script's code runs. The text is given back after it was copied.
        unsafe {
            let text = qjs::JS_ToCStringLenUTF16(self.scope.as_ptr(), &mut count, string);
            if text.is_null() {
                return Err(self.scope.take_exception());
            }
            let units = std::slice::from_raw_parts(text, count as usize);
            let done = self.reserve(2 * units.len());
            if done.is_ok() {
                if units.iter().all(|unit| *unit < 0x100) {
                    let narrow: Vec<u8> = units.iter().map(|unit| *unit as u8).collect();
                    self.out.narrow(&narrow);
                } else {
                    self.out.wide(units);
                }
            }
            qjs::JS_FreeCStringUTF16(self.scope.as_ptr(), text);
            done
        }
    }

    /// Any object.
    fn object(&mut self, object: qjs::JSValue) -> JsResult<'a, ()> {
        // SAFETY: we are inside; it is an object.
        if let Some(index) = unsafe { self.objects.visit(self.scope.as_ptr(), object) } {
            if let Some(tag) = self.tags.get(index).copied()
                && tag != CLOSED
            {
                self.out[tag] |= REFERRED;
            }
            self.out.tag(Tag::Same);
            self.out.varint(index as u64);
            return Ok(());
        }
        self.tags.push(CLOSED);
        match self.kinds.of(object) {
            Kind::Object => self.plain(object),
            Kind::Array => self.array(object),
            Kind::Arguments => self.named(object, Tag::Object),
            Kind::Other => Err(self.refuse_object(object)),
            kind => self.special(object, kind),
        }
    }

    /// Begins an object like `{...}`.
    fn plain(&mut self, object: qjs::JSValue) -> JsResult<'a, ()> {
        let Some(layout) = self.layout else { return self.odd(object) };
        // SAFETY: it is an object.
        let (shape, count) = unsafe {
            let shape = layout.shape(object);
            (shape, layout.count(shape))
        };
        let start = self.out.len();
        match self.known_shape(shape) {
            Some(index) => {
                self.out.tag(Tag::Shaped);
                self.out.varint(u64::from(index));
            }
            None => {
                if !self.new_shape(layout, shape, count)? {
                    self.out.truncate(start);
                    return self.odd(object);
                }
            }
        }
        self.open(object, start, Parts::Shaped { shape, count });
        Ok(())
    }

    #[inline]
    fn known_shape(&self, shape: Shape) -> Option<u32> {
        // The last are the likeliest. Beyond a few, a shape is written again, which costs little.
        let recent = self.shapes.iter().rev().take(8);
        recent.into_iter().find(|(known, _)| *known == shape).map(|(_, index)| *index)
    }

    /// Writes the keys of a shape, if all are names, and all properties enumerable values.
    fn new_shape(&mut self, layout: Layout, shape: Shape, count: u32) -> JsResult<'a, bool> {
        let scope = self.scope;
        self.out.tag(Tag::Shape);
        self.out.varint(u64::from(count));
        for index in 0..count {
            // SAFETY: the shape has so many entries.
            let entry = unsafe { layout.entry(shape, index) };
            let is_value =
                entry.flags & (qjs::JS_PROP_TMASK | qjs::JS_PROP_ENUMERABLE) == qjs::JS_PROP_ENUMERABLE;
            if !is_value || entry.atom == 0 || entry.atom & ATOM_IS_NUMBER != 0 {
                return Ok(false);
            }
            // SAFETY: we are inside; the value is the handle's.
            let key = unsafe { scope.check(qjs::JS_AtomToValue(scope.as_ptr(), entry.atom))? };
            if !key.is_string() {
                return Ok(false);
            }
            self.plain_text(key.raw())?;
        }
        self.shapes.push((shape, self.shape_count));
        self.shape_count += 1;
        Ok(true)
    }

    /// Begins an array.
    fn array(&mut self, array: qjs::JSValue) -> JsResult<'a, ()> {
        // SAFETY: it is an array.
        if let Some((values, count)) = self.layout.and_then(|layout| unsafe { layout.elements(array) }) {
            let start = self.out.len();
            self.out.tag(Tag::Array);
            self.out.varint(u64::from(count));
            self.open(array, start, Parts::Dense { values, count });
            return Ok(());
        }
        self.named(array, Tag::Sparse)
    }

    /// Begins an object with other properties than values with names. Only such a one may be of a host's class: those
    /// have private fields.
    fn odd(&mut self, object: qjs::JSValue) -> JsResult<'a, ()> {
        match hosts::class_of(self.scope, object)?.as_deref() {
            None => self.named(object, Tag::Object),
            Some("AbortSignal") => Err(refusal(
                self.scope,
                &format!(
                    "{} is an AbortSignal and cannot be cloned; pass it as the option `signal`, which is \
                     `Deferred.current.signal` inside",
                    self.path()
                ),
            )),
            Some(name) => Err(self.refuse_named(name)),
        }
    }

    /// Begins an object by its keys.
    fn named(&mut self, object: qjs::JSValue, tag: Tag) -> JsResult<'a, ()> {
        self.out.tag(tag);
        if tag == Tag::Sparse {
            let mut length = 0;
            // SAFETY: we are inside; the length of an array is its own, and a value.
            if unsafe { qjs::JS_GetLength(self.scope.as_ptr(), object, &mut length) } < 0 {
                return Err(self.scope.take_exception());
            }
            self.out.varint(length as u64);
        }
        let keys = self.own_keys(object)?;
        self.open(object, CLOSED, Parts::Named { keys, promised: false });
        Ok(())
    }

    /// The own enumerable keys that are no symbols, in the standard's order.
    pub(super) fn own_keys(&mut self, object: qjs::JSValue) -> JsResult<'a, Keys<'a>> {
        let context = self.scope.as_ptr();
        let (mut table, mut count) = (std::ptr::null_mut(), 0);
        let flags = (qjs::JS_GPN_STRING_MASK | qjs::JS_GPN_ENUM_ONLY) as i32;
        // SAFETY: we are inside; the object is no proxy. Of the table, the atoms are taken over by `Keys`.
        unsafe {
            if qjs::JS_GetOwnPropertyNames(context, &mut table, &mut count, object, flags) < 0 {
                return Err(self.scope.take_exception());
            }
            let mut keys = Keys { scope: self.scope, atoms: Vec::with_capacity(count as usize) };
            for index in 0..count as usize {
                keys.atoms.push((*table.add(index)).atom);
            }
            qjs::js_free(context, table.cast());
            Ok(keys)
        }
    }

    /// The parts of the object that was visited last are to be written. `tag`: where the tag is that says whether
    /// something inside refers to it; `CLOSED` for what is made before its parts in any case.
    pub(super) fn open(&mut self, object: qjs::JSValue, tag: usize, parts: Parts<'a>) {
        let index = self.tags.len() - 1;
        self.tags[index] = tag;
        self.frames.push(Frame { index, object, parts, next: 0 });
    }

    /// The last frame is complete.
    fn close(&mut self) {
        if let Some(frame) = self.frames.pop() {
            self.tags[frame.index] = CLOSED;
            self.careful = self.careful.min(self.frames.len());
        }
    }

    /// The object that was visited last needs no tag of its own to be found.
    pub(super) fn reserve_index(&mut self, object: qjs::JSValue) -> bool {
        // SAFETY: we are inside; it is an object.
        let known = unsafe { self.objects.visit(self.scope.as_ptr(), object) };
        if known.is_none() {
            self.tags.push(CLOSED);
        }
        known.is_none()
    }

    /// A script's code is about to run. What is half written must not rely on what the engine has now.
    pub(super) fn script_ahead(&mut self) {
        let Some(layout) = self.layout else { return };
        self.shapes.clear();
        for frame in &mut self.frames[self.careful..] {
            frame.make_careful(self.scope, layout);
        }
        self.careful = self.frames.len();
    }

    /// Makes room for bytes, or refuses.
    pub(super) fn reserve(&mut self, bytes: usize) -> JsResult<'a, ()> {
        self.check_size(bytes)?;
        if self.out.try_reserve(bytes + 16).is_err() {
            return Err(self.scope.no_memory());
        }
        Ok(())
    }

    /// Counts a copy that travels beside the bytes.
    pub(super) fn count_copy(&mut self, bytes: usize) -> JsResult<'a, ()> {
        self.check_size(bytes)?;
        self.copied += bytes;
        Ok(())
    }

    fn check_size(&self, more: usize) -> JsResult<'a, ()> {
        let size = self.out.len() + self.copied;
        if size.saturating_add(more) > self.most {
            return Err(self.refuse(&format!("makes the message larger than {} KiB,", self.most / 1024)));
        }
        Ok(())
    }

    /// A long walk gives way as a script does, and ends with it.
    fn pause(&mut self) -> JsResult<'a, ()> {
        self.steps = 0;
        self.check_size(0)?;
        self.scope.may_go_on()
    }

    /// The path to the value that is being written.
    fn path(&self) -> String {
        frame::path((self.name)(self.root), &self.frames, self.scope, self.layout)
    }

    /// The value that is being written cannot be cloned.
    pub(super) fn refuse(&self, what: &str) -> Handle<'a> {
        refusal(self.scope, &format!("{} {what} and cannot be cloned", self.path()))
    }

    fn refuse_object(&self, object: qjs::JSValue) -> Handle<'a> {
        // SAFETY: we are inside, and only look.
        let (is_proxy, is_function, class) = unsafe {
            let is_function = qjs::JS_IsFunction(self.scope.as_ptr(), object);
            (qjs::JS_IsProxy(object), is_function, qjs::JS_GetClassID(object))
        };
        if is_proxy {
            return self.refuse("is a Proxy");
        }
        if is_function {
            return self.refuse("is a function");
        }
        let name = class_name(self.scope, class).map(|name| name.to_string_lossy().into_owned());
        match name.as_deref() {
            // A module's namespace; the name says nothing.
            Some("Object") | None => self.refuse("is an object of the engine's own"),
            Some(name) => self.refuse_named(name),
        }
    }

    fn refuse_named(&self, class: &str) -> Handle<'a> {
        let article = if class.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" };
        self.refuse(&format!("is {article} {class}"))
    }
}

/// For the assertion that nothing has changed.
fn unsafe_shape(layout: Layout, object: qjs::JSValue) -> Shape {
    // SAFETY: callers pass an object.
    unsafe { layout.shape(object) }
}

impl Drop for Writer<'_, '_> {
    fn drop(&mut self) {
        for value in self.objects.take_all().into_iter().chain(self.texts.take_all()) {
            // SAFETY: we are inside; the references are the memos'.
            unsafe { qjs::JS_FreeValue(self.scope.as_ptr(), value) };
        }
    }
}
