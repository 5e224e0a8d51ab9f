//! JavaScript Deferreds beside what Node offers for the same: piscina, tinypool, and bare messages between worker threads.
//!
//! Each run is a process of its own, theirs and ours: so memory that one gave back is not there for the next. They take turns
//! within a round; what is printed are medians, and ratios of medians.
//!
//! `cargo run --release -p heddle-benches --bin heddle-deferreds -- --help`

mod cases;
mod node;
mod ours;
mod table;

use cases::{CASES, Case};
use node::Node;
use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

const HELP: &str = "\
usage: heddle-deferreds [options]

  --node DIR    also measure Node's pools, which `npm install` has put there (see benches/deferreds/node/package.json)
  --rounds N    runs of each, in turn (default 7)
  --workers N   threads of each pool (default: as many as CPUs)
  --case TEXT   only the cases whose names contain it
  --quick       every case once, with small counts: for the answers, which are checked; not for the figures";

/// The first word of a call of this program by itself.
const ALONE: &str = "--alone";

struct Order {
    node: Option<PathBuf>,
    rounds: usize,
    workers: usize,
    case: String,
    quick: bool,
}

impl Order {
    fn parse(words: impl Iterator<Item = String>) -> Result<Order, Box<dyn Error>> {
        let mut order = Order {
            node: None,
            rounds: 7,
            workers: std::thread::available_parallelism()?.get(),
            case: String::new(),
            quick: false,
        };
        let mut words = words;
        while let Some(word) = words.next() {
            if word == "--quick" {
                order.quick = true;
                order.rounds = 1;
                continue;
            }
            let value = words.next().ok_or(HELP)?;
            match word.as_str() {
                "--node" => order.node = Some(PathBuf::from(value).canonicalize()?),
                "--rounds" => order.rounds = value.parse::<usize>()?.max(1),
                "--workers" => order.workers = value.parse::<usize>()?.max(1),
                "--case" => order.case = value,
                _ => return Err(HELP.into()),
            }
        }
        Ok(order)
    }
}

/// What one contender has in one case: a figure for each metric, of each run. Or why it has none.
pub(crate) type Runs = Result<Vec<Vec<f64>>, String>;

fn measure(case: &Case, order: &Order, node: &Node) -> Vec<(&'static str, Runs)> {
    let peers = case.peers.iter().copied().filter(|_| node.is_there());
    let mut all: Vec<(&'static str, Runs)> =
        std::iter::once("heddle").chain(peers).map(|contender| (contender, Ok(Vec::new()))).collect();
    let count = if order.quick { case.quick } else { case.count };
    for round in 0..order.rounds {
        for turn in 0..all.len() {
            // Who begins changes from round to round.
            let place = (turn + round) % all.len();
            let (contender, runs) = &mut all[place];
            let Ok(figures) = runs else { continue };
            let run = match *contender {
                "heddle" => apart(case.name, count, order.workers),
                peer => node.run(peer, case.name, count, order.workers),
            };
            match run {
                Ok(run) => figures.push(run),
                Err(error) => *runs = Err(error.to_string()),
            }
        }
    }
    all
}

/// One run of ours in a process of its own: this program, called with what [`alone`] reads.
fn apart(case: &str, count: usize, workers: usize) -> ours::Answer {
    let run = Command::new(std::env::current_exe()?)
        .args([ALONE, case, &count.to_string(), &workers.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    if !run.status.success() {
        return Err(format!("it ended with {}", run.status).into());
    }
    Ok(String::from_utf8(run.stdout)?.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

/// Of a run that this program was called for: prints its figures.
fn alone(words: &[String]) -> Result<bool, Box<dyn Error>> {
    let [name, count, workers] = words else { return Err(HELP.into()) };
    let case = CASES.iter().find(|case| case.name == name).ok_or("there is no such case")?;
    let run = ours::Run { case: case.name, count: count.parse()?, workers: workers.parse()? };
    for figure in (case.ours)(&run)? {
        println!("{figure}");
    }
    Ok(true)
}

fn main() -> ExitCode {
    if std::env::args().any(|word| word == "--help") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.first() {
        Some(word) if word == ALONE => alone(&words[1..]),
        _ => compare(),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// True: all answers were right.
fn compare() -> Result<bool, Box<dyn Error>> {
    let order = Order::parse(std::env::args().skip(1))?;
    let node = Node::find(order.node.clone())?;
    println!(
        "{}; {}; {} workers; {} rounds\n",
        table::machine(),
        node.describe(),
        order.workers,
        order.rounds
    );
    table::head();
    let mut all_right = true;
    for case in CASES.iter().filter(|case| case.name.contains(&order.case)) {
        let results = measure(case, &order, &node);
        table::print(case, &results);
        for (contender, runs) in &results {
            if let Err(error) = runs {
                eprintln!("{contender} in {}: {error}", case.name);
                all_right = false;
            }
        }
    }
    Ok(all_right)
}
