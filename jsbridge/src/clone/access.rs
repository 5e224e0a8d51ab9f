//! Bytes to Rust values: what serde asks for.
//!
//! | JavaScript                     | Rust                                                                         |
//! |--------------------------------|------------------------------------------------------------------------------|
//! | `undefined`, `null`, a hole    | `None`, `()`                                                                 |
//! | a number                       | an integer if it is whole, or a float, as asked                              |
//! | a `BigInt`                     | an integer if it fits, a float, or its decimal digits as a string            |
//! | a string                       | a string; half surrogate pairs become U+FFFD. An enum's variant              |
//! | an array, a `Set`              | a sequence; of an array that is sparse, while it is not much longer than full |
//! | an object, an `Error`          | a struct, a map, an enum's variant with its content                          |
//! | a `Map`                        | a map, with any keys                                                         |
//! | a `Date`                       | its milliseconds as a number, or RFC 3339 as a string, as asked              |
//! | a `RegExp`                     | its text                                                                     |
//! | a buffer, a view               | bytes (`deserialize_bytes`), or a sequence of the elements                   |

use super::bytes_of::{Bytes, Element};
use super::decode::{Decoder, Head, Misfit, decimal};
use super::encode::SAFE;
use super::format::{ERRORS, Tag, part};
use serde::de::value::{MapDeserializer, StringDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, IntoDeserializer, Visitor};

/// An array may be so much longer than it has elements: holes become values, and there could be 2^32.
pub(super) const HOLES_MOST: usize = 1 << 16;

/// What the Rust type would like where there is a choice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Any,
    Whole,
    Float,
    Bytes,
    Text,
}

/// Reads a value and lets it go.
pub(super) fn skip(decoder: &mut Decoder<'_>) -> Result<(), Misfit> {
    decoder.read(|decoder, head| visit(decoder, head, IgnoredAny, Asked::Any)).map(|_| ())
}

/// Shows a value to a visitor.
pub(super) fn visit<'de, V: Visitor<'de>>(
    decoder: &mut Decoder<'_>,
    head: Head<'_>,
    visitor: V,
    asked: Asked,
) -> Result<V::Value, Misfit> {
    match head {
        Head::Undefined | Head::Null => visitor.visit_unit(),
        Head::Bool(truth) => visitor.visit_bool(truth),
        Head::Int(number) if asked == Asked::Float => visitor.visit_f64(number.into()),
        Head::Int(number) => whole(number.into(), visitor),
        Head::Float(number) => float(number, visitor, asked),
        Head::BigInt { negative, digits } => big(negative, &digits, visitor, asked),
        Head::Text(text) => visitor.visit_string(text.to_text()),
        Head::Array(count) => sequence(decoder, visitor, Counted { left: count, next: 0 }),
        Head::Sparse(length) => sparse(decoder, visitor, length),
        Head::Pairs => mapping(decoder, visitor, Keys::Pairs),
        Head::Shaped(shape) => mapping(decoder, visitor, Keys::Shape { shape, next: 0 }),
        Head::Date(time) => date(time, visitor, asked),
        Head::RegExp(text) => visitor.visit_string(text),
        Head::Map => entries(decoder, visitor),
        Head::Set => {
            let mut set = Unknown { decoder, next: 0, ended: false };
            let value = visitor.visit_seq(&mut set)?;
            while de::SeqAccess::next_element::<IgnoredAny>(&mut set)?.is_some() {}
            Ok(value)
        }
        Head::Error { kind, parts } => {
            if kind >= ERRORS.len() {
                return Err(decoder.damaged());
            }
            mapping(decoder, visitor, Keys::Error { kind, parts, named: parts & part::NAME != 0 })
        }
        Head::DomException { name, message, stack } => {
            let parts = [("name", Some(name)), ("message", Some(message)), ("stack", stack)];
            let parts = parts.into_iter().filter_map(|(key, text)| Some((key, text?)));
            visitor.visit_map(MapDeserializer::new(parts))
        }
        Head::Bytes(bytes) if asked == Asked::Bytes => visitor.visit_byte_buf(bytes.bytes.into_owned()),
        Head::Bytes(bytes) => visitor.visit_seq(Elements { bytes, next: 0 }),
    }
}

