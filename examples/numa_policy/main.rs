//! What the policy does to where memory is read, on simulated machines with published latencies: the tables and
//! the plot of `docs/numa.md`.
//!
//! ```text
//! cargo run --release -p heddle-scheduler --example numa_policy -- --svg docs/numa_policy.svg
//!
//! --seeds N      how many seeds each figure is the mean of (default 10; four times as many for the goal)
//! --only PART    goal, policies, parts, sweep, sensitivity, flat or faults; all of them if not given
//! --svg FILE     the sweep as a plot
//! ```
//!
//! Intervals are of 95 %, by Student's t over the seeds, of the ratio to random stealing on the same seed.

use heddle_scheduler::simulation::memory::{Estimate, Fault, Hardware, Load, Outcome, Policy, Trial};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

mod plot;

/// Back-offs of the sweep, in ns; the last is never.
const BACKOFFS: [u64; 11] = [0, 1_000, 2_000, 3_000, 5_000, 7_000, 10_000, 20_000, 50_000, 200_000, u64::MAX];

const PARTS: [&str; 7] = ["goal", "policies", "parts", "sweep", "sensitivity", "flat", "faults"];

struct Options {
    seeds: u64,
    only: Option<String>,
    svg: Option<String>,
}

fn options() -> Option<Options> {
    let mut options = Options { seeds: 10, only: None, svg: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word.as_str() {
            "--seeds" => options.seeds = value.parse().ok().filter(|&seeds| seeds >= 2)?,
            "--only" => options.only = Some(PARTS.contains(&value.as_str()).then_some(value)?),
            "--svg" => options.svg = Some(value),
            _ => return None,
        }
    }
    Some(options)
}

fn main() {
    let Some(options) = options() else {
        eprintln!("see the top of examples/numa_policy/main.rs for what it takes");
        std::process::exit(2);
    };
    let wants = |part: &str| options.only.as_ref().is_none_or(|only| only == part);
    let seeds = options.seeds;
    if wants("goal") {
        println!("## The goal, on 2 x 16\n");
        policies(&Hardware::two_by_16(), &[Load::memory_bound(), Load::compute_bound()], 4 * seeds);
    }
    if wants("policies") {
        for hardware in machines() {
            println!("## Policies on {}\n", hardware.name);
            policies(&hardware, &Load::all(), seeds);
        }
    }
    if wants("parts") {
        parts(seeds);
    }
    if wants("sweep") || options.svg.is_some() {
        let sweeps = machines().map(|hardware| sweep(&hardware, seeds));
        if let Some(path) = &options.svg {
            std::fs::write(path, plot::draw(&sweeps)).unwrap_or_else(|error| {
                eprintln!("{path}: {error}");
                std::process::exit(1);
            });
        }
    }
    if wants("sensitivity") {
        sensitivity(seeds);
    }
    if wants("flat") {
        machines().iter().for_each(|hardware| flat(hardware, seeds));
    }
    if wants("faults") {
        faults();
    }
}

fn machines() -> [Hardware; 3] {
    [Hardware::two_by_16(), Hardware::eight_by_8(), Hardware::two_by_64()]
}

/// Runs a program with so many seeds under each policy, on all CPUs.
fn run(hardware: &Hardware, load: &Load, policies: &[Policy], seeds: u64) -> Vec<Vec<Outcome>> {
    run_trials(&Trial::new(hardware.clone(), load.clone(), 0), policies, seeds)
}

/// The same for a trial with something changed. Work may be left lying for any time.
fn run_trials(trial: &Trial, policies: &[Policy], seeds: u64) -> Vec<Vec<Outcome>> {
    let count = policies.len() * seeds as usize;
    let (next, results) = (AtomicUsize::new(0), Mutex::new(vec![Outcome::default(); count]));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let (policy, seed) = (index / seeds as usize, index as u64 % seeds);
                    let trial = Trial { seed: seed + 1, neglect_max: u64::MAX, ..trial.clone() };
                    let outcome = trial.run(policies[policy]).expect("any neglect is allowed");
                    results.lock().unwrap()[index] = outcome;
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    results.chunks(seeds as usize).map(<[Outcome]>::to_vec).collect()
}

/// How many times as long as `than` it took, seed by seed.
fn ratio(of: &[Outcome], than: &[Outcome]) -> Estimate {
    Estimate::of(of.iter().zip(than).map(|(a, b)| a.makespan as f64 / b.makespan as f64))
}

