//! What the memory of each node costs the CPUs of each node: latency and bandwidth.
//!
//! *Latency* is that of a chain of cache lines in random order, each visited once, over memory that no cache holds. The
//! order is random within *windows* and goes from one window to the next, so that what translates addresses is not
//! measured: with huge pages a window is one of them, with small pages as many as the smallest table knows.
//!
//! ```text
//!  memory   | window 0          | window 1          | ...        a window is left for good
//!             2 -> 0 -> 3 -> 1 -> 6 -> 5 -> 4 -> 7 -> ...        every line once, no two neighbours together
//! ```
//!
//! *Bandwidth* is that of all allowed CPUs of a node together, a thread on each, all on its own part of the arrays: read
//! (8 bytes an element count), write (8), copy (16), triad (24). What a processor reads of a line before it
//! writes to it is not counted, as usual.
//!
//! Whether the pages are where they should be is asked before and after. CPU nodes take turns within a pass.

use super::machine::Machine;
use crate::arguments::Arguments;
use crate::machine::end_this_process_after;
use heddle_scheduler::NodeId;
use heddle_scheduler::numa::affinity;
use heddle_scheduler::numa::memory::{self, Home, HugePages, NodeVec, Pages};
use std::fs;
use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// From one line of the chain to the next, in words: past what is fetched along with a line.
const STRIDE: usize = 32;
/// In bytes: a huge page; and as many small ones as the smallest first-level table knows.
const WINDOW_HUGE: usize = 2 << 20;
const WINDOW_SMALL: usize = 256 << 10;
const PASSES: usize = 7;
const PASSES_QUICK: usize = 2;
/// For all pairs of one memory node; a machine with 24 nodes needs a part of it.
const SECONDS_MAX: u32 = 600;

pub(crate) const KERNELS: [&str; 4] = ["read", "write", "copy", "triad"];

/// One node with CPUs and one with memory.
pub(crate) struct Pair {
    pub(crate) cpus: NodeId,
    pub(crate) memory: NodeId,
    /// One value a pass.
    pub(crate) latency_ns: Vec<f64>,
    /// By kernel, one value a pass.
    pub(crate) gb_s: [Vec<f64>; 4],
}

/// The data on one memory node.
pub(crate) struct Bank {
    pub(crate) memory: NodeId,
    pub(crate) bytes: usize,
    /// Share of it in huge pages; `None`: not told.
    pub(crate) huge: Option<f64>,
    /// Pages elsewhere, before and after; `None`: not told.
    pub(crate) away: Option<(usize, usize)>,
    pub(crate) beyond_caches: bool,
}

#[derive(Default)]
pub(crate) struct Hardware {
    pub(crate) pairs: Vec<Pair>,
    pub(crate) banks: Vec<Bank>,
    pub(crate) failures: Vec<String>,
}

/// Measures every pair, one memory node after the other.
pub(crate) fn measure(machine: &Machine, order: &Arguments) -> Hardware {
    let mut hardware = Hardware::default();
    for memory in machine.topology.memory_nodes().iter() {
        end_this_process_after(SECONDS_MAX);
        if "latency".contains(&order.case) {
            eprintln!("latency of {memory}");
            latency(machine, memory, &mut hardware);
        }
        if "bandwidth".contains(&order.case) {
            eprintln!("bandwidth of {memory}");
            bandwidth(machine, memory, &mut hardware);
        }
    }
    end_this_process_after(0);
    hardware
}

impl Hardware {
    pub(crate) fn pair(&self, cpus: NodeId, memory: NodeId) -> Option<&Pair> {
        self.pairs.iter().find(|pair| (pair.cpus, pair.memory) == (cpus, memory))
    }

    fn pair_mut(&mut self, cpus: NodeId, memory: NodeId) -> &mut Pair {
        let known = self.pairs.iter().position(|pair| (pair.cpus, pair.memory) == (cpus, memory));
        let index = known.unwrap_or_else(|| {
            self.pairs.push(Pair { cpus, memory, latency_ns: Vec::new(), gb_s: Default::default() });
            self.pairs.len() - 1
        });
        &mut self.pairs[index]
    }
}

fn passes(machine: &Machine) -> usize {
    if machine.quick { PASSES_QUICK } else { PASSES }
}

/// Memory of that node, full of `value`; `None`, and said so, where there is none to be had.
fn bank<T: Copy>(memory: NodeId, len: usize, value: T, machine: &Machine) -> Result<NodeVec<T>, String> {
    let home = Home::near(&machine.topology, memory);
    let mut vec = NodeVec::with_huge_pages(home, len, HugePages::Prefer)
        .map_err(|error| format!("memory of {memory}: {error}"))?;
    vec.extend(std::iter::repeat_n(value, len));
    Ok(vec)
}

