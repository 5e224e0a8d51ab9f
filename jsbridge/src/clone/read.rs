//! Bytes to values: the walk.
//!
//! What is read waits on a stack until the object it belongs to can be made, or goes into one that was made already. Every
//! reference that the reader has, it gives back when it is dropped; so an error may leave from anywhere.

use super::format::{Damaged, ERRORS, Get, TEXT_KEPT, Tag, TextBytes, part};
use super::kinds::Kinds;
use super::message::{Beside, Message};
use super::refusal;
use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::pattern::Pattern;
use rquickjs::qjs;

/// After so many steps the script is asked whether it may go on.
const STEPS: u32 = 2048;
/// An atom that is none.
pub(super) const NO_ATOM: qjs::JSAtom = 0;
/// A value that is none: a hole, or an object that is not made yet.
const ABSENT: qjs::JSValue = qjs::JS_MKVAL(qjs::JS_TAG_UNINITIALIZED, 0);

/// What is being read.
pub(super) struct Reader<'a, 'm> {
    pub(super) scope: Scope<'a>,
    pub(super) kinds: Kinds,
    pub(super) get: Get<'m>,
    pub(super) beside: Beside,
    /// By index; `ABSENT` until it is made. Each with a reference.
    objects: Vec<qjs::JSValue>,
    /// Long texts, by index; each with a reference.
    texts: Vec<qjs::JSValue>,
    /// Values whose object is not made yet; each with a reference.
    values: Vec<qjs::JSValue>,
    /// Keys of all shapes; each with a reference.
    atoms: Vec<qjs::JSAtom>,
    shapes: Vec<Keys<'a>>,
    frames: Vec<Frame>,
    steps: u32,
}

/// The keys of a shape.
pub(super) struct Keys<'a> {
    /// Where they begin.
    first: usize,
    count: usize,
    /// How many objects were made of it.
    pub(super) made: u32,
    /// Of the second, for those that come after.
    pub(super) pattern: Option<Pattern<'a>>,
}

/// An object that is not complete.
struct Frame {
    /// Of the object.
    index: usize,
    what: What,
}

/// What is done with the values that come.
#[derive(Clone, Copy)]
enum What {
    /// They wait on the stack from `base` on, until there are `count`.
    Gather {
        as_what: Made,
        base: usize,
        count: usize,
        holes: bool,
    },
    /// They go into an object that is there, `next` being the number that have.
    Fill {
        as_what: Made,
        count: usize,
        next: usize,
    },
    /// Pairs of key and value, until `End`. `length`: of a sparse array, to be set at the end.
    Pairs {
        key: qjs::JSAtom,
        length: Option<u32>,
    },
    /// Until `End`. The key is on the stack.
    Map {
        has_key: bool,
    },
    Set,
    /// Parts of an error, the lowest bit first; then pairs.
    Error {
        left: u8,
    },
    /// A view, whose buffer comes.
    View {
        kind: u8,
        offset: usize,
        elements: Option<usize>,
    },
    /// An object around a primitive value, which comes.
    Boxed,
}

#[derive(Clone, Copy)]
enum Made {
    Array,
    /// An object of that shape.
    Object {
        shape: usize,
    },
}

/// Why nothing can be read.
pub(super) enum Failure<'a> {
    Damaged(Damaged),
    Thrown(Handle<'a>),
}

impl From<Damaged> for Failure<'_> {
    fn from(damaged: Damaged) -> Self {
        Failure::Damaged(damaged)
    }
}

impl<'a> From<Handle<'a>> for Failure<'a> {
    fn from(thrown: Handle<'a>) -> Self {
        Failure::Thrown(thrown)
    }
}

pub(super) type ReadResult<'a, T> = Result<T, Failure<'a>>;

pub(super) fn read<'a>(scope: Scope<'a>, mut message: Message) -> JsResult<'a, Vec<Handle<'a>>> {
    let beside = message.beside.take().map_or_else(Beside::default, |beside| *beside);
    let mut reader = Reader {
        scope,
        kinds: Kinds::get(scope),
        get: Get::new(message.bytes()),
        beside,
        objects: Vec::new(),
        texts: Vec::new(),
        values: Vec::new(),
        atoms: Vec::new(),
        shapes: Vec::new(),
        frames: Vec::new(),
        steps: 0,
    };
    reader.read().map_err(|failure| match failure {
        Failure::Damaged(Damaged { at }) => refusal(scope, &format!("the message is damaged at byte {at}")),
        Failure::Thrown(thrown) => thrown,
    })
}

