//! `inversion` by threads of the kernel and the standard library's locks, which do not lend: the urgent one as it comes,
//! the Normal ones at nice 10, the Low ones in `SCHED_IDLE`. A thread has no checkpoints.

use super::{HOLDERS, Task, drive, hog, hold, want};
use heddle_benches::thread::{become_idle_class, become_nice};
use heddle_benches::{Run, Sample};
use std::cell::RefCell;
use std::sync::Mutex;

static LOCKS: [Mutex<()>; HOLDERS] = [const { Mutex::new(()) }; HOLDERS];

pub(crate) fn run(run: &Run) -> Sample {
    let threads = RefCell::new(Vec::new());
    let start = |task| threads.borrow_mut().push(std::thread::spawn(move || perform(task)));
    let join_all = || threads.borrow_mut().drain(..).for_each(|thread| thread.join().expect("no one panics"));
    drive(run, "std::sync::Mutex", start, join_all)
}

fn perform(task: Task) {
    let lock = |index: usize| LOCKS[index].lock().expect("no one panics");
    match task {
        Task::Holder(index) => {
            become_idle_class();
            let _own = lock(index);
            hold(|| index.checked_sub(1).map(lock), || {});
        }
        Task::Hog => {
            become_nice(10);
            hog(|| {});
        }
        Task::Urgent => want(|| lock(HOLDERS - 1)),
    }
}
