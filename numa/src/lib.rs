//! Heddle: numa.
