//! What scripts have of the host. All of it is here, and it is little on purpose: no files, no
//! network, no clock but the engine's.

pub(crate) mod console;
