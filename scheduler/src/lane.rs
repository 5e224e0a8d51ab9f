//! Lanes: groups of worker threads that the kernel schedules against each other, so that urgent work
//! preempts code that never yields.

use crate::priority::{LEVELS, Priority};
use std::fmt;

/// A group of worker threads, one for each CPU. See [`Lanes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Preempts the others.
    Urgent = 0,
    /// What there is without lanes.
    Ordinary = 1,
    /// Gets the time that the others leave.
    Background = 2,
}

/// How many kinds of lanes there are.
pub(crate) const LANES: usize = 3;

impl Lane {
    /// All three, most urgent first.
    pub const ALL: [Lane; LANES] = [Lane::Urgent, Lane::Ordinary, Lane::Background];

    /// The name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Lane::Urgent => "urgent",
            Lane::Ordinary => "ordinary",
            Lane::Background => "background",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What is asked of the system for the threads of the urgent lane, beyond what anybody may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Raise {
    /// Nothing.
    #[default]
    No,
    /// A nice value, -20 to -1 (`RLIMIT_NICE` or `CAP_SYS_NICE`).
    Nice(i32),
    /// Real-time scheduling (`SCHED_FIFO`) at this priority, 1 to 99 (`RLIMIT_RTPRIO` or
    /// `CAP_SYS_NICE`). A Critical fiber that never ends then takes its CPU from everybody.
    RealTime(i32),
}

/// Which lanes a scheduler has, and which priorities ride in them.
///
/// Each lane has as many threads as the scheduler has workers, parked unless they have something to
/// run. The kernel schedules the urgent lane's before the ordinary lane's, which run at a higher nice
/// value, and the background lane's (`SCHED_IDLE`) when nobody else wants the CPU. So a Critical fiber
/// starts within microseconds even where all CPUs run code that never yields.
///
/// What is given up for it: a fiber of another lane runs on another thread than its maker, so that
/// starting one from within costs a wake-up. A program that uses one priority only meets none of it.
///
/// ```
/// use heddle_scheduler::{Lane, Lanes, Priority, Scheduler};
///
/// let lanes = Lanes::three().urgent_to(Priority::High).ordinary_nice(5);
/// let scheduler = Scheduler::builder().workers(2).lanes(lanes).build()?;
/// assert_eq!(scheduler.stats().lane(Lane::Urgent).unwrap().threads, 2);
///
/// let single = Scheduler::builder().workers(2).lanes(1).build()?;
/// assert!(single.stats().lane(Lane::Urgent).is_none());
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "lanes do nothing until a builder has them"]
pub struct Lanes {
    /// Levels below this ride in the urgent lane.
    urgent: usize,
    /// Levels from this ride in the background lane.
    background: usize,
    nice: i32,
    raise: Raise,
    /// A number of lanes that there is not.
    wrong: Option<usize>,
}

/// By how much the ordinary lane's nice value is above the urgent lane's: the weight of a ninth, so
/// that an urgent fiber of some 100 us is not interrupted, and one of milliseconds gets 90 % of the CPU.
/// Measured: `docs/performance.md`.
const NICE_DEFAULT: i32 = 10;

impl Lanes {
    /// Critical in the urgent lane, High and Normal in the ordinary one, Low and Background in the
    /// background lane.
    pub const fn three() -> Lanes {
        Lanes { urgent: 1, background: 3, nice: NICE_DEFAULT, raise: Raise::No, wrong: None }
    }

    /// Critical, High and Normal in the ordinary lane, Low and Background in the background lane.
    pub const fn two() -> Lanes {
        Lanes { urgent: 0, ..Lanes::three() }
    }

    /// Everything in the ordinary lane: no thread more than the workers, and nothing is preempted
    /// that does not come to a blocking call or a [`checkpoint`](crate::checkpoint).
    pub const fn one() -> Lanes {
        Lanes { urgent: 0, background: LEVELS, ..Lanes::three() }
    }

    /// There is an urgent lane, for this priority and all above.
    pub const fn urgent_to(self, least: Priority) -> Lanes {
        Lanes { urgent: least as usize + 1, ..self }
    }

    /// There is a background lane, for this priority and all below.
    pub const fn background_from(self, most: Priority) -> Lanes {
        Lanes { background: most as usize, ..self }
    }

