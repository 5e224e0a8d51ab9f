//! Turns: in each round every setup does every kind of work once, each round begins with another setup, and what counts is
//! the ratio of two runs of the same round.

use super::machine::Machine;
use super::setup::{Sample, Setup, WITH_DATA, WITHOUT_DATA};
use super::{compute, graph, tree, triad, urgent};
use crate::arguments::Arguments;
use crate::machine::end_this_process_after;
use heddle_benches::stat::sorted;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

/// No run needs this long; one that hangs must not hang for ever.
const RUN_SECONDS_MAX: u32 = 300;

/// Something to do under several setups.
pub(crate) struct Task {
    pub(crate) name: &'static str,
    pub(crate) question: &'static str,
    setups: &'static [&'static Setup],
    /// Those of which ratios are made; less is better.
    pub(crate) compared: &'static [&'static str],
    run: fn(&Arc<Machine>, &'static Setup) -> Sample,
}

pub(crate) static TASKS: [Task; 5] = [
    Task {
        name: "triad",
        question: "`a = b + s * c` over blocks (`NodeVec`), a fiber for each (`go_on`).",
        setups: &WITH_DATA,
        compared: &[triad::TIME],
        run: triad::run,
    },
    Task {
        name: "tree",
        question: "A sum over blocks by a tree of fibers that begin near their data (`fiber().near(&block)`), with `both` below.",
        setups: &WITH_DATA,
        compared: &[tree::TIME],
        run: tree::run,
    },
    Task {
        name: "graph",
        question: "Ranks flow along the edges of a graph whose vertex ranges belong to nodes; a quarter of the edges leads \
                   anywhere.",
        setups: &WITH_DATA,
        compared: &[graph::TIME],
        run: graph::run,
    },
    Task {
        name: "compute",
        question: "A tree of forks that touches no memory: minding nodes must not lose here.",
        setups: &WITHOUT_DATA,
        compared: &[compute::TIME],
        run: compute::run,
    },
    Task {
        name: "urgent",
        question: "An urgent request each ms, for each node in turn, while loops keep all workers of all nodes.",
        setups: &WITHOUT_DATA,
        compared: &[urgent::HALF, urgent::MOST],
        run: urgent::run,
    },
];

/// All runs of one setup.
pub(crate) struct Contender {
    pub(crate) setup: &'static Setup,
    /// By round, as long as it did not fail.
    pub(crate) samples: Vec<Sample>,
    pub(crate) failure: Option<String>,
}

/// All runs of one task.
pub(crate) struct Outcome {
    pub(crate) task: &'static Task,
    pub(crate) contenders: Vec<Contender>,
}

/// Does what was ordered.
pub(crate) fn measure(machine: &Arc<Machine>, order: &Arguments) -> Vec<Outcome> {
    let wanted = TASKS.iter().filter(|task| task.name.contains(&order.case));
    let began = Instant::now();
    wanted.map(|task| in_turns(task, machine, order.rounds, began)).collect()
}

fn in_turns(task: &'static Task, machine: &Arc<Machine>, rounds: usize, began: Instant) -> Outcome {
    let contender = |setup: &&'static Setup| Contender { setup, samples: Vec::new(), failure: None };
    let mut contenders: Vec<Contender> = task.setups.iter().map(contender).collect();
    for round in 0..rounds {
        eprintln!(
            "{} round {} of {rounds}, after {:.0} s",
            task.name,
            round + 1,
            began.elapsed().as_secs_f64()
        );
        for turn in 0..contenders.len() {
            let count = contenders.len();
            let contender = &mut contenders[(round + turn) % count];
            if contender.failure.is_some() {
                continue;
            }
            // Its end is the end of the process: what hangs cannot be taken back.
            end_this_process_after(RUN_SECONDS_MAX);
            match catch_unwind(AssertUnwindSafe(|| (task.run)(machine, contender.setup))) {
                Ok(sample) => contender.samples.push(sample),
                Err(panic) => contender.failure = Some(words(&*panic)),
            }
        }
    }
    end_this_process_after(0);
    Outcome { task, contenders }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or("it panicked".to_owned())
}

impl Contender {
    /// The values of a metric, by round.
    pub(crate) fn values(&self, metric: &str) -> Vec<f64> {
        let of =
            |sample: &Sample| sample.values.iter().find(|(name, _)| *name == metric).map(|(_, value)| *value);
        self.samples.iter().filter_map(of).collect()
    }
}

impl Outcome {
    /// How many times as long a contender took as the first one in the same round, sorted.
    pub(crate) fn ratios(&self, contender: &Contender, metric: &str) -> Vec<f64> {
        let pairs = contender.values(metric).into_iter().zip(self.contenders[0].values(metric));
        // What was never served is infinite, and makes no ratio.
        let known = pairs.filter(|(other, on)| other.is_finite() && on.is_finite() && *on > 0.0);
        sorted(known.map(|(other, on)| other / on).collect())
    }
}
