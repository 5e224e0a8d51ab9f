//! Heddle: jsbridge.
