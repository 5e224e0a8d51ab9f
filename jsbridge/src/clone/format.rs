//! The bytes of a message.
//!
//! ```text
//!   message   count of values, varint | the values
//!   value     tag | what belongs to it
//! ```
//!
//! | tag        | what follows                                                                               |
//! |------------|--------------------------------------------------------------------------------------------|
//! | `Int`      | zigzag varint, 32 bits                                                                     |
//! | `Float`    | 8 bytes                                                                                    |
//! | `BigInt64` | 8 bytes                                                                                    |
//! | `BigInt`   | 1 if negative, else 0 / count, varint / so many hexadecimal digits                         |
//! | `Narrow`   | count, varint / so many bytes, each a character below U+0100                               |
//! | `Wide`     | count, varint / so many UTF-16 units, halves of pairs as they are                          |
//! | `SameText` | index of a text of at least [`TEXT_KEPT`] characters that came before                      |
//! | `Same`     | index of an object: the transferred buffers come first, then all others as they begin      |
//! | `Array`    | count, varint / so many values; `Absent` is a hole                                         |
//! | `Sparse`   | length, varint / pairs of key and value / `End`                                            |
//! | `Object`   | pairs of key and value / `End`                                                             |
//! | `Shape`    | count, varint / so many keys; then as `Shaped`, and the shape has the next index           |
//! | `Shaped`   | index of the shape, varint (not after `Shape`) / as many values as keys; `Absent`: no such property |
//! | `Date`     | 8 bytes                                                                                    |
//! | `RegExp`   | text of the source, text of the flags                                                      |
//! | `Map`      | pairs of key and value / `End`                                                             |
//! | `Set`      | values / `End`                                                                             |
//! | `Boxed`    | a primitive value                                                                          |
//! | `Error`    | which, one byte / parts, one byte / a value each / pairs of key and value / `End`          |
//! | `DomException` | name, message and stack: texts, or `Absent` for the stack                              |
//! | `Buffer`   | 0, or 1 + greatest length, varint / count, varint / so many bytes                          |
//! | `Block`    | 0, or 1 + greatest length, varint / index of a block that travels beside the bytes, varint |
//! | `Shared`   | length, varint / index of a shared block, varint                                           |
//! | `View`     | kind, one byte / offset, varint / 0 if it follows its buffer, or 1 + elements, varint / the buffer's value |
//!
//! A key is a text, or an `Int` that is not negative. Numbers of more than one byte are little endian.
//!
//! Objects and arrays can be built when all that is in them is there, which is fast; unless something inside refers to
//! them. The writer notices that when it happens, and sets the bit [`REFERRED`] in their tag: these are built first.
//!
//! The bytes never leave the process, and still nothing here believes them: no count allocates more than bytes are left
//! to fill it, no index is used unchecked.

/// In the tag of an array or object that something inside it refers to.
pub(crate) const REFERRED: u8 = 0x80;
/// Shorter texts are written each time; of longer ones the first, then its index. One text may be in many places, and a
/// message must not grow beyond what it is made from.
pub(crate) const TEXT_KEPT: usize = 64;

macro_rules! tags {
    ($($name:ident,)*) => {
        /// The first byte of a value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Tag { $($name,)* }

        const TAGS: &[Tag] = &[$(Tag::$name,)*];
    };
}

tags! {
    Undefined, Null, False, True, Int, Float, BigInt64, BigInt, Narrow, Wide, SameText, Same, Array, Sparse, Object, Shape,
    Shaped, Date, RegExp, Map, Set, Boxed, Error, DomException, Buffer, Block, Shared, View, Absent, End,
}

impl Tag {
    /// The tag, and whether it is `REFERRED`.
    pub(crate) fn parse(byte: u8) -> Option<(Tag, bool)> {
        let tag = TAGS.get(usize::from(byte & !REFERRED)).copied()?;
        let referred = byte & REFERRED != 0;
        let may = matches!(tag, Tag::Array | Tag::Shape | Tag::Shaped);
        (may || !referred).then_some((tag, referred))
    }
}

impl Tag {
    /// Does it begin an object, which has an index?
    pub(crate) fn is_object(self) -> bool {
        use Tag::*;
        matches!(
            self,
            Array
                | Sparse
                | Object
                | Shape
                | Shaped
                | Date
                | RegExp
                | Map
                | Set
                | Boxed
                | Error
                | DomException
                | Buffer
                | Block
                | Shared
                | View
        )
    }
}

