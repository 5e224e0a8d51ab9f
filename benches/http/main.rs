//! HTTP over the loopback: the server of `examples/http` and the same in tokio and hyper, in turns, each in a process of
//! its own; the clients are in this one.
//!
//! `cargo run --release -p heddle-benches --features peers --bin heddle-http -- --help`

mod load;
#[path = "../../examples/http/message.rs"]
mod message;
#[path = "../../examples/http/server.rs"]
mod server;
mod tokio;

use heddle_scheduler::io::net::TcpListener;
use heddle_scheduler::{Lanes, Scheduler};
use load::{Outcome, Plan};
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::time::Duration;

const HELP: &str = "\
usage: heddle-http [options]

  --connections A,B  how many at a time (default 64,1000,10000)
  --workers N        threads of each server (default: as many as CPUs)
  --rounds N         runs of each, in turn (default 5)
  --seconds N        how long each run counts, after a quarter of that to warm up (default 2)
  --contender NAME   only heddle or only tokio
  --case TEXT        only requests, or only health
  --clients N        threads that ask (default 1)
  --rate N           requests a second, of each connection in its turn, instead of as many as are answered: so that all
                     servers do the same work, for the same connections
  --split            the servers have the first half of the CPUs (and as many threads), the clients the others: so
                     that what is measured is not how the system shares a CPU among them
  --lanes N          lanes of Heddle's scheduler (default 3; the ordinary one is no nicer than the clients)
  --attach ADDRESS   only ask a server that runs there";

struct Order {
    connections: Vec<usize>,
    workers: usize,
    rounds: usize,
    time: Duration,
    contenders: Vec<&'static str>,
    case: String,
    clients: usize,
    rate: Option<f64>,
    cpus: usize,
    split: bool,
    lanes: usize,
    attach: Option<SocketAddr>,
}

const CONTENDERS: [&str; 2] = ["heddle", "tokio"];

impl Order {
    fn parse(words: &[String]) -> Result<Order, Box<dyn Error>> {
        let mut order = Order {
            connections: vec![64, 1000, 10_000],
            workers: std::thread::available_parallelism()?.get(),
            rounds: 5,
            time: Duration::from_secs(2),
            contenders: if cfg!(feature = "peers") { CONTENDERS.to_vec() } else { vec!["heddle"] },
            case: String::new(),
            clients: 1,
            rate: None,
            cpus: std::thread::available_parallelism()?.get(),
            split: false,
            lanes: 3,
            attach: None,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--split" {
                order.split = true;
                order.workers = (order.workers / 2).max(1);
                continue;
            }
            let value = words.next().ok_or(HELP)?;
            match word.as_str() {
                "--connections" => {
                    order.connections = value.split(',').map(str::parse).collect::<Result<_, _>>()?
                }
                "--workers" => order.workers = value.parse()?,
                "--rounds" => order.rounds = value.parse()?,
                "--seconds" => order.time = Duration::from_secs_f64(value.parse()?),
                "--contender" => order.contenders.retain(|name| name == value),
                "--case" => order.case = value.clone(),
                "--clients" => order.clients = value.parse()?,
                "--rate" => order.rate = Some(value.parse()?),
                "--lanes" => order.lanes = value.parse()?,
                "--attach" => order.attach = Some(value.parse()?),
                _ => return Err(HELP.into()),
            }
        }
        if order.contenders.is_empty() {
            return Err("no such contender; tokio needs --features peers".into());
        }
        Ok(order)
    }
}

