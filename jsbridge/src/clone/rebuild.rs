//! Bytes to values: what is more than its properties.
//!
//! Nothing here runs a script's code: properties are defined, not set, and constructors and methods are the engine's own.

use super::format::{DATA_VIEW, Tag, TextBytes};
use super::kinds::Kind;
use super::read::{ReadResult, Reader};
use super::special::PROTOTYPES;
use crate::isolate::handle::Handle;
use crate::isolate::intrinsics::Intrinsic;
use crate::isolate::pattern::Pattern;
use rquickjs::qjs;
use std::ffi::CStr;

const ENUMERABLE: i32 = qjs::JS_PROP_C_W_E as i32;
const HIDDEN: i32 = (qjs::JS_PROP_CONFIGURABLE | qjs::JS_PROP_WRITABLE) as i32;

impl<'a, 'm> Reader<'a, 'm> {
    /// An array of the values on the stack.
    pub(super) fn new_array_from(&mut self, base: usize) -> ReadResult<'a, Handle<'a>> {
        let values = self.stacked(base);
        let (count, values) = (values.len() as i32, values.as_ptr());
        // SAFETY: we are inside; the engine takes the values' references over, also where it fails.
        let array = unsafe { qjs::JS_NewArrayFrom(self.scope.as_ptr(), count, values) };
        self.forget_values(base);
        // SAFETY: what is returned is ours.
        Ok(unsafe { self.scope.check(array)? })
    }

    /// The same where some are absent.
    pub(super) fn new_array_with_holes(&mut self, base: usize, count: usize) -> ReadResult<'a, Handle<'a>> {
        let array = self.scope.new_array()?;
        for index in 0..count {
            let value = self.stacked(base)[index];
            if !Reader::is_absent(value) {
                // SAFETY: we are inside; the new reference is the handle's, and the stack keeps its own.
                let value = unsafe { self.scope.own(qjs::JS_DupValue(self.scope.as_ptr(), value)) };
                self.define_element(array.raw(), index as u32, value)?;
            }
        }
        self.drop_values(base);
        self.set_length(array.raw(), count as u32)?;
        Ok(array)
    }

    /// An object of the values on the stack, with the keys of a shape; `whole`: none of them is absent.
    pub(super) fn new_object_from(
        &mut self,
        shape: usize,
        base: usize,
        whole: bool,
    ) -> ReadResult<'a, Handle<'a>> {
        if whole && let Some(pattern) = self.shape(shape).pattern.take() {
            let made = pattern.make(self.stacked(base));
            self.shape(shape).pattern = Some(pattern);
            let made = made?;
            self.forget_values(base);
            return Ok(made);
        }
        let object = self.scope.new_object()?;
        let context = self.scope.as_ptr();
        let count = self.stacked(base).len();
        for index in 0..count {
            let value = self.stacked(base)[index];
            if Reader::is_absent(value) {
                continue;
            }
            // SAFETY: we are inside; the engine takes over a reference, also where it fails; the stack keeps its own.
            let done = unsafe {
                let value = qjs::JS_DupValue(context, value);
                let key = self.shape_atom(shape, index);
                qjs::JS_DefinePropertyValue(context, object.raw(), key, value, ENUMERABLE)
            };
            if done < 0 {
                return Err(self.scope.take_exception().into());
            }
        }
        self.drop_values(base);
        let keys = self.shape(shape);
        keys.made += 1;
        if whole && keys.made == 2 {
            keys.pattern = Pattern::of(&object, count)?;
        }
        Ok(object)
    }

    /// Gives the stack's references back from there on.
    fn drop_values(&mut self, base: usize) {
        let context = self.scope.as_ptr();
        for value in self.take_values(base) {
            if !Reader::is_absent(value) {
                // SAFETY: we are inside; the reference was the stack's.
                unsafe { qjs::JS_FreeValue(context, value) };
            }
        }
    }

