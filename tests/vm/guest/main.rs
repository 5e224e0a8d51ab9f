//! `numa-guest`: what is checked inside the machines that `tests/vm/run.sh` boots.
//!
//! ```text
//! numa-guest machines               the names of the machines, one a line
//! numa-guest qemu MACHINE           how QEMU makes it
//! numa-guest kernel MACHINE         what its kernel is told
//! numa-guest check MACHINE [WORD]   runs the checks of this machine with WORD in their name, each in a process of its own
//! numa-guest one MACHINE CHECK      runs one, in this process
//! ```
//!
//! A check is a function that panics with what it saw; `CHECKS` in the files below name them and say on which machines
//! they make sense. It may do to its process what it likes, since it has one to itself, and puts back what it changes
//! about the *machine* (CPUs switched off, control groups), also when it panics. Nothing here judges by a clock: all memory of
//! a guest is equally far away and its time is the host's, so it shows *where* things are and never how fast.
//!
//! | file       | what it checks                                                           |
//! |------------|--------------------------------------------------------------------------|
//! | `topology` | what `Topology` finds is what was booted                                 |
//! | `affinity` | a thread is where it was pinned, and free again afterwards               |
//! | `memory`   | every page is where it was asked for                                     |
//! | `change`   | CPUs, cpusets and quotas that go and come back under running threads     |
//! | `scheduler`| the scheduler's workers, stacks and work are where they belong           |
//! | `bench`    | `heddle-benches numa` runs to its end, its answers right                 |
//! | `group`    | control groups and CPU switches, put back at the end                     |
//! | `machine`  | the machines                                                             |

mod machine;
mod group;
mod topology;
mod affinity;
mod memory;
mod change;
mod scheduler;
mod bench;

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use machine::{MACHINES, Machine};

/// A named claim about a machine.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) applies: fn(&Machine) -> bool,
    pub(crate) run: fn(&Machine),
}

impl Check {
    /// One that makes sense everywhere.
    pub(crate) const fn everywhere(name: &'static str, run: fn(&Machine)) -> Check {
        Check { name, applies: |_| true, run }
    }

    pub(crate) const fn only(name: &'static str, applies: fn(&Machine) -> bool, run: fn(&Machine)) -> Check {
        Check { name, applies, run }
    }
}

/// By the file they are in.
const ALL: [(&str, &[Check]); 6] = [
    ("topology", topology::CHECKS),
    ("affinity", affinity::CHECKS),
    ("memory", memory::CHECKS),
    ("change", change::CHECKS),
    ("scheduler", scheduler::CHECKS),
    ("bench", bench::CHECKS),
];

/// All checks by name.
fn checks() -> impl Iterator<Item = (String, &'static Check)> {
    ALL.into_iter()
        .flat_map(|(file, checks)| checks.iter().map(move |check| (format!("{file}::{}", check.name), check)))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let machine = |name: &str| Machine::named(name).unwrap_or_else(|| panic!("there is no machine {name}"));
    match arguments[..] {
        ["machines"] => {
            MACHINES.iter().for_each(|machine| println!("{}", machine.name));
            ExitCode::SUCCESS
        }
        ["qemu", name] => {
            println!("{}", machine(name).qemu_arguments());
            ExitCode::SUCCESS
        }
        ["kernel", name] => {
            println!("{}", machine(name).kernel_arguments());
            ExitCode::SUCCESS
        }
        ["check", name] => check(machine(name), ""),
        ["check", name, word] => check(machine(name), word),
        ["one", name, wanted] => {
            let check = checks().find(|(known, _)| known == wanted);
            let (_, check) = check.unwrap_or_else(|| panic!("there is no check {wanted}"));
            one(machine(name), check)
        }
        _ => {
            eprintln!(
                "usage: numa-guest machines | qemu MACHINE | kernel MACHINE | check MACHINE [WORD] | one MACHINE CHECK"
            );
            ExitCode::from(2)
        }
    }
}

/// Runs the checks one after the other. `run.sh` counts the lines that begin with `@@`.
fn check(machine: &Machine, word: &str) -> ExitCode {
    let wanted = checks().filter(|(name, check)| (check.applies)(machine) && name.contains(word));
    let (mut passed, mut failed) = (0, 0);
    for (name, _) in wanted {
        let myself = std::env::current_exe().expect("/proc is mounted");
        let mut child = Command::new(myself);
        child.args(["one", machine.name, &name]).stdin(Stdio::null());
        let began = Instant::now();
        match child.status() {
            Ok(status) if status.success() => {
                passed += 1;
                println!("@@ok {name} ({:.1} s)", began.elapsed().as_secs_f64());
            }
            ended => {
                failed += 1;
                println!("@@FAILED {name}: {ended:?}");
                // It may have been ended in the middle.
                group::all_on(&machine.cpus());
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A check that hangs is ended by the watchdog, so that those after it still run.
fn one(machine: &Machine, check: &Check) -> ExitCode {
    heddle_tests::watchdog::nobody_else_is_here();
    // Longer than a check's own, which may know more.
    let _watch = heddle_tests::watchdog::watch_longer(Duration::from_secs(10), check.name);
    (check.run)(machine);
    ExitCode::SUCCESS
}