    /// By how much the ordinary lane's nice value is above that of the thread that starts the
    /// scheduler, 0 to 19, where there is an urgent lane. Default 10. Other processes on the machine
    /// get more of it then; with 0 an urgent fiber shares its CPU with an ordinary one as equals.
    pub const fn ordinary_nice(self, nice: i32) -> Lanes {
        Lanes { nice, ..self }
    }

    /// Asks for more than anybody may have. What was granted is in the [`stats`](crate::Stats::lanes).
    pub const fn raise_urgent(self, raise: Raise) -> Lanes {
        Lanes { raise, ..self }
    }

    /// The lane in which a level rides.
    pub(crate) const fn of(&self, level: usize) -> Lane {
        if level < self.urgent {
            Lane::Urgent
        } else if level >= self.background {
            Lane::Background
        } else {
            Lane::Ordinary
        }
    }

    /// Are there levels in that lane?
    pub(crate) fn has(&self, lane: Lane) -> bool {
        (0..LEVELS).any(|level| self.of(level) == lane)
    }

    pub(crate) fn nice(&self) -> i32 {
        if self.has(Lane::Urgent) { self.nice } else { 0 }
    }

    pub(crate) fn raise(&self) -> Raise {
        self.raise
    }

    /// What cannot work, in words.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(count) = self.wrong {
            return Err(format!(
                "lanes({count}): there are one, two or three; lanes(1) is a scheduler without preemption"
            ));
        }
        if !self.has(Lane::Ordinary) {
            return Err("lanes: no priority is left for the ordinary lane; leave it at least one between \
                        urgent_to() and background_from()"
                .to_owned());
        }
        if !(0..=19).contains(&self.nice) {
            return Err(format!("ordinary_nice({}): 0 to 19, above the urgent lane's", self.nice));
        }
        match self.raise {
            Raise::Nice(nice) if !(-20..0).contains(&nice) => {
                Err(format!("raise_urgent(Nice({nice})): -20 to -1; nobody needs to ask for more than that"))
            }
            Raise::RealTime(priority) if !(1..=99).contains(&priority) => Err(format!(
                "raise_urgent(RealTime({priority})): 1 to 99; 1 is above all that is not real-time"
            )),
            _ => Ok(()),
        }
    }
}

impl Default for Lanes {
    fn default() -> Lanes {
        Lanes::three()
    }
}

/// One, two or three lanes, as [`Lanes::one`], [`Lanes::two`] and [`Lanes::three`]; another number is an
/// error when the scheduler is built.
impl From<usize> for Lanes {
    fn from(count: usize) -> Lanes {
        match count {
            1 => Lanes::one(),
            2 => Lanes::two(),
            3 => Lanes::three(),
            wrong => Lanes { wrong: Some(wrong), ..Lanes::three() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn riders(lanes: Lanes) -> String {
        (0..LEVELS).map(|level| &lanes.of(level).name()[..1]).collect()
    }

    #[test]
    fn each_level_rides_in_one_lane() {
        assert_eq!(riders(Lanes::three()), "uoobb");
        assert_eq!(riders(Lanes::two()), "ooobb");
        assert_eq!(riders(Lanes::one()), "ooooo");
        assert_eq!(riders(Lanes::one().urgent_to(Priority::High)), "uuooo");
        assert_eq!(riders(Lanes::three().background_from(Priority::Background)), "uooob");
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        for count in [0, 4, usize::MAX] {
            let why = Lanes::from(count).check().unwrap_err();
            assert!(why.contains(&format!("lanes({count})")), "{why}");
        }
        let crossed = Lanes::three().urgent_to(Priority::Low);
        assert!(crossed.check().unwrap_err().contains("ordinary lane"));
        let everything = Lanes::one().urgent_to(Priority::Background);
        assert!(everything.check().unwrap_err().contains("ordinary lane"));
        assert!(Lanes::three().ordinary_nice(20).check().unwrap_err().contains("ordinary_nice(20)"));
        assert!(Lanes::three().raise_urgent(Raise::Nice(0)).check().is_err());
        assert!(Lanes::three().raise_urgent(Raise::RealTime(100)).check().is_err());
        assert_eq!(Lanes::three().raise_urgent(Raise::RealTime(1)).check(), Ok(()));
    }
}
