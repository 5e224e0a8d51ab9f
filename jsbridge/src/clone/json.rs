//! Bytes to [`Value`]s: primitives as they are, and everything else as `JSON.stringify` would write it, without an engine.
//!
//! The one difference: where `JSON.stringify` throws, for a `BigInt`, its digits are written.

use super::access::{HOLES_MOST, rfc3339};
use super::bytes_of::{Bytes, Element};
use super::decode::{Decoder, Head, Misfit, decimal, with_first};
use super::format::{Tag, TextBytes};
use super::message::Message;
use crate::error::Error;
use crate::value::Value;
use std::fmt::Write as _;

/// The first value in a message.
///
/// # Errors
/// More than 128 values are in each other; an object is in itself.
pub(crate) fn to_value(message: &Message) -> Result<Value, Error> {
    with_first(message, |decoder| {
        decoder.read(|decoder, head| {
            Ok(match head {
                Head::Undefined => Value::Undefined,
                Head::Null => Value::Null,
                Head::Bool(truth) => Value::Bool(truth),
                Head::Int(number) => Value::Number(number.into()),
                Head::Float(number) => Value::Number(number),
                Head::BigInt { negative, digits } => Value::BigInt(decimal(negative, &digits)),
                Head::Text(text) => Value::String(text.to_text()),
                head => {
                    let mut json = String::new();
                    write(decoder, head, &mut json)?;
                    Value::Json(json)
                }
            })
        })
    })
}

/// Writes the next value; false, and nothing is written, if JSON leaves it out.
fn next(decoder: &mut Decoder<'_>, out: &mut String) -> Result<bool, Misfit> {
    decoder.read(|decoder, head| write(decoder, head, out))
}

fn write(decoder: &mut Decoder<'_>, head: Head<'_>, out: &mut String) -> Result<bool, Misfit> {
    match head {
        Head::Undefined => return Ok(false),
        Head::Null => out.push_str("null"),
        Head::Bool(truth) => out.push_str(if truth { "true" } else { "false" }),
        Head::Int(number) => write_number(number.into(), out),
        Head::Float(number) => write_number(number, out),
        Head::BigInt { negative, digits } => out.push_str(&decimal(negative, &digits)),
        Head::Text(text) => quote(text, out),
        Head::Date(time) if time.is_finite() => {
            let _ = write!(out, "\"{}\"", rfc3339(time));
        }
        Head::Date(_) => out.push_str("null"),
        Head::RegExp(_) | Head::DomException { .. } => out.push_str("{}"),
        Head::Bytes(bytes) => write_bytes(&bytes, out),
        Head::Map => {
            while !decoder.end()? {
                decoder.skip()?;
                decoder.skip()?;
            }
            out.push_str("{}");
        }
        Head::Set => {
            while !decoder.end()? {
                decoder.skip()?;
            }
            out.push_str("{}");
        }
        Head::Error { parts, .. } => {
            for _ in 0..parts.count_ones() {
                decoder.skip()?;
            }
            write_pairs(decoder, out)?;
        }
        Head::Array(count) => {
            let mut list = List::new(out, '[', ']');
            for _ in 0..count {
                list.item(|out| element(decoder, out))?;
            }
            list.end();
        }
        Head::Sparse(length) => write_sparse(decoder, length, out)?,
        Head::Pairs => write_pairs(decoder, out)?,
        Head::Shaped(shape) => {
            let (mut list, mut index) = (List::new(out, '{', '}'), 0);
            while let Some(key) = decoder.shape_key(shape, index) {
                index += 1;
                if decoder.get.peek()? == Tag::Absent {
                    decoder.get.tag()?;
                } else {
                    list.item(|out| field(decoder, &key, out))?;
                }
            }
            list.end();
        }
    }
    Ok(true)
}

/// Items with commas between them.
struct List<'o> {
    out: &'o mut String,
    close: char,
    first: bool,
}

