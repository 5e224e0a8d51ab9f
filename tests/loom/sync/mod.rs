//! What fibers wait for in lines behind a latch: the production files, whose waiters are loom's threads here.
//!
//! | file             | what it checks                                                                 |
//! |------------------|--------------------------------------------------------------------------------|
//! | [`lines`]        | the latch, the places in frames, one of several                                |
//! | [`channels`]     | channels: a value arrives once, or comes back; the last sender and receiver     |
//! | [`permits`]      | semaphores: no permit is lost, none made                                       |
//! | `wait`, `stall`  | twins of the files of those names: threads in the place of fibers              |

#![allow(dead_code, unreachable_pub, missing_docs)]

#[path = "../../../scheduler/src/sync/latch.rs"]
mod latch;
#[path = "../../../scheduler/src/sync/line.rs"]
mod line;
#[path = "../../../scheduler/src/sync/semaphore.rs"]
mod semaphore;
#[path = "../../../scheduler/src/sync/channel/buffer.rs"]
mod buffer;
#[path = "../../../scheduler/src/sync/channel/core.rs"]
mod core;
mod stall;
mod wait;

mod channels;
mod lines;
mod permits;
