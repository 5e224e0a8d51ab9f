//! Where memory is read: what the policy for machines with several memory nodes is worth, and that nothing is
//! left lying for it. The same simulations with more seeds and machines are in `docs/numa.md`.

use heddle_scheduler::simulation::memory::{Estimate, Fault, Hardware, Kind, Load, Outcome, Policy, Trial};

/// Seeds for each figure.
const SEEDS: u64 = 5;

fn outcomes(trial: &Trial, policy: Policy) -> Vec<Outcome> {
    let first = super::first_seed(1);
    let run = |seed| Trial { seed, ..trial.clone() }.run(policy);
    (first..first + SEEDS)
        .map(|seed| run(seed).unwrap_or_else(|neglect| panic!("SEED={seed}, {policy:?}: {neglect}")))
        .collect()
}

fn ratio(of: &[Outcome], than: &[Outcome], what: impl Fn(&Outcome) -> f64) -> Estimate {
    let ratio = Estimate::of(of.iter().zip(than).map(|(a, b)| what(a) / what(b)));
    println!("{ratio:?}");
    ratio
}

fn makespan(outcome: &Outcome) -> f64 {
    outcome.makespan as f64
}

fn remote(of: &[Outcome]) -> f64 {
    of.iter().map(Outcome::remote).sum::<f64>() / of.len() as f64
}

/// A trial as long as a test should take.
fn trial(hardware: Hardware, load: Load) -> Trial {
    let rounds = load.rounds.min(4);
    Trial::new(hardware, Load { rounds, ..load }, 1)
}

#[test]
fn memory_bound_fork_join_on_two_sockets_reads_near_memory_and_is_a_tenth_faster() {
    let together = Some(Fault::SearchersCountedTogether);
    for (load, fault) in
        [(Load::memory_bound(), None), (Load::memory_bound(), together), (Load::hinted_leaves(), None)]
    {
        let trial = Trial { fault, ..trial(Hardware::two_by_16(), load) };
        let (random, homes) = (outcomes(&trial, Policy::Random), outcomes(&trial, Policy::homes()));
        assert!(remote(&random) > 0.4, "{}", remote(&random));
        assert!(remote(&homes) <= 0.22, "{}", remote(&homes));
        assert!(ratio(&homes, &random, makespan).high() <= 0.9);
    }
}

#[test]
fn compute_bound_fork_join_loses_no_hundredth() {
    let trial = trial(Hardware::two_by_16(), Load::compute_bound());
    let (random, homes) = (outcomes(&trial, Policy::Random), outcomes(&trial, Policy::homes()));
    assert!(ratio(&homes, &random, makespan).high() <= 1.01);
}

#[test]
fn it_gains_with_half_the_penalty_and_with_costs_four_times_as_high() {
    let machine = Hardware::two_by_16();
    let dear = Hardware { costs: machine.costs.scaled(4.0), ..machine.clone() };
    let latency_only = Hardware { node_bandwidth: 1e6, link_bandwidth: 1e6, ..machine.clone() };
    for (hardware, bound) in [(machine.farther(0.5), 0.95), (dear, 0.9), (latency_only, 0.9)] {
        let trial = trial(hardware, Load::memory_bound());
        let (random, homes) = (outcomes(&trial, Policy::Random), outcomes(&trial, Policy::homes()));
        assert!(remote(&homes) <= 0.22, "{}", remote(&homes));
        assert!(ratio(&homes, &random, makespan).high() <= bound);
    }
}

#[test]
fn nearest_first_alone_does_not_bring_memory_near() {
    let trial = trial(Hardware::two_by_16(), Load::memory_bound());
    let (random, near) = (outcomes(&trial, Policy::Random), outcomes(&trial, Policy::NearestFirst));
    let far = |outcome: &Outcome| (outcome.steals[1] + outcome.steals[2]) as f64;
    assert!(ratio(&near, &random, far).high() < 0.6, "it steals from far less often");
    assert!(remote(&near) > 0.4, "and reads as much there");
}

#[test]
fn who_goes_far_at_once_gets_the_work_of_others() {
    let trial = trial(Hardware::two_by_16(), Load::memory_bound());
    let at_once = outcomes(&trial, Policy::Homes { backoff: 0 });
    assert!(remote(&at_once) > 0.2, "else there would be no need of a back-off: {}", remote(&at_once));
}

#[test]
fn where_all_memory_is_equally_far_all_policies_are_equal() {
    // Nodes are only names then, as far as nobody waits or counts by them.
    for load in [Load::memory_bound(), Load::compute_bound(), Load::stencil(), Load::maker()] {
        // A stencil needs some steps until it does not matter how it began.
        let trial = Trial::new(Hardware::two_by_16().flat(), Load { rounds: load.rounds.min(24), ..load }, 1);
        let random = outcomes(&trial, Policy::Random);
        let names = Trial { fault: Some(Fault::SearchersCountedTogether), ..trial.clone() };
        let homes = outcomes(&names, Policy::Homes { backoff: 0 });
        for of in [outcomes(&trial, Policy::NearestFirst), homes] {
            let ratio = ratio(&of, &random, makespan);
            assert!((ratio.mean - 1.0).abs() < 0.02 && ratio.margin < 0.04, "{ratio:?}");
        }
    }
}

/// A service of which one node has four times as much as the other: more than its workers can do.
fn hot() -> Load {
    Load { lopsided: 4.0, leaves_each: 100, ..Load::service() }
}

