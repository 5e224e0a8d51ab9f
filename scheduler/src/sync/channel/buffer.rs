//! The values in a channel, first in, first out, in pieces of a fixed size: it never copies what it has to a larger
//! place, which would keep everybody else from a long channel for milliseconds.

use std::collections::VecDeque;

/// Values in a piece: large enough that pieces cost little, small enough to be a small block of memory.
const PIECE: usize = 64;

/// See the module's documentation. There is no empty piece but the only one. The first grows as it is filled, since most
/// channels never have more than a value or two.
pub(crate) struct Buffer<T> {
    pieces: VecDeque<VecDeque<T>>,
    /// An empty one, so that a channel that is used steadily asks for no memory.
    spare: Option<VecDeque<T>>,
    len: usize,
}

impl<T> Buffer<T> {
    pub(crate) const fn new() -> Buffer<T> {
        Buffer { pieces: VecDeque::new(), spare: None, len: 0 }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(crate) fn push_back(&mut self, value: T) {
        self.len += 1;
        match self.pieces.back_mut() {
            Some(piece) if piece.len() < PIECE => piece.push_back(value),
            _ => self.push_piece(value),
        }
    }

    #[cold]
    fn push_piece(&mut self, value: T) {
        let room = if self.pieces.is_empty() { 1 } else { PIECE };
        let mut piece = self.spare.take().unwrap_or_else(|| VecDeque::with_capacity(room));
        piece.push_back(value);
        self.pieces.push_back(piece);
    }

    /// Before all others: seldom done, so a piece may get longer by it.
    pub(crate) fn push_front(&mut self, value: T) {
        match self.pieces.front_mut() {
            Some(piece) => {
                self.len += 1;
                piece.push_front(value);
            }
            None => self.push_back(value),
        }
    }

    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        let piece = self.pieces.front_mut()?;
        let value = piece.pop_front();
        self.len -= 1;
        if piece.is_empty() && self.pieces.len() > 1 {
            self.spare = self.pieces.pop_front();
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order_at_any_length() {
        let (mut buffer, mut expected) = (Buffer::new(), VecDeque::new());
        let mut number = 0_u64;
        for round in 0..2000_u64 {
            for _ in 0..(round * 7919) % 150 {
                number += 1;
                buffer.push_back(number);
                expected.push_back(number);
            }
            if round % 5 == 0 {
                number += 1;
                buffer.push_front(number);
                expected.push_front(number);
            }
            for _ in 0..(round * 104_729) % 160 {
                assert_eq!(buffer.pop_front(), expected.pop_front());
            }
            assert_eq!((buffer.len(), buffer.is_empty()), (expected.len(), expected.is_empty()));
        }
        while let Some(value) = expected.pop_front() {
            assert_eq!(buffer.pop_front(), Some(value));
        }
        assert_eq!((buffer.pop_front(), buffer.len()), (None, 0));
    }
}
