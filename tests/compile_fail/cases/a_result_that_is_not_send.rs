//! A result goes to whoever joins, on whatever thread.

use std::rc::Rc;

fn main() {
    let scheduler = heddle_scheduler::Scheduler::new().unwrap();
    let handle = scheduler.go(|| Rc::new(1));
    let _ = handle.join();
}
