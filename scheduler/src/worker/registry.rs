//! Which schedulers exist: for handles, which may outlive theirs and are too many to share in its
//! ownership. Asked only by threads that are not its workers, to cancel or to change a priority.

use super::shared::Shared;
use parking_lot::Mutex;
use std::sync::{Arc, Weak};

static SCHEDULERS: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// Lists a new scheduler.
pub(crate) fn add(shared: &Arc<Shared>) {
    let mut schedulers = SCHEDULERS.lock();
    schedulers.retain(|known| known.strong_count() > 0);
    schedulers.push(Arc::downgrade(shared));
}

/// The scheduler at that address, if there is one.
pub(crate) fn find(shared: *const ()) -> Option<Arc<Shared>> {
    let schedulers = SCHEDULERS.lock();
    schedulers.iter().find(|known| known.as_ptr().cast() == shared)?.upgrade()
}