/// Uses so much CPU time.
#[cfg(feature = "peers")]
fn compute(time: Duration) {
    let end = heddle_scheduler::thread_time() + time;
    let mut number = 1_u64;
    while heddle_scheduler::thread_time() < end {
        for _ in 0..1000 {
            number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
}

/// In the server's process.
fn serve(contender: &str, workers: usize, lanes: usize) -> Result<(), Box<dyn Error>> {
    let address: SocketAddr = "127.0.0.1:0".parse()?;
    match contender {
        "heddle" => {
            // As the example: what connections do is short, so its threads need not give way to the clients'.
            let lanes = Lanes::from(lanes).ordinary_nice(0);
            let scheduler = Scheduler::builder().workers(workers).lanes(lanes).build()?;
            let server = server::Server::start(&scheduler, TcpListener::bind(address)?)?;
            println!("{}", server.address());
            // Until whoever started us closes our input.
            std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
            server.shut_down(Duration::from_millis(100));
            scheduler.stop()?;
            if std::env::var_os("HEDDLE_STATS").is_some() {
                eprintln!("{}", scheduler.stats());
            }
        }
        #[cfg(feature = "peers")]
        "tokio" => {
            std::thread::spawn(|| {
                let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
                std::process::exit(0);
            });
            tokio::serve(address, workers)?;
        }
        _ => return Err("no such contender".into()),
    }
    Ok(())
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(contender: &str, order: &Order) -> Result<Server, Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--serve", contender, &order.workers.to_string(), &order.lanes.to_string()]);
        if order.split {
            let half = order.cpus / 2;
            // SAFETY: one system call between fork and exec, with memory of ours.
            unsafe { command.pre_exec(move || tie(0..half.max(1))) };
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line)?;
        Ok(Server { child, address: line.trim().parse()? })
    }

    /// CPU time that the process has had.
    fn cpu(&self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields = text.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
        let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        // The system's clock ticks, of which there are 100 a second everywhere.
        Duration::from_millis(10 * ticks)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The figures of one run.
struct Figures {
    per_second: f64,
    p50: Duration,
    p99: Duration,
    /// CPU time of the server for a request, in us.
    cpu: f64,
}

impl Figures {
    fn new(outcome: &Outcome, cpu: Duration) -> Figures {
        let requests = outcome.latencies.len().max(1) as f64;
        Figures {
            per_second: outcome.per_second(),
            p50: outcome.quantile(0.5),
            p99: outcome.quantile(0.99),
            cpu: cpu.as_secs_f64() * 1e6 / requests,
        }
    }
}

/// The median of the runs, for each figure.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print(what: &str, contender: &str, runs: &[Figures]) {
    let of = |figure: fn(&Figures) -> f64| median(runs.iter().map(figure).collect());
    println!(
        "| {what} | {contender} | {:.0} | {:.2} | {:.2} | {:.2} |",
        of(|run| run.per_second),
        of(|run| run.p50.as_secs_f64() * 1e3),
        of(|run| run.p99.as_secs_f64() * 1e3),
        of(|run| run.cpu)
    );
}

/// Ties the calling thread, and those that it makes, to some CPUs.
fn tie(cpus: std::ops::Range<usize>) -> std::io::Result<()> {
    // SAFETY: all zeros are an empty set; it is written and read by its macros and the call.
    let failed = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        cpus.for_each(|cpu| libc::CPU_SET(cpu, &mut set));
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) != 0
    };
    if failed { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// Asks by several threads, which share the connections. The result has the CPU time, too, that `cpu` says the server
/// has used while it counted.
fn ask(
    plan: &Plan,
    threads: usize,
    cpu: impl Fn() -> Duration,
) -> Result<(Outcome, Duration), Box<dyn Error>> {
    let share = Plan { connections: (plan.connections / threads).max(1), ..plan.clone() };
    let begin = Barrier::new(threads + 1);
    let (parts, used) = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..threads).map(|_| scope.spawn(|| load::run(&share, &begin))).collect();
        begin.wait();
        std::thread::sleep(plan.warm_up);
        let before = cpu();
        let parts: Vec<_> = asking.into_iter().map(|part| part.join().expect("it does not panic")).collect();
        (parts, cpu() - before)
    });
    let mut all = Outcome { took: plan.time, ..Outcome::default() };
    for part in parts {
        let part = part?;
        all.latencies.extend(part.latencies);
        all.failures += part.failures;
    }
    all.latencies.sort_unstable();
    if all.failures > 0 {
        return Err(format!("{} requests have failed", all.failures).into());
    }
    Ok((all, used))
}

