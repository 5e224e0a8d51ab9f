//! Which schedulers exist: for handles, which may outlive theirs and are too many to share in its
//! ownership. Asked only by threads that are not its workers, to cancel or to change a priority; they
//! wait for nobody. A scheduler is listed from its making until it is dropped, by its address, which
//! nobody else gets while the entry is there.

use super::shared::Shared;
use crate::queue::table::Table;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, Weak};

/// Made by the first scheduler; who finds none yet has no handle.
static SCHEDULERS: OnceLock<Table<Weak<Shared>>> = OnceLock::new();

/// Lists a new scheduler.
pub(crate) fn add(shared: &Arc<Shared>) {
    let schedulers = SCHEDULERS.get_or_init(Table::new);
    let key = schedulers.insert(Arc::downgrade(shared));
    schedulers.tag(key).store(Arc::as_ptr(shared).addr() as u64, Ordering::Relaxed);
}

/// A scheduler is being dropped.
pub(crate) fn remove(shared: &Shared) {
    let Some(schedulers) = SCHEDULERS.get() else { return };
    let address = std::ptr::from_ref(shared).addr() as u64;
    let listed = schedulers.tags().find(|(_, tag)| tag.load(Ordering::Relaxed) == address);
    if let Some((key, tag)) = listed {
        tag.store(0, Ordering::Relaxed);
        schedulers.remove(key);
    }
}

/// The scheduler at that address, if there is one.
pub(crate) fn find(shared: *const ()) -> Option<Arc<Shared>> {
    let schedulers = SCHEDULERS.get()?;
    schedulers
        .tags()
        .filter(|(_, tag)| tag.load(Ordering::Relaxed) == shared.addr() as u64)
        .filter_map(|(key, _)| schedulers.pin(key))
        // Another one may have got the place since.
        .find_map(|entry| {
            entry.with(|known| if known.as_ptr().cast() == shared { known.upgrade() } else { None })
        })
}
