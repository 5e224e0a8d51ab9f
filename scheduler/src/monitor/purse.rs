//! The control group's CPU quota, which all lanes share: the background lane pauses before it is used up.
//!
//! The decision is the policy's ([`policy::quota`](crate::policy::quota)); here are the readings. What the group has
//! used is asked of the group, or, where that does not tell, it is what this process has used. Where not all of its
//! workers may run, those that have something to run take turns, from look to look: a started fiber runs nowhere else.
//!
//! Code that reaches no dispatch and no checkpoint cannot be paused without a privilege. Where such code runs in the
//! background lane, no more of its workers run at once than leave one CPU of the quota to others. With a quota
//! of less than two CPUs that is not enough: such code may then get the group throttled.

use super::hogs::Hogs;
use crate::hog::HogKind;
use crate::lane::Lane;
use crate::machine::thread;
use crate::policy::quota::{Meter, Reading, Seat, turns, unpausable_max};
use crate::worker::shared::Shared;
use heddle_numa::{Quota, Throttling};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often to look whether there is a quota, which may change.
const READ_AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Purse {
    began: Instant,
    /// How often the monitor looks anyway.
    usual: Duration,
    quota: Option<(Quota, Meter)>,
    /// Some worker may be held.
    holds: bool,
    /// The seat whose turn is next.
    turn: usize,
    read_at: Option<Instant>,
    /// What the group had been throttled when the quota was first seen.
    before: Throttling,
    looked: Instant,
}

impl Purse {
    pub(super) fn new(usual: Duration) -> Purse {
        let now = Instant::now();
        Purse {
            began: now,
            usual,
            quota: None,
            // From before a restart.
            holds: true,
            turn: 0,
            read_at: None,
            before: Throttling::default(),
            looked: now,
        }
    }

    /// The result is the time until the next look, if it should be soon.
    pub(super) fn look(&mut self, shared: &Shared, hogs: &Hogs, now: Instant) -> Option<Duration> {
        if self.read_at.is_none_or(|time| now - time >= READ_AGAIN) {
            self.read_at = Some(now);
            self.read(shared);
        }
        let crew = &shared.crews[Lane::Background as usize];
        let elapsed = now - std::mem::replace(&mut self.looked, now);
        let Some((quota, meter)) = &mut self.quota else {
            if std::mem::take(&mut self.holds) {
                shared.hold(crew, |_| false);
            }
            return None;
        };
        let interval = Duration::from_micros(meter.interval()).min(self.usual);
        // Unreadable for the moment: everything stays as it is. A group that is gone is noticed by `read`.
        let Ok(throttling) = quota.throttling() else { return Some(interval) };
        shared.watchman.count_throttling(
            throttling.throttled_periods.saturating_sub(self.before.throttled_periods),
            throttling.throttled_us.saturating_sub(self.before.throttled_us),
        );
        if crew.levels() == 0 {
            return Some(interval);
        }
        let remote = |seat| &shared.remotes[crew.worker(seat)];
        let pauses = |seat: &usize| crew.beacon.is_held(*seat) && crew.beacon.stands_aside(*seat);
        let pausing = (0..crew.reach()).filter(pauses).count() as u32;
        shared.watchman.held_us.fetch_add((elapsed * pausing).as_micros() as u64, Ordering::Relaxed);
        let may_run = meter.look(Reading {
            now: (now - self.began).as_micros() as u64,
            used: quota.used_us().unwrap_or_else(|| thread::process_cpu_time() / 1000),
            background: (0..crew.reach()).map(|seat| remote(seat).cpu_time() / 1000).sum(),
            periods: throttling.periods,
            throttled: throttling.throttled_periods,
        });
        let seats: Vec<Seat> = (0..crew.reach())
            .map(|seat| match remote(seat).counters.busy_level() {
                _ if crew.beacon.stands_aside(seat) => Seat::Wants,
                None => Seat::Idle,
                Some(_) if hogs.kind(crew.worker(seat)) == Some(HogKind::Burning) => Seat::Burns,
                Some(_) => Seat::Wants,
            })
            .collect();
        if seats.iter().all(|&seat| seat == Seat::Idle) {
            meter.rest();
        }
        let unpausable = unpausable_max(quota.quota_us(), quota.period_us());
        let (may, next) = turns(&seats, self.turn, may_run as usize, unpausable);
        self.turn = next;
        self.holds = true;
        // Seats that nobody serves are no reason for a sign.
        shared.hold(crew, |seat| may.get(seat) == Some(&false));
        Some(interval)
    }

    /// Is a quota in force that is less than the CPUs?
    fn read(&mut self, shared: &Shared) {
        let config = &shared.config;
        // An error is no answer: without a descriptor left, say, the quota that was seen stays in force.
        let Ok(quota) = Quota::in_force(&config.quota_root) else { return };
        let Some(quota) = quota.filter(|quota| quota.cpus() < config.cpus.len() as f64) else {
            self.quota = None;
            shared.watchman.set_quota(0, 0);
            return;
        };
        let numbers = (quota.quota_us(), quota.period_us());
        if !self.quota.as_ref().is_some_and(|(_, meter)| meter.is_for(numbers.0, numbers.1)) {
            self.before = quota.throttling().unwrap_or_default();
            self.quota = Some((quota, Meter::new(numbers.0, numbers.1)));
            shared.watchman.set_quota(numbers.0, numbers.1);
        }
    }
}
