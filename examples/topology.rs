//! Draws this machine, or another one.
//!
//! ```text
//! cargo run -p heddle-numa --example topology                    this machine, for a terminal
//! cargo run -p heddle-numa --example topology -- --json          for a script
//! cargo run -p heddle-numa --example topology -- --svg > m.svg   for a page
//!   --sysfs DIR          a machine whose / is (a copy) in DIR
//!   --xml FILE           a machine that hwloc described (needs libhwloc)
//!   --synthetic TEXT     a machine made up: "pack:2 [numa] l3:4 core:8 pu:2" (needs libhwloc)
//!   --workers            also where the default workers would sit
//! ```

use std::env;
use std::process::ExitCode;

use heddle_numa::{Placement, Seats, Topology, default_workers, draw};

fn main() -> ExitCode {
    match run(env::args().skip(1).collect()) {
        Ok(output) => {
            print!("{output}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("topology: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<String>) -> Result<String, String> {
    let (mut json, mut svg, mut workers) = (false, false, false);
    let mut machine = None;
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        let mut value =
            || rest.next().ok_or_else(|| format!("{argument} needs a value: see the top of the source"));
        match argument.as_str() {
            "--sysfs" => machine = Some(Topology::from_sysfs(value()?.as_ref())),
            "--xml" => machine = Some(Topology::from_hwloc_xml(value()?.as_ref())),
            "--synthetic" => machine = Some(Topology::from_hwloc_synthetic(&value()?)),
            "--json" => json = true,
            "--svg" => svg = true,
            "--workers" => workers = true,
            other => {
                let known = "--json --svg --workers --sysfs DIR --xml FILE --synthetic TEXT";
                return Err(format!("no such option: {other}. There are: {known}"));
            }
        }
    }
    let machine = machine.unwrap_or_else(Topology::detect).map_err(|error| error.to_string())?;
    if json {
        return Ok(draw::json(&machine));
    }
    if svg {
        return Ok(draw::svg(&machine));
    }
    let mut output = draw::text(&machine);
    if workers {
        output += &seats(&machine).map_err(|error| error.to_string())?;
    }
    Ok(output)
}

fn seats(machine: &Topology) -> heddle_numa::Result<String> {
    let seats = Seats::plan(machine, &Placement::Spread, default_workers(machine))?;
    let mut output = String::from("\nworkers, spread:\n");
    for (worker, seat) in seats.iter().enumerate() {
        let cpu = seat.cpu.map_or("any CPU".into(), |cpu| cpu.to_string());
        output += &format!("  {worker:>3}: {cpu}, {}", seat.node);
        for ring in seats.steal_order(machine, worker) {
            output += &format!("; {:?} {:?}", ring.nearness, ring.workers);
        }
        output += "\n";
    }
    Ok(output)
}
