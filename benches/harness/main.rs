//! Heddle beside its peers: runs workloads, one process per run, contenders in turn, and prints tables with ratios.
//!
//! `cargo run --release -p heddle-benches --features peers -- --help`; how to read the tables: `benches/README.md`.
//!
//! Layering: `contender` (how each runtime is built) <- `workload` (the questions) <- `driver` (processes and rounds)
//! <- `report`. Beside them `numa`, which measures the machine's memory nodes in this process. The process that measures is this same program with the hidden first argument `--child`.

mod arguments;
#[path = "../contender/mod.rs"]
mod contender;
#[path = "../workload/mod.rs"]
mod workload;
mod driver;
mod machine;
mod report;
#[path = "../numa/mod.rs"]
mod numa;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == driver::CHILD) {
        driver::be_the_child(&words[1..]);
        return ExitCode::SUCCESS;
    }
    match arguments::Arguments::parse(&words) {
        Ok(arguments::Order::Help) => println!("{}", arguments::HELP),
        Ok(arguments::Order::List) => {
            workload::ALL.iter().for_each(list);
            println!("numa: {}", numa::QUESTION);
        }
        Ok(arguments::Order::Run(order) | arguments::Order::Numa(order)) if !can_write(&order) => {
            return ExitCode::FAILURE;
        }
        Ok(arguments::Order::Run(order)) => return run(&order),
        Ok(arguments::Order::Numa(order)) => return numa::run(&order),
        Err(message) => {
            eprintln!("{message}\n\n{}", arguments::HELP);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Prints what there is to run.
fn list(workload: &&heddle_benches::Workload) {
    println!("{}: {}", workload.name, workload.question);
    for case in workload.cases {
        let able = workload.contenders.iter().filter(|one| one.refusal(case).is_none());
        println!("    {}: {}", case.name, able.map(|one| one.name).collect::<Vec<_>>().join(", "));
    }
}

/// Measures, then reports. Fails if any contender gave a wrong answer, crashed or hung, after reporting the rest.
fn run(order: &arguments::Arguments) -> ExitCode {
    let results = driver::measure(order);
    let text = report::markdown(order, &results);
    println!("{text}");
    if !write_files([(&order.report, text), (&order.json, report::json(&results))]) {
        return ExitCode::FAILURE;
    }
    if results.cells.iter().any(|cell| cell.failure.is_some()) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Finds out before an hour of measuring; `false`, and said why, if a file cannot be written.
fn can_write(order: &arguments::Arguments) -> bool {
    [&order.report, &order.json].into_iter().flatten().all(|path| {
        // What an earlier run has written stays until there is something better.
        let opened = std::fs::OpenOptions::new().append(true).create(true).open(path);
        opened.inspect_err(|error| eprintln!("cannot write {path}: {error}")).is_ok()
    })
}

/// Writes those that were asked for; `false`, and said why, if one cannot be.
fn write_files(files: [(&Option<String>, String); 2]) -> bool {
    for (path, content) in files {
        if let Some(path) = path
            && let Err(error) = std::fs::write(path, content)
        {
            eprintln!("cannot write {path}: {error}");
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_cannot_be_written_is_told_before_anything_is_measured() {
        let order = |path: &std::path::Path| {
            let report = Some(path.to_str().expect("text").to_owned());
            arguments::Arguments { report, ..Default::default() }
        };
        let path = std::env::temp_dir().join(format!("heddle-benches-{}.md", std::process::id()));
        std::fs::write(&path, "earlier").expect("a folder for temporary files");
        assert!(can_write(&order(&path)));
        assert_eq!(std::fs::read_to_string(&path).expect("still there"), "earlier");
        assert!(!can_write(&order(&path.join("below a file"))));
        std::fs::remove_file(&path).expect("still there");
    }
}
