//! What is between two isolates.

use crate::isolate::block::Block;
use crate::isolate::shared::SharedBlock;
use std::fmt;

/// So many bytes need no allocation.
const INLINE: usize = 54;

/// Values that have left their isolate: bytes, and what travels beside them. Dropped unread, it frees all of that.
pub(crate) struct Message {
    bytes: Bytes,
    pub(super) beside: Option<Box<Beside>>,
}

enum Bytes {
    Few(Few),
    Many(Box<[u8]>),
}

/// Bytes that need no allocation.
pub(super) struct Few {
    count: u8,
    bytes: [u8; INLINE],
}

impl Default for Few {
    fn default() -> Self {
        Few { count: 0, bytes: [0; INLINE] }
    }
}

impl Few {
    /// `None`: there is no room for it.
    #[inline]
    pub(super) fn push(&mut self, byte: u8) -> Option<()> {
        *self.bytes.get_mut(usize::from(self.count))? = byte;
        self.count += 1;
        Some(())
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.count)]
    }
}

impl From<Few> for Message {
    fn from(few: Few) -> Self {
        Message { bytes: Bytes::Few(few), beside: None }
    }
}

/// Memory that is not copied into the bytes.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// Buffers that were transferred, each with its greatest length if it is resizable.
    pub(super) transferred: Vec<(Block, Option<usize>)>,
    /// Copies of large buffers. Each is used once.
    pub(super) blocks: Vec<Option<Block>>,
    pub(super) shared: Vec<SharedBlock>,
}

impl Beside {
    pub(super) fn is_empty(&self) -> bool {
        self.transferred.is_empty() && self.blocks.is_empty() && self.shared.is_empty()
    }
}

impl Message {
    pub(super) fn new(bytes: &[u8], beside: Beside) -> Message {
        let few = || {
            let mut few = Few { count: bytes.len() as u8, ..Few::default() };
            few.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
            Some(Bytes::Few(few))
        };
        let bytes = few().unwrap_or_else(|| Bytes::Many(bytes.into()));
        Message { bytes, beside: (!beside.is_empty()).then(|| Box::new(beside)) }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Few(few) => few.as_slice(),
            Bytes::Many(many) => many,
        }
    }

    /// The bytes, if they are few, and nothing is beside them.
    #[inline]
    pub(super) fn few(&self) -> Option<&[u8]> {
        match &self.bytes {
            Bytes::Few(few) if self.beside.is_none() => Some(few.as_slice()),
            _ => None,
        }
    }

    /// The same with other bytes.
    #[cfg(test)]
    pub(super) fn with_bytes(self, bytes: &[u8]) -> Message {
        Message { beside: self.beside, ..Message::new(bytes, Beside::default()) }
    }

    /// Bytes it holds, for accounting. Shared memory is not counted: others have it too.
    #[cfg(test)]
    pub(crate) fn size(&self) -> usize {
        let beside = self.beside.as_ref().map_or(0, |beside| {
            let transferred: usize = beside.transferred.iter().map(|(block, _)| block.bytes().len()).sum();
            transferred + beside.blocks.iter().flatten().map(|block| block.bytes().len()).sum::<usize>()
        });
        let bytes = match &self.bytes {
            Bytes::Few(..) => 0,
            Bytes::Many(many) => many.len(),
        };
        size_of::<Message>() + bytes + beside
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("bytes", &self.bytes().len()).field("beside", &self.beside).finish()
    }
}
