//! The machine for people and programs to look at: [`text()`] for a terminal, [`svg()`] for a page, [`json()`] for a script.
//!
//! All three show the same: nodes, caches, cores and CPUs inside their packages, memory of its own, distances, limits, where
//! each fact came from, and what had to be assumed. They read a [`Topology`](crate::Topology) and
//! nothing else, so a fixture draws as well as a machine.

mod tree;
mod text;
mod json;
mod svg;

pub use json::json;
pub use svg::svg;
pub use text::text;