impl<'a, 'm> Reader<'a, 'm> {
    fn read(&mut self) -> ReadResult<'a, Vec<Handle<'a>>> {
        for (block, longest) in std::mem::take(&mut self.beside.transferred) {
            let buffer = self.scope.give_block(block, longest)?;
            self.objects.push(buffer.into_raw());
        }
        let count = self.get.count()?;
        for number in 1..=count {
            if let Some(value) = self.value()? {
                self.values.push(value);
            }
            self.run()?;
            debug_assert_eq!(self.values.len(), number);
        }
        if self.get.left() > 0 {
            return Err(self.get.damaged().into());
        }
        // SAFETY: we are inside; the stack's references become the handles'.
        Ok(self.values.drain(..).map(|value| unsafe { self.scope.own(value) }).collect())
    }

    /// A value, with a reference; or `None`: it has parts, and a frame.
    #[inline]
    fn value(&mut self) -> ReadResult<'a, Option<qjs::JSValue>> {
        let (tag, referred) = self.get.tag()?;
        Ok(Some(match tag {
            Tag::Undefined => qjs::JS_UNDEFINED,
            Tag::Null => qjs::JS_NULL,
            Tag::False => qjs::JS_FALSE,
            Tag::True => qjs::JS_TRUE,
            Tag::Int => qjs::JS_MKVAL(qjs::JS_TAG_INT, self.get.int()?),
            Tag::Float => qjs::JS_NewFloat64(self.get.float()?),
            Tag::Narrow | Tag::Wide => {
                let text = self.get.text_of(tag)?;
                let value = self.text(text)?;
                if text.len() >= TEXT_KEPT {
                    // SAFETY: we are inside; the list has a reference of its own.
                    self.texts.push(unsafe { qjs::JS_DupValue(self.scope.as_ptr(), value.raw()) });
                }
                value.into_raw()
            }
            Tag::SameText => {
                let index = self.get.number(usize::MAX)?;
                let text = *self.texts.get(index).ok_or(self.get.damaged())?;
                // SAFETY: we are inside; the new reference is the caller's.
                unsafe { qjs::JS_DupValue(self.scope.as_ptr(), text) }
            }
            Tag::Same => {
                let index = self.get.number(usize::MAX)?;
                let object = *self.objects.get(index).ok_or(self.get.damaged())?;
                // SAFETY: reading a tag.
                if unsafe { qjs::JS_IsUninitialized(object) } {
                    return Err(self.get.damaged().into());
                }
                // SAFETY: as above.
                unsafe { qjs::JS_DupValue(self.scope.as_ptr(), object) }
            }
            Tag::Array => {
                let count = self.get.count()?;
                return self.begin(Made::Array, count, referred);
            }
            Tag::Shape => {
                let (shape, count) = self.new_shape()?;
                return self.begin(Made::Object { shape }, count, referred);
            }
            Tag::Shaped => {
                let shape = self.get.number(usize::MAX)?;
                let count = self.shapes.get(shape).ok_or(self.get.damaged())?.count;
                if count > self.get.left() {
                    return Err(self.get.damaged().into());
                }
                return self.begin(Made::Object { shape }, count, referred);
            }
            _ => return self.rare_value(tag),
        }))
    }

    /// The less common ones.
    fn rare_value(&mut self, tag: Tag) -> ReadResult<'a, Option<qjs::JSValue>> {
        let leaf = match tag {
            Tag::BigInt64 => {
                let number = i64::from_le_bytes(self.get.eight()?);
                // SAFETY: we are inside; what is returned is ours.
                return Ok(Some(unsafe {
                    self.scope.check(qjs::JS_NewBigInt64(self.scope.as_ptr(), number))?.into_raw()
                }));
            }
            Tag::BigInt => return Ok(Some(self.big_int()?.into_raw())),
            Tag::Date => {
                let time = self.get.float()?;
                // SAFETY: we are inside; what is returned is ours.
                unsafe { self.scope.check(qjs::JS_NewDate(self.scope.as_ptr(), time))? }
            }
            Tag::RegExp => self.regexp()?,
            Tag::DomException => self.dom_exception()?,
            Tag::Buffer => self.buffer()?,
            Tag::Block => self.block()?,
            Tag::Shared => self.shared_buffer()?,
            Tag::Object => {
                let object = self.scope.new_object()?;
                return self.fill(object, What::Pairs { key: NO_ATOM, length: None });
            }
            Tag::Sparse => {
                let length = self.get.number(u32::MAX as usize)? as u32;
                let array = self.scope.new_array()?;
                return self.fill(array, What::Pairs { key: NO_ATOM, length: Some(length) });
            }
            Tag::Map => {
                let map = self.new_map()?;
                return self.fill(map, What::Map { has_key: false });
            }
            Tag::Set => {
                let set = self.new_set()?;
                return self.fill(set, What::Set);
            }
            Tag::Error => {
                let kind = usize::from(self.get.byte()?);
                if kind >= ERRORS.len() {
                    return Err(self.get.damaged().into());
                }
                let left = self.get.byte()?;
                let error = self.new_error(kind)?;
                return self.fill(error, What::Error { left });
            }
            Tag::View => {
                let what = self.view_head()?;
                return self.later(what);
            }
            Tag::Boxed => return self.later(What::Boxed),
            _ => return Err(self.get.damaged().into()),
        };
        // SAFETY: we are inside; the list has a reference of its own.
        self.objects.push(unsafe { qjs::JS_DupValue(self.scope.as_ptr(), leaf.raw()) });
        Ok(Some(leaf.into_raw()))
    }

    fn view_head(&mut self) -> ReadResult<'a, What> {
        let kind = self.get.byte()?;
        let offset = self.get.number(i32::MAX as usize)?;
        let elements = self.get.number(i32::MAX as usize)?.checked_sub(1);
        Ok(What::View { kind, offset, elements })
    }

    /// Begins an object that is made when its parts are there, or at once if one of them refers to it.
    #[inline]
    fn begin(&mut self, as_what: Made, count: usize, referred: bool) -> ReadResult<'a, Option<qjs::JSValue>> {
        if !referred {
            let base = self.values.len();
            return self.later(What::Gather { as_what, base, count, holes: false });
        }
        let object = match as_what {
            Made::Array => self.scope.new_array()?,
            Made::Object { .. } => self.scope.new_object()?,
        };
        self.fill(object, What::Fill { as_what, count, next: 0 })
    }

    /// The object is made when its frame ends.
    #[inline]
    fn later(&mut self, what: What) -> ReadResult<'a, Option<qjs::JSValue>> {
        self.frames.push(Frame { index: self.objects.len(), what });
        self.objects.push(ABSENT);
        Ok(None)
    }

    /// The object is there, and is filled.
    fn fill(&mut self, object: Handle<'a>, what: What) -> ReadResult<'a, Option<qjs::JSValue>> {
        self.frames.push(Frame { index: self.objects.len(), what });
        self.objects.push(object.into_raw());
        Ok(None)
    }

    /// Reads what is not complete, to its end.
    fn run(&mut self) -> ReadResult<'a, ()> {
        loop {
            self.steps += 1;
            if self.steps >= STEPS {
                self.steps = 0;
                self.scope.may_go_on()?;
            }
            let Some(frame) = self.frames.last() else { return Ok(()) };
            let index = frame.index;
            let done = match frame.what {
                What::Gather { base, count, .. } => {
                    self.gather(base + count)?;
                    if self.frames.last().is_none_or(|frame| frame.index != index) {
                        continue;
                    }
                    true
                }
                What::Fill { count, next, .. } => next >= count,
                What::Pairs { .. } => self.next_key()?,
                What::Map { has_key: false } | What::Set => self.end()?,
                What::Map { has_key: true } => false,
                What::Error { left: 0 } => {
                    self.change(What::Pairs { key: NO_ATOM, length: None });
                    continue;
                }
                What::Error { .. } => false,
                What::View { .. } | What::Boxed => false,
            };
            if done {
                self.finish()?;
            } else if let Some(value) = self.value()? {
                self.deliver(value)?;
            }
        }
    }

    /// Reads values onto the stack until so many are there, or one has parts.
    #[inline]
    fn gather(&mut self, until: usize) -> ReadResult<'a, ()> {
        while self.values.len() < until {
            if self.get.peek()? == Tag::Absent {
                self.get.tag()?;
                self.values.push(ABSENT);
                if let Some(Frame { what: What::Gather { holes, .. }, .. }) = self.frames.last_mut() {
                    *holes = true;
                }
                continue;
            }
            match self.value()? {
                Some(value) => self.values.push(value),
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// `End` is next, and is read.
    fn end(&mut self) -> ReadResult<'a, bool> {
        let end = self.get.peek()? == Tag::End;
        if end {
            self.get.tag()?;
        }
        Ok(end)
    }

    /// Reads a key for the last frame, or its end.
    fn next_key(&mut self) -> ReadResult<'a, bool> {
        if self.end()? {
            return Ok(true);
        }
        let (tag, _) = self.get.tag()?;
        let atom = match tag {
            Tag::Int => {
                let number = u32::try_from(self.get.int()?).map_err(|_| self.get.damaged())?;
                // SAFETY: we are inside; the reference is the frame's.
                unsafe { qjs::JS_NewAtomUInt32(self.scope.as_ptr(), number) }
            }
            _ => {
                let text = self.get.text_of(tag)?;
                self.atom(text)?
            }
        };
        if atom == NO_ATOM {
            return Err(self.scope.take_exception().into());
        }
        if let Some(Frame { what: What::Pairs { key, .. }, .. }) = self.frames.last_mut() {
            *key = atom;
        }
        Ok(false)
    }

    fn change(&mut self, what: What) {
        if let Some(frame) = self.frames.last_mut() {
            frame.what = what;
        }
    }

    /// Gives a complete value to what it belongs to.
    fn deliver(&mut self, value: qjs::JSValue) -> ReadResult<'a, ()> {
        let Some(frame) = self.frames.last() else {
            self.values.push(value);
            return Ok(());
        };
        let (index, what) = (frame.index, frame.what);
        if let What::Gather { .. } = what {
            self.values.push(value);
            return Ok(());
        }
        // SAFETY: we are inside; the reference is the handle's.
        let value = unsafe { self.scope.own(value) };
        let object = self.objects[index];
        match what {
            What::Gather { .. } => {}
            What::Fill { as_what, count, next } => {
                self.change(What::Fill { as_what, count, next: next + 1 });
                match as_what {
                    Made::Array => self.define_element(object, next as u32, value)?,
                    Made::Object { shape } => {
                        self.define(object, self.shape_atom(shape, next), value, true)?
                    }
                }
            }
            What::Pairs { key, length } => {
                self.change(What::Pairs { key: NO_ATOM, length });
                let done = self.define(object, key, value, true);
                // SAFETY: we are inside; the reference was the frame's.
                unsafe { qjs::JS_FreeAtom(self.scope.as_ptr(), key) };
                done?;
            }
            What::Map { has_key: false } => {
                self.values.push(value.into_raw());
                self.change(What::Map { has_key: true });
            }
            What::Map { has_key: true } => {
                self.change(What::Map { has_key: false });
                if let Some(key) = self.values.pop() {
                    // SAFETY: we are inside; the stack's reference is the handle's.
                    let key = unsafe { self.scope.own(key) };
                    self.map_set(object, &key, &value)?;
                }
            }
            What::Set => self.set_add(object, &value)?,
            What::Error { left } => {
                let bit = left & left.wrapping_neg();
                self.change(What::Error { left: left & !bit });
                let name = part::ALL.iter().find(|(known, _)| *known == bit);
                let (_, name) = name.ok_or(self.get.damaged())?;
                self.define_named(object, name, value)?;
            }
            What::View { kind, offset, elements } => {
                let view = self.view(kind, offset, elements, &value)?;
                self.made(view)?;
            }
            What::Boxed => {
                let boxed = self.boxed(&value)?;
                self.made(boxed)?;
            }
        }
        Ok(())
    }

    /// The last frame's object is made, and complete.
    fn made(&mut self, object: Handle<'a>) -> ReadResult<'a, ()> {
        if let Some(frame) = self.frames.pop() {
            self.objects[frame.index] = object.clone().into_raw();
        }
        self.deliver(object.into_raw())
    }

    /// The last frame is complete.
    fn finish(&mut self) -> ReadResult<'a, ()> {
        let Some(Frame { index, what }) = self.frames.last() else { return Ok(()) };
        let (object, what) = (self.objects[*index], *what);
        match what {
            What::Gather { as_what: Made::Array, base, holes: false, .. } => {
                let array = self.new_array_from(base)?;
                return self.made(array);
            }
            What::Gather { as_what: Made::Object { shape }, base, holes, .. } => {
                let made = self.new_object_from(shape, base, !holes)?;
                return self.made(made);
            }
            What::Gather { as_what: Made::Array, base, count, .. } => {
                let array = self.new_array_with_holes(base, count)?;
                return self.made(array);
            }
            What::Fill { as_what: Made::Array, count, .. } => self.set_length(object, count as u32)?,
            What::Pairs { length: Some(length), .. } => self.set_length(object, length)?,
            _ => {}
        }
        self.frames.pop();
        // SAFETY: we are inside; the list keeps its own reference.
        let object = unsafe { qjs::JS_DupValue(self.scope.as_ptr(), object) };
        self.deliver(object)
    }

    /// The values on the stack from there on; the caller takes their references over.
    pub(super) fn take_values(&mut self, base: usize) -> std::vec::Drain<'_, qjs::JSValue> {
        self.values.drain(base..)
    }

    /// How many values are on the stack.
    pub(super) fn stacked(&self, base: usize) -> &[qjs::JSValue] {
        &self.values[base..]
    }

    /// The stack's references from there on belong to somebody else now.
    pub(super) fn forget_values(&mut self, base: usize) {
        self.values.truncate(base);
    }

    pub(super) fn shape(&mut self, shape: usize) -> &mut Keys<'a> {
        &mut self.shapes[shape]
    }

    pub(super) fn shape_atom(&self, shape: usize, index: usize) -> qjs::JSAtom {
        self.atoms[self.shapes[shape].first + index]
    }

    /// Reads the keys of a shape: its index, and how many.
    fn new_shape(&mut self) -> ReadResult<'a, (usize, usize)> {
        let count = self.get.count()?;
        let first = self.atoms.len();
        for _ in 0..count {
            let (tag, _) = self.get.tag()?;
            let text = self.get.text_of(tag)?;
            let atom = self.atom(text)?;
            self.atoms.push(atom);
        }
        if count > self.get.left() {
            return Err(self.get.damaged().into());
        }
        self.shapes.push(Keys { first, count, made: 0, pattern: None });
        Ok((self.shapes.len() - 1, count))
    }

    pub(super) fn is_absent(value: qjs::JSValue) -> bool {
        // SAFETY: reading a tag.
        unsafe { qjs::JS_IsUninitialized(value) }
    }

    /// A new string.
    pub(super) fn text(&mut self, text: TextBytes<'m>) -> ReadResult<'a, Handle<'a>> {
        let context = self.scope.as_ptr();
        // SAFETY: we are inside; the engine copies the text, and what is returned is ours.
        unsafe {
            let value = match text {
                TextBytes::Narrow(bytes) if bytes.is_ascii() => {
                    qjs::JS_NewStringLen(context, bytes.as_ptr().cast(), bytes.len() as qjs::size_t)
                }
                TextBytes::Narrow(_) => {
                    let text = text.to_text();
                    qjs::JS_NewStringLen(context, text.as_ptr().cast(), text.len() as qjs::size_t)
                }
                TextBytes::Wide(bytes) => {
                    let units: Vec<u16> = TextBytes::units(bytes).collect();
                    qjs::JS_NewStringUTF16(context, units.as_ptr(), units.len() as qjs::size_t)
                }
            };
            Ok(self.scope.check(value)?)
        }
    }

    /// A property key, with a reference.
    fn atom(&mut self, text: TextBytes<'m>) -> ReadResult<'a, qjs::JSAtom> {
        let context = self.scope.as_ptr();
        let atom = match text {
            // SAFETY: we are inside; the engine copies the text.
            TextBytes::Narrow(bytes) if bytes.is_ascii() => unsafe {
                qjs::JS_NewAtomLen(context, bytes.as_ptr().cast(), bytes.len() as qjs::size_t)
            },
            _ => {
                let value = self.text(text)?;
                // SAFETY: we are inside; the value is a string.
                unsafe { qjs::JS_ValueToAtom(context, value.raw()) }
            }
        };
        if atom == NO_ATOM { Err(self.scope.take_exception().into()) } else { Ok(atom) }
    }
}

impl Drop for Reader<'_, '_> {
    fn drop(&mut self) {
        let context = self.scope.as_ptr();
        // SAFETY: we are inside; all of these references are the reader's.
        unsafe {
            let values = [&self.objects, &self.texts, &self.values];
            for value in values.into_iter().flatten().filter(|value| !Reader::is_absent(**value)) {
                qjs::JS_FreeValue(context, *value);
            }
            for atom in &self.atoms {
                qjs::JS_FreeAtom(context, *atom);
            }
            for frame in &self.frames {
                if let What::Pairs { key, .. } = frame.what
                    && key != NO_ATOM
                {
                    qjs::JS_FreeAtom(context, key);
                }
            }
        }
    }
}
