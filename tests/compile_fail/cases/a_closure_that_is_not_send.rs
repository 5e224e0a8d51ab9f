//! A fiber may be started by another thread, so its closure must be `Send`.

use std::rc::Rc;

fn main() {
    let scheduler = heddle_scheduler::Scheduler::new().unwrap();
    let here = Rc::new(1);
    scheduler.go(move || println!("{here}"));
}
