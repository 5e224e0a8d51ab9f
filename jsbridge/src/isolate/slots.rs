//! Places in an isolate for what the host's parts have to remember: one of each type.

use super::handle::Scope;
use std::any::Any;
use std::cell::RefCell;

/// Values of different types; none is ever moved or removed before the isolate ends.
#[derive(Default)]
pub(super) struct Slots(RefCell<Vec<Box<dyn Any>>>);

impl Slots {
    fn get<T: Default + 'static>(&self) -> &T {
        let mut slots = self.0.borrow_mut();
        let index = slots.iter().position(|slot| slot.is::<T>()).unwrap_or_else(|| {
            slots.push(Box::new(T::default()));
            slots.len() - 1
        });
        let slot: *const dyn Any = &raw const *slots[index];
        // SAFETY: the box's content stays where it is until `self` is dropped: boxes are only added. Nobody has an
        // exclusive reference to it.
        let slot = unsafe { &*slot };
        slot.downcast_ref().expect("found by its type")
    }
}

impl<'a> Scope<'a> {
    /// This isolate's `T`; a new one at the first call. Values of scripts are held in it as
    /// [`Kept`](super::kept::Kept), which need not be given back: the shelf is emptied when the isolate ends.
    pub(crate) fn slot<T: Default + 'static>(self) -> &'a T {
        self.state.slots.get()
    }
}