/// The same; of a service, how many times as long the slowest in a hundred requests took.
fn gain(of: &[Outcome], than: &[Outcome]) -> Estimate {
    if of[0].latencies.is_empty() {
        return ratio(of, than);
    }
    Estimate::of(of.iter().zip(than).map(|(a, b)| a.latency(0.99) as f64 / b.latency(0.99) as f64))
}

fn mean(of: &[Outcome], what: impl Fn(&Outcome) -> f64) -> f64 {
    of.iter().map(what).sum::<f64>() / of.len() as f64
}

/// As a change: -12.3 % +-0.4.
fn change(ratio: Estimate) -> String {
    format!("{:+.1} ± {:.1} %", 100.0 * (ratio.mean - 1.0), 100.0 * ratio.margin)
}

fn policies(hardware: &Hardware, loads: &[Load], seeds: u64) {
    let all =
        [("random", Policy::Random), ("nearest first", Policy::NearestFirst), ("homes", Policy::homes())];
    println!(
        "| program | policy | makespan, ms | against random | remote lines, % | inflation | idle, % | \
         stolen near / far | vain looks, thousands | least busy | longest neglect, us | p50 / p99, us |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for load in loads {
        let results = run(hardware, load, &all.map(|(_, policy)| policy), seeds);
        for ((name, _), of) in all.iter().zip(&results) {
            let workers = hardware.workers() as f64;
            let against = if *name == "random" { "".into() } else { change(ratio(of, &results[0])) };
            let idle = mean(of, |run| run.idle / run.makespan as f64) / workers;
            let far = mean(of, |run| (run.steals[1] + run.steals[2]) as f64);
            let neglect = of.iter().map(|run| run.neglect).max().unwrap_or(0);
            let latency = |part: f64| mean(of, |run| run.latency(part) as f64) / 1e3;
            let latencies = match of[0].latencies.is_empty() {
                true => String::new(),
                false => format!("{:.0} / {:.0}", latency(0.5), latency(0.99)),
            };
            println!(
                "| {} | {name} | {:.2} | {against} | {:.1} | {:.2} | {:.1} | {:.0} / {far:.0} | {:.0} | {:.2} | {} | {latencies} |",
                load.name,
                mean(of, |run| run.makespan as f64) / 1e6,
                100.0 * mean(of, Outcome::remote),
                mean(of, Outcome::inflation),
                100.0 * idle,
                mean(of, |run| run.steals[0] as f64),
                mean(of, |run| run.vain as f64) / 1e3,
                mean(of, |run| run.fairness),
                neglect / 1000,
            );
        }
    }
    println!();
}

fn backoff_name(backoff: u64) -> String {
    match backoff {
        u64::MAX => "∞".into(),
        _ => format!("{}", backoff as f64 / 1e3),
    }
}

/// One machine's programs, with the change against random stealing and the remote share for each back-off.
type Sweep = (Hardware, Vec<(Load, Vec<(Estimate, f64)>)>);

fn sweep(hardware: &Hardware, seeds: u64) -> Sweep {
    println!("## Back-off on {}: change of makespan (service: p99) against random stealing\n", hardware.name);
    let names: Vec<String> = BACKOFFS.map(backoff_name).to_vec();
    println!("| back-off, us | {} |", names.join(" | "));
    println!("|---|{}", "---:|".repeat(names.len()));
    let mut policies = vec![Policy::Random];
    policies.extend(BACKOFFS.map(|backoff| Policy::Homes { backoff }));
    let mut rows = Vec::new();
    for load in Load::all() {
        let results = run(hardware, &load, &policies, seeds);
        let figures: Vec<(Estimate, f64)> =
            results[1..].iter().map(|of| (gain(of, &results[0]), mean(of, Outcome::remote))).collect();
        let cells: Vec<String> = figures.iter().map(|(ratio, _)| change(*ratio)).collect();
        println!("| {} | {} |", load.name, cells.join(" | "));
        let cells: Vec<String> =
            figures.iter().map(|(_, remote)| format!("{:.1} %", 100.0 * remote)).collect();
        println!("| &nbsp; remote lines | {} |", cells.join(" | "));
        rows.push((load, figures));
    }
    println!();
    (hardware.clone(), rows)
}

