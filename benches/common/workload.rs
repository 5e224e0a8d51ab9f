//! The nouns of a benchmark: workload, case, contender, run, sample, metric, goal.

use std::time::{Duration, Instant};

/// One question, asked of several contenders.
#[derive(Debug)]
pub struct Workload {
    /// Name on the command line and of the folder.
    pub name: &'static str,
    /// What is asked, in one sentence.
    pub question: &'static str,
    /// The ways in which it is asked.
    pub cases: &'static [Case],
    /// What is measured; the first is the one that counts.
    pub metrics: &'static [Metric],
    /// What we want to reach.
    pub goals: &'static [Goal],
    /// Who answers, and who cannot.
    pub contenders: &'static [Contender],
}

/// One way of asking.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Name in the report.
    pub name: &'static str,
    /// Worker threads of the runtime.
    pub workers: usize,
    /// What else differs between the cases of this workload (fibers, for `yield`); zero where nothing does.
    pub detail: usize,
}

impl Case {
    /// One worker, nothing special.
    pub const ONE_WORKER: Case = Case { name: "1 worker", workers: 1, detail: 0 };
    /// Two workers, nothing special.
    pub const TWO_WORKERS: Case = Case { name: "2 workers", workers: 2, detail: 0 };
}

/// Something measured.
#[derive(Debug)]
pub struct Metric {
    /// Name in the report, with the unit last.
    pub name: &'static str,
    /// Which direction is better; [`Better::Neither`] gets no ratios.
    pub better: Better,
}

/// The direction of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Less is better.
    Lower,
    /// Reported for the reader; no ratio makes sense.
    Neither,
}

impl Metric {
    /// A metric of which less is better.
    #[must_use]
    pub const fn lower(name: &'static str) -> Self {
        Metric { name, better: Better::Lower }
    }
    /// A metric that is only reported.
    #[must_use]
    pub const fn shown(name: &'static str) -> Self {
        Metric { name, better: Better::Neither }
    }
}

/// A figure to reach, then a second one.
#[derive(Debug)]
pub struct Goal {
    /// Name of the case.
    pub case: &'static str,
    /// Name of the metric.
    pub metric: &'static str,
    /// At most this.
    pub first: f64,
    /// Then at most this.
    pub then: Option<f64>,
}

/// One who answers, or cannot.
#[derive(Debug)]
pub struct Contender {
    /// Name on the command line and of the file: `heddle...`, `floor...`, or the peer's.
    pub name: &'static str,
    /// The runner, or why there is none.
    pub runner: Result<fn(&Run) -> Sample, &'static str>,
    /// For which cases it cannot run although it can for others, and why.
    pub except: &'static [(&'static str, &'static str)],
    /// Whether it is a program in another language that must be built first, and is skipped where that fails.
    pub is_program: bool,
}

impl Contender {
    /// A contender that runs every case.
    #[must_use]
    pub const fn runs(name: &'static str, runner: fn(&Run) -> Sample) -> Self {
        Contender { name, runner: Ok(runner), except: &[], is_program: false }
    }
    /// A contender that cannot do this workload at all.
    #[must_use]
    pub const fn cannot(name: &'static str, why: &'static str) -> Self {
        Contender { name, runner: Err(why), except: &[], is_program: false }
    }
    /// The same, but not for some cases: pairs of case and reason.
    #[must_use]
    pub const fn except(mut self, cases: &'static [(&'static str, &'static str)]) -> Self {
        self.except = cases;
        self
    }
    /// The same, but a program that must be built first.
    #[must_use]
    pub const fn program(mut self) -> Self {
        self.is_program = true;
        self
    }
    /// Why this contender does not run `case`, if it does not.
    #[must_use]
    pub fn refusal(&self, case: &Case) -> Option<&'static str> {
        let excepted = self.except.iter().find(|(name, _)| *name == case.name).map(|(_, why)| *why);
        self.runner.err().or(excepted)
    }
    /// Neither Heddle nor a floor.
    #[must_use]
    pub fn is_peer(&self) -> bool {
        !self.is_heddle() && !self.name.starts_with("floor")
    }
    /// Heddle, in one of its ways.
    #[must_use]
    pub fn is_heddle(&self) -> bool {
        self.name.starts_with("heddle")
    }
}

/// One run of one contender on one case, in a process of its own.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The case.
    pub case: Case,
    /// Sizes a hundredth of the real ones: proves that answers are right, measures nothing.
    pub quick: bool,
}

impl Run {
    /// The size to use where `full` is the real one.
    #[must_use]
    pub fn size(&self, full: usize) -> usize {
        if self.quick { full.div_ceil(100) } else { full }
    }

    /// Runs `once` uncounted, to warm up, then counted; both must answer `expected`.
    ///
    /// # Panics
    /// If the answer is wrong.
    pub fn counted(&self, expected: u64, mut once: impl FnMut() -> Timed) -> Duration {
        let [_warm_up, counted] = [once(), once()].map(|timed| {
            assert_eq!(timed.answer, expected, "a wrong answer has no speed");
            timed.took
        });
        counted
    }
}

/// An answer and how long it took.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Timed {
    /// What was computed.
    pub answer: u64,
    /// In which time.
    pub took: Duration,
}

impl Timed {
    /// Times a closure.
    pub fn of(work: impl FnOnce() -> u64) -> Self {
        let start = Instant::now();
        let answer = work();
        Timed::since(start, answer)
    }
    /// For work that began at `start` and has just ended, where a closure cannot hold it (async code).
    pub fn since(start: Instant, answer: u64) -> Self {
        Timed { answer, took: start.elapsed() }
    }
}

/// What one run measured.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Sample {
    /// What was done, with the settings that matter.
    pub says: String,
    /// Metric and value.
    pub values: Vec<(&'static str, f64)>,
}

impl Sample {
    /// A sample without values yet.
    pub fn new(says: impl Into<String>) -> Self {
        Sample { says: says.into(), values: Vec::new() }
    }
    /// Adds a value.
    pub fn with(mut self, metric: &'static str, value: f64) -> Self {
        self.values.push((metric, value));
        self
    }
}
