//! Bytes to Rust values: the walk, without an engine.
//!
//! The reader goes forward through the bytes, and writes down where objects, long texts and shapes begin as it comes to them
//! for the first time. At a reference it goes back there, reads, and returns: Rust values own what they have, so an object in
//! two places becomes two. A cycle is an error; and so is reading the same things again and again without end, which a few
//! bytes could ask for.

use super::access;
use super::bytes_of::Bytes;
use super::encode::DEPTH;
use super::format::{Damaged, Get, TEXT_KEPT, Tag, TextBytes};
use super::message::{Beside, Message};
use crate::error::Error;
use serde::de::{self, DeserializeOwned};
use std::borrow::Cow;
use std::fmt::{self, Display};

/// Values that are read again by reference: so many in one message. Picked from thin air; it takes a fraction of a second.
const AGAIN_MOST: usize = 1 << 20;

/// A Rust value of the first value in a message.
///
/// # Errors
/// The value is no `T`; the message has the path to what does not fit.
pub(crate) fn from_message<T: DeserializeOwned>(message: &Message) -> Result<T, Error> {
    with_first(message, |decoder| T::deserialize(decoder))
}

/// Calls with a decoder that stands before the first value.
pub(super) fn with_first<R>(
    message: &Message,
    read: impl FnOnce(&mut Decoder<'_>) -> Result<R, Misfit>,
) -> Result<R, Error> {
    let nothing = Beside::default();
    let beside = message.beside.as_deref().unwrap_or(&nothing);
    let mut decoder = Decoder::new(message.bytes(), beside);
    let result = decoder.first().and_then(|()| read(&mut decoder));
    result.map_err(|misfit| Error::conversion(misfit.text("value")))
}

/// The text of a key in a message of its own.
pub(super) fn key_of(bytes: &[u8]) -> Option<String> {
    let beside = Beside::default();
    let mut decoder = Decoder::new(bytes, &beside);
    decoder.first().ok()?;
    let head = decoder.head().ok()?;
    Some(match head {
        Head::Text(text) => text.to_text(),
        Head::Bool(truth) => truth.to_string(),
        Head::Int(number) => number.to_string(),
        Head::Float(number) => crate::Value::Number(number).to_string(),
        Head::BigInt { negative, digits } => decimal(negative, &digits),
        _ => return None,
    })
}

/// What did not fit, and where.
#[derive(Debug)]
pub(super) struct Misfit {
    message: String,
    /// The steps to it, the last first.
    path: Vec<String>,
}

impl Misfit {
    pub(super) fn new(message: impl Into<String>) -> Misfit {
        Misfit { message: message.into(), path: Vec::new() }
    }

    /// It was found below this step.
    pub(super) fn below(mut self, step: String) -> Misfit {
        self.path.push(step);
        self
    }

    fn text(&self, root: &str) -> String {
        let path: String = self.path.iter().rev().map(String::as_str).collect();
        format!("{root}{path}: {}", self.message)
    }
}

impl Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: Display>(message: T) -> Misfit {
        Misfit::new(message.to_string())
    }
}

impl From<Damaged> for Misfit {
    fn from(Damaged { at }: Damaged) -> Misfit {
        Misfit::new(format!("the message is damaged at byte {at}"))
    }
}

/// How a value begins.
#[derive(Clone, Debug)]
pub(super) enum Head<'m> {
    Undefined,
    Null,
    Bool(bool),
    Int(i32),
    Float(f64),
    /// In hexadecimal digits.
    BigInt {
        negative: bool,
        digits: Cow<'m, [u8]>,
    },
    Text(TextBytes<'m>),
    Array(usize),
    Sparse(usize),
    Pairs,
    Shaped(usize),
    Date(f64),
    RegExp(String),
    Map,
    Set,
    Error {
        kind: usize,
        parts: u8,
    },
    DomException {
        name: String,
        message: String,
        stack: Option<String>,
    },
    Bytes(Bytes<'m>),
}

/// Where an object is.
#[derive(Clone, Copy)]
enum Place {
    /// At this byte.
    At(usize),
    /// It is a transferred buffer.
    Transferred(usize),
}

pub(super) struct Decoder<'m> {
    pub(super) get: Get<'m>,
    beside: &'m Beside,
    objects: Vec<Place>,
    texts: Vec<TextBytes<'m>>,
    shapes: Vec<Vec<String>>,
    /// Where each of them begins, in this order.
    shape_places: Vec<usize>,
    /// What begins before this byte has been seen.
    seen: usize,
    pub(super) depth: usize,
    /// How many references are being followed now.
    following: usize,
    again: usize,
}

