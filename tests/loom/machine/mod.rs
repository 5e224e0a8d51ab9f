//! The parts of `scheduler/src/machine` that are under test, and what takes the place of the others.

pub(crate) mod bell;
pub(crate) mod futex;
#[allow(dead_code)]
#[path = "../../../scheduler/src/machine/park.rs"]
pub(crate) mod park;