    /// Defines a property.
    pub(super) fn define(
        &mut self,
        object: qjs::JSValue,
        key: qjs::JSAtom,
        value: Handle<'a>,
        enumerable: bool,
    ) -> ReadResult<'a, ()> {
        let flags = if enumerable { ENUMERABLE } else { HIDDEN };
        // SAFETY: we are inside; the engine takes the value's reference over.
        let done =
            unsafe { qjs::JS_DefinePropertyValue(self.scope.as_ptr(), object, key, value.into_raw(), flags) };
        if done < 0 { Err(self.scope.take_exception().into()) } else { Ok(()) }
    }

    /// Defines a property that is not enumerable.
    pub(super) fn define_named(
        &mut self,
        object: qjs::JSValue,
        name: &CStr,
        value: Handle<'a>,
    ) -> ReadResult<'a, ()> {
        let context = self.scope.as_ptr();
        // SAFETY: we are inside; the atom is given back.
        unsafe {
            let key = qjs::JS_NewAtom(context, name.as_ptr());
            let done = self.define(object, key, value, false);
            qjs::JS_FreeAtom(context, key);
            done
        }
    }

    pub(super) fn define_element(
        &mut self,
        array: qjs::JSValue,
        index: u32,
        value: Handle<'a>,
    ) -> ReadResult<'a, ()> {
        // SAFETY: we are inside; the engine takes the value's reference over.
        let done = unsafe {
            qjs::JS_DefinePropertyValueUint32(self.scope.as_ptr(), array, index, value.into_raw(), ENUMERABLE)
        };
        if done < 0 { Err(self.scope.take_exception().into()) } else { Ok(()) }
    }

    pub(super) fn set_length(&mut self, array: qjs::JSValue, length: u32) -> ReadResult<'a, ()> {
        // SAFETY: we are inside; the length of an array is its own, and no script's code runs.
        let done = unsafe { qjs::JS_SetLength(self.scope.as_ptr(), array, i64::from(length)) };
        if done < 0 { Err(self.scope.take_exception().into()) } else { Ok(()) }
    }

    pub(super) fn big_int(&mut self) -> ReadResult<'a, Handle<'a>> {
        let (negative, digits) = self.get.digits()?;
        let text = format!("0x{}", String::from_utf8_lossy(digits));
        let text = self.scope.string(&text)?;
        let undefined = qjs::JS_UNDEFINED;
        let magnitude = self.scope.call_intrinsic(Intrinsic::BigInt, undefined, &[text.raw()])?;
        if !negative {
            return Ok(magnitude);
        }
        // There is no call for "negate"; but `asIntN` makes it of 2^n - magnitude, which is written without a sign.
        let mut complement = complement(digits);
        complement.insert_str(0, "0x");
        let text = self.scope.string(&complement)?;
        let bits = self.scope.number((digits.len() * 4 + 4) as f64);
        let complement = self.scope.call_intrinsic(Intrinsic::BigInt, undefined, &[text.raw()])?;
        Ok(self.scope.call_intrinsic(Intrinsic::BigIntAsIntN, undefined, &[bits.raw(), complement.raw()])?)
    }

    pub(super) fn regexp(&mut self) -> ReadResult<'a, Handle<'a>> {
        let (source, flags) = (self.string()?, self.string()?);
        Ok(self.scope.construct_intrinsic(Intrinsic::RegExp, &[source.raw(), flags.raw()])?)
    }

    pub(super) fn dom_exception(&mut self) -> ReadResult<'a, Handle<'a>> {
        let (name, message) = (self.string()?, self.string()?);
        let exception =
            self.scope.construct_intrinsic(Intrinsic::DomException, &[message.raw(), name.raw()])?;
        if self.get.peek()? == Tag::Absent {
            self.get.tag()?;
        } else {
            let stack = self.string()?;
            self.define_named(exception.raw(), c"stack", stack)?;
        }
        Ok(exception)
    }

    /// A text that is a part.
    fn string(&mut self) -> ReadResult<'a, Handle<'a>> {
        let (tag, _) = self.get.tag()?;
        let text: TextBytes<'m> = self.get.text_of(tag)?;
        self.text(text)
    }

    pub(super) fn new_map(&mut self) -> ReadResult<'a, Handle<'a>> {
        Ok(self.scope.construct_intrinsic(Intrinsic::Map, &[])?)
    }

    pub(super) fn new_set(&mut self) -> ReadResult<'a, Handle<'a>> {
        Ok(self.scope.construct_intrinsic(Intrinsic::Set, &[])?)
    }

    pub(super) fn map_set(
        &mut self,
        map: qjs::JSValue,
        key: &Handle<'a>,
        value: &Handle<'a>,
    ) -> ReadResult<'a, ()> {
        self.scope.call_intrinsic(Intrinsic::MapSet, map, &[key.raw(), value.raw()])?;
        Ok(())
    }

    pub(super) fn set_add(&mut self, set: qjs::JSValue, value: &Handle<'a>) -> ReadResult<'a, ()> {
        self.scope.call_intrinsic(Intrinsic::SetAdd, set, &[value.raw()])?;
        Ok(())
    }

    /// An error without any property of its own.
    pub(super) fn new_error(&mut self, kind: usize) -> ReadResult<'a, Handle<'a>> {
        let prototype = self.scope.intrinsic_raw(PROTOTYPES[kind]);
        let class = self.kinds.class(Kind::Error);
        // SAFETY: we are inside; what is returned is ours.
        unsafe { Ok(self.scope.check(qjs::JS_NewObjectProtoClass(self.scope.as_ptr(), prototype, class))?) }
    }

    /// An object around a primitive value.
    pub(super) fn boxed(&mut self, value: &Handle<'a>) -> ReadResult<'a, Handle<'a>> {
        // SAFETY: reading a tag.
        let plain = unsafe {
            let value = value.raw();
            qjs::JS_IsNumber(value)
                || qjs::JS_IsBool(value)
                || qjs::JS_IsString(value)
                || qjs::JS_IsBigInt(value)
        };
        if !plain {
            return Err(self.get.damaged().into());
        }
        // SAFETY: we are inside; what is returned is ours.
        unsafe { Ok(self.scope.check(qjs::JS_ToObject(self.scope.as_ptr(), value.raw()))?) }
    }

    /// The greatest length of a buffer.
    fn longest(&mut self) -> ReadResult<'a, Option<usize>> {
        Ok(self.get.number(i32::MAX as usize + 1)?.checked_sub(1))
    }

    pub(super) fn buffer(&mut self) -> ReadResult<'a, Handle<'a>> {
        let longest = self.longest()?;
        let count = self.get.count()?;
        let bytes = self.get.take(count)?;
        if let Some(longest) = longest {
            let block = crate::isolate::block::Block::copy_of(bytes).ok_or_else(|| self.scope.no_memory())?;
            return Ok(self.scope.give_block(block, Some(longest))?);
        }
        // SAFETY: we are inside; the engine copies the bytes, and what is returned is ours.
        unsafe {
            let (data, count) = (bytes.as_ptr(), count as qjs::size_t);
            Ok(self.scope.check(qjs::JS_NewArrayBufferCopy(self.scope.as_ptr(), data, count))?)
        }
    }

    pub(super) fn block(&mut self) -> ReadResult<'a, Handle<'a>> {
        let longest = self.longest()?;
        let index = self.get.number(usize::MAX)?;
        let block = self.beside.blocks.get_mut(index).and_then(Option::take);
        let block = block.ok_or(self.get.damaged())?;
        Ok(self.scope.give_block(block, longest)?)
    }

    pub(super) fn shared_buffer(&mut self) -> ReadResult<'a, Handle<'a>> {
        let length = self.get.number(i32::MAX as usize)?;
        let index = self.get.number(usize::MAX)?;
        let block = self.beside.shared.get(index).cloned().ok_or(self.get.damaged())?;
        Ok(self.scope.new_shared_buffer(&block, length)?)
    }

    pub(super) fn view(
        &mut self,
        kind: u8,
        offset: usize,
        elements: Option<usize>,
        buffer: &Handle<'a>,
    ) -> ReadResult<'a, Handle<'a>> {
        let is_buffer = buffer.is_object()
            && matches!(self.kinds.of(buffer.raw()), Kind::ArrayBuffer | Kind::SharedArrayBuffer);
        if !is_buffer || kind > DATA_VIEW {
            return Err(self.get.damaged().into());
        }
        let offset = self.scope.number(offset as f64);
        let elements =
            elements.map_or_else(|| self.scope.undefined(), |count| self.scope.number(count as f64));
        let mut arguments = [buffer.raw(), offset.raw(), elements.raw()];
        if kind == DATA_VIEW {
            return Ok(self.scope.construct_intrinsic(Intrinsic::DataView, &arguments)?);
        }
        // SAFETY: we are inside; the first argument is a buffer, so no script's code runs; the kind is one of the engine's.
        // What is returned is ours.
        unsafe {
            let (count, kind) = (arguments.len() as i32, qjs::JSTypedArrayEnum::from(kind));
            let view = qjs::JS_NewTypedArray(self.scope.as_ptr(), count, arguments.as_mut_ptr(), kind);
            Ok(self.scope.check(view)?)
        }
    }
}