fn whole<'de, V: Visitor<'de>>(number: i64, visitor: V) -> Result<V::Value, Misfit> {
    match u64::try_from(number) {
        Ok(number) => visitor.visit_u64(number),
        Err(_) => visitor.visit_i64(number),
    }
}

fn float<'de, V: Visitor<'de>>(number: f64, visitor: V, asked: Asked) -> Result<V::Value, Misfit> {
    let is_whole = number.fract() == 0.0 && !(number == 0.0 && number.is_sign_negative());
    let most = if asked == Asked::Whole { -(i64::MIN as f64) } else { SAFE as f64 };
    if asked == Asked::Float || !is_whole {
        visitor.visit_f64(number)
    } else if number.abs() <= most && number < -(i64::MIN as f64) {
        whole(number as i64, visitor)
    } else if asked == Asked::Whole && number > 0.0 && number < 2_f64.powi(64) {
        visitor.visit_u64(number as u64)
    } else {
        visitor.visit_f64(number)
    }
}

fn big<'de, V: Visitor<'de>>(
    negative: bool,
    digits: &[u8],
    visitor: V,
    asked: Asked,
) -> Result<V::Value, Misfit> {
    let text = || decimal(negative, digits);
    match asked {
        Asked::Text => return visitor.visit_string(text()),
        Asked::Float => return visitor.visit_f64(text().parse().unwrap_or(f64::NAN)),
        _ => {}
    }
    let magnitude = std::str::from_utf8(digits).ok().and_then(|digits| u128::from_str_radix(digits, 16).ok());
    let Some(magnitude) = magnitude else { return visitor.visit_string(text()) };
    let number = i128::try_from(magnitude).map(|number| if negative { -number } else { number });
    match number {
        Ok(number) => match (i64::try_from(number), u64::try_from(number)) {
            (Ok(number), _) => whole(number, visitor),
            (_, Ok(number)) => visitor.visit_u64(number),
            _ => visitor.visit_i128(number),
        },
        Err(_) if negative && magnitude == i128::MIN.unsigned_abs() => visitor.visit_i128(i128::MIN),
        Err(_) if negative => visitor.visit_string(text()),
        Err(_) => visitor.visit_u128(magnitude),
    }
}

fn date<'de, V: Visitor<'de>>(time: f64, visitor: V, asked: Asked) -> Result<V::Value, Misfit> {
    match asked {
        Asked::Whole | Asked::Float => float(time, visitor, asked),
        _ if time.is_finite() => visitor.visit_string(rfc3339(time)),
        _ => visitor.visit_unit(),
    }
}

/// As `Date.prototype.toISOString` has it.
pub(super) fn rfc3339(milliseconds: f64) -> String {
    let time = milliseconds as i64;
    let (days, within) = (time.div_euclid(86_400_000), time.rem_euclid(86_400_000));
    // Days are counted from the first of March of a year 0, in cycles of 400 years.
    let from_march = days + 719_468;
    let (cycle, day) = (from_march.div_euclid(146_097), from_march.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + cycle * 400 + next;
    let year = match year {
        0..=9999 => format!("{year:04}"),
        ..0 => format!("-{:06}", -year),
        _ => format!("+{year:06}"),
    };
    let (hour, minute) = (within / 3_600_000, within / 60_000 % 60);
    let (second, rest) = (within / 1000 % 60, within % 1000);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{rest:03}Z")
}

/// The elements of an array whose number is known.
struct Counted {
    left: usize,
    next: usize,
}

/// An array being read.
struct Array<'d, 'm> {
    decoder: &'d mut Decoder<'m>,
    counted: Counted,
}

fn sequence<'de, V: Visitor<'de>>(
    decoder: &mut Decoder<'_>,
    visitor: V,
    counted: Counted,
) -> Result<V::Value, Misfit> {
    let mut array = Array { decoder, counted };
    let value = visitor.visit_seq(&mut array)?;
    // A visitor may have had enough; the rest is still there.
    while de::SeqAccess::next_element::<IgnoredAny>(&mut array)?.is_some() {}
    Ok(value)
}

impl<'de> de::SeqAccess<'de> for Array<'_, '_> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        if self.counted.left == 0 {
            return Ok(None);
        }
        self.counted.left -= 1;
        self.counted.next += 1;
        let value = seed.deserialize(&mut *self.decoder);
        value.map(Some).map_err(|misfit| misfit.below(format!("[{}]", self.counted.next - 1)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.counted.left)
    }
}

