//! The parts of `scheduler/src/queue`, where others under test look for them.

pub(crate) use crate::inbox;

#[allow(dead_code)]
#[path = "../../../scheduler/src/queue/shelf.rs"]
pub(crate) mod shelf;
#[allow(dead_code)]
#[path = "../../../scheduler/src/queue/table.rs"]
pub(crate) mod table;
