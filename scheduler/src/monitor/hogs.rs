//! Finding workers that do not come back.
//!
//! A worker that runs a fiber, and has neither made another dispatch nor reached a checkpoint for `hog_after`, is
//! *stuck*. (A checkpoint costs a few loads and is counted only when the monitor asks, by a *roll call* in the
//! beacon: for those that have not dispatched for half of that time, and for [`ANSWER`] if they all answer.) What has not started
//! in its queues is for others to take. Its fiber is a *hog* if it has burned CPU time or has blocked the
//! thread meanwhile. A thread that could run, and that the kernel keeps from its CPU for more urgent ones, is
//! stuck without its fiber's fault, and is not reported until it has had so much time after all.
//!
//! Nothing of a fiber is touched, which may end at any time: its number and level are in the worker's counters.

use crate::hog::HogKind;
use crate::machine::{clock, thread};
use crate::worker::crew::Crew;
use crate::worker::shared::Shared;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a worker that reaches checkpoints has to answer, before its lane is asked until the next look.
pub(super) const ANSWER: Duration = Duration::from_micros(500);

/// A thread that gets at least this share of a CPU burns it.
const BURNING_SHARE: u32 = 4;

/// What the monitor remembers of a worker.
#[derive(Clone, Copy)]
struct Track {
    dispatches: u64,
    checkpoints: u64,
    /// When that dispatch was first seen, by two clocks.
    since: Instant,
    since_ticks: u64,
    /// The CPU time of its thread, and when it was read.
    clock: Option<(u64, Instant)>,
    /// The CPU time of its thread when it was first read.
    first: u64,
    is_stuck: bool,
    kind: Option<HogKind>,
    /// When to ask the system next what the thread does.
    ask_at: Instant,
}

/// All workers, as the monitor saw them last.
pub(super) struct Hogs {
    after: Duration,
    tracks: Vec<Track>,
}

/// How many workers of a crew do what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// Regular workers that there are.
    pub(super) workers: usize,
    /// Of these, how many run hogs.
    pub(super) kept: usize,
    /// Spare workers that serve.
    pub(super) spares: usize,
    /// Workers of both kinds whose hog blocks.
    pub(super) blocked: usize,
    /// Workers of both kinds whose hog burns.
    pub(super) burning: usize,
}

impl Hogs {
    pub(super) fn new(shared: &Shared, after: Duration) -> Hogs {
        let now = Instant::now();
        let track = Track {
            dispatches: 0,
            checkpoints: 0,
            since: now,
            since_ticks: 0,
            clock: None,
            first: 0,
            is_stuck: false,
            kind: None,
            ask_at: now,
        };
        Hogs { after, tracks: vec![track; shared.remotes.len()] }
    }

    /// Looks at all workers. `true`: one has made a dispatch since the last time.
    pub(super) fn look(&mut self, shared: &Shared, now: Instant) -> bool {
        let mut progress = false;
        for crew in &shared.crews {
            let mut stuck = 0;
            for worker in crew.everyone() {
                progress |= self.look_at(shared, worker, now);
                if self.tracks[worker].is_stuck {
                    stuck |= 1 << (crew.seat(worker) % 64);
                }
            }
            crew.set_hogged(stuck);
            if stuck != 0 && crew.beacon.has_sleepers() {
                self.wake_for(shared, crew);
            }
        }
        progress
    }

    /// After a look: is anybody asked for a sign of life?
    pub(super) fn call_roll(&self, shared: &Shared) -> bool {
        let mut asked = false;
        for crew in &shared.crews {
            let asks = crew.everyone().any(|worker| self.tracks[worker].clock.is_some());
            asked |= asks;
            if asks {
                crew.beacon.set_roll_call(true);
            }
        }
        asked
    }

    /// Ends it in the crews where all have answered, or, with `at_once`, everywhere.
    pub(super) fn end_roll_call(&self, shared: &Shared, at_once: bool) {
        for crew in &shared.crews {
            let owes = |worker: usize| {
                let (track, counters) = (&self.tracks[worker], &shared.remotes[worker].counters);
                track.clock.is_some()
                    && !track.is_stuck
                    && track.dispatches == counters.dispatches.get()
                    && track.checkpoints == counters.checkpoints.get()
            };
            if at_once || !crew.everyone().any(owes) {
                crew.beacon.set_roll_call(false);
            }
        }
    }