fn away<T>(vec: &NodeVec<T>, memory: NodeId) -> Option<usize> {
    memory::pages_by_node(vec.pages()).ok().map(|pages| pages.away_from(memory))
}

/// Both counts, where both are known; of several arrays the sum.
fn both(before: Option<usize>, after: Option<usize>) -> Option<(usize, usize)> {
    Some((before?, after?))
}

fn latency(machine: &Machine, memory: NodeId, hardware: &mut Hardware) {
    let bytes = machine.data_bytes(memory);
    let mut chain = match bank(memory, bytes / size_of::<usize>(), 0_usize, machine) {
        Ok(chain) => chain,
        Err(why) => return hardware.failures.push(why),
    };
    let huge = huge_share(chain.pages());
    let window = if huge.is_some_and(|share| share > 0.9) { WINDOW_HUGE } else { WINDOW_SMALL };
    lay(&mut chain, window / size_of::<usize>());
    let before = away(&chain, memory);
    for _ in 0..passes(machine) {
        for cpus in machine.topology.worker_nodes().iter() {
            match on_one_cpu(machine, cpus, || follow(&chain)) {
                Ok(ns) => hardware.pair_mut(cpus, memory).latency_ns.push(ns),
                Err(why) => return hardware.failures.push(why),
            }
        }
    }
    let away = both(before, away(&chain, memory));
    let beyond_caches = machine.is_beyond_caches(bytes);
    hardware.banks.push(Bank { memory, bytes, huge, away, beyond_caches });
}

/// Runs it on a thread that stays on one CPU of the node.
fn on_one_cpu<R: Send>(
    machine: &Machine,
    node: NodeId,
    work: impl FnOnce() -> R + Send,
) -> Result<R, String> {
    let cpu = machine.topology.allowed_cpus_of(node).first().ok_or(format!("{node} has no CPU for us"))?;
    let pinned = || {
        let pin = affinity::pin_to_cpu(cpu).map_err(|error| error.to_string())?;
        let result = work();
        drop(pin);
        Ok(result)
    };
    std::thread::scope(|scope| scope.spawn(pinned).join().unwrap_or_else(|_| Err("it panicked".to_owned())))
}

/// Writes a ring through all lines: random within a window, and on to the next.
fn lay(chain: &mut [usize], window: usize) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut last = None;
    let first = 0;
    for start in (0..chain.len()).step_by(window) {
        let lines = (chain.len() - start).min(window) / STRIDE;
        let mut order: Vec<usize> = (0..lines).map(|line| start + line * STRIDE).collect();
        // The ring begins at the first line, wherever chance would put that.
        let fixed = usize::from(start == 0);
        for i in (fixed + 1..order.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            order.swap(i, fixed + (state >> 33) as usize % (i + 1 - fixed));
        }
        for at in order {
            if let Some(last) = last {
                chain[last] = at;
            }
            last = Some(at);
        }
    }
    if let Some(last) = last {
        chain[last] = first;
    }
}

/// Nanoseconds a line. It checks that it came back to the start, no sooner and no later than after all of them.
fn follow(chain: &[usize]) -> f64 {
    let lines = chain.len() / STRIDE;
    let start = Instant::now();
    let mut at = 0;
    for _ in 1..lines {
        at = chain[at];
    }
    let took = start.elapsed();
    assert!(at != 0 && chain[at] == 0, "the chain visits every line once");
    took.as_nanos() as f64 / (lines - 1) as f64
}

fn bandwidth(machine: &Machine, memory: NodeId, hardware: &mut Hardware) {
    let len = (machine.data_bytes(memory) / 3 / size_of::<f64>()).max(1024);
    let arrays = [0.0, 1.0, 2.0].map(|value| bank(memory, len, value, machine));
    let [Ok(mut a), Ok(b), Ok(c)] = arrays else {
        let why = arrays.into_iter().find_map(Result::err).unwrap_or_default();
        return hardware.failures.push(why);
    };
    let count = |a: &NodeVec<f64>| Some(away(a, memory)? + away(&b, memory)? + away(&c, memory)?);
    let before = count(&a);
    for _ in 0..passes(machine) {
        for cpus in machine.topology.worker_nodes().iter() {
            for (kernel, bytes) in [8, 8, 16, 24].into_iter().enumerate() {
                match run_kernel(machine, cpus, kernel, &mut a, &b, &c) {
                    Ok(took) => {
                        let gb_s = (len * bytes) as f64 / took.as_nanos().max(1) as f64;
                        hardware.pair_mut(cpus, memory).gb_s[kernel].push(gb_s);
                    }
                    Err(why) => return hardware.failures.push(why),
                }
            }
        }
    }
    let (bytes, away) = (3 * len * size_of::<f64>(), both(before, count(&a)));
    let beyond_caches = machine.is_beyond_caches(bytes);
    hardware.banks.push(Bank { memory, bytes, huge: huge_share(b.pages()), away, beyond_caches });
}

