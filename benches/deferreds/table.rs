//! What is printed: for each case medians, and how many times ours theirs are.

use crate::Runs;
use crate::cases::Case;
use heddle_benches::stat::{median, sorted};

pub(crate) const PEERS: [&str; 4] = ["piscina", "piscina_ten", "tinypool", "bare"];

/// One line about the machine.
pub(crate) fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        text.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    format!("{cpus} CPUs ({})", model.unwrap_or(std::env::consts::ARCH))
}

pub(crate) fn head() {
    println!("| what | figure | Heddle (lowest to highest) | {} | goal |", PEERS.join(" | "));
    println!("|---|---|---:|{}---|", "---:|".repeat(PEERS.len()));
}

pub(crate) fn print(case: &Case, results: &[(&'static str, Runs)]) {
    for (place, (metric, goal)) in case.metrics.iter().enumerate() {
        let values = |contender: &str| {
            let runs = results.iter().find(|(name, _)| *name == contender)?.1.as_ref().ok()?;
            let values: Vec<f64> = runs.iter().filter_map(|run| run.get(place).copied()).collect();
            (!values.is_empty()).then(|| sorted(values))
        };
        let Some(ours) = values("heddle") else {
            println!("| {} | {metric} | failed |", case.about);
            continue;
        };
        let own = median(&ours);
        let peers = PEERS.map(|peer| match values(peer) {
            Some(theirs) => format!("{} (x {})", short(median(&theirs)), short(median(&theirs) / own)),
            None => String::new(),
        });
        let goal = goal.map_or(String::new(), |goal| {
            format!("{}: {}", short(goal), if own <= goal { "reached" } else { "missed" })
        });
        println!(
            "| {} | {metric} | **{}** ({} to {}) | {} | {goal} |",
            case.about,
            short(own),
            short(ours[0]),
            short(ours[ours.len() - 1]),
            peers.join(" | ")
        );
    }
}

/// Three digits.
fn short(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