/// What hangs on each part of the policy.
fn parts(seeds: u64) {
    let none = Policy::Homes { backoff: 0 };
    let variants = [
        ("homes", Policy::homes(), None, 8),
        ("without a back-off", none, None, 8),
        ("searchers counted together", Policy::homes(), Some(Fault::SearchersCountedTogether), 8),
        ("time without work counts", Policy::homes(), Some(Fault::RestForgotten), 8),
        ("one fiber from a far inbox", Policy::homes(), None, 1),
        ("all of a far inbox", Policy::homes(), None, usize::MAX),
    ];
    let loads = [
        Load::memory_bound(),
        Load::compute_bound(),
        Load::actors(),
        Load::service(),
        Load::lopsided_service(),
    ];
    for hardware in machines() {
        println!(
            "## What each part is worth, on {}: change of makespan (service: p99), remote lines\n",
            hardware.name
        );
        println!("| | {} |", loads.each_ref().map(|load| load.name).join(" | "));
        println!("|---|{}", "---:|".repeat(loads.len()));
        let random = loads.each_ref().map(|load| run(&hardware, load, &[Policy::Random], seeds).remove(0));
        for (name, policy, fault, handful) in variants {
            print!("| {name} |");
            for (load, random) in loads.iter().zip(&random) {
                let trial = Trial { fault, handful, ..Trial::new(hardware.clone(), load.clone(), 0) };
                let of = run_trials(&trial, &[policy], seeds).remove(0);
                print!(" {}, {:.1} % |", change(gain(&of, random)), 100.0 * mean(&of, Outcome::remote));
            }
            println!();
        }
        println!();
    }
}

/// How the machine and the program are changed.
type Change = fn(&mut Hardware, &mut Load);

/// What was assumed, and what it may be instead.
const CHANGES: [(&str, Change); 21] = [
    ("as assumed", |_, _| {}),
    ("far memory half as far", |hardware, _| *hardware = hardware.farther(0.5)),
    ("far memory no farther, bandwidths as they are", |hardware, _| *hardware = hardware.farther(0.0)),
    ("far memory twice as far", |hardware, _| *hardware = hardware.farther(2.0)),
    ("no limit to bandwidths, latencies only", |hardware, _| {
        (hardware.node_bandwidth, hardware.mesh_bandwidth, hardware.link_bandwidth) = (1e6, 1e6, 1e6);
    }),
    ("link with 0.38 of a node's bandwidth", |hardware, _| {
        hardware.link_bandwidth = 0.38 * hardware.node_bandwidth
    }),
    ("link as fast as all memory", |hardware, _| {
        hardware.link_bandwidth = hardware.node_bandwidth * hardware.nodes() as f64;
    }),
    ("5 misses at a time", |hardware, _| hardware.parallel_misses = 5.0),
    ("20 misses at a time", |hardware, _| hardware.parallel_misses = 20.0),
    ("costs halved", |hardware, _| hardware.costs = hardware.costs.scaled(0.5)),
    ("costs doubled", |hardware, _| hardware.costs = hardware.costs.scaled(2.0)),
    ("costs times 4", |hardware, _| hardware.costs = hardware.costs.scaled(4.0)),
    ("far steps cost no more", |hardware, _| hardware.costs = hardware.flat().costs),
    ("workers park at once", |hardware, _| hardware.costs.spin = 0),
    ("workers look every us", |hardware, _| hardware.costs.poll = 1_000),
    ("all leaves alike", |_, load| load.spread = 0.0),
    ("leaves differ by 90 %", |_, load| load.spread = 0.9),
    ("leaves an eighth as large", |_, load| (load.cpu, load.lines) = (load.cpu / 8.0, load.lines / 8.0)),
    ("leaves four times as large", |_, load| (load.cpu, load.lines) = (load.cpu * 4.0, load.lines * 4.0)),
    ("8 leaves for a worker", |_, load| load.leaves_each = 8),
    ("128 leaves for a worker", |_, load| (load.leaves_each, load.rounds) = (128, 4)),
];