/// A set being read.
struct Unknown<'d, 'm> {
    decoder: &'d mut Decoder<'m>,
    next: usize,
    ended: bool,
}

impl<'de> de::SeqAccess<'de> for Unknown<'_, '_> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        self.ended = self.ended || self.decoder.end()?;
        if self.ended {
            return Ok(None);
        }
        self.next += 1;
        let value = seed.deserialize(&mut *self.decoder);
        value.map(Some).map_err(|misfit| misfit.below(format!(".<element {}>", self.next - 1)))
    }
}

/// An array with holes being read: its elements come with their indices, the lowest first.
struct Sparse<'d, 'm> {
    decoder: &'d mut Decoder<'m>,
    next: usize,
    length: usize,
    /// The index of the element that the decoder is at.
    ahead: Option<usize>,
    holes: usize,
}

fn sparse<'de, V: Visitor<'de>>(
    decoder: &mut Decoder<'_>,
    visitor: V,
    length: usize,
) -> Result<V::Value, Misfit> {
    let mut array = Sparse { decoder, next: 0, length, ahead: None, holes: 0 };
    array.look_ahead()?;
    let value = visitor.visit_seq(&mut array)?;
    while array.ahead.is_some() {
        array.decoder.skip()?;
        array.look_ahead()?;
    }
    Ok(value)
}

impl Sparse<'_, '_> {
    /// To the next element. What is no element, but another property of the array, is left out.
    fn look_ahead(&mut self) -> Result<(), Misfit> {
        loop {
            let Some(key) = self.decoder.pair_key()? else {
                self.ahead = None;
                return Ok(());
            };
            match key.parse::<usize>() {
                Ok(index) if index >= self.next && index < self.length => {
                    self.ahead = Some(index);
                    return Ok(());
                }
                _ => self.decoder.skip()?,
            }
        }
    }
}

impl<'de> de::SeqAccess<'de> for Sparse<'_, '_> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        if self.next >= self.length {
            return Ok(None);
        }
        let index = self.next;
        self.next += 1;
        if self.ahead == Some(index) {
            let value = seed.deserialize(&mut *self.decoder);
            let value = value.map_err(|misfit| misfit.below(format!("[{index}]")))?;
            self.look_ahead()?;
            return Ok(Some(value));
        }
        self.holes += 1;
        if self.holes > HOLES_MOST {
            return Err(Misfit::new("an array with so many holes is too large for Rust"));
        }
        let hole = seed.deserialize(().into_deserializer());
        hole.map(Some).map_err(|misfit: Misfit| misfit.below(format!("[{index}], a hole")))
    }
}

/// The elements of a buffer or view.
struct Elements<'m> {
    bytes: Bytes<'m>,
    next: usize,
}

impl<'de> de::SeqAccess<'de> for Elements<'_> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let Some(element) = self.bytes.element(self.next) else { return Ok(None) };
        self.next += 1;
        match element {
            Element::Whole(number) => seed.deserialize(number.into_deserializer()),
            Element::Large(number) => seed.deserialize(number.into_deserializer()),
            Element::Float(number) => seed.deserialize(number.into_deserializer()),
        }
        .map(Some)
        .map_err(|misfit: Misfit| misfit.below(format!("[{}]", self.next - 1)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.bytes.len() - self.next)
    }
}

