//! Rounds and processes: every run is a fresh process, contenders take turns within a round, and what the rest of
//! the machine did meanwhile is recorded, because a shared machine is never quiet.
//!
//! Parent and child speak lines of text: `says TEXT`, then `value METRIC<TAB>NUMBER` for each value. A child that
//! hangs is ended by its own alarm, so the parent only reads until the pipe closes.

use crate::arguments::Arguments;
use crate::contender::program;
use crate::machine;
use crate::workload;
use heddle_benches::{Case, Contender, Run, Sample, Workload, thread};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The hidden first argument of a process that measures.
pub(crate) const CHILD: &str = "--child";

/// No run needs this long: the slowest takes 20 s on a quiet machine. Quick runs take less than one, but those with
/// threads in `SCHED_IDLE` took over 20 s on a machine where others kept all CPUs busy.
const RUN_SECONDS_MAX: u32 = 120;
const QUICK_SECONDS_MAX: u32 = 90;

/// All runs of one contender on one case.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) workload: &'static Workload,
    pub(crate) case: Case,
    pub(crate) contender: &'static Contender,
    pub(crate) samples: Vec<Sample>,
    /// Why it stopped, if it did; later rounds leave it out.
    pub(crate) failure: Option<String>,
}

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) cells: Vec<Cell>,
    /// Peers that could not be built here, and why.
    pub(crate) skipped: Vec<(&'static str, String)>,
    /// CPUs used by other processes while a run was on: one value per run.
    pub(crate) foreign_cpus: Vec<f64>,
    pub(crate) took_seconds: f64,
}

/// Runs what was ordered, a round at a time.
pub(crate) fn measure(order: &Arguments) -> Results {
    let skipped = build_programs(order);
    let start = Instant::now();
    let mut cells = cells(order);
    cells.retain(|cell| !skipped.iter().any(|(name, _)| *name == cell.contender.name));
    let mut foreign_cpus = Vec::new();
    // A workload's contenders must be near each other in time, so the rounds are inside the loop over workloads.
    for workload in &order.workloads {
        for round in 1..=order.rounds {
            eprintln!("{} round {round} of {}", workload.name, order.rounds);
            let of_workload = cells.iter_mut().filter(|cell| cell.workload.name == workload.name);
            for cell in of_workload.filter(|cell| cell.failure.is_none()) {
                let before = machine::CpuUse::now();
                match run_in_a_process(cell, order.quick) {
                    Ok(sample) => cell.samples.push(sample),
                    Err(why) => {
                        eprintln!("  {} in case {}: {why}", cell.contender.name, cell.case.name);
                        cell.failure = Some(why);
                    }
                }
                foreign_cpus.extend(before.foreign_since());
            }
        }
    }
    Results { cells, skipped, foreign_cpus, took_seconds: start.elapsed().as_secs_f64() }
}

/// Builds the peers in other languages that were asked for; returns those that cannot be built.
fn build_programs(order: &Arguments) -> Vec<(&'static str, String)> {
    let contenders = order.workloads.iter().flat_map(|workload| workload.contenders);
    let wanted = contenders.filter(|one| one.is_program && order.wants(one.name)).map(|one| one.name);
    let skipped: Vec<_> = wanted
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter_map(|name| program::build(name).err().map(|why| (name, why)))
        .collect();
    for (name, why) in &skipped {
        eprintln!("SKIPPED {name}: {why}");
    }
    skipped
}

/// The runs to make, case by case, in the order of the table.
fn cells(order: &Arguments) -> Vec<Cell> {
    let mut cells = Vec::new();
    for workload in order.workloads.iter().copied() {
        for case in workload.cases.iter().filter(|case| case.name.contains(&order.case)) {
            let able = workload.contenders.iter().filter(|one| one.refusal(case).is_none());
            for contender in able.filter(|one| order.wants(one.name)) {
                cells.push(Cell { workload, case: *case, contender, samples: Vec::new(), failure: None });
            }
        }
    }
    cells
}

fn run_in_a_process(cell: &Cell, quick: bool) -> Result<Sample, String> {
    let program = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let quickness = if quick { "quick" } else { "full" };
    let output = Command::new(program)
        .args([CHILD, cell.workload.name, cell.case.name, cell.contender.name, quickness])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start: {error}"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let last = words.lines().rfind(|line| !line.starts_with("note:")).unwrap_or("no message");
        let hung = if output.status.code().is_none() { "hung or was killed: " } else { "" };
        return Err(format!("{hung}{}, {last}", output.status));
    }
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// Measures one run in this process and prints the sample.
///
/// # Panics
/// If the words do not name a run; only [`run_in_a_process`] writes them.
pub(crate) fn be_the_child(words: &[String]) {
    let [workload, case, contender, quickness] = words else { panic!("the parent passes four words") };
    let workload = workload::named(workload).expect("the parent names a workload");
    let case = workload.cases.iter().find(|one| one.name == case).expect("the parent names a case");
    let contender = workload.contenders.iter().find(|one| one.name == contender).expect("and a contender");
    let quick = quickness == "quick";
    thread::forgo_high_priorities();
    machine::end_this_process_after(if quick { QUICK_SECONDS_MAX } else { RUN_SECONDS_MAX });
    let runner = contender.runner.expect("the parent runs only those who can");
    let sample = runner(&Run { case: *case, quick });
    print!("{}", format(&sample));
    // Runtimes with leaked pools and a million parked fibers need no tidy end, and their ends are not measured.
    std::process::exit(0);
}

fn format(sample: &Sample) -> String {
    let values = sample.values.iter().map(|(metric, value)| format!("value {metric}\t{value}\n"));
    format!("says {}\n{}", sample.says, values.collect::<String>())
}

fn parse(text: &str) -> Result<Sample, String> {
    let mut sample = Sample::default();
    let metrics = || workload::ALL.iter().flat_map(|workload| workload.metrics);
    for line in text.lines() {
        if let Some(says) = line.strip_prefix("says ") {
            sample.says = says.to_owned();
        } else if let Some((name, value)) = line.strip_prefix("value ").and_then(|rest| rest.split_once('\t'))
        {
            let metric =
                metrics().find(|metric| metric.name == name).ok_or(format!("unknown metric {name}"))?;
            let value = value.parse().map_err(|_| format!("{name} is not a number: {value}"))?;
            sample = sample.with(metric.name, value);
        }
    }
    if sample.values.is_empty() { Err("it measured nothing".to_owned()) } else { Ok(sample) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_survives_the_pipe() {
        let metric = workload::ALL[0].metrics[0].name;
        let sent = Sample::new("what it did, with 2 workers").with(metric, 12.5);
        let received = parse(&format(&sent)).unwrap();
        assert_eq!((sent.says, sent.values), (received.says, received.values));
        assert!(parse("says nothing else").is_err());
    }
}
