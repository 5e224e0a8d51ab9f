//! How each contender is set up: defaults everywhere, and only the number of workers chosen.
//!
//! Peer files begin with `#![cfg(feature = "peers")]`, so that tests need not compile the peers.

pub(crate) mod baton;
pub(crate) mod chili;
pub(crate) mod floor;
pub(crate) mod floor_lane;
pub(crate) mod forte;
pub(crate) mod heddle;
pub(crate) mod may;
pub(crate) mod program;
pub(crate) mod rayon;
pub(crate) mod smol;
pub(crate) mod tokio;
