//! How much of a control group's CPU quota the background lane may use, so that it lasts for the others.
//!
//! A group that has used its quota is stopped as a whole until the next period, its urgent threads too. So
//! of each period's quota, what the other lanes need is kept for them: as much as they used in the worst of
//! the last [`REMEMBERED`] periods, plus a margin of a tenth of the quota, for what the kernel hands out
//! to CPUs in slices, and for a need that grows. Background gets the rest, and half of what the others
//! leave in any case, at least a 32nd of the quota, about its weight.
//!
//! Between two looks background threads burn on, so no more of them run at once than theirs lasts for until the next
//! look. That may be late: the monitor is a thread of the same group, and in a virtual machine its CPU may be another's for
//! long. Then all run until the group is stopped, and the next look is in a new period, in which all may run again: for ever. So a
//! period in which the group was stopped, and Background had more than its part, doubles the time for which theirs has to
//! last; each other one makes it shorter by a sixteenth.
//!
//! Where it is never enough for one of them, one runs after [`REMEMBERED`] periods without any time, until the look that
//! finds that it did.

/// Of so many periods the worst is what the others need. At the usual 100 ms, a second.
const REMEMBERED: usize = 10;

/// Looks in a period.
const LOOKS: u64 = 20;

/// Not more often, in microseconds, at some 20 a look.
const INTERVAL_MIN: u64 = 2_000;

/// One, of what [`Meter::caution`] counts in; and what part of it is taken back in each period.
const CAUTION: u64 = 16;

/// The part of the quota that is kept besides.
const MARGIN: u64 = 10;

/// The part of the quota that Background gets even where others need it all.
const LEAST: u64 = 32;

/// What a look found; all in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) now: u64,
    /// CPU time of the group.
    pub(crate) used: u64,
    /// CPU time of the background threads.
    pub(crate) background: u64,
    /// Periods that the kernel has counted.
    pub(crate) periods: u64,
    /// Those in which the group was stopped.
    pub(crate) throttled: u64,
}

/// This period.
#[derive(Clone, Copy, Debug)]
struct Current {
    /// The last reading before it: what was used from then on may have been used in it.
    before: Reading,
    /// The first one in it.
    first: Reading,
}

/// The account of one group.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    quota: u64,
    period: u64,
    current: Option<Current>,
    /// The last reading, if Background had something to run then.
    last: Option<Reading>,
    /// For how many times the interval it has to last what Background has left, times [`CAUTION`].
    caution: u64,
    /// What the others used in past periods.
    needs: [u64; REMEMBERED],
    next: usize,
    /// So many periods in a row Background had no time.
    starved: usize,
}

impl Meter {
    /// For a quota of so many microseconds in each period of so many.
    pub(crate) fn new(quota: u64, period: u64) -> Meter {
        Meter {
            quota,
            period,
            current: None,
            last: None,
            caution: CAUTION,
            needs: [0; REMEMBERED],
            next: 0,
            starved: 0,
        }
    }

    /// Does it account for this quota?
    pub(crate) fn is_for(&self, quota: u64, period: u64) -> bool {
        (self.quota, self.period) == (quota, period)
    }

    /// The time until the next look, in microseconds, if it is not late.
    pub(crate) fn interval(&self) -> u64 {
        (self.period / LOOKS).max(INTERVAL_MIN)
    }

    /// Background has nothing to run, so nobody may look for long.
    pub(crate) fn rest(&mut self) {
        self.last = None;
    }

    /// How many background threads may run at once until the next look?
    pub(crate) fn look(&mut self, reading: Reading) -> u64 {
        // While nobody looked, there was nothing of Background's.
        let last = self.last.replace(reading).unwrap_or(reading);
        let Current { before, .. } = match self.current {
            Some(current) if !self.is_over(current.first, reading) => current,
            past => {
                if let Some(past) = past {
                    self.remember(past, reading);
                }
                *self.current.insert(Current { before: last, first: reading })
            }
        };
        let (background, others) = spent(before, reading);
        let left = self.share(others).saturating_sub(background);
        let owed = self.starved >= REMEMBERED && background == 0;
        (left * CAUTION / (self.interval() * self.caution)).max(u64::from(owed))
    }

