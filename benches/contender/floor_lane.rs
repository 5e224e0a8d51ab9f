//! The floor of lanes: threads of the kernel with one standing and a queue that they sleep at.
//!
//! Whom a push wakes matters: a thread that must be woken on another CPU waits for an interrupt between the CPUs, which
//! in a virtual machine takes several times as long as all the rest. The one on the CPU of the pusher starts as soon as
//! the pusher sleeps.

use heddle_benches::thread::{become_idle_class, become_nice, cpu_here, stay_on};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread::Thread;

type Job = Box<dyn FnOnce() + Send>;

/// How a thread stands to others before the kernel; none needs a privilege.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Standing {
    Ordinary,
    Nice(i32),
    IdleClass,
}

/// Where a thread of a lane runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where the kernel likes.
    Anywhere,
    /// One on each CPU; a push wakes the one on its own CPU if that sleeps.
    EachCpu,
}

/// Threads that run what is pushed, first come, first served.
#[derive(Default)]
pub(crate) struct Lane(Mutex<State>);

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Those who sleep or are about to, and their CPU if they stay on one; last come, first woken.
    sleepers: Vec<(Option<usize>, Thread)>,
}

impl Lane {
    /// A lane that lives as long as the process.
    pub(crate) fn start(threads: usize, standing: Standing, place: Place) -> &'static Lane {
        let lane: &'static Lane = Box::leak(Box::default());
        for index in 0..threads {
            std::thread::spawn(move || {
                match standing {
                    Standing::Ordinary => {}
                    Standing::Nice(nice) => become_nice(nice),
                    Standing::IdleClass => become_idle_class(),
                }
                let cpu = (place == Place::EachCpu && stay_on(index)).then_some(index);
                loop {
                    lane.next(cpu)();
                }
            });
        }
        lane
    }

    pub(crate) fn push(&self, job: impl FnOnce() + Send + 'static) {
        let here = cpu_here();
        let mut state = self.0.lock().expect("no job panics in there");
        state.jobs.push_back(Box::new(job));
        let near = state.sleepers.iter().position(|(cpu, _)| cpu.is_some() && *cpu == here);
        let last = state.sleepers.len().checked_sub(1);
        let sleeper = near.or(last).map(|index| state.sleepers.swap_remove(index));
        drop(state);
        if let Some((_, thread)) = sleeper {
            thread.unpark();
        }
    }

    fn next(&self, cpu: Option<usize>) -> Job {
        loop {
            let mut state = self.0.lock().expect("no job panics in there");
            if let Some(job) = state.jobs.pop_front() {
                return job;
            }
            let me = std::thread::current();
            // A thread that woke for no reason is in the list already.
            if state.sleepers.iter().all(|(_, thread)| thread.id() != me.id()) {
                state.sleepers.push((cpu, me));
            }
            drop(state);
            std::thread::park();
        }
    }
}
