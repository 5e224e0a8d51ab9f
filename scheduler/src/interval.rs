//! Ticks in even steps, for fibers and for threads.

use crate::time::{checkpoint, sleep_for_ever, sleep_until};
use std::time::{Duration, Instant};

/// What an [`Interval`] does about ticks for which nobody waited in time. With a period of 10 ms, of which the third
/// step took 25 ms too long:
///
/// ```text
///   due      10    20    30    40    50    60    70    80
///   Burst    10    20    30       55,55 60 (and so on)     what was missed comes at once, then as planned
///   Delay    10    20    30         55     65    75        a period after the late one, and so on from there
///   Skip     10    20    30         55 60    70    80      what was missed is left out, then as planned
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTicks {
    /// Ticks that were missed come one after the other without waiting, until all have come: as many ticks as
    /// periods, in the long run.
    #[default]
    Burst,
    /// After a late tick the next one comes a whole period later: never two ticks closer together.
    Delay,
    /// Ticks that were missed never come; the next one is the next that was planned: always at whole periods from
    /// the start.
    Skip,
}

/// See [`interval`].
#[derive(Clone, Debug)]
pub struct Interval {
    /// `None`: past the end of the clock, never.
    next: Option<Instant>,
    period: Duration,
    missed: MissedTicks,
}

/// A tick at once, and then one every `period`, by the monotonic clock. With a period of zero every tick is due at
/// once.
///
/// ```
/// use heddle_scheduler::{MissedTicks, Scheduler, interval};
/// use std::time::{Duration, Instant};
///
/// let scheduler = Scheduler::builder().workers(1).build()?;
/// scheduler.run(|| {
///     let start = Instant::now();
///     let mut ticks = interval(Duration::from_millis(1)).missed(MissedTicks::Skip);
///     for _ in 0..4 {
///         ticks.tick();
///     }
///     assert!(start.elapsed() >= Duration::from_millis(3));
/// });
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// The first tick at `start`, and then one every `period`.
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    Interval { next: Some(start), period, missed: MissedTicks::default() }
}

impl Interval {
    /// What to do about missed ticks; else [`MissedTicks::Burst`].
    #[must_use]
    pub fn missed(mut self, missed: MissedTicks) -> Interval {
        self.missed = missed;
        self
    }

    /// Waits for the next tick, as [`sleep_until`] does; the result is when it was due. If it is due already
    /// this is a [`checkpoint`]. A wait that was cancelled, or whose time was over, has taken no tick.
    pub fn tick(&mut self) -> Instant {
        loop {
            let Some(due) = self.next else {
                sleep_for_ever();
                // Only where nothing can wait.
                return Instant::now();
            };
            if Instant::now() < due {
                sleep_until(due)
            } else {
                checkpoint()
            }
            let now = Instant::now();
            if now >= due || std::thread::panicking() {
                self.next = after(due, self.period, self.missed, now);
                return due;
            }
        }
    }

    /// When the next tick is due; `None`: past the end of the clock.
    pub fn next_due(&self) -> Option<Instant> {
        self.next
    }

    /// How long it is from one tick to the next.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// The next tick comes a period from now.
    pub fn reset(&mut self) {
        self.next = Instant::now().checked_add(self.period);
    }
}

/// When the tick after that of `due` comes, which came at `now`.
fn after(due: Instant, period: Duration, missed: MissedTicks, now: Instant) -> Option<Instant> {
    let planned = due.checked_add(period)?;
    match missed {
        MissedTicks::Burst => Some(planned),
        _ if planned > now || period.is_zero() => Some(planned),
        MissedTicks::Delay => now.checked_add(period),
        MissedTicks::Skip => {
            let late = now.duration_since(due).as_nanos();
            let into = late % period.as_nanos();
            // Less than the period, so less than what a `Duration` can hold.
            let left = period - Duration::new((into / 1_000_000_000) as u64, (into % 1_000_000_000) as u32);
            now.checked_add(left)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// When ticks of 10 ms come, if each is asked for so many ms after the one before it came.
    fn play(missed: MissedTicks, works: &[u32]) -> Vec<u32> {
        let start = Instant::now();
        let (mut next, mut now, mut came) = (Some(start + 10 * MS), start, Vec::new());
        for work in works {
            now += *work * MS;
            let due = next.expect("far from the end");
            now = now.max(due);
            came.push((now - start).as_millis() as u32);
            next = after(due, 10 * MS, missed, now);
        }
        came
    }

    #[test]
    fn missed_ticks_come_as_the_table_says() {
        let works = [0, 0, 0, 25, 0, 0, 0];
        assert_eq!(play(MissedTicks::Burst, &works), [10, 20, 30, 55, 55, 60, 70]);
        assert_eq!(play(MissedTicks::Delay, &works), [10, 20, 30, 55, 65, 75, 85]);
        assert_eq!(play(MissedTicks::Skip, &works), [10, 20, 30, 55, 60, 70, 80]);
    }

    #[test]
    fn extreme_periods_neither_overflow_nor_hang() {
        let now = Instant::now();
        for missed in [MissedTicks::Burst, MissedTicks::Delay, MissedTicks::Skip] {
            assert_eq!(after(now, Duration::MAX, missed, now + MS), None);
            assert_eq!(after(now, Duration::ZERO, missed, now + MS), Some(now));
            let centuries = Duration::from_secs(1 << 40);
            assert_eq!(after(now, centuries, missed, now), Some(now + centuries));
            assert!(after(now, Duration::from_nanos(1), missed, now + 1000 * MS).is_some());
        }
    }
}
