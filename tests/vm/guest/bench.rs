//! The benchmark for servers with several nodes (`heddle-benches numa`) runs to its end here, and its answers are right. Its
//! times mean nothing in a guest, and nobody looks at them.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use heddle_tests::watchdog;

use crate::Check;
use crate::machine::Machine;

pub(crate) const CHECKS: &[Check] =
    &[Check::only("a_server_would_be_measured_and_all_answers_are_right", is_small, measure)];

const REPORT: &str = "/tmp/numa.md";
const VALUES: &str = "/tmp/numa.json";

/// Eight emulated CPUs that all compute take minutes where the host is busy.
fn is_small(machine: &Machine) -> bool {
    machine.cpus().len() <= 4
}

fn measure(machine: &Machine) {
    let mut bench = Command::new("/bin/heddle-benches");
    bench.args(["numa", "--quick", "--report", REPORT, "--json", VALUES]);
    let mut bench = bench.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("run.sh put it there");
    // Longer than the check itself is watched: this one is for the report of its hang.
    let watch = watchdog::watch_longer(Duration::from_secs(60), "heddle-benches");
    watch.process(bench.id());
    let status = bench.wait().expect("it is this process's child");
    drop(watch);
    let report = fs::read_to_string(REPORT).unwrap_or_default();
    println!("{report}");
    assert!(status.success(), "{status}");
    let values = fs::read_to_string(VALUES).expect("it was asked for");
    for cpus in machine.nodes_with_cpus().iter() {
        for memory in machine.nodes_with_memory().iter() {
            let case = format!("CPUs of {cpus}, memory of {memory}");
            for metric in ["latency, ns", "read, GB/s", "write, GB/s", "copy, GB/s", "triad, GB/s"] {
                let is_it = |line: &&str| line.contains(&case) && line.contains(metric);
                assert_eq!(values.lines().filter(is_it).count(), 2, "{case}: {metric} in two passes");
            }
        }
    }
    for (work, setups) in [("triad", 4), ("tree", 4), ("graph", 4), ("compute", 3), ("urgent", 3)] {
        let is_it =
            |line: &&str| line.contains(&format!("\"numa {work}\"")) && line.contains("\"stolen far\"");
        assert_eq!(values.lines().filter(is_it).count(), 2 * setups, "{work}: every setup in two rounds");
    }
}