/// The time from the first thread's start to the last one's end, all CPUs of the node at work; what they wrote is checked.
fn run_kernel(
    machine: &Machine,
    node: NodeId,
    kernel: usize,
    a: &mut [f64],
    b: &[f64],
    c: &[f64],
) -> Result<Duration, String> {
    let cpus: Vec<_> = machine.topology.allowed_cpus_of(node).iter().collect();
    let part = a.len().div_ceil(cpus.len());
    let parts: Vec<_> = a.chunks_mut(part).zip(b.chunks(part)).zip(c.chunks(part)).collect();
    let ready = Barrier::new(parts.len());
    let times: Result<Vec<(Instant, Instant)>, String> = std::thread::scope(|scope| {
        let start = |(((a, b), c), cpu)| {
            let ready = &ready;
            scope.spawn(move || {
                // The others wait for this one in any case, so a refusal is told after the barrier.
                let pin = affinity::pin_to_cpu(cpu).map_err(|error| error.to_string());
                ready.wait();
                let began = Instant::now();
                let is_right = compute(kernel, a, b, c);
                let ended = Instant::now();
                assert!(is_right(), "a wrong answer has no speed");
                pin.map(|_| (began, ended))
            })
        };
        let threads: Vec<_> = parts.into_iter().zip(cpus).map(start).collect();
        let end = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|_| Err(format!("{} gave a wrong answer", KERNELS[kernel])))
        };
        threads.into_iter().map(end).collect()
    });
    let times = times?;
    let first = times.iter().map(|(began, _)| *began).min();
    let last = times.iter().map(|(_, ended)| *ended).max();
    Ok(last.zip(first).map_or(Duration::ZERO, |(last, first)| last - first))
}

/// One kernel on one part; returns what checks its answer, which is not timed.
fn compute<'a>(
    kernel: usize,
    a: &'a mut [f64],
    b: &'a [f64],
    c: &'a [f64],
) -> Box<dyn FnOnce() -> bool + 'a> {
    const SCALE: f64 = 3.0;
    match kernel {
        0 => {
            // Eight sums at a time: one would wait for each addition.
            let mut sums = [0.0; 8];
            let chunks = b.chunks_exact(8);
            let rest: f64 = chunks.remainder().iter().sum();
            for chunk in chunks {
                for (sum, value) in sums.iter_mut().zip(chunk) {
                    *sum += value;
                }
            }
            let sum = black_box(sums.iter().sum::<f64>() + rest);
            Box::new(move || sum == b.len() as f64)
        }
        1 => {
            let value = black_box(7.0);
            a.fill(value);
            Box::new(move || black_box(&*a).iter().all(|here| *here == value))
        }
        2 => {
            a.copy_from_slice(b);
            Box::new(move || black_box(&*a) == b)
        }
        _ => {
            for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
                *a = b + SCALE * c;
            }
            Box::new(move || {
                let right = |((a, b), c): ((&f64, &f64), &f64)| *a == b + SCALE * c;
                black_box(&*a).iter().zip(b).zip(c).all(right)
            })
        }
    }
}

/// Which share of these pages is in huge ones. `None`: the system does not say.
fn huge_share(pages: Pages) -> Option<f64> {
    let maps = fs::read_to_string("/proc/self/smaps").ok()?;
    let (mut inside, mut huge_kib) = (false, None);
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some((start, end)) = first.split_once('-').filter(|_| !first.ends_with(':')) {
            let edge = |text| usize::from_str_radix(text, 16).ok();
            inside = edge(start)? < pages.start() + pages.bytes() && edge(end)? > pages.start();
        } else if inside && first == "AnonHugePages:" {
            *huge_kib.get_or_insert(0.0) += words.next()?.parse::<f64>().ok()?;
        }
    }
    huge_kib.map(|kib| (kib * 1024.0 / pages.bytes() as f64).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_stays_in_a_window_until_all_its_lines_were_visited() {
        let (window, len) = (8 * STRIDE, 20 * STRIDE);
        let mut chain = vec![0; len];
        lay(&mut chain, window);
        let (mut at, mut windows) = (0, Vec::new());
        for _ in 0..20 {
            windows.push(at / window);
            at = chain[at];
        }
        assert_eq!(at, 0, "back at the start");
        assert!(windows.is_sorted(), "{windows:?}");
        assert_eq!([0, 1, 2].map(|one| windows.iter().filter(|at| **at == one).count()), [8, 8, 4]);
    }

    #[test]
    fn every_kernel_checks_its_own_answer() {
        let (b, c) = (vec![1.0; 1003], vec![2.0; 1003]);
        for (kernel, name) in KERNELS.iter().enumerate() {
            let mut a = vec![0.0; 1003];
            assert!(compute(kernel, &mut a, &b, &c)(), "{name}");
        }
    }
}
