//! Where so many wait for each other.

use super::latch::Latch;
use super::line::Line;
use super::wait::{self, Side, Wakes, or_unwind};
use crate::error::Cancelled;
use crate::primitive::constructor;
use std::fmt;
use std::time::{Duration, Instant};

/// A place where fibers and threads wait until a number of them has come. Then all go on, and it is as new.
///
/// One that is cancelled while it waits, or gives up, is not counted any more.
///
/// ```
/// use heddle_scheduler::{Scheduler, sync::Barrier};
///
/// static ALL_HERE: Barrier = Barrier::new(10);
///
/// let scheduler = Scheduler::builder().workers(2).build()?;
/// let fibers: Vec<_> = (0..10).map(|_| scheduler.go(|| ALL_HERE.wait().is_leader())).collect();
/// let leaders = fibers.into_iter().map(|fiber| fiber.join().unwrap()).filter(|leads| *leads);
/// assert_eq!(leaders.count(), 1);
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
pub struct Barrier {
    size: usize,
    /// Those who have come.
    latch: Latch<Line<()>>,
}

/// What [`Barrier::wait`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// Was it the last that came? One of all is that.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

struct Waiting;

impl Side for Waiting {
    type State = Line<()>;
    type Value = ();

    const WHAT: &'static str = "others at a Barrier";

    fn line(state: &mut Line<()>) -> &mut Line<()> {
        state
    }
}

impl Barrier {
    constructor! {
        /// For so many; none are the same as one.
        pub fn new(size: usize) -> Barrier {
            Barrier { size, latch: Latch::new(Line::new()) }
        }
    }

    /// Waits until all have come. A fiber that is cancelled while it waits unwinds.
    pub fn wait(&self) -> BarrierWaitResult {
        or_unwind(self.wait_or_cancelled())
    }

    /// As [`wait`](Self::wait), but a fiber that is cancelled gets an error instead of unwinding.
    ///
    /// # Errors
    /// The fiber is cancelled, and would have to wait.
    pub fn wait_or_cancelled(&self) -> Result<BarrierWaitResult, Cancelled> {
        let (_, is_leader) = self.wait_some(None)?;
        Ok(BarrierWaitResult(is_leader))
    }

    /// Waits for so long at most; `None`: not all have come. A fiber that is cancelled while it waits unwinds.
    pub fn wait_for(&self, time: Duration) -> Option<BarrierWaitResult> {
        // Past the end of the clock is for ever.
        let (in_time, is_leader) = or_unwind(self.wait_some(Instant::now().checked_add(time)));
        in_time.then_some(BarrierWaitResult(is_leader))
    }

    /// Have all come, and are we the last?
    fn wait_some(&self, due: Option<Instant>) -> Result<(bool, bool), Cancelled> {
        let (mut is_last, mut wakes) = (false, Wakes::default());
        let waited = wait::wait_unless::<Waiting>(&self.latch, (), due, |line, _| {
            is_last = line.len() + 1 >= self.size;
            if is_last {
                line.serve_all(|()| (), &mut wakes);
            }
            is_last
        });
        wakes.call();
        Ok((waited.in_time()?, is_last))
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.latch.with(|line| line.len());
        f.debug_struct("Barrier").field("size", &self.size).field("waiting", &waiting).finish()
    }
}