/// Does the conclusion hold where what was assumed is otherwise?
fn sensitivity(seeds: u64) {
    let cases = [
        (Hardware::two_by_16(), Load::memory_bound()),
        (Hardware::two_by_16(), Load::compute_bound()),
        (Hardware::eight_by_8(), Load::memory_bound()),
        (Hardware::eight_by_8(), Load::compute_bound()),
    ];
    println!("## If what was assumed is otherwise: homes against random stealing, remote lines\n");
    let names = cases.each_ref().map(|(hardware, load)| format!("{}, {}", hardware.name, load.name));
    println!("| | {} |", names.join(" | "));
    println!("|---|{}", "---:|".repeat(cases.len()));
    for (name, change_it) in CHANGES {
        print!("| {name} |");
        for (hardware, load) in &cases {
            let (mut hardware, mut load) = (hardware.clone(), load.clone());
            change_it(&mut hardware, &mut load);
            let results = run(&hardware, &load, &[Policy::Random, Policy::homes()], seeds);
            let remote = |of: &[Outcome]| 100.0 * mean(of, Outcome::remote);
            let gain = change(ratio(&results[1], &results[0]));
            print!(" {gain}, {:.1} -> {:.1} % |", remote(&results[0]), remote(&results[1]));
        }
        println!();
    }
    println!();
}

/// Where all memory is equally far, and nobody waits for anything, nodes are only names.
fn flat(hardware: &Hardware, seeds: u64) {
    println!("## All memory of {} equally far: against random stealing\n", hardware.name);
    println!("| program | nearest first | homes, no back-off, searchers counted together | homes |");
    println!("|---|---:|---:|---:|");
    for load in Load::all() {
        let right = Trial::new(hardware.flat(), load.clone(), 0);
        let names = Trial { fault: Some(Fault::SearchersCountedTogether), ..right.clone() };
        let random = run_trials(&right, &[Policy::Random], seeds).remove(0);
        let cell = |trial: &Trial, policy| change(gain(&run_trials(trial, &[policy], seeds)[0], &random));
        println!(
            "| {} | {} | {} | {} |",
            load.name,
            cell(&right, Policy::NearestFirst),
            cell(&names, Policy::Homes { backoff: 0 }),
            cell(&right, Policy::homes()),
        );
    }
    println!();
}

/// Something wrong: a policy and a fault, and a machine and a program in which it matters.
struct Wrong(&'static str, Policy, Option<Fault>, Hardware, Load);

fn wrongs() -> [Wrong; 6] {
    let (homes, late) = (Policy::homes(), Policy::Homes { backoff: 100_000 });
    let machine = Hardware::two_by_16;
    // More for one node's data than its workers can do.
    let hot = Load { name: "service, one node has four times as much", lopsided: 4.0, ..Load::service() };
    // One worker for each node, which is busy for long.
    let pair = Hardware { name: "2 x 1", cores_each: 1, ..machine() };
    let long = Load { name: "service of long requests", cpu: 500_000.0, ..hot.clone() };
    [
        Wrong("the back-off never ends", Policy::Homes { backoff: u64::MAX }, None, machine(), hot),
        Wrong("far inboxes are ignored", homes, Some(Fault::FarInboxesIgnored), pair, long),
        Wrong("all inboxes are ignored", homes, Some(Fault::InboxesIgnored), machine(), Load::memory_bound()),
        Wrong(
            "far workers are not stolen from",
            homes,
            Some(Fault::FarWorkersIgnored),
            machine(),
            Load::maker(),
        ),
        Wrong("inboxes wake nobody", homes, Some(Fault::InboxWakesNobody), machine(), Load::service()),
        Wrong("far work sets no timer", late, Some(Fault::ParksForGood), machine(), Load::maker()),
    ]
}

/// Is neglect noticed?
fn faults() {
    println!("## Faults\n");
    println!("| fault | machine, program | without it | with it, seed 1 |");
    println!("|---|---|---|---|");
    for Wrong(name, policy, fault, hardware, load) in wrongs() {
        let right = Trial::new(hardware, load, 1);
        let wrong = Trial { fault, ..right.clone() };
        let tell = |trial: &Trial, policy| match trial.run(policy) {
            Ok(outcome) => format!("nobody neglected for longer than {} us", outcome.neglect / 1000),
            Err(neglect) => format!("noticed: {neglect}"),
        };
        let (machine, program) = (right.hardware.name, right.load.name);
        let (well, badly) = (tell(&right, Policy::homes()), tell(&wrong, policy));
        println!("| {name} | {machine}, {program} | {well} | {badly} |");
    }
}