impl<'m> Decoder<'m> {
    fn new(bytes: &'m [u8], beside: &'m Beside) -> Decoder<'m> {
        Decoder {
            get: Get::new(bytes),
            beside,
            objects: (0..beside.transferred.len()).map(Place::Transferred).collect(),
            texts: Vec::new(),
            shapes: Vec::new(),
            shape_places: Vec::new(),
            seen: 0,
            depth: 0,
            following: 0,
            again: 0,
        }
    }

    /// To the first value.
    fn first(&mut self) -> Result<(), Misfit> {
        if self.get.count()? == 0 {
            return Err(Misfit::new("the message has no value"));
        }
        Ok(())
    }

    pub(super) fn damaged(&self) -> Misfit {
        self.get.damaged().into()
    }

    /// Is what begins there come to for the first time?
    fn is_new(&mut self, at: usize) -> bool {
        let new = at >= self.seen;
        if new {
            self.seen = at + 1;
        }
        new
    }

    fn new_object(&mut self, at: usize) {
        if self.is_new(at) {
            self.objects.push(Place::At(at));
        }
    }

    /// Reads how the next value begins. If that is a reference, `read` has to be used.
    fn head(&mut self) -> Result<Head<'m>, Misfit> {
        let at = self.get.position();
        let (tag, _) = self.get.tag()?;
        if self.following > 0 {
            self.again += 1;
            if self.again > AGAIN_MOST {
                return Err(Misfit::new(
                    "refers to the same values again and again: it is too large for Rust",
                ));
            }
        }
        if tag.is_object() {
            self.new_object(at);
        }
        Ok(match tag {
            Tag::Undefined | Tag::Absent => Head::Undefined,
            Tag::Null => Head::Null,
            Tag::False => Head::Bool(false),
            Tag::True => Head::Bool(true),
            Tag::Int => Head::Int(self.get.int()?),
            Tag::Float => Head::Float(self.get.float()?),
            Tag::BigInt64 => {
                let number = i64::from_le_bytes(self.get.eight()?);
                let digits = format!("{:x}", number.unsigned_abs()).into_bytes();
                Head::BigInt { negative: number < 0, digits: digits.into() }
            }
            Tag::BigInt => {
                let (negative, digits) = self.get.digits()?;
                Head::BigInt { negative, digits: digits.into() }
            }
            Tag::Narrow | Tag::Wide => {
                let text = self.get.text_of(tag)?;
                if text.len() >= TEXT_KEPT && self.is_new(at) {
                    self.texts.push(text);
                }
                Head::Text(text)
            }
            Tag::SameText => {
                let index = self.get.number(usize::MAX)?;
                Head::Text(*self.texts.get(index).ok_or_else(|| self.damaged())?)
            }
            Tag::Array => Head::Array(self.get.count()?),
            Tag::Sparse => Head::Sparse(self.get.number(u32::MAX as usize)?),
            Tag::Object => Head::Pairs,
            Tag::Shape => Head::Shaped(self.shape(at)?),
            Tag::Shaped => {
                let index = self.get.number(usize::MAX)?;
                if index >= self.shapes.len() {
                    return Err(self.damaged());
                }
                Head::Shaped(index)
            }
            Tag::Date => Head::Date(self.get.float()?),
            Tag::RegExp => {
                let (source, flags) = (self.plain_text()?, self.plain_text()?);
                Head::RegExp(format!("/{source}/{flags}"))
            }
            Tag::Map => Head::Map,
            Tag::Set => Head::Set,
            Tag::Boxed => return self.head(),
            Tag::Error => {
                let (kind, parts) = (self.get.byte()?.into(), self.get.byte()?);
                Head::Error { kind, parts }
            }
            Tag::DomException => {
                let (name, message) = (self.plain_text()?, self.plain_text()?);
                let stack = if self.get.peek()? == Tag::Absent {
                    self.get.tag()?;
                    None
                } else {
                    Some(self.plain_text()?)
                };
                Head::DomException { name, message, stack }
            }
            Tag::Buffer | Tag::Block | Tag::Shared => Head::Bytes(self.buffer(tag)?),
            Tag::View => Head::Bytes(self.view()?),
            Tag::Same | Tag::End => return Err(self.damaged()),
        })
    }

    /// The keys of a shape, after its tag; its index.
    fn shape(&mut self, at: usize) -> Result<usize, Misfit> {
        let count = self.get.count()?;
        let mut keys = Vec::new();
        for _ in 0..count {
            keys.push(self.plain_text()?);
        }
        if let Ok(known) = self.shape_places.binary_search(&at) {
            return Ok(known);
        }
        self.shapes.push(keys);
        self.shape_places.push(at);
        Ok(self.shapes.len() - 1)
    }

    /// A text that is a part of something.
    fn plain_text(&mut self) -> Result<String, Misfit> {
        let (tag, _) = self.get.tag()?;
        Ok(self.get.text_of(tag)?.to_text())
    }

    fn buffer(&mut self, tag: Tag) -> Result<Bytes<'m>, Misfit> {
        if tag == Tag::Shared {
            let length = self.get.number(usize::MAX)?;
            let index = self.get.number(usize::MAX)?;
            let mut bytes = self.beside.shared.get(index).ok_or_else(|| self.damaged())?.snapshot();
            bytes.truncate(length);
            return Ok(Bytes::new(bytes.into()));
        }
        self.get.varint()?;
        if tag == Tag::Buffer {
            let count = self.get.count()?;
            return Ok(Bytes::new(self.get.take(count)?.into()));
        }
        let index = self.get.number(usize::MAX)?;
        let block = self.beside.blocks.get(index).and_then(Option::as_ref);
        Ok(Bytes::new(block.ok_or_else(|| self.damaged())?.bytes().into()))
    }

    fn view(&mut self) -> Result<Bytes<'m>, Misfit> {
        let kind = self.get.byte()?;
        let offset = self.get.number(usize::MAX)?;
        let elements = self.get.number(usize::MAX)?.checked_sub(1);
        let at = self.get.damaged();
        // Its buffer is a buffer, or a reference to one: not a view again.
        let buffer = match self.get.peek()? {
            Tag::Buffer | Tag::Block | Tag::Shared => self.head()?,
            Tag::Same => {
                self.get.tag()?;
                let index = self.get.number(usize::MAX)?;
                let back = self.get;
                match self.objects.get(index).copied() {
                    Some(Place::Transferred(index)) => self.transferred(index)?,
                    Some(Place::At(place)) => {
                        self.get.go_to(place);
                        if !matches!(self.get.peek()?, Tag::Buffer | Tag::Block | Tag::Shared) {
                            return Err(self.damaged());
                        }
                        let head = self.head()?;
                        self.get = back;
                        head
                    }
                    None => return Err(self.damaged()),
                }
            }
            _ => return Err(self.damaged()),
        };
        match buffer {
            Head::Bytes(bytes) => Ok(bytes.view(kind, offset, elements, at)?),
            _ => Err(self.damaged()),
        }
    }

    fn transferred(&self, index: usize) -> Result<Head<'m>, Misfit> {
        let (block, _) = self.beside.transferred.get(index).ok_or_else(|| self.damaged())?;
        Ok(Head::Bytes(Bytes::new(block.bytes().into())))
    }

    /// Reads a value by a function that is given its beginning; references are followed.
    pub(super) fn read<R>(
        &mut self,
        read: impl FnOnce(&mut Decoder<'m>, Head<'m>) -> Result<R, Misfit>,
    ) -> Result<R, Misfit> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Misfit::new(format!("more than {DEPTH} values are in each other, or in themselves")));
        }
        let result = if self.get.peek()? == Tag::Same {
            self.follow(read)
        } else {
            let head = self.head()?;
            read(self, head)
        };
        self.depth -= 1;
        result
    }

    fn follow<R>(
        &mut self,
        read: impl FnOnce(&mut Decoder<'m>, Head<'m>) -> Result<R, Misfit>,
    ) -> Result<R, Misfit> {
        self.get.tag()?;
        let index = self.get.number(usize::MAX)?;
        let place = *self.objects.get(index).ok_or_else(|| self.damaged())?;
        let back = self.get;
        let head = match place {
            Place::Transferred(index) => self.transferred(index)?,
            Place::At(at) => {
                self.get.go_to(at);
                self.following += 1;
                let head = self.head()?;
                let result = read(self, head);
                self.following -= 1;
                self.get = back;
                return result;
            }
        };
        read(self, head)
    }

    /// Reads a value and lets it go.
    pub(super) fn skip(&mut self) -> Result<(), Misfit> {
        access::skip(self)
    }

    /// The key at an index of a shape.
    pub(super) fn shape_key(&self, shape: usize, index: usize) -> Option<String> {
        self.shapes.get(shape)?.get(index).cloned()
    }

    /// The next pair's key, as text; `None` at the end.
    pub(super) fn pair_key(&mut self) -> Result<Option<String>, Misfit> {
        let (tag, _) = self.get.tag()?;
        Ok(match tag {
            Tag::End => None,
            Tag::Int => Some(self.get.int()?.to_string()),
            _ => Some(self.get.text_of(tag)?.to_text()),
        })
    }

    /// `End` is next, and is read.
    pub(super) fn end(&mut self) -> Result<bool, Misfit> {
        let end = self.get.peek()? == Tag::End;
        if end {
            self.get.tag()?;
        }
        Ok(end)
    }
}

