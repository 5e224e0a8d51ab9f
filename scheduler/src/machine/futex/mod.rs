//! A word that a thread can sleep on. On Linux the kernel's futex; elsewhere a lock and a condition
//! variable in its stead. Used by [`park`](super::park) and the
//! [`pool`](crate::pool).

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "other.rs"]
mod system;

pub(crate) use system::Futex;
