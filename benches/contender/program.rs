//! Peers in other languages: small programs below `benches/peers`, built with the compiler that is installed, run as a
//! process of their own with the same plan. They print what the generator recorded; the figures are made here.
//!
//! They answer in lines: `request SUBMITTED STARTED DONE` for each one that counts (nanoseconds after it was due, -1 for
//! never), then `load WALL_NS PIECES GENERATOR_NS PIECE_NS`. A wrong answer ends them with a failure.
#![cfg_attr(not(feature = "peers"), allow(dead_code))] // Without peers nobody runs them.

use heddle_benches::open_loop::{Plan, Record, Times};
use heddle_benches::thread::dies_with_us;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// What keeps the CPUs busy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// A loop that never yields on each CPU.
    Hogs,
    /// So many ordinary tasks: kept queued from outside, or spawning themselves `again`.
    Queue { task_us: u32, depth: u64, again: bool },
}

/// The folder with the sources.
fn sources(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}

/// Where the program is built: beside this one.
fn built(name: &str) -> Result<PathBuf, String> {
    let ours = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    Ok(ours.with_file_name(format!("peer-{name}")))
}

/// Builds a program if its sources are newer than it.
///
/// # Errors
/// The compiler is not installed, or it complains: the reason to skip this peer.
pub(crate) fn build(name: &str) -> Result<(), String> {
    let program = built(name)?;
    let newest = [sources(name), sources("common")].iter().filter_map(|folder| changed(folder)).max();
    if newest.is_some() && fs::metadata(&program).and_then(|file| file.modified()).ok() > newest {
        return Ok(());
    }
    let (compiler, arguments): (_, &[&str]) = match name {
        "go" => ("go", &["main.go"]),
        "openmp" => ("g++", &["-std=c++17", "-O3", "-fopenmp", "main.cpp"]),
        _ => ("g++", &["-std=c++17", "-O3", "-pthread", "main.cpp", "-ltbb"]),
    };
    let (before, after) = if name == "go" { (&["build"][..], arguments) } else { (&[][..], arguments) };
    let mut command = Command::new(compiler);
    let output = command.args(before).arg("-o").arg(&program).args(after).current_dir(sources(name)).output();
    let output = output.map_err(|error| format!("`{compiler}` is not installed ({error})"))?;
    let words = String::from_utf8_lossy(&output.stderr);
    let complaint = words.lines().find(|line| line.contains("error")).unwrap_or("no message");
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("`{compiler}` could not build it: {complaint}"))
    }
}

/// When the newest file of a folder was changed.
fn changed(folder: &Path) -> Option<SystemTime> {
    let files = fs::read_dir(folder).ok()?.flatten();
    files.filter_map(|file| file.metadata().ok()?.modified().ok()).max()
}

/// Runs a program that [`build`] has built. Returns what it recorded, and the nanoseconds that an ordinary task takes
/// on a plain thread.
///
/// # Panics
/// If it cannot run, or fails.
pub(crate) fn run(name: &str, plan: &Plan, load: Load, workers: usize) -> (Record, f64) {
    let mut command = Command::new(built(name).expect("this program has a place"));
    command.args(words(plan, load, workers));
    dies_with_us(&mut command);
    let output = command.output().unwrap_or_else(|error| panic!("peer-{name} cannot start: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "peer-{name} failed, {}: {complaint}", output.status);
    parse(&String::from_utf8_lossy(&output.stdout))
}

fn words(plan: &Plan, load: Load, workers: usize) -> Vec<String> {
    let (kind, task_us, depth) = match load {
        Load::Hogs => ("hogs", 10, 0),
        Load::Queue { task_us, depth, again: false } => ("fed", task_us, depth),
        Load::Queue { task_us, depth, again: true } => ("respawning", task_us, depth),
    };
    // The order is the programs' own: they read it by position.
    let numbers = [
        workers as u64,
        plan.every.as_nanos() as u64,
        plan.burst as u64,
        u64::from(plan.bodies_us[0]),
        u64::from(plan.bodies_us[1]),
        plan.warm_up as u64,
        plan.counted as u64,
        plan.give_up.as_nanos() as u64,
        u64::from(task_us),
        depth,
    ];
    std::iter::once(kind.to_owned()).chain(numbers.iter().map(u64::to_string)).collect()
}

fn parse(text: &str) -> (Record, f64) {
    let (mut record, mut piece_ns) = (Record::default(), f64::NAN);
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let kind = words.next();
        let numbers: Vec<f64> = words.map(|word| word.parse().expect("it prints numbers")).collect();
        match (kind, numbers.as_slice()) {
            (Some("request"), [submitted, started, done]) => {
                let [submitted, started, done] =
                    [submitted, started, done].map(|ns| (*ns >= 0.0).then_some(*ns as u64));
                record.times.push(Times { submitted, started, done });
            }
            (Some("load"), [wall, pieces, generator, piece]) => {
                (record.wall_ns, record.pieces, record.generator_ns) =
                    (*wall as u64, *pieces as u64, *generator as u64);
                piece_ns = *piece;
            }
            _ => panic!("a peer prints what it should not: {line}"),
        }
    }
    (record, piece_ns)
}
