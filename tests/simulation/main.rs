//! The promises of the policy, on machines that we do not have: each test simulates some millions of
//! dispatches and checks them all. `SEED=n` runs the seeds from n on instead of the usual ones, and a broken
//! promise is told with its seed and the smallest case that was found.
//!
//! | file            | what it has                                                      |
//! |-----------------|------------------------------------------------------------------|
//! | `main.rs`       | the promises hold                                                |
//! | [`mutations`]   | the checker notices what is wrong; what it finds is made smaller |
//! | [`memory`]      | where memory is read, on machines with several memory nodes         |

mod memory;
mod mutations;

use heddle_scheduler::simulation::{Machine, Report, Scenario, run, shrink};

/// Dispatches of one scenario: enough for a second or so of what a CPU does.
const LENGTH: u64 = 50_000;

/// The first seed of a test.
fn first_seed(usual: u64) -> u64 {
    match std::env::var("SEED") {
        Ok(text) => text.parse().expect("SEED is a number"),
        Err(_) => usual,
    }
}

/// Runs random scenarios until so many dispatches are over, and adds up what they came to.
fn keeps_its_promises(machine: Machine, dispatches: u64) -> Report {
    let mut total = Report::default();
    let mut seed = first_seed(1000 * machine.cpus() as u64);
    while total.dispatches < dispatches {
        let scenario = Scenario::random(seed, machine, LENGTH);
        let report = run(&scenario).unwrap_or_else(|violation| {
            let (small, how) = shrink(&scenario, &violation);
            panic!("SEED={seed}: {violation}\nthe smallest case that was found:\n{small:?}{how}");
        });
        total.add(&report);
        seed += 1;
    }
    println!("{machine:?}: {total}");
    total
}

#[test]
fn one_cpu_keeps_the_promises_with_one_lane_and_with_three() {
    keeps_its_promises(Machine::new(1, 1), 1_200_000);
    keeps_its_promises(Machine::new(1, 1).lanes(1), 1_200_000);
}

#[test]
fn two_cpus_keep_the_promises_with_any_number_of_lanes() {
    for lanes in 1..=3 {
        keeps_its_promises(Machine::new(1, 2).lanes(lanes), 1_000_000);
    }
}

#[test]
fn eight_memory_nodes_keep_the_promises() {
    let report = keeps_its_promises(Machine::new(2, 16).nodes(4), 2_000_000);
    assert!(report.steals > 0);
}

#[test]
fn two_sockets_of_64_cores_keep_the_promises() {
    let report = keeps_its_promises(Machine::new(2, 64), 2_000_000);
    assert!(report.steals > 0);
    keeps_its_promises(Machine::new(2, 64).nodes(4).lanes(1), 1_000_000);
}

#[test]
fn under_full_load_of_all_levels_the_shares_are_the_weights_within_two_percent() {
    let weights = [16, 8, 4, 2, 1];
    // Pieces of 1 ms would give Background, once in 31 ms, less than its longest wait allows for; so up to
    // half of that.
    for (machine, piece) in [
        (Machine::new(1, 1).lanes(1), 1_000),
        (Machine::new(1, 1), 20_000),
        (Machine::new(1, 2), 100_000),
        (Machine::new(1, 2).lanes(2), 20_000),
        (Machine::new(2, 4), 300_000),
    ] {
        let dispatches = 20_000 * machine.cpus() as u64;
        let scenario = Scenario::full_load(first_seed(1), machine, piece, dispatches);
        let report = run(&scenario).unwrap_or_else(|violation| panic!("{violation}"));
        println!("{machine:?}, pieces of {piece} ns: {report}");
        for (level, share) in report.shares().into_iter().enumerate() {
            let due = f64::from(weights[level]) / 31.0;
            assert!(
                (share - due).abs() < 0.02,
                "{machine:?} {piece} ns: level {level} has {share}, not {due}"
            );
        }
    }
}