    /// Is the period over that `first` was in? The kernel's count says so; where it does not move, the clock.
    fn is_over(&self, first: Reading, reading: Reading) -> bool {
        reading.periods != first.periods || reading.now.saturating_sub(first.now) >= self.period
    }

    fn remember(&mut self, Current { before, first }: Current, end: Reading) {
        let time = end.now.saturating_sub(before.now).max(1);
        let (background, others) = spent(before, end);
        self.starved = if background == 0 { self.starved + 1 } else { 0 };
        if end.throttled != first.throttled && spent(first, end).0 > self.share(0) {
            let most = CAUTION * (self.period / self.interval()).max(1);
            self.caution = (2 * self.caution).min(most);
        } else {
            self.caution = (self.caution - self.caution / CAUTION).max(CAUTION);
        }
        // If looks were missed, several periods have passed.
        let need = others.saturating_mul(self.period) / time.max(self.period);
        self.needs[self.next] = need;
        self.next = (self.next + 1) % REMEMBERED;
    }

    /// What Background may use in this period, in which others have used so much.
    fn share(&self, others: u64) -> u64 {
        let need = self.needs.into_iter().max().unwrap_or(0).max(others);
        let least = (self.quota.saturating_sub(need) / 2).max(self.quota / LEAST);
        self.quota.saturating_sub(need + self.quota / MARGIN).max(least)
    }
}

/// What background threads and others have used.
fn spent(start: Reading, now: Reading) -> (u64, u64) {
    let background = now.background.saturating_sub(start.background);
    (background, now.used.saturating_sub(start.used).saturating_sub(background))
}

/// What the thread in a seat of the background lane does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seat {
    /// It has nothing to run.
    Idle,
    /// It runs, or pauses and would.
    Wants,
    /// It runs, and cannot be paused.
    Burns,
}

/// Whose turn it is, where `may_run` may run at once: of those that want to from the seat `first` on, then of
/// those that may come to. The result is who may run, and where to begin the next time.
///
/// Beside those that cannot be paused, no more may than [`unpausable_max`] in all.
pub(crate) fn turns(
    seats: &[Seat],
    first: usize,
    may_run: usize,
    unpausable_max: usize,
) -> (Vec<bool>, usize) {
    let is = |seat: Seat| move |&who: &usize| seats[who] == seat;
    let burning = seats.iter().filter(|&&seat| seat == Seat::Burns).count();
    let most = if burning == 0 { may_run } else { may_run.min(unpausable_max) };
    let in_turn = || (0..seats.len()).map(|who| (first + who) % seats.len());
    let wanting = in_turn().filter(is(Seat::Wants));
    let chosen = wanting.chain(in_turn().filter(is(Seat::Idle))).take(most.saturating_sub(burning));
    let (mut may, mut next) = (vec![false; seats.len()], first);
    for who in chosen {
        may[who] = true;
        if seats[who] == Seat::Wants {
            next = who + 1;
        }
    }
    (may, next)
}

