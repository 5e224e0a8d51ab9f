//! Which objects have been seen, by their address, and in which order.
//!
//! Each has a reference here: while a script's getter runs, the object itself might go, and another get its address.

use crate::isolate::layout::address;
use rquickjs::qjs;

/// Up to so many are simply looked through.
const FEW: usize = 8;

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Memo {
    /// In the order of their first visit.
    seen: Vec<qjs::JSValue>,
    /// Where there are more than a few: their addresses and indices, hashed; a power of two, half empty.
    slots: Vec<(usize, u32)>,
}

/// No object is there.
const EMPTY: (usize, u32) = (0, 0);

impl Memo {
    /// The references, for who gives them back.
    pub(super) fn take_all(&mut self) -> Vec<qjs::JSValue> {
        std::mem::take(&mut self.seen)
    }

    /// Where the search for an address begins.
    fn home(&self, address: usize) -> usize {
        let hash = (address as u64 >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (hash >> 32) as usize & (self.slots.len() - 1)
    }

    /// The slot of an address, or the one where it would go.
    fn slot(&self, address: usize) -> usize {
        let mut slot = self.home(address);
        while self.slots[slot].0 != 0 && self.slots[slot].0 != address {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        slot
    }

    /// The index of what was seen before; or `None`, and it is seen now, and has the next index.
    ///
    /// # Safety
    /// The value is an object or string, and the context that of its isolate, which we are inside.
    pub(super) unsafe fn visit(
        &mut self,
        context: *mut qjs::JSContext,
        value: qjs::JSValue,
    ) -> Option<usize> {
        let key = address(value).as_ptr().addr();
        let next = self.seen.len();
        if next < FEW {
            let known = self.seen.iter().position(|seen| address(*seen).as_ptr().addr() == key);
            if known.is_some() {
                return known;
            }
        } else {
            if 2 * (next + 1) > self.slots.len() {
                self.grow();
            }
            let slot = self.slot(key);
            if self.slots[slot].0 == key {
                return Some(self.slots[slot].1 as usize);
            }
            self.slots[slot] = (key, next as u32);
        }
        // SAFETY: the caller's promise.
        self.seen.push(unsafe { qjs::JS_DupValue(context, value) });
        None
    }

    #[cold]
    fn grow(&mut self) {
        self.slots.clear();
        self.slots.resize((4 * self.seen.len()).next_power_of_two(), EMPTY);
        for (index, seen) in self.seen.iter().enumerate() {
            let key = address(*seen).as_ptr().addr();
            let slot = self.slot(key);
            self.slots[slot] = (key, index as u32);
        }
    }
}
