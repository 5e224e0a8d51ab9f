//! The report: the machine, two matrices for each thing that was measured of it, a table for each kind of work; and all
//! values as JSON.

use super::Results;
use super::hardware::{Bank, Hardware, KERNELS};
use super::machine::Machine;
use super::rounds::{Contender, Outcome};
use super::setup::{OFF, WITH_DATA};
use crate::arguments::Arguments;
use crate::machine;
use crate::report::{figure, noise, quoted};
use heddle_benches::stat::{Interval, interval, median, quantile, sorted};
use heddle_scheduler::NodeId;
use heddle_scheduler::numa::draw;
use std::fmt::Write as _;

/// Far memory that costs less than this many times what near memory does is called equally far, as the scheduler does.
const FAR: f64 = 1.15;

pub(super) fn markdown(order: &Arguments, results: &Results) -> String {
    let mut text = String::from("# NUMA: this machine, and what it is worth to mind its nodes\n\n");
    let _ = writeln!(text, "- machine: {}", machine::describe());
    let _ = writeln!(text, "- noise: {}", noise(results.foreign_cpus.as_slice()));
    let (rounds, seconds) = (order.rounds, results.took_seconds);
    let _ = writeln!(
        text,
        "- method: {rounds} rounds in {seconds:.0} s, setups in turns in one process; medians; every answer checked"
    );
    if order.quick {
        text += "- **quick**: little data and few rounds; these times mean nothing\n";
    }
    text += &verdict(results);
    text += &of_the_machine(&results.machine);
    text += &of_the_hardware(results);
    if !results.work.is_empty() {
        text += &how_to_read(order.rounds);
    }
    for outcome in &results.work {
        text += &of_the_work(outcome);
    }
    text
}

/// What the figures can mean on this machine, in words.
fn verdict(results: &Results) -> String {
    let topology = &results.machine.topology;
    let mut lines = Vec::new();
    if topology.worker_nodes().len() < 2 {
        lines.push(
            "**There is one node with CPUs for this process**: the scheduler has nothing to mind, all setups but `unpinned` are \
             nearly the same, and their ratios show noise. To learn anything of nodes, run this on a machine with several.",
        );
    } else {
        let known = [results.machine.penalty, worst_ratio(results)];
        let dear: Vec<bool> = known.into_iter().flatten().map(|ratio| ratio >= FAR).collect();
        lines.push(match dear[..] {
            [] => "Whether far memory is dearer here is not known: it was not measured, or could not be.",
            _ if dear.iter().all(|dear| *dear) => {
                "**Far memory is dearer here**: the ratios below say what it is worth to mind it."
            }
            _ if dear.iter().any(|dear| *dear) => {
                "**The scheduler's probe and the latencies below disagree** on whether far memory is dearer here: something \
                 disturbed one of them. Measure again on a quiet machine."
            }
            _ => {
                "**Memory is equally far everywhere**, as in virtual machines whose nodes are only told: placement cannot make \
                 anything faster here. This run shows that answers are right, and where data, work and stacks were."
            }
        });
    }
    if topology.quota().is_some_and(|quota| quota.cpus() < topology.allowed_cpus().len() as f64) {
        lines.push(
            "**A CPU quota is below the number of CPUs**: bandwidths below are what it leaves, in bursts.",
        );
    }
    format!("\n{}\n", lines.join("\n\n"))
}

/// Of all nodes the worst: latency of its farthest memory against its nearest, the fastest pass of each, since all that
/// disturbs makes a pass slower. `None` in a quick run, whose data the caches hold.
fn worst_ratio(results: &Results) -> Option<f64> {
    let (nodes, hardware) = (results.machine.topology.worker_nodes(), &results.hardware);
    let fastest = |cpus, memory| hardware.pair(cpus, memory)?.latency_ns.iter().copied().reduce(f64::min);
    let ratio = |cpus: NodeId| {
        let near = fastest(cpus, results.machine.topology.memory_node(cpus)?)?;
        let all = hardware.pairs.iter().filter(|pair| pair.cpus == cpus);
        let far = all.filter_map(|pair| fastest(cpus, pair.memory)).reduce(f64::max)?;
        Some(far / near)
    };
    nodes.iter().filter_map(ratio).reduce(f64::max).filter(|_| !results.machine.quick)
}

