//! What the monitor's thread shares with others: how it is woken, what it has counted, whether it is there.
//! The thread itself is in [`monitor`](crate::monitor).
//!
//! | field      | written by                            | read by                             |
//! |------------|---------------------------------------|-------------------------------------|
//! | `vigil`    | see its own page                      | workers                             |
//! | `parker`   | see its own table                     | the monitor parks, anyone unparks   |
//! | `state`    | `start`, `stop`                       | `stats()`                           |
//! | `refusal`  | `start`                               | `stats()`, which only tries its lock |
//! | `thread`   | the monitor, when it begins           | whoever wants to stop               |
//! | `called`   | whoever wants it to look; itself      | the monitor                         |
//! | `need`     | whoever raises a need; itself         | the monitor                         |
//! | the others | the monitor: counters                 | `stats()`                           |

use super::shared::Shared;
use super::vigil::Vigil;
use crate::hog::{MonitorState, MonitorStats, QuotaStats};
use crate::machine::park::Parker;
use crate::machine::thread;
use crate::primitive::Mutex;
use crate::primitive::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

const OFF: u8 = 0;
const ON: u8 = 1;
const REFUSED: u8 = 2;

/// See the module's documentation.
pub(crate) struct Watchman {
    vigil: Vigil,
    parker: Parker,
    state: AtomicU8,
    refusal: Mutex<String>,
    thread: AtomicU32,
    called: AtomicBool,
    need: AtomicBool,
    pub(crate) cpus_cleared: AtomicU64,
    pub(crate) hogs_seen: AtomicU64,
    pub(crate) spares_made: AtomicU64,
    pub(crate) spares_retired: AtomicU64,
    pub(crate) spares_refused: AtomicU64,
    pub(crate) stacks_supplied: AtomicU64,
    /// The quota in force, in us in each so many; 0: none.
    quota: AtomicU64,
    period: AtomicU64,
    throttled_periods: AtomicU64,
    throttled_us: AtomicU64,
    pub(crate) held_us: AtomicU64,
}

impl Watchman {
    pub(crate) fn new() -> Watchman {
        Watchman {
            vigil: Vigil::new(),
            parker: Parker::new(),
            state: AtomicU8::new(OFF),
            refusal: Mutex::new(String::new()),
            thread: AtomicU32::new(0),
            called: AtomicBool::new(false),
            need: AtomicBool::new(false),
            cpus_cleared: AtomicU64::new(0),
            hogs_seen: AtomicU64::new(0),
            spares_made: AtomicU64::new(0),
            spares_retired: AtomicU64::new(0),
            spares_refused: AtomicU64::new(0),
            stacks_supplied: AtomicU64::new(0),
            quota: AtomicU64::new(0),
            period: AtomicU64::new(0),
            throttled_periods: AtomicU64::new(0),
            throttled_us: AtomicU64::new(0),
            held_us: AtomicU64::new(0),
        }
    }

    /// The caller, a worker, is awake: so is the monitor from now on.
    #[inline]
    pub(crate) fn stir(&self) {
        if self.vigil.should_wake() {
            self.parker.unpark();
        }
    }

    /// Wakes it, to look.
    pub(crate) fn unpark(&self) {
        self.called.store(true, Ordering::Relaxed);
        self.parker.unpark();
    }

    /// The monitor is about to look, if it was woken for that.
    pub(crate) fn was_called(&self) -> bool {
        self.called.load(Ordering::Relaxed) && self.called.swap(false, Ordering::Relaxed)
    }

    /// A worker of a lane below is in need of a CPU ([`need`](super::need)).
    pub(crate) fn tell_of_need(&self) {
        if self.is_on() && !self.need.swap(true, Ordering::Relaxed) {
            self.parker.unpark();
        }
    }

    /// The monitor is about to look who is, if it was told so.
    pub(crate) fn was_told_of_need(&self) -> bool {
        self.need.load(Ordering::Relaxed) && self.need.swap(false, Ordering::Relaxed)
    }

    /// The monitor waits for the next look.
    pub(crate) fn park(&self, time: Duration) {
        let _ = self.parker.park(Some(time));
    }

