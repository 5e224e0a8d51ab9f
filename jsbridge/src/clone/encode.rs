//! Rust values to bytes, by serde.
//!
//! | Rust                              | JavaScript                                                              |
//! |-----------------------------------|-------------------------------------------------------------------------|
//! | integers up to 2^53 - 1, floats   | a number                                                                |
//! | larger integers                   | a `BigInt`: nothing is rounded                                          |
//! | `bool`, `char`, strings           | the same                                                                |
//! | `None`                            | `null`                                                                  |
//! | `()`, unit structs                | `undefined`                                                             |
//! | bytes (`serialize_bytes`)         | `Uint8Array`                                                            |
//! | sequences, tuples                 | an array                                                                |
//! | structs, maps                     | an object; a map's keys must be texts, numbers, truths                  |
//! | enums                             | `"Variant"`, or `{Variant: content}`                                    |

use super::format::{Put, Tag};
use super::message::{Beside, Message};
use crate::error::Error;
use serde::ser::{self, Serialize};
use std::fmt::{self, Display};

/// Values in values; as deep as other encoders go. A Rust value that is deeper would need as deep a stack.
pub(super) const DEPTH: usize = 128;
/// The greatest whole number that a JavaScript number has neighbours of.
pub(super) const SAFE: u64 = (1 << 53) - 1;
/// The engine's number for `Uint8Array`.
const UINT8: u8 = 2;

/// A message with one value, made without an engine.
///
/// # Errors
/// The value's own, a map's key that is no text, or more than 128 values in each other.
pub(crate) fn to_message<T: Serialize + ?Sized>(value: &T) -> Result<Message, Error> {
    let mut out = Vec::with_capacity(64);
    out.varint(1);
    let mut encoder = Encoder { out, depth: 0, path: Vec::new() };
    value.serialize(&mut encoder).map_err(|problem| {
        let path: String = encoder.path.concat();
        Error::conversion(format!("value{path}: {}", problem.0))
    })?;
    Ok(Message::new(&encoder.out, Beside::default()))
}

/// What was wrong.
#[derive(Debug)]
struct Problem(String);

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}

impl ser::Error for Problem {
    fn custom<T: Display>(message: T) -> Problem {
        Problem(message.to_string())
    }
}

type Outcome = Result<(), Problem>;

struct Encoder {
    out: Vec<u8>,
    depth: usize,
    /// To the value that is being written. Left as it is where something goes wrong.
    path: Vec<String>,
}

impl Encoder {
    fn deeper(&mut self) -> Outcome {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Problem(format!("more than {DEPTH} values are in each other")));
        }
        Ok(())
    }

    fn part<T: Serialize + ?Sized>(&mut self, step: String, value: &T) -> Outcome {
        self.path.push(step);
        value.serialize(&mut *self)?;
        self.path.pop();
        Ok(())
    }

    /// `{variant: ...`
    fn variant(&mut self, variant: &str) -> Outcome {
        self.deeper()?;
        self.out.tag(Tag::Object);
        self.out.text(variant);
        Ok(())
    }

    fn end_variant(&mut self) {
        self.out.tag(Tag::End);
        self.depth -= 1;
    }

    fn big(&mut self, negative: bool, magnitude: u128) {
        let small = i64::try_from(magnitude).ok().map(|small| if negative { -small } else { small });
        match small {
            Some(small) => {
                self.out.tag(Tag::BigInt64);
                self.out.extend_from_slice(&small.to_le_bytes());
            }
            None => {
                let digits = format!("{magnitude:x}");
                self.out.tag(Tag::BigInt);
                self.out.varint(u64::from(negative));
                self.out.varint(digits.len() as u64);
                self.out.extend_from_slice(digits.as_bytes());
            }
        }
    }

    fn whole(&mut self, negative: bool, magnitude: u128) {
        if magnitude > u128::from(SAFE) {
            return self.big(negative, magnitude);
        }
        let number = if negative { -(magnitude as i64) } else { magnitude as i64 };
        match i32::try_from(number) {
            Ok(small) => self.out.int(small),
            Err(_) => self.float(number as f64),
        }
    }

    fn float(&mut self, number: f64) {
        self.out.tag(Tag::Float);
        self.out.extend_from_slice(&number.to_le_bytes());
    }

    fn begin_array(&mut self, length: Option<usize>) -> Result<Many<'_>, Problem> {
        self.deeper()?;
        self.out.tag(Tag::Array);
        let count_at = self.out.len();
        if let Some(length) = length {
            self.out.varint(length as u64);
        }
        Ok(Many { encoder: self, promised: length, count: 0, count_at, in_variant: false })
    }
}

/// An array that is being written.
struct Many<'e> {
    encoder: &'e mut Encoder,
    promised: Option<usize>,
    count: usize,
    count_at: usize,
    in_variant: bool,
}

impl Many<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Outcome {
        self.count += 1;
        self.encoder.part(format!("[{}]", self.count - 1), value)
    }

    fn finish(self) -> Outcome {
        let encoder = self.encoder;
        if self.promised.is_some_and(|promised| promised != self.count) {
            return Err(Problem("has another number of elements than it said".to_owned()));
        }
        if self.promised.is_none() {
            let mut count = Vec::new();
            count.varint(self.count as u64);
            encoder.out.splice(self.count_at..self.count_at, count);
        }
        encoder.depth -= 1;
        if self.in_variant {
            encoder.end_variant();
        }
        Ok(())
    }
}

/// An object that is being written.
struct Fields<'e> {
    encoder: &'e mut Encoder,
    key: String,
    in_variant: bool,
}

