//! What scripts have of the host. All of it is here, and it is little on purpose: no files, no
//! network, no clock but the engine's.

pub(crate) mod prelude;
pub(crate) mod lazy;
pub(crate) mod console;
#[cfg(test)]
pub(crate) mod testing;