impl<'o> List<'o> {
    fn new(out: &'o mut String, open: char, close: char) -> List<'o> {
        out.push(open);
        List { out, close, first: true }
    }

    /// One more, unless it turns out to be left out.
    fn item(&mut self, write: impl FnOnce(&mut String) -> Result<bool, Misfit>) -> Result<(), Misfit> {
        let before = self.out.len();
        if !self.first {
            self.out.push(',');
        }
        if write(self.out)? {
            self.first = false;
        } else {
            self.out.truncate(before);
        }
        Ok(())
    }

    fn end(self) {
        self.out.push(self.close);
    }
}

/// An element of an array: what JSON leaves out is null there.
fn element(decoder: &mut Decoder<'_>, out: &mut String) -> Result<bool, Misfit> {
    if !next(decoder, out)? {
        out.push_str("null");
    }
    Ok(true)
}

fn field(decoder: &mut Decoder<'_>, key: &str, out: &mut String) -> Result<bool, Misfit> {
    quote_units(key.chars().map(Ok), out);
    out.push(':');
    next(decoder, out)
}

fn write_pairs(decoder: &mut Decoder<'_>, out: &mut String) -> Result<(), Misfit> {
    let mut list = List::new(out, '{', '}');
    while let Some(key) = decoder.pair_key()? {
        list.item(|out| field(decoder, &key, out))?;
    }
    list.end();
    Ok(())
}

fn write_sparse(decoder: &mut Decoder<'_>, length: usize, out: &mut String) -> Result<(), Misfit> {
    let (mut list, mut count, mut holes) = (List::new(out, '[', ']'), 0, 0);
    let mut hole = |list: &mut List<'_>| {
        holes += 1;
        if holes > HOLES_MOST {
            return Err(Misfit::new("an array with so many holes is too large for JSON"));
        }
        list.item(|out| {
            out.push_str("null");
            Ok(true)
        })
    };
    while let Some(key) = decoder.pair_key()? {
        match key.parse::<usize>() {
            Ok(index) if index >= count && index < length => {
                while count < index {
                    hole(&mut list)?;
                    count += 1;
                }
                list.item(|out| element(decoder, out))?;
                count += 1;
            }
            _ => decoder.skip()?,
        }
    }
    while count < length {
        hole(&mut list)?;
        count += 1;
    }
    list.end();
    Ok(())
}

/// A typed array is an object to JSON.
fn write_bytes(bytes: &Bytes<'_>, out: &mut String) {
    out.push('{');
    if bytes.is_typed() {
        for index in 0..bytes.len() {
            let _ = write!(out, "{}\"{index}\":", if index > 0 { "," } else { "" });
            match bytes.element(index) {
                Some(Element::Float(number)) => write_number(number, out),
                Some(Element::Large(number)) => out.push_str(&number.to_string()),
                Some(Element::Whole(number)) => out.push_str(&number.to_string()),
                None => {}
            }
        }
    }
    out.push('}');
}

fn write_number(number: f64, out: &mut String) {
    if number.is_finite() {
        let _ = write!(out, "{}", Value::Number(number));
    } else {
        out.push_str("null");
    }
}

/// As `JSON.stringify` quotes, halves of surrogate pairs included.
fn quote(text: TextBytes<'_>, out: &mut String) {
    match text {
        TextBytes::Narrow(bytes) => quote_units(bytes.iter().map(|byte| Ok(char::from(*byte))), out),
        TextBytes::Wide(bytes) => {
            let units = char::decode_utf16(TextBytes::units(bytes));
            quote_units(units.map(|c| c.map_err(|half| half.unpaired_surrogate())), out);
        }
    }
}

fn quote_units(text: impl Iterator<Item = Result<char, u16>>, out: &mut String) {
    out.push('"');
    for c in text {
        match c {
            Ok('"') => out.push_str("\\\""),
            Ok('\\') => out.push_str("\\\\"),
            Ok('\n') => out.push_str("\\n"),
            Ok('\r') => out.push_str("\\r"),
            Ok('\t') => out.push_str("\\t"),
            Ok('\u{8}') => out.push_str("\\b"),
            Ok('\u{c}') => out.push_str("\\f"),
            Ok(c) if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            Ok(c) => out.push(c),
            Err(half) => {
                let _ = write!(out, "\\u{half:04x}");
            }
        }
    }
    out.push('"');
}
