//! What fibers wait for in lines behind a latch: the production files, whose waiters are loom's threads here.
//!
//! | file             | what it checks                                                                 |
//! |------------------|--------------------------------------------------------------------------------|
//! | [`lines`]        | the latch, the places in frames, one of several                                |
//! | [`channels`]     | channels: a value arrives once, or comes back; the last sender and receiver     |
//! | [`claims`]       | what is lent to a receiver that has declared itself, and taken back             |
//! | [`followers`]    | broadcast and watch: each value, or the latest, is seen; the end is heard of    |
//! | [`permits`]      | semaphores: no permit is lost, none made                                       |
//! | [`readers`]      | the lock for readers and writers, and the loans of those who wait              |
//! | [`others`]       | events, barriers, groups, condition variables, what is made once               |
//! | `wait`, `stall`, `owner`, `mutex` | twins of the files of those names: threads in the place of fibers |

#![allow(dead_code, unreachable_pub, missing_docs)]

#[path = "../../../scheduler/src/sync/latch.rs"]
mod latch;
#[path = "../../../scheduler/src/sync/line.rs"]
mod line;
#[path = "../../../scheduler/src/sync/barrier.rs"]
mod barrier;
#[path = "../../../scheduler/src/sync/condvar.rs"]
mod condvar;
#[path = "../../../scheduler/src/sync/event.rs"]
mod event;
#[path = "../../../scheduler/src/sync/lent.rs"]
mod lent;
mod mutex;
#[path = "../../../scheduler/src/sync/once.rs"]
mod once;
mod owner;
#[path = "../../../scheduler/src/sync/rw_lock.rs"]
mod rw_lock;
#[path = "../../../scheduler/src/sync/semaphore.rs"]
mod semaphore;
#[path = "../../../scheduler/src/sync/channel/buffer.rs"]
mod buffer;
#[path = "../../../scheduler/src/sync/channel/claim.rs"]
mod claim;
#[path = "../../../scheduler/src/sync/channel/error.rs"]
mod error;
#[path = "../../../scheduler/src/sync/channel/broadcast.rs"]
mod broadcast;
#[path = "../../../scheduler/src/sync/channel/watch.rs"]
mod watch;
#[path = "../../../scheduler/src/sync/channel/core.rs"]
mod core;
#[path = "../../../scheduler/src/sync/wait_group.rs"]
mod wait_group;
mod stall;
mod wait;

mod channels;
mod claims;
mod followers;
mod lines;
mod others;
mod permits;
mod readers;