fn of_the_machine(machine: &Machine) -> String {
    let mut text = format!("\n## The machine\n\n```text\n{}```\n\n", draw::text(&machine.topology));
    text += "| setting | value |\n|---|---|\n";
    for (name, value) in &machine.settings {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    let topology = &machine.topology;
    let _ = writeln!(text, "\n- workers: {}, on nodes {}", machine.workers, topology.worker_nodes());
    let penalty = match machine.penalty {
        Some(ratio) => format!("far memory costs {ratio:.2} times what near memory does"),
        None => "nothing: one node, or it cannot be measured here".to_owned(),
    };
    let _ = writeln!(text, "- the scheduler's probe says: {penalty}");
    let _ = writeln!(text, "- `Numa::Auto` is here: {}", machine.auto);
    let balanced =
        machine.settings.iter().any(|(name, value)| name.starts_with("NUMA balancing") && value != "0");
    if balanced && topology.is_numa() {
        text += "- NUMA balancing is not off: the kernel moves pages that have no home (those of the `off` setups) after the \
                 threads that use them, in its own time, and its looking costs all a little\n";
    }
    text
}

fn of_the_hardware(results: &Results) -> String {
    let (hardware, machine) = (&results.hardware, &results.machine);
    let mut text = String::new();
    if hardware.pairs.iter().any(|pair| !pair.latency_ns.is_empty()) {
        text += "\n## Latency: ns a read, the system's distance in parentheses\n\nOne thread follows a chain of cache lines. \
                 Rows: nodes with CPUs; columns: nodes with memory.\n\n";
        let distance = |cpus, memory| machine.topology.distances().between(cpus, memory);
        text += &matrix(results, |cpus, memory| {
            let ns = latency(hardware, cpus, memory)?;
            Some(format!("{} ({})", figure(ns), distance(cpus, memory)))
        });
        text += "\nAs multiples of each node's nearest memory:\n\n";
        text += &matrix(results, |cpus, memory| {
            let near = latency(hardware, cpus, machine.topology.memory_node(cpus)?)?;
            Some(format!("{:.2}", latency(hardware, cpus, memory)? / near))
        });
    }
    text += &of_the_firmware(machine);
    for (kernel, name) in KERNELS.iter().enumerate() {
        if hardware.pairs.iter().any(|pair| !pair.gb_s[kernel].is_empty()) {
            let _ = write!(text, "\n## Bandwidth: {name}, GB/s, all allowed CPUs of the node\n\n");
            text += &matrix(results, |cpus, memory| {
                middle(&hardware.pair(cpus, memory)?.gb_s[kernel]).map(figure)
            });
        }
    }
    if !hardware.banks.is_empty() {
        text += "\n## The pages that were measured\n\n";
        hardware.banks.iter().for_each(|bank| text += &of_a_bank(bank));
    }
    for why in &hardware.failures {
        let _ = writeln!(text, "- **failed**: {why}");
    }
    text
}

/// A table of all nodes with CPUs against all with memory.
fn matrix(results: &Results, cell: impl Fn(NodeId, NodeId) -> Option<String>) -> String {
    let memories = results.machine.topology.memory_nodes();
    let heads: String = memories.iter().map(|memory| format!(" {memory} |")).collect();
    let mut text = format!("| CPUs of |{heads}\n|---|{}\n", "---:|".repeat(memories.len()));
    for cpus in results.machine.topology.worker_nodes().iter() {
        let cells = memories.iter().map(|memory| cell(cpus, memory).unwrap_or("-".to_owned()));
        let _ = writeln!(text, "| {cpus} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    text
}

/// What the firmware says (HMAT), of each node's memory for the CPUs nearest to it.
fn of_the_firmware(machine: &Machine) -> String {
    let told = machine.topology.nodes().iter().filter_map(|node| Some((node.id(), node.access()?)));
    let lines: String = told
        .map(|(node, access)| {
            let (ns, mb_s) = (access.read_latency_ns, access.read_bandwidth_mb_s);
            format!("| {node} | {ns} | {} |\n", figure(f64::from(mb_s) / 1e3))
        })
        .collect();
    match lines.is_empty() {
        true => "\nThe firmware tells nothing of latency and bandwidth (no HMAT).\n".to_owned(),
        false => format!(
            "\nThe firmware's own figures (HMAT), for the CPUs nearest to each:\n\n| memory of | ns a read | GB/s read |\n\
             |---|---:|---:|\n{lines}"
        ),
    }
}

fn of_a_bank(bank: &Bank) -> String {
    let away = match bank.away {
        Some((0, 0)) => "all there before and after".to_owned(),
        Some((before, after)) => {
            format!("**{before} pages were elsewhere before and {after} after**: trust this column little")
        }
        None => "where they were the system does not tell".to_owned(),
    };
    let huge = match bank.huge {
        Some(share) => format!("{:.0} % in huge pages", share * 100.0),
        None => "huge pages: not told".to_owned(),
    };
    let cached = if bank.beyond_caches {
        ""
    } else {
        "; **caches hold a good part of it: this is not the memory's speed**"
    };
    format!("- {}: {} MiB, {huge}, {away}{cached}\n", bank.memory, bank.bytes >> 20)
}

fn latency(hardware: &Hardware, cpus: NodeId, memory: NodeId) -> Option<f64> {
    middle(&hardware.pair(cpus, memory)?.latency_ns)
}

fn middle(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| median(&sorted(values.to_vec())))
}

fn how_to_read(rounds: usize) -> String {
    let mut text = String::from(
        "\n## The scheduler\n\nHow to read: *times as long as on* is the ratio of two runs of the same round; **above 1, minding \
         nodes is faster**. The median over rounds stands first, then an interval in which the true median lies with the \
         confidence beside it: if 1 is inside, nothing is shown. *Far* is the share of the work that was done on a CPU \
         whose near memory is not where its data was. *Stolen* are fibers that workers took from others of their node and of \
         others; *away* are fibers that began on another node than they were sent to. Counters are sums over all rounds.\n\n",
    );
    for setup in WITH_DATA {
        let _ = writeln!(text, "- `{}`: {}", setup.name, setup.says);
    }
    if rounds < 6 {
        text += "\nFewer than six rounds give no interval of 95 %.\n";
    }
    text
}

fn of_the_work(outcome: &Outcome) -> String {
    let mut text = format!("\n### {}\n\n{}\n\n", outcome.task.name, outcome.task.question);
    let metrics: Vec<&str> = outcome
        .contenders
        .iter()
        .flat_map(|one| &one.samples)
        .next()
        .map_or(Vec::new(), |sample| sample.values.iter().map(|(metric, _)| *metric).collect());
    for metric in metrics {
        let _ = write!(
            text,
            "| {metric} | median | min - max | times as long as on | interval |\n|---|---:|---:|---:|---:|\n"
        );
        for contender in outcome.contenders.iter().filter(|one| !one.samples.is_empty()) {
            text += &row(outcome, contender, metric);
        }
        text.push('\n');
    }
    text += "| counters | far, % | stolen near | stolen far | by distance | away | data | stack pages elsewhere |\n\
             |---|---:|---:|---:|---|---:|---|---:|\n";
    for contender in outcome.contenders.iter().filter(|one| !one.samples.is_empty()) {
        text += &counters(contender);
    }
    for contender in &outcome.contenders {
        if let Some(why) = &contender.failure {
            let _ = writeln!(text, "\n- {} **failed**: {why}", contender.setup.name);
        }
    }
    text + &lost(outcome)
}

fn row(outcome: &Outcome, contender: &Contender, metric: &str) -> String {
    let values = sorted(contender.values(metric));
    let (low, high) = (figure(quantile(&values, 0.0)), figure(quantile(&values, 1.0)));
    let ratios = outcome.ratios(contender, metric);
    let is_first = std::ptr::eq(contender, &outcome.contenders[0]);
    let ratio = match outcome.task.compared.contains(&metric) && !is_first && !ratios.is_empty() {
        true => {
            let found = interval(&ratios);
            let confidence = found.confidence * 100.0;
            format!("**{:.3}** | {:.3} - {:.3} ({confidence:.0} %)", median(&ratios), found.low, found.high)
        }
        false => "- | -".to_owned(),
    };
    format!("| {} | {} | {low} - {high} | {ratio} |\n", contender.setup.name, figure(median(&values)))
}

fn counters(contender: &Contender) -> String {
    let samples = &contender.samples;
    let far = middle(&samples.iter().filter_map(|sample| sample.far_percent).collect::<Vec<_>>());
    let sum =
        |of: fn(&super::setup::Counters) -> u64| samples.iter().map(|one| of(&one.counters)).sum::<u64>();
    let mut by_distance = std::collections::BTreeMap::new();
    for (_, distance, count) in samples.iter().flat_map(|sample| &sample.counters.steals) {
        *by_distance.entry(*distance).or_insert(0_u64) += count;
    }
    let by_distance = by_distance.iter().map(|(distance, count)| format!("{count} at {distance}"));
    let by_distance = by_distance.collect::<Vec<_>>().join(", ");
    let stacks = samples.iter().map(|sample| sample.stacks_away).sum::<Option<usize>>();
    let last = samples.last().map_or("", |sample| &sample.data);
    format!(
        "| {} | {} | {} | {} | {by_distance} | {} | {last} | {} |\n",
        contender.setup.name,
        far.map_or("-".to_owned(), figure),
        sum(|one| one.stolen_near()),
        sum(|one| one.stolen_far()),
        sum(|one| one.away),
        stacks.map_or("-".to_owned(), |pages| pages.to_string())
    )
}

/// Where minding nodes has lost against not minding them, so that nobody need search for it.
fn lost(outcome: &Outcome) -> String {
    let Some(off) = outcome.contenders.iter().find(|one| one.setup.name == OFF.name) else {
        return String::new();
    };
    let mut text = String::new();
    for metric in outcome.task.compared {
        let ratios = outcome.ratios(off, metric);
        let is_beyond_doubt = |found: Interval| found.high < 1.0 && found.confidence >= 0.95;
        if !ratios.is_empty() && is_beyond_doubt(interval(&ratios)) {
            let cost = (1.0 / median(&ratios) - 1.0) * 100.0;
            let _ =
                writeln!(text, "\n**Minding nodes has lost here**: {metric}, {cost:.1} % more than `off`.");
        }
    }
    text
}

/// Every value, in the records of the other workloads: `workload` is what was measured, `case` where or how.
pub(super) fn json(results: &Results) -> String {
    let mut records = Vec::new();
    let mut record = |workload: &str, case: &str, contender: &str, round: usize, metric: &str, value: f64| {
        let value = if value.is_finite() { value.to_string() } else { "null".to_owned() };
        records.push(format!(
            "  {{\"workload\": {}, \"case\": {}, \"contender\": {}, \"round\": {round}, \"metric\": {}, \"value\": {value}}}",
            quoted(workload), quoted(case), quoted(contender), quoted(metric)
        ));
    };
    let topology = &results.machine.topology;
    for (name, value) in [
        ("nodes", topology.nodes().len() as f64),
        ("workers", results.machine.workers as f64),
        ("probe: far / near", results.machine.penalty.unwrap_or(f64::NAN)),
    ] {
        record("numa machine", "", "machine", 1, name, value);
    }
    for pair in &results.hardware.pairs {
        let case = format!("CPUs of {}, memory of {}", pair.cpus, pair.memory);
        let distance = topology.distances().between(pair.cpus, pair.memory);
        record("numa machine", &case, "machine", 1, "distance", f64::from(distance));
        let kernels = KERNELS.iter().zip(&pair.gb_s).map(|(name, values)| (format!("{name}, GB/s"), values));
        for (metric, values) in [("latency, ns".to_owned(), &pair.latency_ns)].into_iter().chain(kernels) {
            for (round, value) in values.iter().enumerate() {
                record("numa hardware", &case, "machine", round + 1, &metric, *value);
            }
        }
    }
    for outcome in &results.work {
        let workload = format!("numa {}", outcome.task.name);
        for contender in &outcome.contenders {
            for (round, sample) in contender.samples.iter().enumerate() {
                let counters = &sample.counters;
                let counted = [
                    ("stolen near", counters.stolen_near() as f64),
                    ("stolen far", counters.stolen_far() as f64),
                    ("away", counters.away as f64),
                ];
                let far = sample.far_percent.map(|far| ("far, %", far));
                let stacks = sample.stacks_away.map(|pages| ("stack pages elsewhere", pages as f64));
                for (metric, value) in sample.values.iter().copied().chain(counted).chain(far).chain(stacks) {
                    record(&workload, "", contender.setup.name, round + 1, metric, value);
                }
            }
        }
    }
    format!("[\n{}\n]\n", records.join(",\n"))
}
