//! Background work under a CPU quota of the real kernel, whichever version of control groups sets it.

use crate::{eventually, kernel};
use heddle_scheduler::{Priority, QuotaStats, Scheduler, checkpoint};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A scheduler whose background lane would burn all CPUs for ever.
pub struct Burning {
    /// The scheduler.
    pub scheduler: Scheduler,
    enough: Arc<AtomicBool>,
    steps: Arc<AtomicU64>,
}

impl Burning {
    /// One fiber a CPU, that reaches checkpoints.
    pub fn new(cpus: usize) -> Burning {
        let scheduler = Scheduler::builder().workers(cpus).build().unwrap();
        let (enough, steps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        for _ in 0..cpus {
            let (enough, steps) = (enough.clone(), steps.clone());
            drop(scheduler.go_with_priority(Priority::Background, move || {
                while !enough.load(Ordering::Relaxed) {
                    steps.fetch_add(1, Ordering::Relaxed);
                    checkpoint();
                }
            }));
        }
        Burning { scheduler, enough, steps }
    }

    /// What its monitor says of the quota.
    pub fn quota(&self) -> Option<QuotaStats> {
        self.scheduler.stats().monitor.quota
    }

    /// It is held again and again under the quota of this process, of so many CPUs, goes on each time, and urgent work is done.
    pub fn expect_held_and_going_on(&self, cpus: f64) {
        let ping = || self.scheduler.go_with_priority(Priority::Critical, || 1).join().unwrap();
        for _ in 0..3 {
            let held = self.quota().map_or(Duration::ZERO, |quota| quota.held);
            let since = (Instant::now(), kernel::cpu_time());
            let mut is_used = true;
            eventually(|| {
                std::thread::sleep(Duration::from_millis(1));
                // Others may want the CPUs so much that all of this process gets less than its quota.
                let (passed, had) = (since.0.elapsed(), kernel::cpu_time() - since.1);
                is_used = passed < Duration::from_secs(5) || had > passed.mul_f64(0.9 * cpus);
                ping() == 1 && (!is_used || self.quota().is_some_and(|quota| quota.held > held))
            });
            if !is_used {
                println!("SKIPPED in part: others have the CPUs, and the quota is not used up");
                break;
            }
            self.expect_going_on();
        }
    }

    /// It runs.
    pub fn expect_going_on(&self) {
        let before = self.steps.load(Ordering::Relaxed);
        eventually(|| self.steps.load(Ordering::Relaxed) > before + 1000);
    }

    /// All of it ends.
    pub fn end(self) {
        self.enough.store(true, Ordering::Relaxed);
        self.scheduler.wait_all().unwrap();
        self.scheduler.stop().unwrap();
    }
}
