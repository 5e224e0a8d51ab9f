//! Heddle: scheduler.
