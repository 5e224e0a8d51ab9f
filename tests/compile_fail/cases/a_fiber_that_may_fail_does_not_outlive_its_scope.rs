//! A fiber of `try_scope` borrows from outside of the scope, not from its body.

use heddle_scheduler::Scheduler;

fn fails(scheduler: &Scheduler) -> Result<(), ()> {
    scheduler.try_scope(|s| {
        let local = 1;
        s.go(|| if local == 1 { Err(()) } else { Ok(()) });
        Ok(())
    })
}

fn main() {
    let scheduler = Scheduler::new().unwrap();
    fails(&scheduler).unwrap();
}
