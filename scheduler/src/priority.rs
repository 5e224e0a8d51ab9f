//! The five priorities.

use std::fmt;
use std::str::FromStr;

/// How urgent a fiber is. Smaller is more urgent; `Critical < Background`.
///
/// A worker always takes the most urgent runnable fiber it can reach, with one exception, the promise that
/// nobody starves: **a level that has work gets at least its share of each worker's time
/// ([`Weights`](crate::policy::Weights)), and a turn at least every
/// [`MAX_WAIT`](crate::policy::MAX_WAIT), as long as what runs reaches blocking calls or
/// [`checkpoint`](crate::checkpoint)s.**
///
/// Code that never does is preempted by the kernel in favour of a more urgent [lane](crate::Lanes), within
/// microseconds; it delays the started fibers behind it on its own thread for as long as it runs; and to a
/// less urgent lane **the kernel then leaves no more than a tenth of a CPU (the ordinary lane beside the
/// urgent one), or three thousandths (the background lane).**
///
/// ```
/// use heddle_scheduler::Priority;
/// assert!(Priority::Critical < Priority::Background);
/// assert_eq!(Priority::default(), Priority::Normal);
/// assert_eq!("high".parse::<Priority>().unwrap(), Priority::High);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Priority {
    /// Must start at once, whatever else runs.
    Critical = 0,
    /// Ahead of ordinary work.
    High = 1,
    /// Ordinary work, and what a fiber gets when nobody says otherwise.
    #[default]
    Normal = 2,
    /// Behind ordinary work.
    Low = 3,
    /// When nothing else wants the CPU; finishes in the end all the same.
    Background = 4,
}

/// How many levels there are.
pub(crate) const LEVELS: usize = 5;

impl Priority {
    /// All five, most urgent first.
    pub const ALL: [Priority; LEVELS] =
        [Priority::Critical, Priority::High, Priority::Normal, Priority::Low, Priority::Background];

    pub(crate) const fn level(self) -> usize {
        self as usize
    }

    pub(crate) const fn from_level(level: usize) -> Priority {
        Priority::ALL[level]
    }

    /// The name in lower case, as it is parsed.
    pub const fn name(self) -> &'static str {
        match self {
            Priority::Critical => "critical",
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
            Priority::Background => "background",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text was not the name of a priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsePriorityError(());

impl fmt::Display for ParsePriorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a priority: use critical, high, normal, low or background")
    }
}

impl std::error::Error for ParsePriorityError {}

impl FromStr for Priority {
    type Err = ParsePriorityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Priority::ALL
            .into_iter()
            .find(|priority| priority.name().eq_ignore_ascii_case(text))
            .ok_or(ParsePriorityError(()))
    }
}