/// The parts of an error that are no enumerable properties: bits, and their order.
pub(crate) mod part {
    pub(crate) const NAME: u8 = 1;
    pub(crate) const MESSAGE: u8 = 2;
    pub(crate) const STACK: u8 = 4;
    pub(crate) const CAUSE: u8 = 8;
    pub(crate) const ERRORS: u8 = 16;
    pub(crate) const ERROR: u8 = 32;
    pub(crate) const SUPPRESSED: u8 = 64;

    /// Each with its property's name.
    pub(crate) const ALL: [(u8, &std::ffi::CStr); 7] = [
        (NAME, c"name"),
        (MESSAGE, c"message"),
        (STACK, c"stack"),
        (CAUSE, c"cause"),
        (ERRORS, c"errors"),
        (ERROR, c"error"),
        (SUPPRESSED, c"suppressed"),
    ];
}

/// The kinds of errors: the byte is the index.
pub(crate) const ERRORS: [&str; 10] = [
    "Error",
    "EvalError",
    "RangeError",
    "ReferenceError",
    "SyntaxError",
    "TypeError",
    "URIError",
    "InternalError",
    "AggregateError",
    "SuppressedError",
];

/// Kinds of views: the engine's own numbers for typed arrays, then this.
pub(crate) const DATA_VIEW: u8 = 12;
/// Bytes of an element, as a power of two, by the kind.
pub(crate) const ELEMENT_SHIFT: [u8; 13] = [0, 0, 0, 1, 1, 2, 2, 3, 3, 1, 2, 3, 0];

/// Writes numbers.
pub(crate) trait Put {
    fn tag(&mut self, tag: Tag);
    fn varint(&mut self, number: u64);
    fn int(&mut self, number: i32);
    fn narrow(&mut self, text: &[u8]);
    fn wide(&mut self, text: &[u16]);
    fn text(&mut self, text: &str);
}

impl Put for Vec<u8> {
    #[inline]
    fn tag(&mut self, tag: Tag) {
        self.push(tag as u8);
    }

    #[inline]
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.push(number as u8);
    }

    #[inline]
    fn int(&mut self, number: i32) {
        self.tag(Tag::Int);
        self.varint(u64::from(((number << 1) ^ (number >> 31)) as u32));
    }

    fn narrow(&mut self, text: &[u8]) {
        self.tag(Tag::Narrow);
        self.varint(text.len() as u64);
        self.extend_from_slice(text);
    }

    fn wide(&mut self, text: &[u16]) {
        self.tag(Tag::Wide);
        self.varint(text.len() as u64);
        self.extend(text.iter().flat_map(|unit| unit.to_le_bytes()));
    }

    fn text(&mut self, text: &str) {
        if text.is_ascii() {
            return self.narrow(text.as_bytes());
        }
        let units: Vec<u16> = text.encode_utf16().collect();
        self.wide(&units);
    }
}

/// The bytes are not as described above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged {
    /// Where, nearly.
    pub(crate) at: usize,
}

/// A text in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextBytes<'m> {
    /// A byte a character.
    Narrow(&'m [u8]),
    /// Two bytes a unit.
    Wide(&'m [u8]),
}

impl TextBytes<'_> {
    /// How many characters or units it has.
    pub(crate) fn len(self) -> usize {
        match self {
            TextBytes::Narrow(bytes) => bytes.len(),
            TextBytes::Wide(bytes) => bytes.len() / 2,
        }
    }

    /// The units of a wide text.
    pub(crate) fn units(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
        bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
    }

    /// As a string; halves of pairs become U+FFFD.
    pub(crate) fn to_text(self) -> String {
        match self {
            TextBytes::Narrow(bytes) if bytes.is_ascii() => String::from_utf8_lossy(bytes).into_owned(),
            TextBytes::Narrow(bytes) => bytes.iter().map(|byte| char::from(*byte)).collect(),
            TextBytes::Wide(bytes) => char::decode_utf16(TextBytes::units(bytes))
                .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect(),
        }
    }
}

