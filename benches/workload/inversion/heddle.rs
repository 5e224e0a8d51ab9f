//! `inversion` by Heddle, whose locks lend.

use super::{CHECKPOINTS, HOLDERS, Task, drive, hog, hold, want};
use crate::contender;
use heddle_benches::{Run, Sample};
use heddle_scheduler::sync::Mutex;
use heddle_scheduler::{Priority, checkpoint};
use std::cell::RefCell;

static LOCKS: [Mutex<()>; HOLDERS] = [const { Mutex::new(()) }; HOLDERS];

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    let yields = run.case.name == CHECKPOINTS;
    let handles = RefCell::new(Vec::new());
    let start = |task| {
        let priority = match task {
            Task::Holder(_) => Priority::Low,
            Task::Hog => Priority::Normal,
            Task::Urgent if yields => Priority::High,
            Task::Urgent => Priority::Critical,
        };
        handles.borrow_mut().push(scheduler.go_with_priority(priority, move || perform(task, yields)));
    };
    let join_all = || handles.borrow_mut().drain(..).for_each(|handle| handle.join().expect("no one panics"));
    drive(run, "sync::Mutex", start, join_all)
}

fn perform(task: Task, yields: bool) {
    match task {
        Task::Holder(index) => {
            let _own = LOCKS[index].lock();
            hold(|| index.checked_sub(1).map(|below| LOCKS[below].lock()), checkpoint);
        }
        Task::Hog if yields => hog(checkpoint),
        Task::Hog => hog(|| {}),
        Task::Urgent => want(|| LOCKS[HOLDERS - 1].lock()),
    }
}