/// How many background threads may run at once that nobody can pause, as they never come to a dispatch or a
/// checkpoint: one less than the CPUs that the quota fills, at least one.
pub(crate) fn unpausable_max(quota: u64, period: u64) -> usize {
    ((quota / period.max(1)) as usize).saturating_sub(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::random::Random;

    const PERIOD: u64 = 100_000;
    /// How often the monitor means to look.
    const LOOK: u64 = 5_000;
    /// A step of the simulation.
    const STEP: u64 = 500;

    /// What a period used, and whether the group was stopped in it.
    #[derive(Clone, Copy, Debug, Default)]
    struct Used {
        background: u64,
        others: u64,
        is_stopped: bool,
    }

    /// A group on so many CPUs: in each period others use what `demand` says, spread evenly, and from the second on background
    /// threads all the rest, as far as they may run. Nothing runs in a stopped group, the monitor neither, which
    /// comes later than it wanted by what `late` says.
    fn simulate(
        cpus: u64,
        quota: u64,
        periods: u64,
        demand: impl Fn(u64) -> u64,
        late: impl Fn() -> u64,
    ) -> Vec<Used> {
        let mut meter = Meter::new(quota, PERIOD);
        let mut reading = Reading::default();
        let (mut may_run, mut due) = (0, 0);
        let mut results = Vec::new();
        for period in 0..periods {
            let mut used = Used::default();
            for _ in 0..PERIOD / STEP {
                used.is_stopped |= used.background + used.others >= quota;
                if !used.is_stopped {
                    if reading.now >= due {
                        may_run = meter.look(reading);
                        due = reading.now + LOOK + late();
                    }
                    let theirs = (demand(period) * STEP / PERIOD).min(cpus * STEP);
                    let ours = (may_run.min(cpus) * period.min(1) * STEP).min(cpus * STEP - theirs);
                    used.background += ours;
                    used.others += theirs;
                    reading.background += ours;
                    reading.used += ours + theirs;
                }
                reading.now += STEP;
            }
            reading.periods += 1;
            reading.throttled += u64::from(used.is_stopped);
            results.push(used);
        }
        results
    }

    fn stopped(results: &[Used]) -> usize {
        results.iter().filter(|used| used.is_stopped).count()
    }

    #[test]
    fn a_quota_lasts_for_the_others_when_their_need_is_known() {
        for seed in 0..300 {
            let random = Random::new(seed);
            let cpus = 1 + random.below(16) as u64;
            let quota = PERIOD / 2 + random.below((cpus * PERIOD) as usize) as u64;
            // The others' need goes up and down, and is at its highest in the first period.
            let highest = random.below(quota as usize) as u64;
            let demands: Vec<u64> = (0..40).map(|_| random.below(highest as usize + 1) as u64).collect();
            let demand =
                |period: u64| if period.is_multiple_of(8) { highest } else { demands[period as usize] };
            let results = simulate(cpus, quota, 40, demand, || 0);
            // Where hardly anything is left, one look's worth may be too much already, and so may the least part.
            let least = (2 * LOOK).max(quota / LEAST);
            let is_full = |&period: &u64| demand(period).min(cpus * PERIOD) + least > quota;
            let full = (0..40).filter(is_full).count();
            assert!(stopped(&results[1..]) <= full, "seed {seed}: {quota} {results:?}");
        }
    }

    #[test]
    fn late_looks_do_not_let_background_have_the_group_stopped() {
        for seed in 0..300 {
            let random = Random::new(seed);
            let cpus = 1 + random.below(64) as u64;
            let quota = PERIOD / 4 + random.below((cpus * PERIOD) as usize) as u64;
            let latest = 1 + random.below(PERIOD as usize);
            let results = simulate(cpus, quota, 100, |_| 0, || random.below(latest) as u64);
            assert!(stopped(&results) <= 25, "seed {seed}: {quota} {latest} {results:?}");
            let background: u64 = results.iter().map(|used| used.background).sum();
            assert!(background > 0, "seed {seed}: {quota} {latest} {results:?}");
        }
    }

    #[test]
    fn looks_that_are_always_late_leave_background_a_third() {
        for late in [5_000, 20_000, 60_000, 99_000, 150_000] {
            for (cpus, quota) in [(4, 150_000), (64, 150_000), (64, 1_600_000), (4, 400_000)] {
                let results = simulate(cpus, quota, 60, |_| 0, || late);
                assert!(stopped(&results[20..]) <= 8, "{late} of {quota}: {results:?}");
                let background: u64 = results[20..].iter().map(|used| used.background).sum();
                let fair = 40 * (quota - quota / MARGIN);
                assert!(background >= fair / 3, "{late} of {quota}: {results:?}");
            }
        }
    }

    #[test]
    fn background_gets_what_the_others_leave_less_the_margin() {
        for (cpus, quota, need) in
            [(2, 100_000, 20_000), (4, 250_000, 0), (8, 400_000, 300_000), (2, 20_000, 0)]
        {
            let results = simulate(cpus, quota, 30, |_| need, || 0);
            let (background, fair) = (results[29].background, quota - need - quota / MARGIN);
            // What ran from the last look before a period to the first one in it counts in both.
            let twice = (quota / PERIOD + 2) * LOOK;
            assert!(background + twice >= fair, "{background} of {fair}");
        }
    }

    #[test]
    fn background_goes_on_where_others_need_all_of_a_large_quota() {
        let results = simulate(32, 1_600_000, 40, |_| 1_600_000, || 0);
        let background: u64 = results.iter().map(|used| used.background).sum();
        assert!((20 * 50_000..=40 * 50_000).contains(&background), "{results:?}");
    }

    #[test]
    fn background_threads_that_the_kernel_keeps_from_their_time_may_have_it_later() {
        let mut meter = Meter::new(PERIOD / 10, PERIOD);
        // The others use it all, and a background thread that may run does not get a CPU.
        let reading = |look: u64| Reading {
            now: look * LOOK,
            used: look * LOOK,
            periods: look * LOOK / PERIOD,
            ..Reading::default()
        };
        let looks = PERIOD / LOOK * 30;
        let running: Vec<u64> = (0..looks).map(|look| meter.look(reading(look))).collect();
        let of_periods = |range: std::ops::Range<usize>| &running[range.start * 20..range.end * 20];
        assert!(of_periods(2..9).iter().all(|&threads| threads == 0), "{running:?}");
        assert!(of_periods(12..30).iter().all(|&threads| threads == 1), "{running:?}");
    }

    #[test]
    fn what_others_used_while_nobody_looked_is_not_this_periods() {
        let hour = 3_600_000_000;
        let first = |rests: bool| {
            let mut meter = Meter::new(PERIOD, PERIOD);
            meter.look(Reading::default());
            if rests {
                meter.rest();
            }
            let now = hour - PERIOD / 2;
            meter.look(Reading { now, used: now / 10, ..Reading::default() })
        };
        assert_eq!((first(true), first(false)), (16, 0));
    }

    #[test]
    fn without_a_need_known_the_margin_is_kept_from_the_first_period_on() {
        let results = simulate(2, 100_000, 3, |_| 0, || 0);
        assert!(results[1..].iter().all(|used| (50_000..=90_000).contains(&used.background)), "{results:?}");
    }

    #[test]
    fn those_that_want_to_run_take_turns() {
        use Seat::{Idle, Wants};
        let seats = [Wants, Idle, Wants, Wants, Idle];
        let mut first = 4;
        let mut turn = |count| {
            let (may, next) = turns(&seats, first, count, 9);
            first = next;
            (0..seats.len()).filter(|&who| may[who]).collect::<Vec<_>>()
        };
        assert_eq!((0..4).map(|_| turn(1)).collect::<Vec<_>>(), [[0], [2], [3], [0]]);
        assert_eq!((0..3).map(|_| turn(2)).collect::<Vec<_>>(), [[2, 3], [0, 2], [0, 3]]);
        assert_eq!(turn(0), []);
        // What is left is for those that may come to have something.
        assert_eq!(turn(4), [0, 1, 2, 3]);
        assert_eq!(turn(99), [0, 1, 2, 3, 4]);
        assert_eq!(turns(&[], 7, 3, 9), (Vec::new(), 7));
    }

    #[test]
    fn beside_code_that_cannot_be_paused_few_may_run() {
        use Seat::{Burns, Idle, Wants};
        let count = |may_run, most| turns(&[Wants, Burns, Burns, Idle, Wants], 0, may_run, most).0;
        assert_eq!(count(5, 1), [false; 5]);
        assert_eq!(count(2, 5), [false; 5]);
        assert_eq!(count(3, 5), [true, false, false, false, false]);
        assert_eq!(count(9, 4), [true, false, false, false, true]);
        assert_eq!(count(9, 9), [true, false, false, true, true]);
    }

    #[test]
    fn code_that_cannot_be_paused_leaves_a_cpu_of_the_quota_to_others() {
        let most = |cpus: u64| unpausable_max(cpus * PERIOD / 10, PERIOD);
        assert_eq!([5, 10, 15, 20, 29, 30, 80].map(most), [1, 1, 1, 1, 1, 2, 7]);
    }
}
