//! How a source is divided: in halves, by [`Fork::join`], down to pieces that are worth a look around.
//!
//! ```text
//!   divide(8 elements)   note the right half, go down the left one      (a note costs 2 to 4 ns)
//!     divide(4)          the same
//!       piece(2)         small enough: look around, then all its elements in a row
//! ```
//!
//! Whoever has nothing to do gets the oldest note, which is the largest part; and a body that waits leaves
//! its notes to others. So all notes are there from the start, down to the grain, and dividing is lazy only
//! in what it costs.
//!
//! *The grain*, if nobody gives it, is found while the work goes on. The first piece is one element; each
//! piece is timed, and after one that was shorter than [`SHORT`] the next ones are twice as long, after one that was
//! longer than [`LONG`] half as long. The tree is walked from its leftmost leaf, beside which the pieces
//! double too, so that this takes one piece for each doubling. A body that waits makes the pieces small, so
//! that many wait at once.
//!
//! *An early end*, by a panic, or as the one who called is cancelled or its [`timeout`](crate::timeout) over, is a
//! branch that unwinds. It says so in `ended`, and all others see that before their next piece and leave out the rest.
//! What they return has no meaning any more, as what unwinds comes out of the call: `join` takes it along, and cancels
//! the branches that are fibers of their own. A caller that is cancelled may be queued behind those, each of which has
//! its fill of the worker first; so branches look at its state word too, unless it is in a shield.
//!
//! | field   | written by                               | read by                      |
//! |---------|------------------------------------------|------------------------------|
//! | `ended` | who ends it early; never taken back      | everybody, before each piece |
//! | `grain` | everybody, after a piece that was timed  | everybody                    |
//! | `root`  | who called, before                       | everybody, before each piece |

use super::source::Source;
use crate::fiber::FiberRef;
use crate::fork::Fork;
use crate::machine::clock;
use crate::primitive::{AtomicBool, AtomicUsize, Ordering};
use crate::suspend::cancel_point;
use crate::time::checkpoint;
use crate::worker::current;
use std::num::NonZeroUsize;
use std::time::Duration;

/// Looking around and reading the clock costs 20 to 40 ns: a percent of this.
const SHORT: Duration = Duration::from_micros(4);
/// Between two looks a fiber keeps its thread: as long as a computation should.
const LONG: Duration = Duration::from_micros(16);

/// How many elements are dealt with in a row, without a look around: for more urgent fibers, for idle
/// workers, for the caller's cancellation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grain {
    /// As many as take some 4 to 16 microseconds, found by timing; one where the body waits. For bodies that take
    /// about the same time for each element.
    #[default]
    Auto,
    /// At most so many: for bodies that take very different times, or where the time between two looks
    /// matters.
    Of(NonZeroUsize),
}

impl From<usize> for Grain {
    /// At most so many; zero is [`Grain::Auto`].
    fn from(elements: usize) -> Grain {
        NonZeroUsize::new(elements).map_or(Grain::Auto, Grain::Of)
    }
}

/// What all branches of one call share. See the module's documentation.
pub(super) struct Run {
    ended: AtomicBool,
    grain: AtomicUsize,
    timed: Option<Bounds>,
    /// Whose cancellation ends it.
    root: Option<FiberRef>,
}

// SAFETY: `root` is only asked whether it is cancelled, which anybody may; it outlives the call, in
// which it is.
unsafe impl Sync for Run {}

/// [`SHORT`] and [`LONG`] in ticks.
#[derive(Clone, Copy)]
struct Bounds {
    short: u64,
    long: u64,
}

/// Ends the run early, unless it is forgotten.
struct EndsRun<'a>(&'a Run);

impl Drop for EndsRun<'_> {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}

