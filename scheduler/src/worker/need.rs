//! What the fibers of a worker were lent above its lane, so that it needs a CPU, and who makes way for it: one word.
//! What is done about it is in [`boost`](super::boost).
//!
//! ```text
//! bits 0..3  the level that was lent; 7: none
//! bit  3     NEWS   something was lent, or resumed, since the worker looked last
//! bits 4..   the CPU where somebody makes way, plus one; 0: nowhere
//!
//! state            who changes it
//! none             whoever lends to its fibers, or resumes one that was lent to -> LENT       raise
//! LENT             a worker of a lane above whose own work is less urgent -> LENT and MADE    claim
//! LENT and MADE    the same one, when it goes on -> LENT                                      give_up
//! either           the worker, which has found nothing of a level above its lane -> none      review, end
//! ```
//!
//! *No need is forgotten*: the worker looks (`review`), then into its mailbox and its queues, and ends the need only if
//! nothing was raised meanwhile. Who raises it has pushed its letter before, so that a worker that saw the need sees the
//! letter too, and one that did not finds NEWS when it would end it.
//!
//! *Nobody makes way for nothing*: who ends a need unparks all above that stand aside; who comes later to claim it finds
//! none.

use crate::primitive::{AtomicU32, Ordering};

const LEVEL: u32 = 0b111;
const NONE: u32 = LEVEL;
const NEWS: u32 = 1 << 3;
const CPU: u32 = 1 << 4;
const CPUS: u32 = !(CPU - 1);

/// What making way is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nobody did so far: the caller brings the worker, and [gives up](Need::give_up) the claim when it goes on.
    First,
    /// Somebody does already, and the caller would take that one's place.
    Join,
}

/// See the module's documentation.
pub(crate) struct Need(AtomicU32);

impl Need {
    pub(crate) fn new() -> Need {
        Need(AtomicU32::new(NONE))
    }

    /// Was a fiber lent a level above the worker's lane?
    #[inline]
    pub(crate) fn is_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) & LEVEL != NONE
    }

    /// How urgent it is, as a level; 7: there is none.
    pub(crate) fn level(&self) -> usize {
        (self.0.load(Ordering::Relaxed) & LEVEL) as usize
    }

    /// A fiber of the worker is as urgent as `level`, and its letter is in the mailbox. `true`: there was no need
    /// before.
    pub(crate) fn raise(&self, level: usize) -> bool {
        let raised = |word: u32| {
            let level = (word & LEVEL).min(level as u32);
            Some(word & CPUS | NEWS | level)
        };
        // ORDERING: Release pairs with the acquire of `review`: the letter.
        let before = self.0.fetch_update(Ordering::Release, Ordering::Relaxed, raised);
        before.is_ok_and(|word| word & LEVEL == NONE)
    }

    /// The caller, on that CPU, whose own work is of `level`, makes way. `None`: it is not needed, or somebody else does on
    /// another CPU.
    #[must_use]
    pub(crate) fn claim(&self, cpu: usize, level: usize) -> Option<Claim> {
        let here = (cpu as u32 + 1) * CPU;
        let claimed = |word: u32| {
            let open = word & CPUS == 0 && word & LEVEL < level as u32;
            open.then_some(word | here)
        };
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claimed) {
            Ok(_) => Some(Claim::First),
            Err(word) => (word & CPUS == here && word & LEVEL < level as u32).then_some(Claim::Join),
        }
    }

    /// Who has claimed it goes on. Where the need has ended since, and was claimed anew, that one loses its claim to the
    /// next: one more makes way then for a while.
    pub(crate) fn give_up(&self) {
        self.0.fetch_and(!CPUS, Ordering::Relaxed);
    }

    /// The worker is about to look whether the need is over. `false`: there is none.
    #[must_use]
    pub(crate) fn review(&self) -> bool {
        // ORDERING: Acquire pairs with the release of `raise`: what was raised before this has its letter in the
        // mailbox.
        self.is_up() && self.0.fetch_and(!NEWS, Ordering::Acquire) & LEVEL != NONE
    }

    /// It has found nothing since [`review`](Self::review). `false`: there is something new; else the need is over, and
    /// whoever makes way is to be unparked.
    #[must_use]
    pub(crate) fn end(&self) -> bool {
        let ended = |word: u32| (word & NEWS == 0 && word & LEVEL != NONE).then_some(NONE);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, ended).is_ok()
    }
}
