//! When the background lane pauses so that a control group's CPU quota lasts for the others.
//!
//! A group that has used its quota is stopped as a whole until the next period, its urgent threads too. So
//! of each period's quota, what the other lanes need is kept for them: as much as they used in the worst of
//! the last [`REMEMBERED`] periods, plus a margin of a tenth of the quota, for what the kernel hands out
//! to CPUs in slices, and for a need that grows. Background gets the rest, and half of what the others
//! leave in any case; if they leave nothing, a 32nd of the quota, about its weight.
//!
//! Between two looks background threads burn on, so they pause when what they may burn until the next
//! look would be too much. On many CPUs that may be always: so, after [`REMEMBERED`] periods without any
//! time, they run in any case, until the look that finds that they did.

/// Of so many periods the worst is what the others need. At the usual 100 ms, a second.
const REMEMBERED: usize = 10;

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
    /// What background threads may burn until the next look.
    pub(crate) ahead: u64,
}

/// The account of one group.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    quota: u64,
    period: u64,
    /// The reading at the start of this period.
    start: Option<Reading>,
    needs: [u64; REMEMBERED],
    next: usize,
    /// So many periods in a row Background had no time.
    starved: usize,
}

impl Meter {
    /// For a quota of so many microseconds in each period of so many.
    pub(crate) fn new(quota: u64, period: u64) -> Meter {
        Meter { quota, period, start: None, needs: [0; REMEMBERED], next: 0, starved: 0 }
    }

    /// Does it account for this quota?
    pub(crate) fn is_for(&self, quota: u64, period: u64) -> bool {
        (self.quota, self.period) == (quota, period)
    }

    /// Shall the background lane pause until the next look?
    pub(crate) fn look(&mut self, reading: Reading) -> bool {
        let start = match self.start {
            Some(start) if !self.is_over(start, reading) => start,
            before => {
                if let Some(start) = before {
                    self.remember(start, reading);
                }
                self.start = Some(reading);
                reading
            }
        };
        let (background, others) = spent(start, reading);
        if self.starved >= REMEMBERED && background == 0 {
            return false;
        }
        self.keeps_too_little(background, others, reading.ahead)
    }

    /// Has a period begun since `start`? The kernel's count says so; where it does not move, the clock.
    fn is_over(&self, start: Reading, reading: Reading) -> bool {
        reading.periods != start.periods || reading.now.saturating_sub(start.now) >= self.period
    }

    fn remember(&mut self, start: Reading, end: Reading) {
        let time = end.now.saturating_sub(start.now).max(1);
        let (background, others) = spent(start, end);
        self.starved = if background == 0 { self.starved + 1 } else { 0 };
        // If looks were missed, several periods have passed.
        let need = others.saturating_mul(self.period) / time.max(self.period);
        self.needs[self.next] = need;
        self.next = (self.next + 1) % REMEMBERED;
    }

    fn keeps_too_little(&self, background: u64, others: u64, ahead: u64) -> bool {
        let need = self.needs.into_iter().max().unwrap_or(0).max(others);
        let least = if need < self.quota { (self.quota - need) / 2 } else { self.quota / LEAST };
        let most = self.quota.saturating_sub(need + self.quota / MARGIN).max(least);
        background + ahead > most
    }
}

/// What background threads and others have used.
fn spent(start: Reading, now: Reading) -> (u64, u64) {
    let background = now.background.saturating_sub(start.background);
    (background, now.used.saturating_sub(start.used).saturating_sub(background))
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
    const LOOK: u64 = 5_000;

    /// A group on so many CPUs: in each period others use what `demand` says, spread evenly, and background
    /// threads all the rest, unless they pause. What each period used: background, and others.
    fn simulate(cpus: u64, quota: u64, periods: u64, demand: impl Fn(u64) -> u64) -> Vec<(u64, u64)> {
        let mut meter = Meter::new(quota, PERIOD);
        let mut reading = Reading { ahead: cpus * LOOK, ..Reading::default() };
        let mut results = Vec::new();
        for period in 0..periods {
            let (mut background, mut others) = (0, 0);
            for _ in 0..PERIOD / LOOK {
                let pauses = meter.look(reading);
                let theirs = (demand(period) * LOOK / PERIOD).min(cpus * LOOK);
                let ours = if pauses { 0 } else { cpus * LOOK - theirs };
                background += ours;
                others += theirs;
                reading.background += ours;
                reading.used += ours + theirs;
                reading.now += LOOK;
            }
            reading.periods += 1;
            results.push((background, others));
        }
        results
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
            let results = simulate(cpus, quota, 40, demand);
            let over = |&&(background, others): &&(u64, u64)| background + others > quota;
            // Where hardly anything is left, one look's worth may be too much already.
            let looks = if (quota - highest) / 2 < cpus * LOOK { 40 / REMEMBERED } else { 0 };
            assert!(results[1..].iter().filter(over).count() <= looks, "seed {seed}: {quota} {results:?}");
        }
    }

    #[test]
    fn background_gets_what_the_others_leave_less_the_margin() {
        for (cpus, quota, need) in [(2, 100_000, 20_000), (4, 250_000, 0), (8, 400_000, 300_000)] {
            let results = simulate(cpus, quota, 30, |_| need);
            let (background, _) = results[29];
            let fair = quota - need - quota / MARGIN;
            assert!(background + 2 * cpus * LOOK >= fair, "{background} of {fair}");
        }
    }

    #[test]
    fn background_goes_on_where_others_need_all_of_a_large_quota() {
        let results = simulate(32, 1_600_000, 40, |_| 1_600_000);
        let periods = results.iter().filter(|&&(background, _)| background > 0).count();
        assert!((3..=5).contains(&periods), "{results:?}");
    }

    #[test]
    fn background_threads_that_the_kernel_keeps_from_their_time_may_have_it_later() {
        let mut meter = Meter::new(PERIOD, PERIOD);
        // The others use it all, and a background thread that may run does not get a CPU.
        let reading = |look: u64| Reading {
            now: look * LOOK,
            used: look * LOOK,
            periods: look * LOOK / PERIOD,
            ahead: LOOK,
            ..Reading::default()
        };
        let looks = PERIOD / LOOK * 30;
        let pauses: Vec<bool> = (0..looks).map(|look| meter.look(reading(look))).collect();
        let of_periods = |range: std::ops::Range<usize>| &pauses[range.start * 20..range.end * 20];
        assert!(of_periods(2..9).iter().all(|&pauses| pauses));
        assert!(of_periods(12..30).iter().all(|&pauses| !pauses), "{pauses:?}");
    }

    #[test]
    fn without_a_need_known_the_margin_is_kept_from_the_first_period_on() {
        let results = simulate(2, 100_000, 3, |_| 0);
        assert!(
            results.iter().all(|&(background, _)| (50_000..=90_000).contains(&background)),
            "{results:?}"
        );
    }

    #[test]
    fn code_that_cannot_be_paused_leaves_a_cpu_of_the_quota_to_others() {
        let most = |cpus: u64| unpausable_max(cpus * PERIOD / 10, PERIOD);
        assert_eq!([5, 10, 15, 20, 29, 30, 80].map(most), [1, 1, 1, 1, 1, 2, 7]);
    }
}