impl Run {
    fn new(grain: Grain) -> Run {
        let (grain, timed) = match grain {
            Grain::Of(elements) => (elements.get(), None),
            Grain::Auto => (1, Some(Bounds { short: clock::ticks_in(SHORT), long: clock::ticks_in(LONG) })),
        };
        // While a panic unwinds it nothing else could come out of the call.
        let here = if std::thread::panicking() { None } else { current::on_carrier() };
        let root =
            here.filter(|(_, carrier)| !carrier.is_shielded()).and_then(|(_, carrier)| carrier.fiber());
        Run { ended: AtomicBool::new(false), grain: AtomicUsize::new(grain), timed, root }
    }

    /// How many elements make a piece.
    fn grain(&self) -> usize {
        self.grain.load(Ordering::Relaxed)
    }

    /// Is the rest to be left out?
    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Between two pieces: lets more urgent ones go first. `false`: the rest is to be left out.
    pub(super) fn goes_on(&self) -> bool {
        if self.has_ended() {
            return false;
        }
        let ends = EndsRun(self);
        // It unwinds here, if it is cancelled.
        checkpoint();
        if self.root.is_some_and(|root| root.state.is_cancelled()) {
            return false;
        }
        std::mem::forget(ends);
        true
    }

    /// One piece: calls `f`, and learns from how long it took.
    pub(super) fn piece<R>(&self, len: usize, f: impl FnOnce() -> R) -> R {
        let ends = EndsRun(self);
        let result = match self.timed {
            None => f(),
            Some(bounds) => {
                let start = clock::ticks();
                let result = f();
                self.learn(len, clock::ticks().wrapping_sub(start), bounds);
                result
            }
        };
        std::mem::forget(ends);
        result
    }

    fn learn(&self, len: usize, ticks: u64, bounds: Bounds) {
        let grain = self.grain();
        // Pieces are halves of something: one that is no more than half a grain says little about whole ones.
        if ticks < bounds.short && len > grain / 2 {
            self.grain.store(grain.max(len.saturating_mul(2)), Ordering::Relaxed);
        } else if ticks > bounds.long && grain > 1 {
            self.grain.store((len / 2).clamp(1, grain), Ordering::Relaxed);
        }
    }
}

/// Divides `source`, calls `piece` for each part, and `merge` for the results of neighbours, in order.
/// `None`: there was nothing.
pub(super) fn run<S, R>(
    source: S,
    grain: Grain,
    piece: &(impl Fn(S) -> R + Sync),
    merge: &(impl Fn(R, R) -> R + Sync),
) -> Option<R>
where
    S: Source,
    R: Send,
{
    if source.extent() == 0 {
        return None;
    }
    let result = with_run(grain, |fork, run| divide(fork, run, source, piece, merge));
    Some(result.expect("it was ended early, by a panic or a cancellation that has come out"))
}

/// Calls `f` with a new run. If that ends early this unwinds.
pub(super) fn with_run<R>(grain: Grain, f: impl FnOnce(&mut Fork, &Run) -> R) -> R {
    let run = Run::new(grain);
    let result = Fork::with(|fork| f(fork, &run));
    if run.has_ended() {
        // Nothing has come out of it, so the caller is cancelled.
        drop(result);
        cancel_point();
        unreachable!("who left something out has seen that the caller is cancelled, in no shield");
    }
    result
}

/// `None`: something was left out.
fn divide<S, R>(
    fork: &mut Fork,
    run: &Run,
    source: S,
    piece: &(impl Fn(S) -> R + Sync),
    merge: &(impl Fn(R, R) -> R + Sync),
) -> Option<R>
where
    S: Source,
    R: Send,
{
    let len = source.extent();
    if len <= run.grain() {
        return run.goes_on().then(|| run.piece(len, || piece(source)));
    }
    if run.has_ended() {
        return None;
    }
    let (low, high) = source.split_at(len / 2);
    let (low, high) =
        fork.join(|fork| divide(fork, run, low, piece, merge), |fork| divide(fork, run, high, piece, merge));
    let (low, high) = (low?, high?);
    let ends = EndsRun(run);
    let both = merge(low, high);
    std::mem::forget(ends);
    Some(both)
}
