//! The floor of lanes: threads of the kernel with one standing and a queue that they sleep at.

use heddle_benches::thread::{become_idle_class, become_nice};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};

type Job = Box<dyn FnOnce() + Send>;

/// How a thread stands to others before the kernel; none needs a privilege.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Standing {
    Ordinary,
    Nice(i32),
    IdleClass,
}

/// Threads that run what is pushed, first come, first served.
#[derive(Default)]
pub(crate) struct Lane {
    jobs: Mutex<VecDeque<Job>>,
    pushed: Condvar,
}

impl Lane {
    /// A lane that lives as long as the process.
    pub(crate) fn start(threads: usize, standing: Standing) -> &'static Lane {
        let lane: &'static Lane = Box::leak(Box::default());
        for _ in 0..threads {
            std::thread::spawn(move || {
                match standing {
                    Standing::Ordinary => {}
                    Standing::Nice(nice) => become_nice(nice),
                    Standing::IdleClass => become_idle_class(),
                }
                loop {
                    lane.next()();
                }
            });
        }
        lane
    }

    pub(crate) fn push(&self, job: impl FnOnce() + Send + 'static) {
        self.jobs.lock().expect("no job panics in there").push_back(Box::new(job));
        self.pushed.notify_one();
    }

    fn next(&self) -> Job {
        let mut jobs = self.jobs.lock().expect("no job panics in there");
        loop {
            if let Some(job) = jobs.pop_front() {
                return job;
            }
            jobs = self.pushed.wait(jobs).expect("no job panics in there");
        }
    }
}
