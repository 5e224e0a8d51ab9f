//! A result is taken once.

fn main() {
    let scheduler = heddle_scheduler::Scheduler::new().unwrap();
    let handle = scheduler.go(|| 1);
    let _ = handle.join();
    let _ = handle.join();
}
