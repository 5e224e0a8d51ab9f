//! Spare workers: when, how many, and when no more.
//!
//! Threads of a lane that block leave CPUs to nobody, so there is one spare for each of them, if there is work for
//! it. And where fibers keep all workers of a lane, burning, one more shares their CPUs with them. That
//! one may be kept, too: then comes the next, up to the bound.

use super::hogs::{Census, Hogs};
use super::{Manned, Staff};
use crate::lane::Lane;
use crate::worker::crew::Crew;
use crate::worker::shared::Shared;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Spares that were not needed for so many times `hog_after` are sent home: making a thread costs some
/// 50 us, and where one fiber blocks, the next will.
const SURPLUS_AGE: u32 = 10;

/// After a thread could not be created, how long until the next attempt.
const RETRY: Duration = Duration::from_millis(500);

/// What to do about the spares of a crew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    None,
    /// So many more should serve.
    Add(usize),
    /// So many are not needed.
    Dismiss(usize),
}

/// Decides. `waiting`: there is work that nobody has started; `is_free`: somebody sleeps who would take it.
fn decide(census: Census, waiting: bool, is_free: bool) -> Change {
    let up = census.workers + census.spares;
    let effective = up - census.blocked;
    let all_kept = census.blocked + census.burning == up;
    if waiting && !is_free && (effective < census.workers || all_kept) {
        // Doubling: threads are made for work that is there in numbers, not for one fiber at once.
        let missing = census.workers.saturating_sub(effective).max(1);
        return Change::Add(missing.min(census.spares.max(1)));
    }
    // As long as hogs keep all regular workers, one of the others is theirs.
    let needed = census.blocked + usize::from(census.kept == census.workers && census.blocked == 0);
    match census.spares.saturating_sub(needed) {
        0 => Change::None,
        surplus => Change::Dismiss(surplus),
    }
}

/// What the monitor remembers of a crew's spares.
pub(super) struct Spares {
    patience: Duration,
    /// Since when some of a crew's are not needed.
    surplus_since: [Option<Instant>; crate::lane::LANES],
    /// A thread could not be created.
    retry_at: Option<Instant>,
}

impl Spares {
    pub(super) fn new(hog_after: Duration) -> Spares {
        Spares {
            patience: hog_after.saturating_mul(SURPLUS_AGE),
            surplus_since: Default::default(),
            retry_at: None,
        }
    }

    pub(super) fn look(&mut self, shared: &Shared, hogs: &Hogs, staff: &dyn Staff, now: Instant) {
        staff.collect();
        if !shared.is_running() {
            return;
        }
        for crew in shared.crews.iter().filter(|crew| !crew.spares.is_empty() && crew.levels() != 0) {
            let census = hogs.census(shared, crew);
            // Where a quota is in force, fewer of these run at once, not more.
            if crew.lane == Lane::Background && census.blocked == 0 && shared.watchman.has_quota() {
                continue;
            }
            let levels = shared.levels_queued(crew);
            let surplus_since = &mut self.surplus_since[crew.lane as usize];
            match decide(census, levels != 0, is_anyone_free(shared, crew)) {
                Change::None => *surplus_since = None,
                Change::Dismiss(count) => {
                    let since = *surplus_since.get_or_insert(now);
                    if now - since >= self.patience {
                        dismiss(shared, crew, count);
                    }
                }
                Change::Add(count) => {
                    *surplus_since = None;
                    if self.retry_at.is_none_or(|time| now >= time) {
                        self.retry_at = add(shared, crew, staff, count).then(|| now + RETRY);
                        shared.announce_again(crew, levels);
                    }
                }
            }
        }
    }
}

/// Does anybody sleep who would take work?
fn is_anyone_free(shared: &Shared, crew: &Crew) -> bool {
    let is_leaving = |seat: usize| shared.remotes[crew.worker(seat)].duty.is_leaving();
    (0..crew.reach()).any(|seat| crew.beacon.is_parked(seat) && !is_leaving(seat))
}

/// `true`: the system refused a thread.
fn add(shared: &Shared, crew: &Crew, staff: &dyn Staff, count: usize) -> bool {
    // Those that were about to go stay.
    let recalled =
        crew.spares.clone().filter(|&worker| shared.remotes[worker].duty.recall()).take(count).count();
    for _ in recalled..count {
        let vacant = crew.spares.clone().find(|&worker| shared.remotes[worker].duty.is_vacant());
        let Some(worker) = vacant else { return false };
        let counters = &shared.watchman;
        match staff.man(worker) {
            Manned::Yes => counters.spares_made.fetch_add(1, Ordering::Relaxed),
            Manned::NotNow => return false,
            Manned::Refused => {
                counters.spares_refused.fetch_add(1, Ordering::Relaxed);
                return true;
            }
        };
    }
    false
}

/// Tells so many spares to leave: those without a live fiber first.
fn dismiss(shared: &Shared, crew: &Crew, count: usize) {
    let mut serving: Vec<usize> =
        crew.spares.clone().filter(|&worker| shared.remotes[worker].duty.is_serving()).collect();
    serving.sort_by_key(|&worker| shared.remotes[worker].counters.live.get());
    for worker in serving.into_iter().take(count) {
        if shared.remotes[worker].duty.dismiss() {
            shared.watchman.spares_retired.fetch_add(1, Ordering::Relaxed);
            shared.call(worker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Census = Census { workers: 4, kept: 0, spares: 0, blocked: 0, burning: 0 };

    #[test]
    fn a_blocked_worker_gets_a_spare_when_there_is_work_and_nobody_for_it() {
        let census = Census { kept: 1, blocked: 1, ..IDLE };
        assert_eq!(decide(census, true, false), Change::Add(1));
        assert_eq!(decide(census, false, false), Change::None);
        assert_eq!(decide(census, true, true), Change::None);
        assert_eq!(decide(Census { spares: 1, ..census }, true, false), Change::None);
    }

    #[test]
    fn burning_workers_get_one_only_when_all_are_kept() {
        let census = Census { kept: 3, burning: 3, ..IDLE };
        assert_eq!(decide(census, true, false), Change::None);
        let census = Census { kept: 4, burning: 4, ..IDLE };
        assert_eq!(decide(census, true, false), Change::Add(1));
        // The spare is kept, too.
        assert_eq!(decide(Census { spares: 1, burning: 5, ..census }, true, false), Change::Add(1));
        assert_eq!(decide(Census { spares: 1, ..census }, true, false), Change::None);
    }

    #[test]
    fn many_blocked_workers_get_theirs_in_a_few_looks() {
        let mut census = Census { workers: 64, kept: 64, blocked: 64, ..IDLE };
        let mut looks = 0;
        while let Change::Add(count) = decide(census, true, false) {
            census.spares += count;
            looks += 1;
        }
        assert_eq!((census.spares, looks), (64, 7));
    }

    #[test]
    fn spares_that_nobody_needs_go() {
        let census = Census { spares: 2, ..IDLE };
        assert_eq!(decide(census, true, false), Change::Dismiss(2));
        assert_eq!(decide(Census { kept: 1, blocked: 1, ..census }, false, true), Change::Dismiss(1));
        assert_eq!(decide(Census { kept: 4, burning: 4, ..census }, false, true), Change::Dismiss(1));
        assert_eq!(decide(Census { kept: 2, blocked: 2, ..census }, false, true), Change::None);
    }
}
