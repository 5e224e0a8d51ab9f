//! How many isolates a bridge has in use, and the bound on that.

use crate::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The isolates of one bridge.
pub(crate) struct Population {
    live: AtomicUsize,
    most: usize,
}

impl Population {
    pub(crate) fn new(most: usize) -> Population {
        Population { live: AtomicUsize::new(0), most }
    }

    /// One more, while the resident lives.
    pub(crate) fn enter(self: &Arc<Population>) -> Result<Resident, Error> {
        let live = self.live.fetch_add(1, Ordering::Relaxed);
        let resident = Resident(self.clone());
        if live >= self.most { Err(Error::limit(self.most)) } else { Ok(resident) }
    }

    pub(crate) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// May running scripts let their equals start? Each of them would take one more isolate; so past
    /// half of the bound scripts run to their end, and only more urgent ones come in between.
    pub(crate) fn has_room(&self) -> bool {
        self.live() <= self.most / 2
    }
}

/// One isolate's place in the count.
pub(crate) struct Resident(Arc<Population>);

impl Resident {
    pub(crate) fn population(&self) -> &Population {
        &self.0
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_bound_there_is_an_error_and_the_count_stays_right() {
        let population = Arc::new(Population::new(2));
        let first = population.enter().unwrap();
        assert!(population.has_room());
        let second = population.enter().unwrap();
        assert!(!population.has_room());
        assert!(population.enter().err().unwrap().is_limit());
        assert_eq!(population.live(), 2);
        drop((first, second));
        assert_eq!(population.live(), 0);
    }
}
