//! The queue that fibers from other threads wait in, and their mail. A worker's own started fibers are
//! in [`worker::ready`](crate::worker), those that have not started in crossbeam's stealable deques.

pub(crate) mod inbox;
