//! What tells a thread which of its descriptors can be read or written. Only on Linux: elsewhere there is no
//! [`io`](crate::io).
//!
//! *Why not `polling` or `mio`*: their time-outs are whole milliseconds (`mio`), or cost three more system calls for each
//! wait (`polling` sets and arms a timerfd), also for the waits that only look. Here a worker's timers are the
//! time-out of each of its sleeps, and sleep for tens of microseconds. What is left of such a crate without that is the
//! four system calls in `linux.rs`.

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;

#[cfg(target_os = "linux")]
pub(crate) use system::{Event, Poller};