#[test]
fn neglected_work_is_noticed_whatever_the_reason() {
    let homes = Policy::homes();
    let machine = Hardware::two_by_16;
    let pair = Hardware { cores_each: 1, ..machine() };
    let long = Load { cpu: 500_000.0, ..hot() };
    for (policy, fault, hardware, load) in [
        (Policy::Homes { backoff: u64::MAX }, None, machine(), hot()),
        (homes, Some(Fault::FarInboxesIgnored), pair, long),
        (homes, Some(Fault::InboxesIgnored), machine(), Load::memory_bound()),
        (homes, Some(Fault::FarWorkersIgnored), machine(), Load::maker()),
        (homes, Some(Fault::InboxWakesNobody), machine(), hot()),
        (Policy::Homes { backoff: 100_000 }, Some(Fault::ParksForGood), machine(), Load::maker()),
    ] {
        let right = trial(hardware, load);
        right.run(homes).unwrap_or_else(|neglect| panic!("without {fault:?}: {neglect}"));
        let wrong = Trial { fault, ..right };
        let neglect = wrong.run(policy).expect_err("it is noticed");
        println!("{fault:?}: {neglect}");
        assert!(neglect.time > wrong.neglect_max);
    }
}

#[test]
fn no_policy_neglects_anything_on_any_machine() {
    for hardware in [Hardware::two_by_16(), Hardware::eight_by_8(), Hardware::two_by_64()] {
        for load in [Load::lopsided(), Load::stencil(), hot()] {
            let trial = Trial::new(hardware.clone(), Load { rounds: load.rounds.min(2), ..load }, 1);
            for policy in [Policy::Random, Policy::NearestFirst, Policy::homes()] {
                let outcome = trial.run(policy).unwrap_or_else(|neglect| panic!("{policy:?}: {neglect}"));
                assert!(outcome.makespan > 0 && outcome.ideal > 0.0 && outcome.inflation() >= 0.99);
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_outcome_and_all_policies_do_the_same_work() {
    for load in Load::all() {
        let trial = trial(Hardware::two_by_16(), Load { leaves_each: load.leaves_each.min(16), ..load });
        let [random, again, homes] =
            [Policy::Random, Policy::Random, Policy::homes()].map(|policy| trial.run(policy).unwrap());
        assert_eq!(random, again);
        if trial.load.name == "actors" {
            continue; // They end in the middle of messages.
        }
        assert_eq!(random.dispatches, homes.dispatches, "{}", trial.load.name);
        assert!((random.ideal / homes.ideal - 1.0).abs() < 1e-9, "{}", trial.load.name);
        let lines = |outcome: &Outcome| outcome.lines.iter().sum::<f64>();
        assert!((lines(&random) / lines(&homes) - 1.0).abs() < 1e-9, "{}", trial.load.name);
    }
}

#[test]
fn one_worker_alone_and_programs_without_work_come_to_an_end() {
    let alone = Hardware { sockets: 1, cores_each: 1, ..Hardware::two_by_16() };
    for hardware in [alone, Hardware { cores_each: 1, ..Hardware::two_by_16() }] {
        for load in Load::all() {
            let nothing = Load { cpu: 0.0, lines: 0.0, leaves_each: 1, rounds: 1, ..load.clone() };
            for load in [nothing, Load { leaves_each: 2, rounds: 2, ..load }] {
                for policy in [Policy::Random, Policy::NearestFirst, Policy::homes()] {
                    let outcome = Trial::new(hardware.clone(), load.clone(), 1).run(policy);
                    let outcome = outcome.unwrap_or_else(|neglect| panic!("{load:?}, {policy:?}: {neglect}"));
                    assert!(outcome.dispatches > 0, "{}", load.name);
                }
            }
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let (machine, load) = (Hardware::two_by_16, Load::memory_bound);
    let refused = |hardware: Hardware, load: Load, handful: usize| {
        let trial = Trial { handful, ..Trial::new(hardware, load, 1) };
        let panic = std::panic::catch_unwind(|| drop(trial.run(Policy::homes()))).expect_err("it is refused");
        panic
            .downcast::<String>()
            .map_or_else(|other| other.downcast_ref::<&str>().unwrap().to_string(), |text| *text)
    };
    for (hardware, load, handful, why) in [
        (Hardware { sockets: 0, ..machine() }, load(), 8, "1 to 4096 workers"),
        (Hardware { cores_each: 1 << 40, ..machine() }, load(), 8, "1 to 4096 workers"),
        (Hardware { latency: [78.0, 0.0, 144.0], ..machine() }, load(), 8, "are positive"),
        (Hardware { link_bandwidth: f64::NAN, ..machine() }, load(), 8, "are positive"),
        (machine(), Load { leaves_each: 0, ..load() }, 8, "leaves in a round"),
        (machine(), Load { leaves_each: u32::MAX, ..load() }, 8, "leaves in a round"),
        (machine(), Load { rounds: 0, ..load() }, 8, "has a round"),
        (machine(), Load { spread: 1.5, ..load() }, 8, "all of it less"),
        (machine(), Load { lines: f64::INFINITY, ..load() }, 8, "a leaf takes"),
        (machine(), Load { kind: Kind::Service(0.0), ..load() }, 8, "part of the machine"),
        (machine(), load(), 0, "at least one fiber"),
    ] {
        let said = refused(hardware, load, handful);
        assert!(said.contains(why), "{said}");
    }
}