/// The decimal digits of a number in hexadecimal ones.
pub(super) fn decimal(negative: bool, digits: &[u8]) -> String {
    const CHUNK: u64 = 10_000_000_000_000_000_000;
    // Least first, each below CHUNK.
    let mut chunks: Vec<u64> = vec![0];
    for digit in digits {
        let mut carry = u128::from(char::from(*digit).to_digit(16).unwrap_or(0));
        for chunk in &mut chunks {
            let value = u128::from(*chunk) * 16 + carry;
            *chunk = (value % u128::from(CHUNK)) as u64;
            carry = value / u128::from(CHUNK);
        }
        if carry > 0 {
            chunks.push(carry as u64);
        }
    }
    let mut text = String::from(if negative { "-" } else { "" });
    for (index, chunk) in chunks.iter().rev().enumerate() {
        text.push_str(&if index == 0 { chunk.to_string() } else { format!("{chunk:019}") });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn large_numbers_become_decimal() {
        for number in [0_u128, 1, 9, 10, u128::from(u64::MAX), 10_u128.pow(19), 10_u128.pow(38), u128::MAX] {
            assert_eq!(decimal(false, format!("{number:x}").as_bytes()), number.to_string());
        }
        assert_eq!(decimal(true, b"ff"), "-255");
    }
}
