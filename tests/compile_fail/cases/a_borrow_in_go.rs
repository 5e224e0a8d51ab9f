//! A fiber of `go` may outlive the caller's frame; borrowing takes a scope.

fn main() {
    let scheduler = heddle_scheduler::Scheduler::new().unwrap();
    let local = String::from("here");
    let handle = scheduler.go(|| local.len());
    let _ = handle.join();
}