/// Where the keys of an object are.
enum Keys {
    Pairs,
    Shape {
        shape: usize,
        next: usize,
    },
    /// First the parts that are there, and a name; then pairs.
    Error {
        kind: usize,
        parts: u8,
        named: bool,
    },
}

/// An object being read.
struct Fields<'d, 'm> {
    decoder: &'d mut Decoder<'m>,
    keys: Keys,
    /// Of the value that comes next.
    key: String,
    /// A value that is not in the bytes.
    given: Option<&'static str>,
    ended: bool,
}

fn mapping<'de, V: Visitor<'de>>(
    decoder: &mut Decoder<'_>,
    visitor: V,
    keys: Keys,
) -> Result<V::Value, Misfit> {
    let mut fields = Fields { decoder, keys, key: String::new(), given: None, ended: false };
    let value = visitor.visit_map(&mut fields)?;
    while de::MapAccess::next_entry::<IgnoredAny, IgnoredAny>(&mut fields)?.is_some() {}
    Ok(value)
}

impl Fields<'_, '_> {
    fn next_key(&mut self) -> Result<Option<String>, Misfit> {
        loop {
            match &mut self.keys {
                Keys::Pairs => return self.decoder.pair_key(),
                Keys::Shape { shape, next } => {
                    let Some(key) = self.decoder.shape_key(*shape, *next) else { return Ok(None) };
                    *next += 1;
                    // A property that was gone when its turn came.
                    if self.decoder.get.peek()? == Tag::Absent {
                        self.decoder.get.tag()?;
                        continue;
                    }
                    return Ok(Some(key));
                }
                Keys::Error { kind, named, .. } if !*named => {
                    *named = true;
                    self.given = Some(ERRORS[*kind]);
                    return Ok(Some("name".to_owned()));
                }
                Keys::Error { parts: 0, .. } => self.keys = Keys::Pairs,
                Keys::Error { parts, .. } => {
                    let bit = *parts & parts.wrapping_neg();
                    *parts &= !bit;
                    let name = part::ALL.iter().find(|(known, _)| *known == bit);
                    let Some((_, name)) = name else { return Err(self.decoder.damaged()) };
                    return Ok(Some(name.to_string_lossy().into_owned()));
                }
            }
        }
    }
}

impl<'de> de::MapAccess<'de> for Fields<'_, '_> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        if self.ended {
            return Ok(None);
        }
        match self.next_key()? {
            Some(key) => {
                let value = seed.deserialize(Key(&key)).map_err(|misfit| misfit.below(format!(".{key}")))?;
                self.key = key;
                Ok(Some(value))
            }
            None => {
                self.ended = true;
                Ok(None)
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let value = match self.given.take() {
            Some(given) => seed.deserialize(given.into_deserializer()),
            None => seed.deserialize(&mut *self.decoder),
        };
        value.map_err(|misfit: Misfit| misfit.below(format!(".{}", self.key)))
    }
}

/// A `Map` being read.
struct Entries<'d, 'm> {
    decoder: &'d mut Decoder<'m>,
    next: usize,
    ended: bool,
}

fn entries<'de, V: Visitor<'de>>(decoder: &mut Decoder<'_>, visitor: V) -> Result<V::Value, Misfit> {
    let mut entries = Entries { decoder, next: 0, ended: false };
    let value = visitor.visit_map(&mut entries)?;
    while de::MapAccess::next_entry::<IgnoredAny, IgnoredAny>(&mut entries)?.is_some() {}
    Ok(value)
}

impl<'de> de::MapAccess<'de> for Entries<'_, '_> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        self.ended = self.ended || self.decoder.end()?;
        if self.ended {
            return Ok(None);
        }
        self.next += 1;
        let key = seed.deserialize(&mut *self.decoder);
        key.map(Some).map_err(|misfit| misfit.below(format!(".<key {}>", self.next - 1)))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let value = seed.deserialize(&mut *self.decoder);
        value.map_err(|misfit| misfit.below(format!(".<value {}>", self.next - 1)))
    }
}

