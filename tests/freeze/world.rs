//! What the background lane and the others reach: fibers of the urgent and the ordinary lane.

use heddle_scheduler::suspend::{Resumer, suspend};
use heddle_scheduler::{AtLimit, JoinHandle, Priority, Scheduler};
use heddle_tests::eventually;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// The levels whose fibers have another lane than the background one.
pub(crate) const ABOVE: [Priority; 3] = [Priority::Critical, Priority::High, Priority::Normal];

/// Of the other scheduler. Lives on the frozen thread hold some: each one that was granted to it, when it
/// waited, and that it does not come to use; or that it is about to hand on. One more is left.
const PLACES: usize = crate::LIVES + 1;

/// A fiber that waits, and answers who has asked and resumed it.
#[derive(Default)]
pub(crate) struct Echo {
    asked: AtomicU64,
    answered: AtomicU64,
    over: AtomicBool,
    resumer: OnceLock<Resumer>,
}

impl Echo {
    fn serve(&self) {
        self.resumer.set(Resumer::current()).expect("once");
        while !self.over.load(Ordering::SeqCst) {
            let asked = self.asked.load(Ordering::SeqCst);
            if self.answered.swap(asked, Ordering::SeqCst) == asked && suspend().is_err() {
                return;
            }
        }
    }

    fn is_there(&self) -> bool {
        self.resumer.get().is_some()
    }

    /// The result is for [`has_answered`](Self::has_answered).
    pub(crate) fn ask(&self) -> u64 {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.resumer.get().expect("it is there").resume();
        number
    }

    pub(crate) fn has_answered(&self, number: u64) -> bool {
        self.answered.load(Ordering::SeqCst) >= number
    }

    fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.resumer.get().expect("it is there").resume();
    }
}

/// A fiber of another lane that a background fiber has in its hands, and that has to end whatever
/// becomes of the background fiber.
pub(crate) type Target = Arc<JoinHandle<()>>;

pub(crate) struct World {
    pub(crate) scheduler: Arc<Scheduler>,
    /// Another one, with few places, for which one waits.
    pub(crate) other: Scheduler,
    pub(crate) echoes: Vec<(Arc<Echo>, OnceLock<JoinHandle<()>>)>,
    /// Never locked while a step is taken.
    targets: Mutex<Vec<(&'static str, Target)>>,
}

impl World {
    pub(crate) fn new(scheduler: Arc<Scheduler>) -> World {
        let echoes = ABOVE.iter().map(|_| Default::default()).collect();
        let other = Scheduler::builder().workers(1).lanes(1).name("other").max_fibers(PLACES);
        let other = other.at_limit(AtLimit::Wait).build().expect("the options are good");
        World { scheduler, other, echoes, targets: Mutex::default() }
    }

    /// The echoes wait.
    pub(crate) fn open(&self) {
        for ((echo, handle), priority) in self.echoes.iter().zip(ABOVE) {
            let theirs = echo.clone();
            let fiber = self.scheduler.go_with_priority(priority, move || theirs.serve());
            handle.set(fiber).expect("once");
            eventually(|| echo.is_there());
        }
    }

    /// The echoes end.
    pub(crate) fn close(&self) {
        for (echo, handle) in &self.echoes {
            echo.end();
            eventually(|| handle.get().expect("it is there").is_finished());
        }
        self.targets.lock().expect("no panic while locked").clear();
    }

    /// The other lanes will see to it that this one ends.
    pub(crate) fn publish(&self, what: &'static str, fiber: JoinHandle<()>) -> Target {
        let target = Arc::new(fiber);
        self.targets.lock().expect("no panic while locked").push((what, target.clone()));
        target
    }

    pub(crate) fn targets(&self) -> Vec<(&'static str, Target)> {
        self.targets.lock().expect("no panic while locked").clone()
    }
}

/// The calling thread runs as others do, where that is permitted: on a machine that others use, a thread
/// of `SCHED_IDLE` would take its steps too slowly. It changes nothing about the steps.
pub(crate) fn leave_idle_policy() {
    // SAFETY: all zeros are a sched_param; 0 is the calling thread, and a refusal changes nothing.
    unsafe {
        let param: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, libc::SCHED_OTHER, &param);
    }
}
