//! Fibers that never give their thread away, as native code does that knows nothing of fibers.

use crate::gate::eventually;
use heddle_scheduler::{Priority, Scheduler};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// They spin until this is dropped.
pub struct Hogs(Arc<AtomicBool>);

impl Hogs {
    /// So many, all on their threads when this returns.
    pub fn start(scheduler: &Scheduler, priority: Priority, count: usize) -> Hogs {
        let hogs = Hogs(Arc::default());
        let running = Arc::new(AtomicUsize::new(0));
        for _ in 0..count {
            let (end, running) = (hogs.0.clone(), running.clone());
            drop(scheduler.go_with_priority(priority, move || {
                running.fetch_add(1, Ordering::Relaxed);
                while !end.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            }));
        }
        eventually(|| running.load(Ordering::Relaxed) == count);
        hogs
    }

    /// Ends them, for whoever outlives this.
    pub fn ender(&self) -> impl FnOnce() + Send + 'static {
        let end = self.0.clone();
        move || end.store(true, Ordering::Relaxed)
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
