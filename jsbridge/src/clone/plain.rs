//! Messages of a few numbers and the like: what most functions are given and return. The same bytes, written and read
//! without what a walk needs.

use super::format::{Get, Tag};
use super::message::{Few, Message};
use crate::isolate::handle::{Handle, Scope};
use rquickjs::qjs;

/// `None`: something else is among them, or they are too many.
pub(super) fn write(values: &[Handle<'_>]) -> Option<Message> {
    let mut few = Few::default();
    few.push(u8::try_from(values.len()).ok().filter(|&count| count < 0x80)?)?;
    for value in values {
        write_value(&mut few, value.raw())?;
    }
    Some(Message::from(few))
}

#[inline]
fn write_value(few: &mut Few, value: qjs::JSValue) -> Option<()> {
    // SAFETY: reading tags, and what they say is there.
    unsafe {
        match qjs::JS_VALUE_GET_TAG(value) {
            qjs::JS_TAG_INT => {
                few.push(Tag::Int as u8)?;
                let number = qjs::JS_VALUE_GET_INT(value);
                let mut number = ((number << 1) ^ (number >> 31)) as u32;
                while number >= 0x80 {
                    few.push(number as u8 | 0x80)?;
                    number >>= 7;
                }
                few.push(number as u8)
            }
            qjs::JS_TAG_FLOAT64 => {
                few.push(Tag::Float as u8)?;
                let bytes = qjs::JS_VALUE_GET_FLOAT64(value).to_le_bytes();
                bytes.into_iter().try_for_each(|byte| few.push(byte))
            }
            qjs::JS_TAG_BOOL if qjs::JS_VALUE_GET_BOOL(value) => few.push(Tag::True as u8),
            qjs::JS_TAG_BOOL => few.push(Tag::False as u8),
            qjs::JS_TAG_NULL => few.push(Tag::Null as u8),
            qjs::JS_TAG_UNDEFINED => few.push(Tag::Undefined as u8),
            _ => None,
        }
    }
}

/// `None`: something else is among them.
pub(super) fn read<'a>(scope: Scope<'a>, message: &Message) -> Option<Vec<Handle<'a>>> {
    let mut get = Get::new(message.few()?);
    let count = get.varint().ok()?;
    let values = (0..count).map(|_| read_value(scope, &mut get)).collect::<Option<_>>()?;
    (get.left() == 0).then_some(values)
}

/// The same of one value.
pub(super) fn read_one<'a>(scope: Scope<'a>, message: &Message) -> Option<Handle<'a>> {
    let mut get = Get::new(message.few()?);
    let value = if get.varint().ok()? == 1 { read_value(scope, &mut get)? } else { return None };
    (get.left() == 0).then_some(value)
}

#[inline]
fn read_value<'a>(scope: Scope<'a>, get: &mut Get<'_>) -> Option<Handle<'a>> {
    let value = match Tag::parse(get.byte().ok()?)? {
        (Tag::Int, _) => qjs::JS_MKVAL(qjs::JS_TAG_INT, get.int().ok()?),
        (Tag::Float, _) => qjs::JS_NewFloat64(get.float().ok()?),
        (Tag::True, _) => qjs::JS_TRUE,
        (Tag::False, _) => qjs::JS_FALSE,
        (Tag::Null, _) => qjs::JS_NULL,
        (Tag::Undefined, _) => qjs::JS_UNDEFINED,
        _ => return None,
    };
    // SAFETY: we are inside; such a value has no reference.
    Some(unsafe { scope.own(value) })
}

#[cfg(test)]
mod tests {
    use super::super::{read_one, write};
    use crate::host::testing::{eval, inside};

    #[test]
    fn a_message_is_the_same_whoever_writes_it() {
        inside(|scope| {
            let source = "[[1, -1, 0, -0, NaN, -2147483647, 2147483647, 1.5, true, false, null, undefined], [], [[7]], ['a', 1],
                Array(300).fill(3), [1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5]]";
            let are_plain = [true, true, false, false, false, false];
            for (list, is_plain) in eval(scope, source)?.to_vec()?.into_iter().zip(are_plain) {
                let values = list.to_vec()?;
                let plainly = super::write(&values);
                let walked = super::super::write::write(scope, &values, &[], &|_| String::new())?;
                if let Some(plainly) = &plainly {
                    assert_eq!(plainly.bytes(), walked.bytes());
                }
                let shown = list.display()?;
                let again = super::super::read(scope, walked)?;
                let same = eval(
                    scope,
                    "(a, b) => a.length === b.length && a.every((x, i) => typeof x === 'object' || Object.is(x, b[i]))",
                )?;
                let copy = scope.new_array()?;
                for (index, value) in again.into_iter().enumerate() {
                    copy.set_at(index as u32, value)?;
                }
                assert!(same.call(&scope.undefined(), &[&list, &copy])?.is_truthy(), "{shown}");
                assert_eq!(plainly.is_some(), is_plain, "{shown}");
            }
            for source in ["-0", "'text'", "({ a: 1 })"] {
                let value = eval(scope, source)?;
                let shown = value.display()?;
                let message = write(scope, &[value], &[], &|_| String::new())?;
                assert_eq!(read_one(scope, message)?.display()?, shown);
            }
            Ok(())
        });
    }
}
