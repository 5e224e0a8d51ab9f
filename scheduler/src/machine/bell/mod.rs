//! What wakes a thread that sleeps in its poller instead of on its futex: a descriptor that the poller watches and
//! anybody may write to. Made by its owner when it first has something to poll for. Used by [`park`](super::park).

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "other.rs"]
mod system;

pub(crate) use system::Bell;
