//! What a scope's fiber borrows must outlive the scope, not only its closure.

fn main() {
    let scheduler = heddle_scheduler::Scheduler::new().unwrap();
    scheduler.scope(|s| {
        let local = String::from("here");
        s.go(|| local.len());
    });
}
