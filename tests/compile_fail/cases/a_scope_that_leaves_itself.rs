//! A scope cannot be kept for later.

fn main() {
    let scheduler = heddle_scheduler::Scheduler::new().unwrap();
    let mut kept = None;
    scheduler.scope(|s| kept = Some(s));
    kept.unwrap().go(|| ());
}
