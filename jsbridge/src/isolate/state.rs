//! What belongs to an isolate and is no part of the engine.

use super::intrinsics::Intrinsics;
use super::kept::Shelf;
use super::memory::Memory;
use super::population::Resident;
use super::watch::Watch;
use crate::limits::Limits;
use rquickjs::qjs;
use std::any::Any;
use std::cell::RefCell;

/// The engine has pointers to it: as its runtime's opaque pointer, and to the memory inside.
///
/// | field      | written by                      | read by                            |
/// |------------|---------------------------------|------------------------------------|
/// | `memory`   | the allocator                   | `convert`, to know why             |
/// | `watch`    | `enter`, the engine's question  | `promises`, `enter`                |
/// | `rejected` | the engine's rejection tracker  | `promises`; emptied by the drop    |
/// | `kept`     | `kept`                          | `kept`; emptied by the drop        |
/// | `intrinsics` | `intrinsics`, once            | `intrinsics`; emptied by the drop  |
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
    /// The engine's own functions.
    pub(super) intrinsics: Intrinsics,
    /// For the host's functions.
    pub(super) host: Box<dyn Any>,
    pub(super) resident: Resident,
}

impl State {
    pub(super) fn new(limits: Limits, resident: Resident, host: Box<dyn Any>) -> State {
        State {
            memory: Memory::new(limits.memory),
            watch: Watch::new(&limits),
            limits,
            rejected: RefCell::default(),
            kept: Shelf::default(),
            intrinsics: Intrinsics::default(),
            host,
            resident,
        }
    }
}
