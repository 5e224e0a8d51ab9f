//! Input and output that suspends the fiber instead of blocking its thread.
//!
//! What is here has the names, and the traits, of the standard library: [`net::TcpStream`] reads and writes by
//! [`std::io::Read`] and [`std::io::Write`], also by reference, and can be made from one of `std` and turned into one.
//!
//! # What every call does
//!
//! * In a fiber it is a [`checkpoint`](crate::checkpoint), and suspends the fiber if it would block. Readiness resumes
//!   it on its own worker, by priority.
//! * On a thread that is no worker it blocks the thread. So the same code runs in and outside of fibers.
//! * A time-out, where one is set, ends the wait by an error of the kind [`TimedOut`](std::io::ErrorKind::TimedOut), also
//!   where `std` would say `WouldBlock`.
//! * A fiber that is cancelled unwinds, unless the socket was told to return an error instead
//!   (`set_cancel_errors(true)`): [`is_cancelled`] knows that error. It is not of the kind `Interrupted`, as loops such
//!   as [`read_exact`](std::io::Read::read_exact) would try for ever.
//! * Where nothing can wait (a destructor, while a panic or a cancellation unwinds) what would block is an error:
//!   [`is_unable_to_wait`] knows it.
//!
//! How it works and what it costs: `docs/io.md`.

mod error;
mod source;
pub mod net;
pub mod fs;
mod pipe;
mod standard;
pub mod process;

pub use error::{is_cancelled, is_unable_to_wait};
pub use pipe::{PipeReader, PipeWriter, pipe};
pub use standard::{Stdin, Stdout, stderr, stdin, stdout};