    /// What is in the queues of those who are stuck is for those who sleep.
    fn wake_for(&self, shared: &Shared, crew: &Crew) {
        let stuck = crew.everyone().filter(|&worker| self.tracks[worker].is_stuck);
        let levels = stuck.fold(0, |mask, worker| mask | shared.levels_queued_at(worker));
        shared.announce_again(crew, levels);
    }

    /// The same at one. `true`: it has made a dispatch since the last time.
    fn look_at(&mut self, shared: &Shared, worker: usize, now: Instant) -> bool {
        let remote = &shared.remotes[worker];
        let (crew, seat) = shared.crew_of_worker(worker);
        let dispatches = remote.counters.dispatches.get();
        let checkpoints = remote.counters.checkpoints.get();
        let track = &mut self.tracks[worker];
        let progress = dispatches != track.dispatches || checkpoints != track.checkpoints;
        // It may stand aside for a lower lane for a while: then its fiber waits for that, not the other way.
        if progress || remote.counters.running_fiber().is_none() || crew.beacon.stands_aside(seat) {
            if track.is_stuck {
                remote.mark.clear();
            }
            *track = Track {
                dispatches,
                checkpoints,
                since: now,
                since_ticks: clock::ticks(),
                clock: None,
                first: 0,
                is_stuck: false,
                kind: None,
                ask_at: now,
            };
            return progress;
        }
        let age = now - track.since;
        if age < self.after {
            if track.clock.is_none() {
                track.first = remote.cpu_time();
                track.clock = Some((track.first, now));
            }
            return false;
        }
        track.is_stuck = true;
        let before = track.kind;
        track.kind = track.judge(remote.cpu_time(), remote.thread(), self.after, now);
        if let Some(kind) = track.kind {
            remote.mark.set(track.since_ticks, dispatches, kind);
            if before.is_none() {
                shared.watchman.hogs_seen.fetch_add(1, Ordering::Relaxed);
                if let Some(hog) = shared.hog(worker) {
                    shared.config.hooks.call_hog(&hog);
                }
            }
        }
        false
    }

    /// What keeps a worker.
    pub(super) fn kind(&self, worker: usize) -> Option<HogKind> {
        self.tracks[worker].kind
    }

    /// How many of a crew do what.
    pub(super) fn census(&self, shared: &Shared, crew: &Crew) -> Census {
        let mut census = Census::default();
        for worker in crew.everyone() {
            let remote = &shared.remotes[worker];
            if !remote.is_spare {
                census.workers += 1;
                census.kept += usize::from(self.tracks[worker].kind.is_some());
            } else if remote.duty.is_serving() {
                census.spares += 1;
            } else {
                continue;
            }
            match self.tracks[worker].kind {
                Some(HogKind::Blocked) => census.blocked += 1,
                Some(HogKind::Burning) => census.burning += 1,
                None => {}
            }
        }
        census
    }

    /// The workers have left.
    pub(super) fn forget(&mut self, shared: &Shared) {
        shared.remotes.iter().for_each(|remote| remote.mark.clear());
        shared.crews.iter().for_each(|crew| crew.set_hogged(0));
    }
}

impl Track {
    /// What does a thread do that does not come back? `None`: nothing, as the kernel does not let it.
    fn judge(&mut self, cpu: u64, thread: u32, after: Duration, now: Instant) -> Option<HogKind> {
        if self.clock.is_none() {
            self.first = cpu;
        }
        let (before, read) = self.clock.replace((cpu, now)).unwrap_or((cpu, self.since));
        let used = Duration::from_nanos(cpu.saturating_sub(before));
        if used * BURNING_SHARE >= now - read && !used.is_zero() {
            return Some(HogKind::Burning);
        }
        // It was asleep, and has not had a CPU since.
        if self.kind == Some(HogKind::Blocked) && used.is_zero() {
            return self.kind;
        }
        // Asking costs tens of us, so the older it is the less often.
        if now < self.ask_at {
            return self.kind;
        }
        self.ask_at = now + (now - self.since) / 8;
        match thread::is_blocked(thread) {
            Some(true) => Some(HogKind::Blocked),
            Some(false) if Duration::from_nanos(cpu.saturating_sub(self.first)) >= after => {
                Some(HogKind::Burning)
            }
            Some(false) => self.kind,
            // Where the system does not say, there is no CPU time to read either.
            None => Some(HogKind::Burning),
        }
    }
}
