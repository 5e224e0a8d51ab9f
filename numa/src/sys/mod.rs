//! The door to the operating system: every `unsafe` block of this crate that is not about a value's memory is here.
//!
//! `linux` and `other` are twins with the same functions; so are `hwloc` and `hwloc_absent`. Nothing outside
//! this folder says `cfg(target_os)` or `cfg(hwloc)`.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
pub(crate) use other::*;
