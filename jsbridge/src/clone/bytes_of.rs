//! Bytes to Rust values: buffers and views.

use super::format::{DATA_VIEW, Damaged, ELEMENT_SHIFT};
use std::borrow::Cow;

/// A buffer, or a part of one.
#[derive(Clone, Debug)]
pub(super) struct Bytes<'m> {
    pub(super) bytes: Cow<'m, [u8]>,
    /// What its elements are; bytes for a buffer itself and a `DataView`.
    kind: u8,
}

/// One element.
pub(super) enum Element {
    Whole(i64),
    /// More than an `i64` has.
    Large(u64),
    Float(f64),
}

impl<'m> Bytes<'m> {
    pub(super) fn new(bytes: Cow<'m, [u8]>) -> Bytes<'m> {
        Bytes { bytes, kind: DATA_VIEW }
    }

    /// The view of a kind, from an offset on: so many elements, or all there are.
    pub(super) fn view(
        self,
        kind: u8,
        offset: usize,
        elements: Option<usize>,
        at: Damaged,
    ) -> Result<Bytes<'m>, Damaged> {
        let shift = *ELEMENT_SHIFT.get(usize::from(kind)).ok_or(at)?;
        let rest = self.bytes.len().checked_sub(offset).ok_or(at)?;
        let elements = elements.unwrap_or(rest >> shift);
        let length = elements.checked_mul(1 << shift).filter(|length| *length <= rest).ok_or(at)?;
        let bytes = match self.bytes {
            Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[offset..offset + length]),
            Cow::Owned(bytes) => Cow::Owned(bytes[offset..offset + length].to_vec()),
        };
        Ok(Bytes { bytes, kind })
    }

    /// Is it a typed array, and no buffer or `DataView`?
    pub(super) fn is_typed(&self) -> bool {
        self.kind != DATA_VIEW
    }

    /// How many elements there are.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() >> ELEMENT_SHIFT[usize::from(self.kind)]
    }

    pub(super) fn element(&self, index: usize) -> Option<Element> {
        let size = 1 << ELEMENT_SHIFT[usize::from(self.kind)];
        let bytes = self.bytes.get(index * size..(index + 1) * size)?;
        let mut eight = [0; 8];
        eight[..size].copy_from_slice(bytes);
        // In the engine's order of kinds; elements are as this machine has them, which is little endian.
        let bits = u64::from_le_bytes(eight);
        Some(match self.kind {
            1 => Element::Whole((bits as i8).into()),
            3 => Element::Whole((bits as i16).into()),
            5 => Element::Whole((bits as i32).into()),
            7 => Element::Whole(bits as i64),
            8 if bits > i64::MAX as u64 => Element::Large(bits),
            9 => Element::Float(half(bits as u16)),
            10 => Element::Float(f32::from_bits(bits as u32).into()),
            11 => Element::Float(f64::from_bits(bits)),
            _ => Element::Whole(bits as i64),
        })
    }
}

/// A number of 16 bits.
fn half(bits: u16) -> f64 {
    let (sign, exponent, fraction) = (bits >> 15, i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction * (-24_f64).exp2(),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * f64::from(exponent - 15).exp2(),
    };
    if sign == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn numbers_of_sixteen_bits_are_read() {
        let cases = [
            (0, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (1, 5.960464477539063e-8),
            (0x3555, 0.333251953125),
        ];
        for (bits, number) in cases {
            assert_eq!(half(bits), number);
        }
        assert!(
            half(0x7e00).is_nan() && half(0xfc00) == f64::NEG_INFINITY && half(0x8000).is_sign_negative()
        );
    }
}
