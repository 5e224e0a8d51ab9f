//! What one script may use. Every value can be set with the bridge's builder; the reasons for the
//! defaults are here.

use std::time::Duration;

/// Bounds on one isolate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes that the engine may have allocated at once.
    pub(crate) memory: usize,
    /// Bytes of the fiber's stack that scripts may use. It has them: the builder has checked.
    pub(crate) stack: usize,
    /// How long a script may run, waiting for the CPU not counted.
    pub(crate) time: Duration,
    /// How long a script runs before it lets its equals run.
    pub(crate) slice: Duration,
    /// May scripts compile texts, with `eval` and `Function`?
    pub(crate) eval: bool,
}

impl Limits {
    /// All defaults, on the smallest stack.
    #[allow(dead_code, reason = "tests, and the isolate that the layout of the engine is found out with")]
    pub(crate) const DEFAULT: Limits =
        Limits { memory: MEMORY_DEFAULT, stack: STACK_MIN, time: TIME_DEFAULT, slice: SLICE, eval: true };
}

/// Picked from thin air; a browser's tab has a hundred times as much.
pub(crate) const MEMORY_DEFAULT: usize = 64 << 20;
/// An isolate takes 172 KiB from the system, of which some 60 are room for small things. Below this, scripts find nothing left.
pub(crate) const MEMORY_MIN: usize = 256 << 10;
/// Picked from thin air: somebody should notice that a script loops for ever.
pub(crate) const TIME_DEFAULT: Duration = Duration::from_secs(10);
/// Long against the 0.2 us of a switch, short against what people notice. Picked, not measured.
pub(crate) const SLICE: Duration = Duration::from_millis(2);
/// About 160 KiB of memory each when nothing was allocated in them: 40 MiB.
pub(crate) const ISOLATES_DEFAULT: usize = 256;
/// Their slots are made with the bridge. 10 GiB when nothing was allocated in them; picked beyond that.
pub(crate) const ISOLATES_MAX: usize = 1 << 16;
/// What must be left of a stack below the point where the engine refuses to recurse. The engine goes
/// beyond it by at most 13.1 KiB (60 kinds of runaway recursion, C code not optimized), the frames
/// above a script take less than 4 KiB; the rest is for native functions like `console.log`.
pub(crate) const STACK_MARGIN: usize = 32 << 10;
/// Enough for ordinary scripts up to about 45 calls deep.
pub(crate) const STACK_MIN: usize = 32 << 10;
