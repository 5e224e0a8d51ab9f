//! Two fibers of a scope cannot both borrow for writing.

fn main() {
    let scheduler = heddle_scheduler::Scheduler::new().unwrap();
    let mut number = 0;
    scheduler.scope(|s| {
        s.go(|| number += 1);
        s.go(|| number += 1);
    });
}