fn requests(order: &Order, connections: usize) -> Result<(), Box<dyn Error>> {
    let mut runs: Vec<Vec<Figures>> = order.contenders.iter().map(|_| Vec::new()).collect();
    for round in 0..order.rounds {
        for turn in 0..order.contenders.len() {
            // Who begins changes from round to round.
            let turn = (turn + round) % order.contenders.len();
            let server = Server::start(order.contenders[turn], order)?;
            let plan = Plan {
                address: server.address,
                path: "/".to_owned(),
                connections,
                rate: order.rate.map(|rate| rate / order.clients as f64),
                spins: order.split,
                warm_up: order.time / 4,
                time: order.time,
            };
            let (outcome, used) = ask(&plan, order.clients, || server.cpu())?;
            runs[turn].push(Figures::new(&outcome, used));
        }
    }
    for (contender, runs) in order.contenders.iter().zip(&runs) {
        print(&format!("{connections} connections"), contender, runs);
    }
    Ok(())
}

/// `/health`, while others keep all CPUs computing.
fn health(order: &Order) -> Result<(), Box<dyn Error>> {
    let mut runs: Vec<Vec<Figures>> = order.contenders.iter().map(|_| Vec::new()).collect();
    for round in 0..order.rounds {
        for turn in 0..order.contenders.len() {
            let turn = (turn + round) % order.contenders.len();
            let server = Server::start(order.contenders[turn], order)?;
            let warm_up = order.time / 4;
            let work = Plan {
                address: server.address,
                path: "/work?20".to_owned(),
                connections: 4 * order.workers,
                rate: None,
                // It would take the CPU of the other client, whose latencies count.
                spins: false,
                warm_up,
                time: order.time,
            };
            let health = Plan {
                path: "/health".to_owned(),
                connections: 16,
                rate: Some(500.0),
                spins: order.split,
                ..work.clone()
            };
            let begin = Barrier::new(2);
            let (health, work) = std::thread::scope(|scope| {
                let (work, health, begin) = (&work, &health, &begin);
                let work = scope.spawn(move || load::run(work, begin));
                (load::run(health, begin), work.join().expect("it does not panic"))
            });
            let (health, work) = (health?, work?);
            if health.failures + work.failures > 0 {
                return Err("requests have failed".into());
            }
            runs[turn].push(Figures::new(&health, Duration::ZERO));
        }
    }
    for (contender, runs) in order.contenders.iter().zip(&runs) {
        print("/health at 500 a second beside /work", contender, runs);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [first, contender, workers, lanes] = &words[..]
        && first == "--serve"
    {
        return serve(contender, workers.parse()?, lanes.parse()?);
    }
    if words.iter().any(|word| word == "--help") {
        println!("{HELP}");
        return Ok(());
    }
    let order = Order::parse(&words)?;
    if order.split {
        tie(order.cpus / 2..order.cpus)?;
    }
    if let Some(address) = order.attach {
        let path = "/".to_owned();
        let (connections, time) = (order.connections[0], order.time);
        let plan =
            Plan { address, path, connections, rate: None, spins: order.split, warm_up: time / 4, time };
        let (outcome, _) = ask(&plan, order.clients, || Duration::ZERO)?;
        print(&format!("{connections} connections"), "attached", &[Figures::new(&outcome, Duration::ZERO)]);
        return Ok(());
    }
    println!(
        "| | server | requests/s | p50 ms | p99 ms | server's CPU us/request |\n|---|---|---|---|---|---|"
    );
    if "requests".contains(&order.case) {
        for &connections in &order.connections {
            requests(&order, connections)?;
        }
    }
    if "health".contains(&order.case) {
        health(&order)?;
    }
    Ok(())
}
