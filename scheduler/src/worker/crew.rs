//! The workers of one lane, and what they share. A fiber that has not started is in the queues of the
//! crew that its level belongs to: of the workers, or in the crew's inbox, which anybody may push to.
//!
//! | field     | written by                                  | read by                    |
//! |-----------|---------------------------------------------|----------------------------|
//! | `beacon`  | see its own table                           | everyone                   |
//! | `inboxes` | whoever is not of the crew                  | the crew                   |
//! | `levels`  | `start`, before any fiber can be queued     | everyone                   |

use super::beacon::{Beacon, Ways};
use crate::fiber::Header;
use crate::lane::Lane;
use crate::primitive::{AtomicU32, Ordering};
use crate::priority::LEVELS;
use crate::queue::inbox::Inbox;
use std::ops::Range;

/// See the module's documentation.
pub(crate) struct Crew {
    pub(crate) lane: Lane,
    pub(crate) beacon: Beacon,
    pub(crate) inboxes: [Inbox<Header>; LEVELS],
    /// Its workers' numbers.
    pub(crate) seats: Range<usize>,
    /// The CPU to which the worker at a seat is tied; empty if they are not.
    cpus: Box<[usize]>,
    /// The levels that are queued here, as a mask.
    levels: AtomicU32,
}

impl Crew {
    /// `cpus` are those that the process may use.
    pub(crate) fn new(lane: Lane, seats: Range<usize>, cpus: &[usize]) -> Crew {
        let ways = Ways { eager: lane == Lane::Urgent, symmetric: lane == Lane::Background };
        // The urgent lane's threads are tied to CPUs, if there are enough of them for all: each preempts what
        // runs on its own, where the kernel would let some wait for each other. Other lanes' go where there is
        // room.
        let tied = lane == Lane::Urgent && !cpus.is_empty() && seats.len() >= cpus.len();
        let cpus: Box<[usize]> = match tied {
            true => cpus.iter().copied().cycle().take(seats.len()).collect(),
            false => Box::default(),
        };
        Crew {
            lane,
            beacon: Beacon::new(seats.len(), ways, &cpus),
            cpus,
            inboxes: std::array::from_fn(|_| Inbox::new()),
            seats,
            levels: AtomicU32::new(0),
        }
    }

    /// The CPU to which the worker at a seat is tied, if it is.
    pub(crate) fn cpu(&self, seat: usize) -> Option<usize> {
        self.cpus.get(seat).copied()
    }

    /// The levels of what is in the inboxes.
    pub(crate) fn queued(&self) -> u32 {
        let levels = (0..LEVELS).filter(|&level| !self.inboxes[level].looks_empty());
        levels.fold(0, |mask, level| mask | 1 << level)
    }

    /// The levels that are queued here, as a mask.
    pub(crate) fn levels(&self) -> u32 {
        self.levels.load(Ordering::Relaxed)
    }

    /// Chooses the levels that are queued here.
    pub(crate) fn set_levels(&self, levels: u32) {
        self.levels.store(levels, Ordering::Relaxed);
    }
}