    /// The monitor sleeps while nobody is awake.
    pub(crate) fn sleep(&self, all_quiet: impl Fn() -> bool) {
        self.vigil.sleep(all_quiet, || {
            let _ = self.parker.park(None);
        });
    }

    /// Its thread begins.
    pub(crate) fn begin(&self) {
        self.thread.store(thread::number(), Ordering::Relaxed);
    }

    /// Is the caller its thread, in a hook?
    pub(crate) fn is_here(&self) -> bool {
        self.is_on() && self.thread.load(Ordering::Relaxed) == thread::number()
    }

    /// Is there such a thread?
    pub(crate) fn is_on(&self) -> bool {
        self.state.load(Ordering::Relaxed) == ON
    }

    /// It is there or not, and why not.
    pub(crate) fn set_state(&self, state: MonitorState) {
        let number = match state {
            MonitorState::Off => OFF,
            MonitorState::On => ON,
            MonitorState::Refused(why) => {
                *self.refusal.lock() = why;
                REFUSED
            }
        };
        self.state.store(number, Ordering::Relaxed);
    }

    /// The quota in force, in us in each so many; 0: none.
    pub(crate) fn set_quota(&self, quota: u64, period: u64) {
        self.period.store(period, Ordering::Relaxed);
        self.quota.store(quota, Ordering::Relaxed);
    }

    /// Is there one?
    pub(crate) fn has_quota(&self) -> bool {
        self.quota.load(Ordering::Relaxed) != 0
    }

    /// How often and how long the group was throttled since the quota was first seen.
    pub(crate) fn count_throttling(&self, periods: u64, us: u64) {
        self.throttled_periods.store(periods, Ordering::Relaxed);
        self.throttled_us.store(us, Ordering::Relaxed);
    }

    fn quota_stats(&self) -> Option<QuotaStats> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.has_quota().then(|| QuotaStats {
            cpus: read(&self.quota) as f64 / read(&self.period).max(1) as f64,
            throttled_periods: read(&self.throttled_periods),
            throttled: Duration::from_micros(read(&self.throttled_us)),
            held: Duration::from_micros(read(&self.held_us)),
        })
    }

    pub(crate) fn stats(&self) -> MonitorStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        MonitorStats {
            state: match self.state.load(Ordering::Relaxed) {
                OFF => MonitorState::Off,
                ON => MonitorState::On,
                _ => MonitorState::Refused(self.refusal.try_lock().map_or(String::new(), |why| why.clone())),
            },
            hogs_seen: read(&self.hogs_seen),
            spares_made: read(&self.spares_made),
            spares_retired: read(&self.spares_retired),
            spares_refused: read(&self.spares_refused),
            stacks_supplied: read(&self.stacks_supplied),
            cpus_cleared: read(&self.cpus_cleared),
            quota: self.quota_stats(),
        }
    }
}

/// What the monitor asks of the crews.
impl Shared {
    /// Have all threads left?
    pub(crate) fn all_have_left(&self) -> bool {
        self.serving() == 0
    }

    /// Does everybody sleep, and no spare wait to be sent home?
    pub(crate) fn is_all_quiet(&self) -> bool {
        let busy =
            |worker: usize| self.remotes[worker].duty.is_serving() || self.remotes[worker].duty.is_gone();
        self.crews.iter().all(|crew| crew.beacon.is_all_quiet() && !crew.spares.clone().any(busy))
    }

    /// Says again that there is work of these levels in a crew's queues, to whoever sleeps there.
    pub(crate) fn announce_again(&self, crew: &super::crew::Crew, levels: u32) {
        for level in crate::policy::levels_of(levels) {
            if let Some(seat) = crew.beacon.announce(level, 0) {
                self.unpark(crew.worker(seat));
            }
        }
    }

    /// The levels that have work in the queues of a crew, for anybody there.
    pub(crate) fn levels_queued(&self, crew: &super::crew::Crew) -> u32 {
        crew.workers().fold(crew.queued(), |mask, worker| mask | self.levels_queued_at(worker))
    }
}
