//! The handle of a scope's fiber does not leave the scope: its result may borrow.

fn main() {
    let scheduler = heddle_scheduler::Scheduler::new().unwrap();
    let text = String::from("here");
    let handle = scheduler.scope(|s| s.go(|| text.as_str()));
    drop(text);
    let _ = handle.join();
}