/// The hexadecimal digits of 16^(n + 1) - m, m having n digits.
fn complement(digits: &[u8]) -> String {
    let mut result: Vec<u8> = Vec::with_capacity(digits.len() + 1);
    let mut carry = 1;
    for digit in digits.iter().rev().map(|digit| char::from(*digit).to_digit(16).unwrap_or(0)) {
        let sum = 15 - digit + carry;
        carry = sum / 16;
        result.push(b"0123456789abcdef"[sum as usize % 16]);
    }
    // The digit in front is 15, and the carry reaches it only where the magnitude is zero.
    result.push(if carry == 0 { b'f' } else { b'0' });
    result.reverse();
    String::from_utf8_lossy(&result).into_owned()
}

#[cfg(test)]
mod tests {
    use super::complement;

    #[test]
    fn complements_are_those_of_the_power_above() {
        for number in [1_u64, 2, 15, 16, 17, 255, 256, 0xdead_beef, 0x1000_0000_0000] {
            let digits = format!("{number:x}");
            let power = 1_u128 << (4 * digits.len() + 4);
            assert_eq!(
                u128::from_str_radix(&complement(digits.as_bytes()), 16),
                Ok(power - u128::from(number))
            );
        }
        assert_eq!(complement(b"0"), "00");
    }
}
