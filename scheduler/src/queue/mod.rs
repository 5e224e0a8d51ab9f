//! What threads hand things over by, without a lock: a thread that the kernel has stopped in the middle
//! keeps nobody else from going on. A worker's own started fibers are in
//! [`worker::ready`](crate::worker), those that have not started in crossbeam's stealable deques.
//!
//! | file      | what it has                                                                |
//! |-----------|----------------------------------------------------------------------------|
//! | [`inbox`] | a list that is taken as a whole: fibers from other threads, mail           |
//! | [`relay`] | a line that is pushed and popped by its ends, and turns away whom it would keep waiting |
//! | [`shelf`] | an array that grows in place                                               |
//! | [`table`] | things that anybody may look at while their owners take them away          |

pub(crate) mod inbox;
pub(crate) mod relay;
pub(crate) mod shelf;
pub(crate) mod table;
