//! What the modules above the isolates remember of one: a table each, made when it is first asked for, and dropped with
//! the isolate. Values of scripts are not in it, but places where they are [kept](super::kept).

use super::handle::Scope;
use std::any::{Any, TypeId};
use std::cell::OnceCell;

/// The tables of one isolate. There are few, so they are in a list.
#[derive(Default)]
pub(super) struct Notes(OnceCell<Box<Note>>);

struct Note {
    /// What the table is: looked for many times in each Deferred, and asking the table is a call.
    of: TypeId,
    table: Box<dyn Any + Send>,
    next: Notes,
}

impl Notes {
    fn get<T: Default + Send + 'static>(&self) -> &T {
        let mut notes = self;
        loop {
            let of = TypeId::of::<T>();
            let make = || Box::new(Note { of, table: Box::new(T::default()), next: Notes::default() });
            let note = notes.0.get_or_init(make);
            if note.of == of
                && let Some(table) = note.table.downcast_ref()
            {
                return table;
            }
            notes = &note.next;
        }
    }
}

impl<'a> Scope<'a> {
    /// The isolate's memory: its limit, and whether it was reached.
    pub(crate) fn memory(self) -> &'a super::memory::Memory {
        &self.state.memory
    }

    /// The isolate's table of this type.
    pub(crate) fn note<T: Default + Send + 'static>(self) -> &'a T {
        self.state.notes.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn each_type_has_a_table_of_its_own() {
        let notes = Notes::default();
        notes.get::<Cell<u8>>().set(1);
        notes.get::<Cell<u16>>().set(2);
        assert_eq!((notes.get::<Cell<u8>>().get(), notes.get::<Cell<u16>>().get()), (1, 2));
    }
}
