//! Hand-off between two threads: two fibers shown, at every round, to be on two threads pass a token to and fro.
//! The CPU time burned is reported, because a short round trip can be bought by spinning.

mod floor_park;
mod floor_spin;
mod heddle;
mod smol;
mod tokio;

use heddle_benches::process::cpu_time;
use heddle_benches::{Case, Contender, Goal, Metric, Run, Sample, Timed, Workload};
use std::time::{Duration, Instant};

const TRIP: &str = "cross-thread round trip, ns";
const CPUS: &str = "CPUs busy meanwhile";
const CPU_TRIP: &str = "CPU burned by a round trip, ns";

pub(crate) static WORKLOAD: Workload = Workload {
    name: "handoff_cross",
    question: "Two fibers on two threads hand a token to and fro: what does a round trip take, and what does it burn?",
    cases: &[Case::TWO_WORKERS],
    metrics: &[Metric::lower(TRIP), Metric::shown(CPUS), Metric::lower(CPU_TRIP)],
    goals: &[Goal { case: "2 workers", metric: TRIP, first: 1000.0, then: Some(300.0) }],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        peer!(tokio),
        Contender::cannot("rayon", "a job cannot sleep until another wakes it"),
        Contender::cannot(
            "may",
            "one scheduler a process, which moves coroutines as it likes: nothing keeps two apart",
        ),
        Contender::cannot("forte", "a woken future runs on the thread that woke it"),
        peer!(smol),
        Contender::cannot("chili", "a job cannot sleep until another wakes it"),
        Contender::runs("floor_spin", floor_spin::run),
        Contender::runs("floor_park", floor_park::run),
    ],
};

/// Round trips of those who park at every hand-off, and of those who need not.
const SLOW_ROUNDS: usize = 20_000;
const FAST_ROUNDS: usize = 200_000;

/// Lets `once(rounds)` play. It answers with how often the token was received on the receiver's own, fixed thread,
/// and with whether the two threads were different ones.
fn drive(run: &Run, says: &str, rounds: usize, mut once: impl FnMut(u64) -> (u64, bool)) -> Sample {
    let rounds = run.size(rounds) as u64;
    let mut burned = Duration::ZERO;
    let took = run.counted(2 * rounds, || {
        let (start, cpu) = (Instant::now(), cpu_time());
        let (received, on_two_threads) = once(rounds);
        let timed = Timed::since(start, received);
        assert!(on_two_threads, "both fibers were on one thread: this measured something else");
        burned = cpu_time().saturating_sub(cpu);
        timed
    });
    Sample::new(format!("{says}; {rounds} round trips"))
        .with(TRIP, took.as_nanos() as f64 / rounds as f64)
        .with(CPUS, burned.as_secs_f64() / took.as_secs_f64())
        .with(CPU_TRIP, burned.as_nanos() as f64 / rounds as f64)
}
