//! `TextEncoder` and `TextDecoder`: see `js/text.js`.

use super::lazy::{Globals, lazy};
use crate::clone;
use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::native::{Call, Native};
use crate::isolate::prelude::Prelude;
use crate::isolate::table::Entry;
use std::ffi::CStr;

static PRELUDE: Prelude = Prelude::new(c"heddle:text", include_str!("js/text.js"));

/// The classes.
pub(crate) struct Text;

impl Globals for Text {
    const NAMES: &'static [&'static CStr] = &[c"TextEncoder", c"TextDecoder"];

    fn make<'a>(scope: Scope<'a>, which: usize) -> JsResult<'a, Handle<'a>> {
        let exports = PRELUDE.once(scope, |prelude| {
            let made = prelude.instantiate(
                scope,
                &[
                    &scope.new_function::<Encode>(c"encode", 0)?,
                    &scope.new_function::<EncodeInto>(c"encodeInto", 0)?,
                    &scope.new_function::<Decode>(c"decode", 0)?,
                    &scope.new_function::<IsUtf8>(c"isUtf8", 0)?,
                ],
            )?;
            clone::refuse_what(scope, made.get(c"classOf")?);
            Ok(made)
        });
        exports?.get(Self::NAMES[which])
    }
}

/// The lines of the global table.
pub(crate) static TABLE: [Entry; 2] = [lazy::<Text>(0), lazy::<Text>(1)];

struct Encode;

impl Native for Encode {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        scope.bytes(call.argument(0).text()?.as_bytes())
    }
}

struct EncodeInto;

impl Native for EncodeInto {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        let text = call.argument(0).text()?;
        let mut read = 0;
        let written = call.argument(1).write_bytes(|room| {
            let mut written = 0;
            for c in text.chars() {
                let Some(place) = room.get_mut(written..written + c.len_utf8()) else { break };
                c.encode_utf8(place);
                written += c.len_utf8();
                read += c.len_utf16();
            }
            written
        })?;
        let Some(written) = written else {
            return Err(scope.type_error("TextEncoder.encodeInto: the second argument must be a Uint8Array"));
        };
        let result = scope.new_array()?;
        result.push(scope.number(read as f64))?;
        result.push(scope.number(written as f64))?;
        Ok(result)
    }
}

/// Is it one of the standard's labels of UTF-8?
struct IsUtf8;

impl Native for IsUtf8 {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        const LABELS: [&str; 6] =
            ["utf-8", "utf8", "unicode-1-1-utf-8", "unicode11utf8", "unicode20utf8", "x-unicode20utf8"];
        let label = call.argument(0).text()?.trim().to_ascii_lowercase();
        Ok(scope.boolean(LABELS.contains(&label.as_str())))
    }
}

const FATAL: u32 = 1;
const STREAM: u32 = 2;
const KEEP_MARK: u32 = 4;
const BEGUN: u32 = 8;

struct Decode;

impl Native for Decode {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        let (input, kept, flags) = (call.argument(0), call.argument(1), call.argument(2));
        let (kept, flags) = (kept.to_number()? as u32, flags.to_number()? as u32);
        let new = if input.is_undefined() { Some(Vec::new()) } else { input.to_bytes()? };
        let Some(new) = new else {
            return Err(
                scope.type_error("TextDecoder.decode: the input must be an ArrayBuffer or a view of one")
            );
        };
        let mut bytes = unpack(kept);
        bytes.extend_from_slice(&new);
        let decoded = decode(&bytes, flags);
        let Ok((text, rest, begun)) = decoded else {
            return Err(scope.type_error("TextDecoder.decode: the bytes are not UTF-8"));
        };
        let result = scope.new_array()?;
        result.push(scope.string(&text)?)?;
        result.push(scope.number(f64::from(pack(rest))))?;
        result.push(scope.boolean(begun))?;
        Ok(result)
    }
}

/// The text, the bytes at the end that are the beginning of a character, and whether the beginning of the stream is
/// behind.
fn decode(bytes: &[u8], flags: u32) -> Result<(String, &[u8], bool), ()> {
    const MARK: &[u8] = b"\xEF\xBB\xBF";
    let (stream, begun) = (flags & STREAM != 0, flags & BEGUN != 0);
    let mut bytes = bytes;
    if !begun && flags & KEEP_MARK == 0 {
        if stream && bytes.len() < MARK.len() && MARK.starts_with(bytes) {
            return Ok((String::new(), bytes, false));
        }
        bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
    }
    let mut text = String::with_capacity(bytes.len());
    loop {
        match std::str::from_utf8(bytes) {
            Ok(rest) => {
                text.push_str(rest);
                return Ok((text, &[], true));
            }
            Err(error) => {
                let (good, bad) = bytes.split_at(error.valid_up_to());
                text.push_str(std::str::from_utf8(good).unwrap_or_default());
                match error.error_len() {
                    None if stream => return Ok((text, bad, true)),
                    _ if flags & FATAL != 0 => return Err(()),
                    None => {
                        text.push('\u{fffd}');
                        return Ok((text, &[], true));
                    }
                    Some(length) => {
                        text.push('\u{fffd}');
                        bytes = &bad[length..];
                    }
                }
            }
        }
    }
}

/// Up to three bytes as a number: how many, then they.
fn pack(bytes: &[u8]) -> u32 {
    bytes.iter().fold(bytes.len() as u32, |packed, byte| packed << 8 | u32::from(*byte))
}

fn unpack(packed: u32) -> Vec<u8> {
    let bytes = packed.to_be_bytes();
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    bytes.get(first + 1..).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_bytes_survive_packing() {
        for bytes in [&b""[..], b"\xe2", b"\xe2\x82", b"\xf0\x9f\x98", b"\xef\xbb"] {
            assert_eq!(unpack(pack(bytes)), bytes);
        }
    }

    #[test]
    fn a_stream_is_decoded_byte_by_byte_as_at_once() {
        let text = "\u{feff}a€😀é\u{fffd}";
        let mut decoded = String::new();
        let (mut kept, mut begun) = (Vec::new(), false);
        for byte in text.bytes() {
            kept.push(byte);
            let held = std::mem::take(&mut kept);
            let (part, rest, now) = decode(&held, STREAM | if begun { BEGUN } else { 0 }).unwrap();
            decoded += &part;
            kept = rest.to_vec();
            begun = now;
        }
        assert_eq!(decoded, text.strip_prefix('\u{feff}').unwrap());
    }
}
