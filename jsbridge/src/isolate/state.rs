//! What belongs to an isolate and is no part of the engine.

use super::adopted::Adopted;
use super::intrinsics::Intrinsics;
use super::kept::Shelf;
use super::memory::Memory;
use super::notes::Notes;
use super::population::Resident;
use super::watch::Watch;
use crate::limits::Limits;
use rquickjs::qjs;
use std::cell::{Cell, RefCell};

/// The engine has pointers to it: as its runtime's opaque pointer, and to the memory inside.
///
/// | field      | written by                      | read by                            |
/// |------------|---------------------------------|------------------------------------|
/// | `memory`   | the allocator                   | `convert`, to know why             |
/// | `watch`    | `enter`, the engine's question  | `promises`, `enter`                |
/// | `rejected` | the engine's rejection tracker  | `promises`; emptied by the drop    |
/// | `kept`     | `kept`                          | `kept`; emptied by the drop        |
/// | `notes`    | `notes`                         | the modules above                  |
/// | `intrinsics` | `intrinsics`, once            | `intrinsics`; emptied by the drop  |
/// | `compiles_for_host` | `Scope::as_host`      | `compiler`                         |
/// | `floor`    | `enter`                         | `enter`                            |
/// | `is_sealed` | `Isolate::seal`                | `adopted`                          |
/// | `adopted`  | `adopted`                       | `protect`                          |
/// | the others | nobody                          | everyone                           |
///
/// All of it belongs to the thread that is in the isolate.
pub(crate) struct State {
    pub(super) memory: Memory,
    pub(super) watch: Watch,
    pub(super) limits: Limits,
    /// Promises that were rejected and not handled: each with a reference, which is ours.
    pub(super) rejected: RefCell<Vec<qjs::JSValue>>,
    /// Values that the host holds.
    pub(super) kept: Shelf,
    /// Tables of the modules above.
    pub(super) notes: Notes,
    /// The engine's own functions.
    pub(super) intrinsics: Intrinsics,
    /// What is compiled next is the host's.
    pub(super) compiles_for_host: Cell<bool>,
    /// Where the stack of this visit ends for scripts; what is below is the margin.
    pub(super) floor: Cell<usize>,
    /// What scripts change in it is noticed.
    pub(super) is_sealed: Cell<bool>,
    /// What the host has put on the global object since it was sealed.
    pub(super) adopted: RefCell<Vec<Adopted>>,
    pub(super) resident: Resident,
}

impl State {
    pub(super) fn new(limits: Limits, resident: Resident) -> State {
        State {
            memory: Memory::new(limits.memory),
            watch: Watch::new(&limits),
            limits,
            rejected: RefCell::default(),
            kept: Shelf::default(),
            notes: Notes::default(),
            intrinsics: Intrinsics::default(),
            compiles_for_host: Cell::new(false),
            floor: Cell::new(0),
            is_sealed: Cell::new(false),
            adopted: RefCell::default(),
            resident,
        }
    }
}