/// Reads numbers, and never beyond the end.
#[derive(Clone, Copy)]
pub(crate) struct Get<'m> {
    bytes: &'m [u8],
    at: usize,
}

impl<'m> Get<'m> {
    pub(crate) fn new(bytes: &'m [u8]) -> Get<'m> {
        Get { bytes, at: 0 }
    }

    pub(crate) fn damaged(&self) -> Damaged {
        Damaged { at: self.at }
    }

    /// How many bytes are before.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Back to where it was before.
    pub(crate) fn go_to(&mut self, position: usize) {
        self.at = position.min(self.bytes.len());
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, Damaged> {
        let byte = *self.bytes.get(self.at).ok_or(self.damaged())?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    pub(crate) fn tag(&mut self) -> Result<(Tag, bool), Damaged> {
        let at = self.damaged();
        Tag::parse(self.byte()?).ok_or(at)
    }

    /// The next tag, which stays there.
    pub(crate) fn peek(&self) -> Result<Tag, Damaged> {
        let mut ahead = *self;
        Ok(ahead.tag()?.0)
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, Damaged> {
        let (mut number, mut shift) = (0_u64, 0);
        loop {
            let byte = self.byte()?;
            if shift > 63 {
                return Err(self.damaged());
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
            shift += 7;
        }
    }

    /// A number that is at most `most`.
    #[inline]
    pub(crate) fn number(&mut self, most: usize) -> Result<usize, Damaged> {
        let number = self.varint()?;
        if number > most as u64 { Err(self.damaged()) } else { Ok(number as usize) }
    }

    /// A count of things of at least one byte each that follow.
    #[inline]
    pub(crate) fn count(&mut self) -> Result<usize, Damaged> {
        let number = self.varint()?;
        if number > self.left() as u64 { Err(self.damaged()) } else { Ok(number as usize) }
    }

    #[inline]
    pub(crate) fn int(&mut self) -> Result<i32, Damaged> {
        let number = self.number(u32::MAX as usize)? as u32;
        Ok((number >> 1) as i32 ^ -((number & 1) as i32))
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'m [u8], Damaged> {
        if count > self.left() {
            return Err(self.damaged());
        }
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    pub(crate) fn eight(&mut self) -> Result<[u8; 8], Damaged> {
        let at = self.damaged();
        self.take(8)?.try_into().map_err(|_| at)
    }

    pub(crate) fn float(&mut self) -> Result<f64, Damaged> {
        Ok(f64::from_le_bytes(self.eight()?))
    }

    /// What follows the tag `Narrow` or `Wide`.
    #[inline]
    pub(crate) fn text_of(&mut self, tag: Tag) -> Result<TextBytes<'m>, Damaged> {
        let count = self.count()?;
        match tag {
            Tag::Narrow => Ok(TextBytes::Narrow(self.take(count)?)),
            Tag::Wide => Ok(TextBytes::Wide(self.take(count.saturating_mul(2))?)),
            _ => Err(self.damaged()),
        }
    }

    /// A `BigInt` after its tag: is it negative, and its hexadecimal digits.
    pub(crate) fn digits(&mut self) -> Result<(bool, &'m [u8]), Damaged> {
        let negative = self.number(1)? == 1;
        let count = self.count()?;
        let digits = self.take(count)?;
        if count == 0 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(self.damaged());
        }
        Ok((negative, digits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_no_count_is_believed() {
        let mut bytes = Vec::new();
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX];
        numbers.iter().for_each(|number| bytes.varint(*number));
        let mut get = Get::new(&bytes);
        assert!(numbers.iter().all(|number| get.varint() == Ok(*number)));
        assert!(get.byte().is_err());

        for number in [0, 1, -1, 63, -64, i32::MAX, i32::MIN] {
            let mut bytes = Vec::new();
            bytes.int(number);
            let mut get = Get::new(&bytes);
            assert_eq!(get.tag(), Ok((Tag::Int, false)));
            assert_eq!(get.int(), Ok(number));
        }
        assert!(Get::new(&[5, 1, 2, 3, 4]).count().is_err(), "five things do not fit into four bytes");
        assert!(Get::new(&[0xff; 11]).varint().is_err());
        assert!(Tag::parse(Tag::Map as u8 | REFERRED).is_none());
        assert!(Tag::parse(Tag::End as u8 + 1).is_none());
    }
}
