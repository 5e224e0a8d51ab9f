//! The branches of `join` that a fiber has noted and nobody has taken yet, oldest first. The notes are
//! in the frames of the joins; the list belongs to the fiber, and to its worker while it is suspended.
//! [`fork`](mod@crate::fork) has the whole story.

use super::Header;
use std::cell::Cell;
use std::ptr;

/// See the module's documentation.
pub(crate) struct Branches {
    oldest: Cell<*const Note>,
    newest: Cell<*const Note>,
}

/// A branch that waits to be called.
pub(crate) struct Note {
    newer: Cell<*const Note>,
    older: Cell<*const Note>,
    /// The fiber it was turned into; null: none.
    pub(crate) promoted: Cell<*mut Header>,
    /// The joiner took it back: the fiber is to do nothing.
    pub(crate) taken_back: Cell<bool>,
    run: unsafe fn(*const Note),
}

impl Note {
    pub(crate) const fn new(run: unsafe fn(*const Note)) -> Note {
        Note {
            newer: Cell::new(ptr::null()),
            older: Cell::new(ptr::null()),
            promoted: Cell::new(ptr::null_mut()),
            taken_back: Cell::new(false),
            run,
        }
    }
}

/// A note, as the fiber that it is turned into holds it.
#[derive(Clone, Copy)]
pub(crate) struct NoteRef(*const Note);

// SAFETY: a branch and its result are `Send` by the bounds of `join`; the other fields are only used
// by the joiner and its worker.
unsafe impl Send for NoteRef {}

impl NoteRef {
    /// What the fiber does: calls the branch, unless the joiner took it back.
    ///
    /// # Safety
    /// The joiner's frame, where the note is, stays until the fiber has ended; called once.
    pub(crate) unsafe fn call(self) {
        // SAFETY: the caller's promise. `taken_back` is set before the joiner itself runs the fiber,
        // and is false for everyone else.
        unsafe {
            if !(*self.0).taken_back.get() {
                ((*self.0).run)(self.0);
            }
        }
    }

    /// Where it is, in the joiner's frame.
    pub(crate) fn address(self) -> usize {
        self.0.addr()
    }

    /// # Safety
    /// The note is there.
    pub(crate) unsafe fn note<'a>(self) -> &'a Note {
        // SAFETY: the caller's promise.
        unsafe { &*self.0 }
    }
}

impl Branches {
    pub(crate) const fn new() -> Branches {
        Branches { oldest: Cell::new(ptr::null()), newest: Cell::new(ptr::null()) }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.newest.get().is_null()
    }

    /// Notes a branch. The note stays where it is until it has left the list.
    #[inline]
    pub(crate) fn push(&self, note: &Note) {
        let newest = self.newest.replace(note);
        note.older.set(newest);
        if newest.is_null() {
            self.oldest.set(note);
        } else {
            // SAFETY: a note in the list is in the frame of a join that has not returned.
            unsafe { (*newest).newer.set(note) };
        }
    }

    /// Takes out the newest, which is `note`.
    #[inline]
    pub(crate) fn pop(&self, note: &Note) {
        debug_assert!(ptr::eq(self.newest.get(), note));
        self.newest.set(note.older.get());
        if note.older.get().is_null() {
            self.oldest.set(ptr::null());
        }
    }

    /// Takes out the oldest.
    pub(crate) fn take_oldest(&self) -> Option<NoteRef> {
        let oldest = self.oldest.get();
        // SAFETY: as in `push`.
        let note = unsafe { oldest.as_ref() }?;
        if ptr::eq(self.newest.get(), oldest) {
            self.newest.set(ptr::null());
            self.oldest.set(ptr::null());
        } else {
            let second = note.newer.get();
            self.oldest.set(second);
            // SAFETY: as in `push`.
            unsafe { (*second).older.set(ptr::null()) };
        }
        Some(NoteRef(oldest))
    }
}
