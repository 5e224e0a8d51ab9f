//! `heddle-benches numa`: what far memory costs on this machine, and what it is worth that the scheduler minds nodes. Made for
//! a server with several sockets; it runs everywhere, and says what its figures mean where it runs.
//!
//! Two parts. The *hardware*: for every node with CPUs and every node with memory, the latency of a read and the bandwidth
//! of four kernels. The *scheduler*: the same work under several [`setup`]s in turns, round by round in one process,
//! so that whatever disturbs the machine disturbs all of them; what counts is the ratio within a round. Every answer is checked.
//!
//! Layering: `machine` (what there is, and how much of it may be taken) <- `hardware` <- `setup` (the schedulers) <-
//! `blocks` (data, and how much work was far from it) <- `triad`, `tree`, `graph`, `compute`, `urgent` (the work) <-
//! `rounds` (turns) <- `report`.

mod machine;
mod hardware;
mod setup;
mod blocks;
mod triad;
mod tree;
mod graph;
mod compute;
mod urgent;
mod rounds;
mod report;

use crate::arguments::Arguments;
use crate::machine::CpuUse;
use heddle_benches::thread;
use machine::Machine;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

/// For the list of what there is to run.
pub(crate) const QUESTION: &str =
    "What does far memory cost on this machine, and what is it worth to mind its nodes?";

/// What there is to measure, by name.
pub(crate) fn cases() -> impl Iterator<Item = &'static str> {
    ["latency", "bandwidth"].into_iter().chain(rounds::TASKS.iter().map(|task| task.name))
}

/// Everything that a report is made from.
struct Results {
    machine: Arc<Machine>,
    hardware: hardware::Hardware,
    work: Vec<rounds::Outcome>,
    /// CPUs that other processes used meanwhile; `None`: not known.
    foreign_cpus: Option<f64>,
    took_seconds: f64,
}

impl Results {
    /// Wrong answers, panics, and pairs of nodes that could not be measured although both can be used.
    fn failures(&self) -> usize {
        let work = self.work.iter().flat_map(|outcome| &outcome.contenders);
        self.hardware.failures.len() + work.filter(|contender| contender.failure.is_some()).count()
    }
}

/// Measures, then reports. Fails if an answer was wrong, after reporting the rest; not because a machine has one node.
pub(crate) fn run(order: &Arguments) -> ExitCode {
    thread::forgo_high_priorities();
    let (began, before) = (Instant::now(), CpuUse::now());
    let machine = match Machine::look(order.quick) {
        Ok(machine) => Arc::new(machine),
        Err(error) => {
            eprintln!("the machine cannot be described: {error}");
            return ExitCode::FAILURE;
        }
    };
    let hardware = hardware::measure(&machine, order);
    let work = rounds::measure(&machine, order);
    let foreign_cpus = before.foreign_since();
    let took_seconds = began.elapsed().as_secs_f64();
    let results = Results { machine, hardware, work, foreign_cpus, took_seconds };
    let text = report::markdown(order, &results);
    println!("{text}");
    let files = [(&order.report, text), (&order.json, report::json(&results))];
    if !crate::write_files(files) || results.failures() > 0 {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
