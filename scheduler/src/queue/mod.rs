//! The queues that fibers wait in: [`inbox`] for what comes from other threads, [`ready`] for a
//! worker's own started fibers. Fibers that have not started are in crossbeam's stealable deques.

pub(crate) mod inbox;
pub(crate) mod ready;
