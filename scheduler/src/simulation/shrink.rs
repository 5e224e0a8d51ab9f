//! Makes a scenario that breaks a promise smaller, as long as it still does.

use super::scenario::{Between, Scenario, Shape, Source};
use super::{Violation, run};

/// Each pass tries every way to make it smaller once; more than so many passes have not been seen to help.
const PASSES_MAX: usize = 12;

/// The smallest scenario that was found to break the same promise, and how it does.
#[must_use]
pub fn shrink(scenario: &Scenario, violation: &Violation) -> (Scenario, Violation) {
    let mut best = (scenario.clone(), violation.clone());
    // What came after the violation does not matter.
    best.0.dispatches = best.0.dispatches.min(violation.dispatch + 1);
    match broken_alike(&best.0, violation) {
        Some(again) => best.1 = again,
        None => best.0.dispatches = scenario.dispatches,
    }
    for _ in 0..PASSES_MAX {
        let before = size(&best.0);
        for make in [fewer_cpus, fewer_sources, smaller_sources] {
            let mut step = 0;
            while let Some(smaller) = make(&best.0, step) {
                step += 1;
                if size(&smaller) < size(&best.0)
                    && let Some(violation) = broken_alike(&smaller, violation)
                {
                    best = (smaller, violation);
                    step = 0;
                }
            }
        }
        if size(&best.0) == before {
            break;
        }
    }
    best
}

/// Runs it; the violation if it is of the same promise.
fn broken_alike(scenario: &Scenario, violation: &Violation) -> Option<Violation> {
    run(scenario).err().filter(|other| other.what == violation.what)
}

/// How much there is to read and to run.
fn size(scenario: &Scenario) -> u64 {
    let shape = |shape: &Shape| {
        let forks = u64::from(shape.children) * u64::from(shape.depth);
        u64::from(shape.pieces)
            + forks
            + u64::from(shape.respawns)
            + u64::from(shape.between != Between::Checkpoint)
    };
    let sources = scenario.sources.iter();
    let fibers =
        sources.map(|source| 5 + u64::from(source.burst) * u64::from(source.bursts) + shape(&source.shape));
    let machine = scenario.machine;
    fibers.sum::<u64>() + 100 * machine.cpus() as u64 + u64::from(machine.lanes + machine.nodes)
}

fn fewer_cpus(scenario: &Scenario, step: usize) -> Option<Scenario> {
    let mut smaller = scenario.clone();
    let machine = &mut smaller.machine;
    match step {
        0 => machine.sockets = (machine.sockets / 2).max(1),
        1 => machine.cores = (machine.cores / 2).max(1),
        2 => machine.cores = (machine.cores - 1).max(1),
        3 => machine.nodes = 1,
        4 => machine.lanes = (machine.lanes - 1).max(1),
        _ => return None,
    }
    machine.nodes = machine.nodes.min(machine.cores);
    Some(smaller)
}

fn fewer_sources(scenario: &Scenario, step: usize) -> Option<Scenario> {
    let mut smaller = scenario.clone();
    if step >= smaller.sources.len() {
        return None;
    }
    smaller.sources.remove(step);
    Some(smaller)
}

/// Each source in each of the ways in which it can be smaller.
fn smaller_sources(scenario: &Scenario, step: usize) -> Option<Scenario> {
    const WAYS: [fn(&mut Source); 8] = [
        |source| source.burst /= 2,
        |source| source.burst -= 1,
        |source| source.bursts /= 2,
        |source| source.bursts -= 1,
        |source| source.shape.pieces = (source.shape.pieces / 2).max(1),
        |source| (source.shape.children, source.shape.depth) = (0, 0),
        |source| source.shape.respawns = false,
        |source| source.shape.between = Between::Checkpoint,
    ];
    let mut smaller = scenario.clone();
    let source = smaller.sources.get_mut(step / WAYS.len())?;
    WAYS[step % WAYS.len()](source);
    source.burst = source.burst.max(1);
    source.bursts = source.bursts.max(1);
    Some(smaller)
}
