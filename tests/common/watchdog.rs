//! Ends the process when a test hangs, and says what it knows: where it waits, the state of the schedulers that the
//! test registered, and what each thread of the process is doing.
//!
//! A test is given so much time of the machine, not of the clock: while others, also other tests of the process, have the
//! CPUs that its threads wait for, little of the time counts (`progress.rs`). A thread of `SCHED_IDLE` may get a thousandth of
//! a CPU then.

use crate::progress::Progress;
use heddle_scheduler::Scheduler;
use std::collections::HashSet;
use std::io::Write;
use std::panic::Location;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, Weak};
use std::time::{Duration, Instant};

/// No test body needs a tenth of it. A test that takes longer hangs, and is not given more.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the watchdog looks.
const PERIOD: Duration = Duration::from_millis(500);
/// While others have the CPUs, time counts for so small a part: so each wait ends, after ten minutes.
const HELD_UP: u32 = 10;
/// Before a test has taken so long nobody asks what holds it up: asking takes some ms where there are hundreds of threads.
const SOON: Duration = Duration::from_secs(10);

struct Watched {
    key: u64,
    what: String,
    thread: std::thread::ThreadId,
    /// What it may take, and what is left of that.
    patience: Duration,
    left: Duration,
    /// The process that it waits for, if that is another one.
    child: Option<u32>,
    schedulers: Vec<Weak<Scheduler>>,
}

struct Table {
    next: u64,
    watched: Vec<Watched>,
    waits: Vec<(u64, &'static Location<'static>)>,
    notes: Vec<String>,
}

static TABLE: Mutex<Table> =
    Mutex::new(Table { next: 0, watched: Vec::new(), waits: Vec::new(), notes: Vec::new() });

/// See [`nobody_else_is_here`].
static ALONE: AtomicBool = AtomicBool::new(false);

/// The machine has no other work, as in a guest: what holds up a test there is its own, like the quota that it gave itself,
/// and all of its time counts.
pub fn nobody_else_is_here() {
    ALONE.store(true, Ordering::Relaxed);
}

/// While it lives, the watchdog waits for its end.
#[must_use]
pub struct Watch(u64);

/// Watches from now on. `what` is said if the watch lasts too long.
pub fn watch(what: impl Into<String>) -> Watch {
    watch_for(PATIENCE, what)
}

/// The same for work whose length was asked for, like a stress test's: it adds to the patience.
pub fn watch_longer(asked: Duration, what: impl Into<String>) -> Watch {
    watch_for(asked + PATIENCE, what)
}

fn watch_for(patience: Duration, what: impl Into<String>) -> Watch {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::thread::Builder::new().name("watchdog".into()).spawn(keep_watch).expect("one more thread");
    });
    let mut table = TABLE.lock().expect("no panic while locked");
    table.next += 1;
    let key = table.next;
    table.watched.push(Watched {
        key,
        what: what.into(),
        thread: std::thread::current().id(),
        patience,
        left: patience,
        child: None,
        schedulers: Vec::new(),
    });
    Watch(key)
}

impl Watch {
    /// The state of this scheduler will be part of the report.
    pub fn add(&self, scheduler: Weak<Scheduler>) {
        self.change(|watched| watched.schedulers.push(scheduler));
    }

    /// The test waits for this process, which ends with it.
    pub fn process(&self, child: u32) {
        self.change(|watched| watched.child = Some(child));
    }

    fn change(&self, change: impl FnOnce(&mut Watched)) {
        let mut table = TABLE.lock().expect("no panic while locked");
        if let Some(watched) = table.watched.iter_mut().find(|watched| watched.key == self.0) {
            change(watched);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        TABLE.lock().expect("no panic while locked").watched.retain(|watched| watched.key != self.0);
    }
}

/// While it lives, somebody waits.
pub(crate) struct Waits(u64);

/// Somebody waits there. For the report.
pub(crate) fn waits(at: &'static Location<'static>) -> Waits {
    let mut table = TABLE.lock().expect("no panic while locked");
    table.next += 1;
    let key = table.next;
    table.waits.push((key, at));
    Waits(key)
}

impl Drop for Waits {
    fn drop(&mut self) {
        TABLE.lock().expect("no panic while locked").waits.retain(|(key, _)| *key != self.0);
    }
}

/// Something that should be in the report of a hang.
pub fn note(text: String) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("?").to_owned();
    TABLE.lock().expect("no panic while locked").notes.push(format!("{name}: {text}"));
}

fn keep_watch() {
    let mut ours = Progress::of(std::process::id());
    let mut children: Vec<Progress> = Vec::new();
    loop {
        let begin = Instant::now();
        std::thread::sleep(PERIOD);
        let is_shared = !ALONE.load(Ordering::Relaxed);
        // Where this thread itself came late, so did the others.
        let passed = if is_shared { begin.elapsed().min(2 * PERIOD) } else { begin.elapsed() };
        let mut table = TABLE.lock().expect("no panic while locked");
        let asks = |watched: &Watched| is_shared && watched.patience - watched.left >= SOON;
        let tests: HashSet<_> = table.watched.iter().map(|watched| watched.thread).collect();
        let held_up = table.watched.iter().any(asks) && ours.is_held_up(tests.len());
        children.retain(|child| table.watched.iter().any(|watched| watched.child == Some(child.process())));
        for watched in &mut table.watched {
            let mut held_up = held_up;
            if let Some(child) = watched.child.filter(|_| asks(watched)) {
                let known = children.iter().position(|known| known.process() == child);
                let known = known.unwrap_or_else(|| {
                    children.push(Progress::of(child));
                    children.len() - 1
                });
                held_up |= children[known].is_held_up(1);
            }
            watched.left = watched.left.saturating_sub(if held_up { passed / HELD_UP } else { passed });
        }
        if let Some(hung) = table.watched.iter().find(|watched| watched.left.is_zero()) {
            report(&table, hung);
            std::process::abort();
        }
    }
}

/// Not by `eprintln!`, which a test harness may have captured.
fn report(table: &Table, hung: &Watched) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "\n==== a test hangs: {} (thread {:?})", hung.what, hung.thread);
    for (_, at) in &table.waits {
        let _ = writeln!(out, "waits at {at}");
    }
    for note in &table.notes {
        let _ = writeln!(out, "note: {note}");
    }
    for scheduler in hung.schedulers.iter().filter_map(Weak::upgrade) {
        let _ = writeln!(out, "{scheduler:?}\n{}", scheduler.stats());
        // Dropping it here would stop it, and wait for what hangs.
        std::mem::forget(scheduler);
    }
    for other in &table.watched {
        let _ = writeln!(out, "under way: {}", other.what);
    }
    tell_threads(&mut out, "self");
    for child in table.watched.iter().filter_map(|watched| watched.child) {
        let _ = writeln!(out, "the child {child}:");
        tell_threads(&mut out, &child.to_string());
        crate::progress::end(child);
    }
}

fn tell_threads(out: &mut impl Write, process: &str) {
    let Ok(tasks) = std::fs::read_dir(Path::new("/proc").join(process).join("task")) else { return };
    for task in tasks.flatten() {
        let read = |file: &str| {
            std::fs::read_to_string(task.path().join(file)).unwrap_or_default().trim().to_owned()
        };
        let status = read("status");
        let state = status.lines().find(|line| line.starts_with("State:")).unwrap_or("").to_owned();
        let _ = writeln!(out, "thread {:<16} {state} {}", read("comm"), read("wchan"));
    }
}
