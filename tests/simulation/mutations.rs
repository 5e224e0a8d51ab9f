//! The checker is checked: a policy with something wrong in it is noticed within a few seeds, as what it
//! is; and what is noticed is told in a small case, again and again the same.

use heddle_scheduler::simulation::{Machine, Mutation, Promise, Scenario, Violation, run, shrink};

/// A mutation is noticed within so many seeds.
const SEEDS_MAX: u64 = 20;

/// Dispatches of one scenario.
const LENGTH: u64 = 30_000;

/// Each seed is tried on both: with four CPUs in two sockets, and with nobody to hide anything.
const MACHINES: [Machine; 2] = [Machine::new(2, 2), Machine::new(1, 1).lanes(1)];

/// What each mutation breaks, and which promises may be the first to show it.
const BREAKS: [(Mutation, &[Promise]); 16] = [
    (Mutation::MaskIgnored, &[Promise::Inversion]),
    (Mutation::LowestFirst, &[Promise::Inversion, Promise::Share]),
    (Mutation::SharesDropped, &[Promise::Share, Promise::LongestWait]),
    (Mutation::WaitsForgotten, &[Promise::LongestWait]),
    (Mutation::CheckpointsIgnored, &[Promise::Inversion, Promise::Share, Promise::Looks]),
    (Mutation::NeverAside, &[Promise::Share]),
    (Mutation::AgeingDropped, &[Promise::OldestInTime]),
    (Mutation::ResumedForgotten, &[Promise::OldestInTime]),
    (Mutation::StealReversed, &[Promise::NearestFirst]),
    (Mutation::WakeLost, &[Promise::NobodySleepsOnWork, Promise::NothingIsLost]),
    (Mutation::MailLost, &[Promise::NothingIsLost]),
    (Mutation::LoanIgnored, &[Promise::RightLevel]),
    (Mutation::LoanKept, &[Promise::RightLevel]),
    (Mutation::TicketsLost, &[Promise::NothingIsLost, Promise::NobodySleepsOnWork]),
    (Mutation::StaleTicketsRun, &[Promise::RightLevel]),
    (Mutation::WakesEarly, &[Promise::NeverEarly]),
];

/// The first seed with which the mutation is noticed, the scenario, and what is noticed.
fn notice(mutation: Mutation) -> Option<(u64, Scenario, Violation)> {
    (1..=SEEDS_MAX).find_map(|seed| {
        MACHINES.into_iter().find_map(|machine| {
            let random = Scenario::random(seed, machine, LENGTH);
            let scenario = Scenario { mutation: Some(mutation), ..random };
            run(&scenario).err().map(|violation| (seed, scenario, violation))
        })
    })
}

#[test]
fn each_mutation_of_the_policy_is_noticed_within_twenty_seeds_and_as_what_it_is() {
    assert!(Mutation::ALL.iter().all(|mutation| BREAKS.iter().any(|(known, _)| known == mutation)));
    let mut wrong = Vec::new();
    for (mutation, promises) in BREAKS {
        match notice(mutation) {
            Some((seed, _, violation)) => {
                println!("{mutation:?}: seed {seed}: {violation}");
                if !promises.contains(&violation.what) {
                    wrong.push(format!("{mutation:?} shows as {violation}"));
                }
            }
            None => wrong.push(format!("nobody noticed {mutation:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_same_seeds_without_a_mutation_break_nothing() {
    for seed in 1..=SEEDS_MAX {
        for machine in MACHINES {
            let report = run(&Scenario::random(seed, machine, LENGTH));
            report.unwrap_or_else(|violation| panic!("SEED={seed} on {machine:?}: {violation}"));
        }
    }
}

#[test]
fn what_is_noticed_is_told_in_a_small_case_of_the_same_kind() {
    for mutation in [Mutation::LoanKept, Mutation::NeverAside, Mutation::TicketsLost] {
        let (_, scenario, violation) = notice(mutation).expect("it is noticed");
        let (small, how) = shrink(&scenario, &violation);
        println!("{small:?}{how}");
        assert_eq!(how.what, violation.what);
        assert!(small.sources.len() < scenario.sources.len(), "{} are left", small.sources.len());
        assert!(small.sources.len() <= 3, "{} are left", small.sources.len());
        assert!(small.machine.cpus() <= 2);
        assert_eq!(run(&small), Err(how), "the small case is told with the result that it has");
    }
}

#[test]
fn the_same_scenario_runs_the_same_to_the_last_dispatch() {
    for seed in 1..4 {
        let scenario = Scenario::random(seed, Machine::new(2, 8), LENGTH);
        assert_eq!(run(&scenario), run(&scenario));
        let other = Scenario { seed: seed + 100, ..scenario.clone() };
        assert_ne!(run(&scenario), run(&other), "the seed decides");
    }
    let broken = notice(Mutation::WakeLost).expect("it is noticed");
    assert_eq!(run(&broken.1), Err(broken.2));
}