/// Methods that ask for one thing.
macro_rules! asking {
    ($($asked:ident: $($method:ident)*;)*) => {$($(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            self.read(|decoder, head| visit(decoder, head, visitor, Asked::$asked))
        }
    )*)*};
}

impl<'de> Deserializer<'de> for &mut Decoder<'_> {
    type Error = Misfit;

    asking! {
        Any: deserialize_any deserialize_bool deserialize_unit deserialize_seq deserialize_map;
        Whole: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
            deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128;
        Float: deserialize_f32 deserialize_f64;
        Bytes: deserialize_bytes deserialize_byte_buf;
        Text: deserialize_char deserialize_str deserialize_string deserialize_identifier;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        if matches!(self.get.peek()?, Tag::Undefined | Tag::Null | Tag::Absent) {
            self.get.tag()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.read(|decoder, head| {
            let keys = match head {
                Head::Text(text) => {
                    let variant: StringDeserializer<Misfit> = text.to_text().into_deserializer();
                    return visitor.visit_enum(variant);
                }
                Head::Pairs => Keys::Pairs,
                Head::Shaped(shape) => Keys::Shape { shape, next: 0 },
                _ => return Err(Misfit::new("expected an enum: a string, or an object with one key")),
            };
            let mut fields = Fields { decoder, keys, key: String::new(), given: None, ended: false };
            let Some(variant) = fields.next_key()? else {
                return Err(Misfit::new("expected an enum: an object with one key, and it has none"));
            };
            let value = visitor.visit_enum(Variant { decoder: fields.decoder, name: &variant })?;
            match fields.next_key()? {
                None => Ok(value),
                Some(_) => Err(Misfit::new("expected an enum: an object with one key, and it has more")),
            }
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.skip()?;
        visitor.visit_unit()
    }
}

/// A variant with its content.
struct Variant<'d, 'm, 'n> {
    decoder: &'d mut Decoder<'m>,
    name: &'n str,
}

impl<'de> de::EnumAccess<'de> for Variant<'_, '_, '_> {
    type Error = Misfit;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Misfit> {
        let name: de::value::StrDeserializer<'_, Misfit> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, '_, '_> {
    type Error = Misfit;

    fn unit_variant(self) -> Result<(), Misfit> {
        self.decoder.skip()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Misfit> {
        let value = seed.deserialize(&mut *self.decoder);
        value.map_err(|misfit| misfit.below(format!(".{}", self.name)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.decoder.deserialize_seq(visitor).map_err(|misfit| misfit.below(format!(".{}", self.name)))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.decoder.deserialize_map(visitor).map_err(|misfit| misfit.below(format!(".{}", self.name)))
    }
}

/// An object's key, which is always a text: where a number or truth is asked for, that is read from it.
struct Key<'k>(&'k str);

macro_rules! parsed_keys {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            match self.0.parse::<$type>() {
                Ok(value) => visitor.$visit(value),
                Err(_) => visitor.visit_str(self.0),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Misfit;

    parsed_keys! {
        deserialize_bool visit_bool bool;
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_i128 visit_i128 i128;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_u128 visit_u128 u128;
        deserialize_f32 visit_f32 f32;
        deserialize_f64 visit_f64 f64;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_str(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let name: de::value::StrDeserializer<'_, Misfit> = self.0.into_deserializer();
        visitor.visit_enum(name)
    }

    serde::forward_to_deserialize_any! {
        char str string bytes byte_buf option unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn dates_are_written_as_javascript_writes_them() {
        let cases = [
            (0.0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000.0, "2000-02-29T00:00:00.000Z"),
            (-1.0, "1969-12-31T23:59:59.999Z"),
            (8.64e15, "+275760-09-13T00:00:00.000Z"),
            (-8.64e15, "-271821-04-20T00:00:00.000Z"),
            (-62_198_755_200_000.0, "-000001-01-01T00:00:00.000Z"),
        ];
        for (time, text) in cases {
            assert_eq!(rfc3339(time), text);
        }
    }
}