impl Fields<'_> {
    fn field<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Outcome {
        self.encoder.out.text(key);
        self.encoder.part(format!(".{key}"), value)
    }

    fn finish(self) -> Outcome {
        self.encoder.end_variant();
        if self.in_variant {
            self.encoder.end_variant();
        }
        Ok(())
    }
}

impl<'e> ser::Serializer for &'e mut Encoder {
    type Ok = ();
    type Error = Problem;
    type SerializeSeq = Many<'e>;
    type SerializeTuple = Many<'e>;
    type SerializeTupleStruct = Many<'e>;
    type SerializeTupleVariant = Many<'e>;
    type SerializeMap = Fields<'e>;
    type SerializeStruct = Fields<'e>;
    type SerializeStructVariant = Fields<'e>;

    fn serialize_bool(self, truth: bool) -> Outcome {
        self.out.tag(if truth { Tag::True } else { Tag::False });
        Ok(())
    }

    fn serialize_i8(self, number: i8) -> Outcome {
        self.serialize_i64(number.into())
    }

    fn serialize_i16(self, number: i16) -> Outcome {
        self.serialize_i64(number.into())
    }

    fn serialize_i32(self, number: i32) -> Outcome {
        self.out.int(number);
        Ok(())
    }

    fn serialize_i64(self, number: i64) -> Outcome {
        self.serialize_i128(number.into())
    }

    fn serialize_i128(self, number: i128) -> Outcome {
        self.whole(number < 0, number.unsigned_abs());
        Ok(())
    }

    fn serialize_u8(self, number: u8) -> Outcome {
        self.serialize_i64(number.into())
    }

    fn serialize_u16(self, number: u16) -> Outcome {
        self.serialize_i64(number.into())
    }

    fn serialize_u32(self, number: u32) -> Outcome {
        self.serialize_i64(number.into())
    }

    fn serialize_u64(self, number: u64) -> Outcome {
        self.serialize_u128(number.into())
    }

    fn serialize_u128(self, number: u128) -> Outcome {
        self.whole(false, number);
        Ok(())
    }

    fn serialize_f32(self, number: f32) -> Outcome {
        self.serialize_f64(number.into())
    }

    fn serialize_f64(self, number: f64) -> Outcome {
        self.float(number);
        Ok(())
    }

    fn serialize_char(self, c: char) -> Outcome {
        self.serialize_str(c.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Outcome {
        self.out.text(text);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Outcome {
        self.out.tag(Tag::View);
        self.out.push(UINT8);
        self.out.varint(0);
        self.out.varint(bytes.len() as u64 + 1);
        self.out.tag(Tag::Buffer);
        self.out.varint(0);
        self.out.varint(bytes.len() as u64);
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn serialize_none(self) -> Outcome {
        self.out.tag(Tag::Null);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Outcome {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Outcome {
        self.out.tag(Tag::Undefined);
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Outcome {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Outcome {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> Outcome {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Outcome {
        self.variant(variant)?;
        self.part(format!(".{variant}"), value)?;
        self.end_variant();
        Ok(())
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Many<'e>, Problem> {
        self.begin_array(length)
    }

    fn serialize_tuple(self, length: usize) -> Result<Many<'e>, Problem> {
        self.begin_array(Some(length))
    }

    fn serialize_tuple_struct(self, _name: &'static str, length: usize) -> Result<Many<'e>, Problem> {
        self.begin_array(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Many<'e>, Problem> {
        self.variant(variant)?;
        let mut array = self.begin_array(Some(length))?;
        array.in_variant = true;
        Ok(array)
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Fields<'e>, Problem> {
        self.deeper()?;
        self.out.tag(Tag::Object);
        Ok(Fields { encoder: self, key: String::new(), in_variant: false })
    }

    fn serialize_struct(self, _name: &'static str, length: usize) -> Result<Fields<'e>, Problem> {
        self.serialize_map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Fields<'e>, Problem> {
        self.variant(variant)?;
        let mut fields = self.serialize_map(Some(length))?;
        fields.in_variant = true;
        Ok(fields)
    }
}

/// The four kinds of sequences are the same here.
macro_rules! sequences {
    ($($which:ident $method:ident;)*) => {$(
        impl ser::$which for Many<'_> {
            type Ok = ();
            type Error = Problem;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Outcome {
                self.element(value)
            }

            fn end(self) -> Outcome {
                self.finish()
            }
        }
    )*};
}

sequences! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

/// And so are structs.
macro_rules! structs {
    ($($which:ident;)*) => {$(
        impl ser::$which for Fields<'_> {
            type Ok = ();
            type Error = Problem;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Outcome {
                self.field(key, value)
            }

            fn end(self) -> Outcome {
                self.finish()
            }
        }
    )*};
}

structs! {
    SerializeStruct;
    SerializeStructVariant;
}

impl ser::SerializeMap for Fields<'_> {
    type Ok = ();
    type Error = Problem;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Outcome {
        // A key is written by itself, and then read: that knows all that may be one.
        let mut alone = Encoder { out: vec![1], depth: DEPTH, path: Vec::new() };
        let done = key.serialize(&mut alone);
        let text = done.ok().and_then(|()| super::decode::key_of(&alone.out));
        self.key = text.ok_or_else(|| {
            Problem("a map's key is no text, number or truth; a Vec of pairs can hold any".to_owned())
        })?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Outcome {
        let key = std::mem::take(&mut self.key);
        self.field(&key, value)
    }

    fn end(self) -> Outcome {
        self.finish()
    }
}
